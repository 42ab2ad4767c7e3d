package usersync

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/internal/store"
)

const (
	sweepEvery = time.Hour
	// sweepAgain is how soon a sweep is tried again: after a failure, with the
	// database's next use; while another process sweeps, by ourselves.
	sweepAgain = time.Minute
	sweepBusy  = 5 * time.Second
	// inboxAge is much longer than Svix repeats deliveries.
	inboxAge = 40 * 24 * time.Hour
	// backfillAgain is when the repeated backfill is tried again without a database.
	backfillAgain = time.Minute
)

// Run repeats the backfill and sweeps until ctx ends. What goes wrong is logged
// and tried again.
func (s *Service) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { s.runSweeps(ctx); return nil })
	if s.SyncEvery > 0 && s.Clerk != nil {
		group.Go(func() error { s.runBackfills(ctx); return nil })
	}
	return group.Wait()
}

// Awake says that the database is being used, so that a sweep now would not wake
// it. It costs a few nanoseconds: call it wherever the pool hands out a connection.
func (s *Service) Awake() {
	if time.Now().UnixNano()-s.swept.Load() >= int64(sweepEvery) {
		s.askForSweep()
	}
}

// askForSweep never waits; one request stands for all until it is heard.
func (s *Service) askForSweep() {
	select {
	case s.sweep <- struct{}{}:
	default:
	}
}

// runSweeps sweeps at the start and whenever asked to. It has no clock of its
// own, which would wake a database that scaled to zero.
func (s *Service) runSweeps(ctx context.Context) {
	for {
		err := s.sweepOnce(ctx)
		if errors.Is(err, store.ErrSweeping) {
			// What we were asked for may lie behind the other one's place.
			if !sleep(ctx, sweepBusy) {
				return
			}
			continue
		}
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "sweep", "error", err)
		}
		select {
		case <-s.sweep:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) sweepOnce(ctx context.Context) error {
	now := time.Now()
	s.swept.Store(now.UnixNano())
	err := s.System.PruneInbox(ctx, inboxAge)
	if err == nil && s.EraseAfter != nil && *s.EraseAfter >= 0 {
		var erased store.Erasure
		erased, err = s.System.Sweep(ctx, *s.EraseAfter)
		if erased.Users > 0 {
			s.Log.InfoContext(ctx, "swept", "users", erased.Users, "messages", erased.Messages, "feedback", erased.Feedback,
				"likes", erased.Likes, "others_feedback", erased.OthersFeedback)
			if err == nil {
				err = s.System.Fold(ctx)
			}
		}
	}
	if err != nil {
		s.swept.Store(now.Add(sweepAgain - sweepEvery).UnixNano())
	}
	return err
}

// sweepAfterDeletions sweeps right away, for a command has no Run.
func (s *Service) sweepAfterDeletions(ctx context.Context) {
	err := s.sweepOnce(ctx)
	if errors.Is(err, store.ErrSweeping) {
		s.askForSweep()
	} else if err != nil {
		s.Log.ErrorContext(ctx, "sweep", "error", err)
	}
}

// runBackfills takes this process's turns at the repeated backfill.
func (s *Service) runBackfills(ctx context.Context) {
	for {
		claimed, wait, err := s.System.ClaimBackfill(ctx, s.SyncEvery)
		if claimed {
			err = s.backfill(ctx)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, ErrNeonOwned):
			return
		case err != nil:
			s.Log.ErrorContext(ctx, "repeated sync", "error", err)
			wait = backfillAgain // or longer, while the claim lasts
		}
		// Replicas that wait for the same moment come one after the other.
		if !sleep(ctx, wait+rand.N(min(wait/10, time.Minute)+100*time.Millisecond)) {
			return
		}
	}
}

func (s *Service) backfill(ctx context.Context) error {
	report, err := s.Sync(ctx, Options{})
	if err == nil {
		s.Log.InfoContext(ctx, "synced users", "seen", report.Seen, "created", report.Created, "updated", report.Updated,
			"deleted", report.Deleted, "resumed", report.Resumed, "took", report.Took)
	}
	return err
}
