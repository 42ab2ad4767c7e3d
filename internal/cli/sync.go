package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/usersync"
)

type syncCmd struct {
	Force bool `help:"Mark the users that Clerk no longer has even if they are more than a tenth of all."`
}

// Help says what it needs and that it may be stopped.
func (syncCmd) Help() string {
	return "Needs DATABASE_URL and CLERK_SECRET_KEY. Stopped, it goes on where it was; a second run changes nothing."
}

// Run brings users_sync in step with Clerk.
func (c syncCmd) Run(ctx context.Context, s Streams) error {
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	if cfg.ClerkSecretKey == "" {
		return usersync.ErrNoSecretKey
	}
	log := s.logger(cfg)
	return s.withPool(func(pool *pgxpool.Pool) error {
		service, err := usersync.New(usersync.Config{
			System:     store.NewSystem(pool, store.UsersMode(cfg.UsersSync)),
			Clerk:      clerk.New(clerk.Config{SecretKey: cfg.ClerkSecretKey, URL: cfg.ClerkAPIURL}),
			EraseAfter: &cfg.EraseAfter, Log: log,
		})
		if err != nil {
			return err
		}
		report, err := service.Sync(ctx, usersync.Options{Force: c.Force, Progress: s.progress(log)})
		if s.Terminal {
			_, _ = fmt.Fprintln(s.Err)
		}
		if err != nil {
			return err
		}
		return s.print("%d users created, %d updated, %d marked as deleted; %d entries read in %s\n",
			report.Created, report.Updated, report.Deleted, report.Seen, report.Took.Round(time.Millisecond))
	})
}

// progress is a bar on a terminal and a log line every few seconds elsewhere.
func (s Streams) progress(log *slog.Logger) func(usersync.Progress) {
	var last time.Time
	return func(p usersync.Progress) {
		if s.Terminal {
			_, _ = fmt.Fprintf(s.Err, "\r%-10s %s %d/%d ", p.Phase, bar(p.Done, p.Total), p.Done, p.Total)
			return
		}
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			log.Info("sync", "phase", p.Phase, "done", p.Done, "total", p.Total)
		}
	}
}

// bar is twenty characters wide.
func bar(done, total int) string {
	const width = 20
	full := width
	if total > 0 {
		full = min(width, done*width/total)
	}
	return fmt.Sprintf("[%-*.*s]", width, full, "####################")
}

type repairCmd struct{}

// Run counts the rollups anew from the tables.
func (repairCmd) Run(ctx context.Context, s Streams) error {
	if err := s.withPool(func(pool *pgxpool.Pool) error { return store.RepairRollups(ctx, pool) }); err != nil {
		return err
	}
	return s.print("the statistics were counted anew\n")
}
