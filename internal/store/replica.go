package store

import (
	"context"
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
)

// replica is a server that follows the primary.
type replica struct {
	database
	writers *otter.Cache[string, struct{}] // who wrote lately, by id
}

func newReplica(pool *pgxpool.Pool) *replica {
	return &replica{database: database{pool: pool}, writers: otter.Must(&otter.Options[string, struct{}]{
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
	if err != nil && fault.CodeOf(err) == fault.Unavailable && ctx.Err() == nil {
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
