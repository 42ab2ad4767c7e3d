package store

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// A replica answers the reads that count over many people (userStats, activity,
// topTracks) for analysts and API keys. It lags, so a caller who wrote through
// this process reads from the primary for writerAge, longer than any lag worth
// running with; and so does everybody while the replica does not answer.

const (
	writerAge  = time.Hour
	maxWriters = 100_000
)

// newWriters remembers who wrote lately.
func newWriters() *otter.Cache[string, struct{}] {
	return otter.Must(&otter.Options[string, struct{}]{
		MaximumSize:      maxWriters,
		ExpiryCalculator: otter.ExpiryWriting[string, struct{}](writerAge),
	})
}

// wrote remembers that v is about to write.
func (s *Store) wrote(v viewer.Viewer) {
	if s.writers != nil {
		s.writers.Set(v.UserID(), struct{}{})
	}
}

// analyse is read for what a replica may answer.
func (s *Store) analyse(ctx context.Context, v viewer.Viewer, root func(*loader)) error {
	if s.replica == nil || !v.Analyst() {
		return s.read(ctx, v, root)
	}
	if _, wrote := s.writers.GetIfPresent(v.UserID()); wrote {
		return s.read(ctx, v, root)
	}
	l := &loader{viewer: v, pool: s.replica}
	root(l)
	err := s.load(ctx, l)
	if err != nil && fault.CodeOf(err) == fault.Unavailable && ctx.Err() == nil {
		return s.read(ctx, v, root)
	}
	return err
}
