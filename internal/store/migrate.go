package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Migrations are the embedded migration files, for tests that name a template
// database by their hash.
func Migrations() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	return files
}

// migrateLock is the advisory lock that makes replicas wait for each other ("segue").
const migrateLock = 0x7365677565

// Migrate brings the schema up to date. Any number of processes may run it at
// once: one works, the others wait and find nothing left to do. The URL must be
// a direct one, for a session's lock means nothing behind a transaction pooler.
// Tables in the guide's old form stop it with a *LegacyError before anything is written.
func Migrate(ctx context.Context, directURL string, log *slog.Logger) error {
	db, err := sql.Open("pgx", directURL)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer db.Close()
	lock, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer lock.Close()
	// Closing the connection releases it, whatever happens in between.
	if _, err := lock.ExecContext(ctx, "select pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return fmt.Errorf("migrate: wait for another migration: %w", err)
	}
	if err := up(ctx, db, log); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func up(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	if _, err := db.ExecContext(ctx, "create schema if not exists segue"); err != nil {
		return err
	}
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
		// Released files may be applied in another order than they were numbered in.
		goose.WithAllowOutofOrder(true))
}
