package store

import (
	"context"
	"fmt"
	"sync/atomic"

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

// System is the store for Segue's own work on users' rows: webhooks, backfill,
// provisioning, the sweep. It has no viewer and no rules of sight, so request
// code is never given one. In NeonOwned mode nothing it does writes users_sync.
type System struct {
	pool  *pgxpool.Pool
	mode  UsersMode
	table atomic.Pointer[usersTable] // nil until first needed
}

// NewSystem returns a System. The pool may be the one that serves callers. An
// empty mode is detected when it is first needed, so a gateway starts without its database.
func NewSystem(pool *pgxpool.Pool, mode UsersMode) *System {
	return &System{pool: pool, mode: mode}
}

// Mode is who fills users_sync. Detected, a table with generated columns is
// Neon's, and so is one that this role may not write.
func (s *System) Mode(ctx context.Context) (UsersMode, error) {
	table, err := s.usersTable(ctx, s.pool)
	if err != nil {
		return "", explain(ctx, fmt.Errorf("detect who fills users_sync: %w", err))
	}
	return table.mode, nil
}

// inTx runs work in a transaction that is committed unless work fails.
func (s *System) inTx(ctx context.Context, what string, work func(pgx.Tx) error) error {
	if err := pgx.BeginFunc(ctx, s.pool, work); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// announceUser tells every replica that a user is gone; announceSession that a
// session is over. The trigger on users_sync tells of some deletions itself: not
// on Neon's shape, and not of users who had no row. Twice does no harm.
const (
	announceUser    = `select segue.announce('user', id) from unnest($1::text[]) id`
	announceSession = `select segue.announce('session', $1)`
)

// Fold folds the rollups' journal, which after an erasure is long.
func (s *System) Fold(ctx context.Context) error { return FoldRollups(ctx, s.pool) }
