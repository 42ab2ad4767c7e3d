package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Mode says who keeps neon_auth.users_sync (contract §5).
type Mode string

const (
	// ModeNeon: Neon Auth owns the table; Segue only reads it.
	ModeNeon Mode = "neon"
	// ModeSegue: plain columns that Segue fills from Clerk.
	ModeSegue Mode = "segue"
)

// ErrNoUsersSync: the database has no neon_auth.users_sync.
var ErrNoUsersSync = errors.New("neon_auth.users_sync does not exist: run segue migrate up (or, where Neon Auth should have made it, check that DATABASE_URL names the branch and database it was enabled on)")

// Querier is what the checks need of a connection; *pgx.Conn, *pgxpool.Pool and pgx.Tx are ones.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// DetectUsersSync tells the mode by the table's shape: generated columns are
// Neon's, plain ones ours. It reads the catalog only, so it needs no grant; a
// role that may not read the table gets a *GrantError.
func DetectUsersSync(ctx context.Context, q Querier) (Mode, error) {
	table, err := inspectUsersSync(ctx, q)
	if err != nil {
		return "", err
	}
	return table.mode, table.usable()
}

// CheckReferable reports what keeps this role from declaring foreign keys to
// users_sync: ErrNoUsersSync, a *GrantError, or a table that nothing can refer to.
func CheckReferable(ctx context.Context, q Querier) error {
	table, err := inspectUsersSync(ctx, q)
	if err != nil {
		return err
	}
	if err := table.usable(); err != nil {
		return err
	}
	return table.referable()
}

// GrantError is a right on users_sync that the connection's role lacks.
type GrantError struct {
	Role string
	SQL  string // what its owner has to run
}

func (e *GrantError) Error() string {
	return fmt.Sprintf("role %q lacks rights on neon_auth.users_sync: let its owner run: %s", e.Role, e.SQL)
}

// usersSync is what the catalog says about the table.
type usersSync struct {
	mode       Mode
	role       string
	usage      bool // on the schema
	references bool // enough to declare foreign keys
	unique     bool // id has a unique index, which a foreign key needs
	columns    []string
	unreadable []string
	misfits    []string // columns of a type that Segue cannot read
}

const usersSyncColumns = "id, email, name, created_at, updated_at, deleted_at"

// inspectUsersSync avoids to_regclass and casts to regclass: they fail for a
// role without USAGE on the schema, which is one of the answers wanted.
func inspectUsersSync(ctx context.Context, q Querier) (usersSync, error) {
	const sql = `
select a.attname, a.attgenerated <> '', format_type(a.atttypid, null), current_user::text,
  has_schema_privilege(n.oid, 'usage'), has_column_privilege(c.oid, a.attnum, 'select'), has_column_privilege(c.oid, a.attnum, 'references'),
  exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indpred is null and i.indkey::text = a.attnum::text)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = 'neon_auth' and c.relname = 'users_sync'`
	rows, err := q.Query(ctx, sql)
	if err != nil {
		return usersSync{}, fmt.Errorf("inspect users_sync: %w", err)
	}
	table := usersSync{mode: ModeSegue}
	var name, kind string
	var generated, selectable, referable, unique bool
	_, err = pgx.ForEachRow(rows, []any{&name, &generated, &kind, &table.role, &table.usage, &selectable, &referable, &unique}, func() error {
		table.add(name, kind, generated, selectable, referable, unique)
		return nil
	})
	if err != nil {
		return usersSync{}, fmt.Errorf("inspect users_sync: %w", err)
	}
	if len(table.columns) == 0 {
		return usersSync{}, ErrNoUsersSync
	}
	return table, nil
}

func (t *usersSync) add(name, kind string, generated, selectable, referable, unique bool) {
	if !strings.Contains(", "+usersSyncColumns+",", ", "+name+",") {
		return
	}
	t.columns = append(t.columns, name)
	if !selectable {
		t.unreadable = append(t.unreadable, name)
	}
	wanted := isText
	if strings.HasSuffix(name, "_at") {
		wanted = isTime
	}
	if !wanted(kind) {
		t.misfits = append(t.misfits, name+" is "+kind)
	}
	if name == "id" {
		t.references, t.unique = referable, unique
		if generated {
			t.mode = ModeNeon
		}
	}
}

// usable reports what keeps Segue from reading the table.
func (t *usersSync) usable() error {
	if len(t.columns) < strings.Count(usersSyncColumns, ",")+1 {
		return fmt.Errorf("neon_auth.users_sync has only %s of the columns %s: add the missing ones", strings.Join(t.columns, ", "), usersSyncColumns)
	}
	if len(t.misfits) > 0 {
		return fmt.Errorf("neon_auth.users_sync has columns of other types than text and timestamptz (%s): change them", strings.Join(t.misfits, ", "))
	}
	if !t.usage || len(t.unreadable) > 0 {
		return t.lacks("SELECT (" + usersSyncColumns + ")")
	}
	return nil
}

// referable reports what keeps foreign keys from pointing at the table.
func (t *usersSync) referable() error {
	if !t.unique {
		return errors.New("neon_auth.users_sync.id is neither a primary key nor unique, so nothing can refer to it: add a primary key")
	}
	if !t.references {
		return t.lacks("REFERENCES (id)")
	}
	return nil
}

func (t *usersSync) lacks(right string) error {
	role := pgx.Identifier{t.role}.Sanitize()
	return &GrantError{Role: t.role, SQL: fmt.Sprintf(
		"GRANT USAGE ON SCHEMA neon_auth TO %s; GRANT %s ON neon_auth.users_sync TO %s;", role, right, role)}
}

func isText(kind string) bool {
	return kind == "text" || kind == "character varying"
}

func isTime(kind string) bool { return kind == "timestamp with time zone" }

func isUUID(kind string) bool { return kind == "uuid" }

func isInteger(kind string) bool {
	return kind == "smallint" || kind == "integer" || kind == "bigint"
}
