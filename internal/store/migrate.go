package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrations are the embedded migration files.
func Migrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	return files
}

// migrateLock is the advisory lock that makes replicas wait for each other ("segue").
const migrateLock int64 = 0x7365677565

// Migrate brings the schema up to date, each migration in a transaction of its
// own. Any number of processes may run it at once: one works, the others wait
// and find nothing left to do. The URL must be a direct one, because a
// session's lock means nothing behind a transaction pooler.
//
// Before anything is written it looks at what is there. Tables in another form
// stop it with a *LegacyError, missing rights on users_sync with a *GrantError;
// good tables are left as they are, whoever made them. A schema that is newer
// than this binary is fine.
func Migrate(ctx context.Context, directURL string, log *slog.Logger) error {
	cfg, err := pgx.ParseConfig(directURL)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// Closing the connection releases the lock, whatever happens in between.
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", migrateLock); err != nil {
		return fmt.Errorf("migrate: wait for another migration: %w", err)
	}
	if err := preflight(ctx, conn); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := migrateUp(ctx, conn, cfg, log); err != nil {
		return fmt.Errorf("migrate: %w", mayNotChange(err))
	}
	if err := buildRollups(ctx, conn, log); err != nil {
		return fmt.Errorf("migrate: count what is there: %w", mayNotChange(err))
	}
	return nil
}

// preflight finds what would make the migrations fail half way or leave a
// schema that does not work.
func preflight(ctx context.Context, conn *pgx.Conn) error {
	users, err := inspectUsersSync(ctx, conn)
	switch {
	case errors.Is(err, ErrNoUsersSync): // it will be made
	case err != nil:
		return err
	default:
		if err := users.usable(); err != nil {
			return err
		}
	}
	legacy, err := FindLegacy(ctx, conn)
	if err != nil {
		return err
	}
	if len(legacy) > 0 {
		return &LegacyError{legacy}
	}
	return mayRefer(ctx, conn, users)
}

// mayRefer checks the right to declare foreign keys, if any are to be declared.
func mayRefer(ctx context.Context, conn *pgx.Conn, users usersSync) error {
	if len(users.columns) == 0 {
		return nil // the table will be ours
	}
	for _, s := range neededTables() {
		has, err := inspect(ctx, conn, s.table)
		if err != nil {
			return err
		}
		if !has.exists {
			return users.referable()
		}
	}
	return nil
}

func migrateUp(ctx context.Context, conn *pgx.Conn, cfg *pgx.ConnConfig, log *slog.Logger) error {
	if _, err := conn.Exec(ctx, "create schema if not exists segue"); err != nil {
		return err
	}
	db := stdlib.OpenDB(*cfg) // goose speaks database/sql
	defer db.Close()
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		log.InfoContext(ctx, "migration applied", "file", r.Source.Path, "took", r.Duration.Round(time.Millisecond))
	}
	return err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectPostgres, db, Migrations(),
		goose.WithTableName("segue.migrations"), goose.WithDisableGlobalRegistry(true),
		// A database may have a later migration and still lack an earlier one
		// that was merged after it.
		goose.WithAllowOutofOrder(true))
}

// mayNotChange adds what to do to PostgreSQL's refusal.
func mayNotChange(err error) error {
	if refused(err) {
		return fmt.Errorf("the role of DATABASE_DIRECT_URL may not change the schema, use the database's owner: %w", err)
	}
	return err
}

func refused(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "42501" // insufficient_privilege
}

// Migration is one step of the schema.
type Migration struct {
	Version int64
	File    string    // empty when it is newer than this binary
	Applied time.Time // zero when it is still to be applied
}

// MigrationStatus lists the migrations that this binary or the database knows,
// in order. It writes nothing, on an empty database either.
func MigrationStatus(ctx context.Context, directURL string) ([]Migration, error) {
	conn, err := pgx.Connect(ctx, directURL)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	known, err := knownMigrations()
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	for i := range known {
		known[i].Applied = applied[known[i].Version]
		delete(applied, known[i].Version)
	}
	for version, at := range applied {
		known = append(known, Migration{Version: version, Applied: at})
	}
	slices.SortFunc(known, func(a, b Migration) int { return int(a.Version - b.Version) })
	return known, nil
}

// ErrBehind: the database lacks migrations of this binary.
var ErrBehind = errors.New("the database's schema is older than this binary: run segue migrate up")

// CheckSchema reports whether the database is ready to be served from: all of
// this binary's migrations are applied and users_sync can be read. Migrations
// that the binary does not know are fine. A role that may not look into
// segue.migrations is taken to serve what it may; doctor says what it lacks.
func CheckSchema(ctx context.Context, q Querier) error {
	applied, err := appliedMigrations(ctx, q)
	if err != nil && !refused(err) {
		return fmt.Errorf("check schema: %w", err)
	}
	known, knownErr := knownMigrations()
	if knownErr != nil {
		return fmt.Errorf("check schema: %w", knownErr)
	}
	for _, m := range known {
		if err == nil && applied[m.Version].IsZero() {
			return ErrBehind
		}
	}
	_, err = DetectUsersSync(ctx, q)
	return err
}

// appliedMigrations is when each version was applied; empty before the first migration.
func appliedMigrations(ctx context.Context, q Querier) (map[int64]time.Time, error) {
	applied := map[int64]time.Time{}
	// Version 0 is goose's own mark. tstamp is local time without a zone.
	rows, err := q.Query(ctx, `select version_id, tstamp::timestamptz from segue.migrations where is_applied and version_id > 0`)
	if err == nil {
		var version int64
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&version, &at}, func() error {
			applied[version] = at
			return nil
		})
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42P01" { // no such table
		return applied, nil
	}
	return applied, err
}

// knownMigrations are the binary's, in order.
func knownMigrations() ([]Migration, error) {
	names, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return nil, err
	}
	known := make([]Migration, len(names))
	for i, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		known[i] = Migration{Version: version, File: name}
	}
	return known, nil
}
