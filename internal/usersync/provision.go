package usersync

import (
	"context"
	"errors"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
)

const (
	provisionTimeout = 10 * time.Second
	// neonPatience is how long Neon's own sync is waited for; it usually takes less than a second.
	neonPatience = 2 * time.Second
	// comeAgain is what a caller is told to wait where nobody knows better.
	comeAgain = 2 * time.Second
)

var (
	errNotSynced = fault.New(fault.UserNotSynced, "your account is not known here yet; try again in a moment")
	errDeleted   = fault.New(fault.UserDeleted, "this account was deleted")
)

// Provision sees to it that a verified caller has a row: it asks Clerk, once
// however many callers of this process wait, or where Neon Auth fills the table
// waits a little for the row. Errors are UserNotSynced with a time to come
// again, UserDeleted, or the database's.
func (s *Service) Provision(ctx context.Context, userID string) error {
	// The first caller may leave; the others still want the answer.
	detached := context.WithoutCancel(ctx)
	answer := s.flights.DoChan(userID, func() (any, error) {
		ctx, cancel := context.WithTimeout(detached, provisionTimeout)
		defer cancel()
		return nil, s.provision(ctx, userID)
	})
	select {
	case a := <-answer:
		return a.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) provision(ctx context.Context, userID string) error {
	found, err := s.present(ctx, userID)
	if found || err != nil {
		return err
	}
	mode, err := s.System.Mode(ctx)
	if err != nil {
		return err
	}
	if mode == store.NeonOwned {
		return s.awaitNeon(ctx, userID)
	}
	user, err := s.askClerk(ctx, userID)
	if err != nil {
		return err
	}
	if _, err := s.System.SaveUsers(ctx, []store.SyncedUser{synced(user)}, time.Now()); err != nil {
		return err
	}
	// A tombstone, or a row that somebody else made meanwhile, was left as it is.
	found, err = s.present(ctx, userID)
	if !found && err == nil {
		return errNotSynced.Retry(comeAgain)
	}
	return err
}

// present reports whether the user has a row; a deleted user's is an error.
func (s *Service) present(ctx context.Context, userID string) (bool, error) {
	state, err := s.System.Presence(ctx, userID)
	if err == nil && state == store.Deleted {
		return false, errDeleted
	}
	return state == store.Live, err
}

func (s *Service) awaitNeon(ctx context.Context, userID string) error {
	end := time.Now().Add(neonPatience)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 400*time.Millisecond) {
		wait = min(wait, time.Until(end))
		if wait <= 0 {
			return errNotSynced.Retry(comeAgain)
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
		if found, err := s.present(ctx, userID); found || err != nil {
			return err
		}
	}
}

// askClerk turns every failure into UserNotSynced. While Clerk asks for patience
// it is not called at all.
func (s *Service) askClerk(ctx context.Context, userID string) (clerk.User, error) {
	if s.Clerk == nil {
		return clerk.User{}, errNotSynced.Retry(comeAgain).Because(ErrNoSecretKey)
	}
	if wait := time.Until(time.Unix(0, s.clerkBlocked.Load())); wait > 0 {
		return clerk.User{}, errNotSynced.Retry(wait).Because(&clerk.RateLimited{RetryAfter: wait})
	}
	user, err := s.Clerk.User(ctx, userID)
	if err == nil && user.ID != userID {
		err = clerk.ErrNotFound
	}
	if err == nil {
		return user, nil
	}
	wait := comeAgain
	if limited, ok := errors.AsType[*clerk.RateLimited](err); ok {
		wait = max(limited.RetryAfter, time.Second)
		s.clerkBlocked.Store(time.Now().Add(wait).UnixNano())
	}
	s.Log.WarnContext(ctx, "user not provisioned", "user_id", userID, "error", err)
	return clerk.User{}, errNotSynced.Retry(wait).Because(err)
}

// sleep waits, and reports whether it was for the whole time.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
