package store

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// UsersMode says who fills neon_auth.users_sync (contract §5).
type UsersMode string

const (
	// NeonOwned: Neon Auth fills the table, Segue only reads it.
	NeonOwned UsersMode = "neon"
	// SegueOwned: Segue keeps the table in step with Clerk.
	SegueOwned UsersMode = "segue"
)

// DetectUsersMode looks at users_sync: with generated columns it is Neon's, and
// so it is where this role may not write it. A table that is not there will be Segue's.
func DetectUsersMode(ctx context.Context, pool *pgxpool.Pool) (UsersMode, error) {
	// Not to_regclass, which fails for roles that may not look into the schema.
	const query = `
select coalesce(bool_or(a.attgenerated <> '' or not (has_table_privilege(c.oid, 'INSERT') and has_table_privilege(c.oid, 'UPDATE'))), false)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and not a.attisdropped
where n.nspname = 'neon_auth' and c.relname = 'users_sync'`
	var neon bool
	if err := pool.QueryRow(ctx, query).Scan(&neon); err != nil {
		return "", fmt.Errorf("detect who fills users_sync: %w", err)
	}
	if neon {
		return NeonOwned, nil
	}
	return SegueOwned, nil
}

// System is the store for Segue's own work on users' rows: webhooks, backfill,
// provisioning, the sweep. It has no viewer and no rules of sight, so request
// code is never given one. In NeonOwned mode nothing it does writes users_sync.
type System struct {
	pool *pgxpool.Pool
	mode UsersMode

	mu    sync.Mutex
	shape *usersShape // of users_sync; nil until first needed
}

// NewSystem returns a System. The pool may be the one that serves callers.
func NewSystem(pool *pgxpool.Pool, mode UsersMode) *System {
	return &System{pool: pool, mode: mode}
}

// Mode is who fills users_sync.
func (s *System) Mode() UsersMode { return s.mode }

// inTx runs work in a transaction that is committed unless work fails.
func (s *System) inTx(ctx context.Context, what string, work func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, s.pool, work); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// announceUser tells every replica that a user is gone; announceSession that a session is over.
const (
	announceUser    = `select segue.announce('user', id) from unnest($1::text[]) id`
	announceSession = `select segue.announce('session', $1)`
)
