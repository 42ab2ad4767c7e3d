package usersync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

// Options are how a backfill is to run.
type Options struct {
	// Force marks missing users however many they are.
	Force bool
	// Progress, where set, is called after each step.
	Progress func(Progress)
}

// Progress is how far a backfill is.
type Progress struct {
	Phase store.Phase
	Done  int
	Total int // as Clerk counted at the start; Done may pass it, for pages overlap
}

// Report is what a backfill did, from its beginning, also where it was taken up again.
type Report struct {
	Seen    int // entries read; those that pages share count twice
	Created int
	Updated int
	Deleted int
	Resumed bool
	Took    time.Duration
}

// TooManyMissing stops a run that would mark more than a tenth of the live users
// as deleted: more likely it is the wrong key or a bad day of Clerk's.
type TooManyMissing struct {
	Missing int // at least
	Live    int
}

func (e *TooManyMissing) Error() string {
	return fmt.Sprintf("at least %d of %d live users are not at Clerk, more than 10 %%: is CLERK_SECRET_KEY that of another instance? nothing was marked as deleted; --force marks them", e.Missing, e.Live)
}

const (
	// resumeWithin is how old a killed run may be to be gone on with.
	resumeWithin = 24 * time.Hour
	buryBatch    = 500
)

// Sync reads all users from Clerk into users_sync and marks those Clerk no
// longer has. A run that was killed is gone on with; processes that sync at the
// same time share one run. A second run changes nothing.
func (s *Service) Sync(ctx context.Context, o Options) (Report, error) {
	if s.Clerk == nil {
		return Report{}, ErrNoSecretKey
	}
	mode, err := s.System.Mode(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("sync: %w", err)
	}
	if mode == store.NeonOwned {
		return Report{}, ErrNeonOwned
	}
	b, resumed, err := s.System.BeginBackfill(ctx, resumeWithin)
	if err != nil {
		return Report{}, fmt.Errorf("sync: %w", err)
	}
	end, err := s.drive(ctx, b, o)
	report := Report{
		Seen: end.Seen, Created: end.Created, Updated: end.Updated, Deleted: end.Deleted,
		Resumed: resumed, Took: time.Since(b.StartedAt),
	}
	if err != nil {
		return report, fmt.Errorf("sync: %w", err)
	}
	return report, nil
}

// drive makes steps until the run is over. When another process made one, it
// goes on from where that led.
func (s *Service) drive(ctx context.Context, b store.Backfill, o Options) (store.Backfill, error) {
	for b.Phase != store.PhaseIdle {
		step := s.readPage
		if b.Phase == store.PhaseMissing {
			step = s.settleMissing
		}
		next, err := step(ctx, b, o)
		if errors.Is(err, store.ErrBackfillMoved) {
			next, err = s.moved(ctx)
		}
		if err != nil {
			return b, err
		}
		b = next
		if o.Progress != nil && b.Phase == store.PhaseUsers {
			o.Progress(Progress{Phase: b.Phase, Done: b.Seen, Total: b.Total})
		}
	}
	return b, nil
}

// moved reads where another process led the run. If it ended it badly, that is our end too.
func (s *Service) moved(ctx context.Context) (store.Backfill, error) {
	b, err := s.System.Backfill(ctx)
	if err == nil && b.Phase == store.PhaseIdle && b.Failure != "" {
		err = errors.New(b.Failure)
	}
	return b, err
}

// readPage reads and saves the next page.
func (s *Service) readPage(ctx context.Context, b store.Backfill, _ Options) (store.Backfill, error) {
	if b.Seen == 0 && b.Total == 0 {
		total, err := s.Clerk.Count(ctx)
		if err != nil {
			return b, err
		}
		if err := s.System.SetBackfillTotal(ctx, b.Run, total); err != nil {
			return b, err
		}
	}
	asOf := time.Now()
	page, err := s.Clerk.Users(ctx, clerk.Cursor{CreatedAfter: b.CreatedAfter, Offset: b.Offset, OffsetOnly: b.OffsetOnly})
	if err != nil {
		return b, err
	}
	next := b
	next.CreatedAfter, next.Offset, next.OffsetOnly = page.Next.CreatedAfter, page.Next.Offset, page.Next.OffsetOnly
	if page.Last {
		next.Phase = store.PhaseMissing
	}
	return s.System.SavePage(ctx, b, next, syncedAll(page.Users), asOf)
}

// settleMissing asks Clerk by id about live users whom no page showed, marks
// those it does not have, and ends the run.
func (s *Service) settleMissing(ctx context.Context, b store.Backfill, o Options) (store.Backfill, error) {
	missing, err := s.missing(ctx, b, o)
	if refusal, ok := errors.AsType[*TooManyMissing](err); ok {
		if _, err := s.System.EndBackfill(ctx, b.Run, refusal.Error()); err != nil {
			return b, err
		}
	}
	if err != nil {
		return b, err
	}
	for i := 0; i < len(missing); i += buryBatch {
		batch := missing[i:min(i+buryBatch, len(missing))]
		buried, err := s.System.BuryMissing(ctx, b, batch, time.Now())
		if err != nil {
			return b, err
		}
		for _, id := range buried {
			s.UserDeleted(id)
		}
		s.progress(o, i+len(batch), len(missing))
	}
	end, err := s.System.EndBackfill(ctx, b.Run, "")
	if err == nil && len(missing) > 0 {
		s.sweepAfterDeletions(ctx)
	}
	return end, err
}

// missing lists the live users that Clerk does not have.
func (s *Service) missing(ctx context.Context, b store.Backfill, o Options) ([]string, error) {
	live, err := s.System.LiveUsers(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	for last := ""; ; {
		ids, err := s.System.Unseen(ctx, b.Run, last, clerk.BatchSize)
		if err != nil || len(ids) == 0 {
			return missing, err
		}
		gone, err := s.checkByID(ctx, b, ids)
		if err != nil {
			return nil, err
		}
		missing = append(missing, gone...)
		if !o.Force && len(missing)*10 > live {
			return nil, &TooManyMissing{Missing: len(missing), Live: live}
		}
		s.progress(o, 0, len(missing))
		last = ids[len(ids)-1]
	}
}

// checkByID saves those whom Clerk has after all, and returns the others.
func (s *Service) checkByID(ctx context.Context, b store.Backfill, ids []string) (gone []string, err error) {
	asOf := time.Now()
	found, err := s.Clerk.UsersByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := s.System.SaveFound(ctx, b, syncedAll(found), asOf); err != nil {
		return nil, err
	}
	has := make(map[string]bool, len(found))
	for _, u := range found {
		has[u.ID] = true
	}
	for _, id := range ids {
		if !has[id] {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

func (s *Service) progress(o Options, done, total int) {
	if o.Progress != nil {
		o.Progress(Progress{Phase: store.PhaseMissing, Done: done, Total: total})
	}
}
