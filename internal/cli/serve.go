package cli

import (
	"context"
	"runtime/debug"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/app"
	"github.com/ai-dj/segue/internal/store"
)

type serveCmd struct{}

// Help says what a first-time reader needs.
func (serveCmd) Help() string {
	return "Needs DATABASE_URL, and CLERK_JWT_KEY or CLERK_SECRET_KEY. Run segue migrate up first. README.md lists every setting."
}

// Run serves until the context ends.
func (serveCmd) Run(ctx context.Context, s Streams) error {
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	s.tuneGC()
	gateway, err := app.New(ctx, cfg, s.logger(cfg), app.Options{Version: version()})
	if err != nil {
		return err
	}
	return gateway.Run(ctx)
}

// gcPercent lets the heap grow to two and a half times what is alive before it
// is collected. A gateway's live heap is about 10 MB and its garbage short-lived:
// Go's default of 100 spends a tenth of the CPU on collecting it; 200 took the
// gateway past 60 MB under its widest reads (docs/performance.md).
const gcPercent = 150

// tuneGC sets it unless the operator chose otherwise.
func (s Streams) tuneGC() {
	if _, chosen := s.Lookup("GOGC"); !chosen {
		debug.SetGCPercent(gcPercent)
	}
}

type schemaCmd struct{}

// Run prints the SDL.
func (schemaCmd) Run(s Streams) error { return s.print("%s", graph.SDL()) }

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Apply what is missing; safe to run from many replicas at once."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations and when each was applied."`
}

type migrateUpCmd struct{}

// Run applies what is missing.
func (migrateUpCmd) Run(ctx context.Context, s Streams) error {
	cfg, err := s.database()
	if err != nil {
		return err
	}
	return store.Migrate(ctx, cfg.DatabaseDirectURL, s.logger(cfg))
}

type migrateStatusCmd struct{}

// Run lists the migrations; one that is missing is a problem found.
func (migrateStatusCmd) Run(ctx context.Context, s Streams) error {
	cfg, err := s.database()
	if err != nil {
		return err
	}
	migrations, err := store.MigrationStatus(ctx, cfg.DatabaseDirectURL)
	if err != nil {
		return err
	}
	pending := false
	for _, m := range migrations {
		state := "applied " + m.Applied.UTC().Format("2006-01-02 15:04:05")
		if m.Applied.IsZero() {
			state, pending = "pending", true
		}
		name := m.File
		if name == "" {
			name = "(newer than this binary)"
		}
		if err := s.print("%05d  %-28s %s\n", m.Version, name, state); err != nil {
			return err
		}
	}
	if pending {
		return errFound
	}
	return nil
}
