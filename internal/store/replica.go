package store

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// A replica answers the reads that count over many people (userStats, activity,
// topTracks) for analysts and API keys. It lags, so a caller who wrote through
// this process reads from the primary for writerAge, longer than any lag worth
// running with. What the replica fails to answer is read from the primary too.

const (
	writerAge  = time.Hour
	maxWriters = 100_000
	// tellEvery is how often the log is told of failed reads, at most.
	tellEvery = time.Minute
)

// replica is a server that follows the primary.
type replica struct {
	database
	writers *otter.Cache[string, struct{}] // who wrote lately, by id
	logger  *slog.Logger
	told    atomic.Int64 // when the log was, UnixNano
}

func newReplica(pool *pgxpool.Pool, logger *slog.Logger) *replica {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &replica{database: newDatabase(pool), logger: logger, writers: otter.Must(&otter.Options[string, struct{}]{
		MaximumSize:      maxWriters,
		ExpiryCalculator: otter.ExpiryWriting[string, struct{}](writerAge),
	})}
}

// wrote remembers that v is about to write.
func (s *Store) wrote(v viewer.Viewer) {
	if s.replica != nil {
		s.replica.writers.Set(v.UserID(), struct{}{})
	}
}

// analyse is read for what a replica may answer.
func (s *Store) analyse(ctx context.Context, v viewer.Viewer, root func(*loader)) error {
	if !s.replica.answers(v) {
		return s.read(ctx, v, root)
	}
	l := &loader{viewer: v, from: &s.replica.database}
	root(l)
	err := s.load(ctx, l)
	if s.replica.failed(ctx, err) {
		return s.read(ctx, v, root)
	}
	return err
}

// answers reports whether v may be read for. A nil replica answers nobody.
func (r *replica) answers(v viewer.Viewer) bool {
	if r == nil || !v.Analyst() {
		return false
	}
	_, wrote := r.writers.GetIfPresent(v.UserID())
	return !wrote
}

// failed reports errors that the primary need not have: a replica that is away,
// one whose replay cancelled the query, and, internal errors elsewhere, one that
// is behind with migrations, roles and grants too. A time-out is none: what takes
// too long here would take as long there.
func (r *replica) failed(ctx context.Context, err error) bool {
	if err == nil || ctx.Err() != nil {
		return false
	}
	if errors.Is(err, errManyCount) {
		return false // it answers; the primary is not there to take what it sheds
	}
	if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Internal {
		return false
	}
	last, now := r.told.Load(), time.Now().UnixNano()
	if now-last > int64(tellEvery) && r.told.CompareAndSwap(last, now) {
		r.logger.WarnContext(ctx, "the replica does not answer, the primary is read", "cause", err)
	}
	return true
}
