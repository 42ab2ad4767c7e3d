package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// refreshEvery bounds how long a key that Clerk has withdrawn stays good.
	refreshEvery = 5 * time.Minute
	// maxKeyAge is the hard maximum: keys that could not be confirmed for so
	// long are not used any more, and callers get UNAVAILABLE. Until then an
	// outage of Clerk goes unnoticed.
	maxKeyAge = 24 * time.Hour
	// unknownKeyPause is the least time between two fetches on behalf of tokens
	// that name a key we do not have, so that nobody can make us hammer Clerk.
	unknownKeyPause = 10 * time.Second
	// failurePause is the same for fetches that failed while we have no keys.
	failurePause = time.Second
	// maxRetryPause is the longest pause of run between attempts that fail.
	maxRetryPause = time.Minute
)

// jwks keeps the keys that one Clerk instance publishes. Any number of callers
// that need a fetch share one, which belongs to none of them: it goes on when
// they hang up.
type jwks struct {
	fetch  func(ctx context.Context) (map[string]*signingKey, error)
	logger *slog.Logger

	mu          sync.Mutex
	keys        map[string]*signingKey // replaced, never changed
	fetched     time.Time              // when the fetch of keys began
	failed      time.Time              // when a fetch last failed
	failure     error                  // and how
	unknownAsks time.Time              // when a fetch for an unknown key last began
	flight      *flight                // the fetch under way; nil: none
}

// flight is a fetch under way. The results may be read once done is closed.
type flight struct {
	began time.Time
	done  chan struct{}
	keys  map[string]*signingKey
	err   error
}

func newJWKS(c Config) *jwks {
	return &jwks{fetch: clerkKeys(c), logger: c.Logger}
}

// find returns the key named kid, fetching the set when there is none yet, or
// none young enough, or when it lacks kid and asking again is allowed.
func (j *jwks) find(ctx context.Context, kid string) ([]*signingKey, error) {
	key, f, err := j.look(ctx, kid)
	if f == nil {
		return oneKey(key), err
	}
	select {
	case <-f.done:
		return j.landed(f, kid)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// look answers from memory, or returns the flight to wait for.
func (j *jwks) look(ctx context.Context, kid string) (*signingKey, *flight, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	young := j.young(now)
	if key := j.keys[kid]; young && key != nil {
		return key, nil, nil
	}
	switch {
	case j.flight != nil:
	case young && now.Sub(j.unknownAsks) < unknownKeyPause:
		return nil, nil, errUnknownKey
	case young:
		j.unknownAsks = now
	case now.Sub(j.failed) < failurePause:
		return nil, nil, j.failure
	}
	return nil, j.take(ctx), nil
}

// landed finds kid in what a flight brought. When it brought nothing, a set that
// is still young decides: the key is unknown. Without one nobody knows.
func (j *jwks) landed(f *flight, kid string) ([]*signingKey, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f.err != nil && !j.young(time.Now()) {
		return nil, f.err
	}
	if key := f.keys[kid]; key != nil {
		return oneKey(key), nil
	}
	if f.began.After(j.unknownAsks) {
		j.unknownAsks = f.began
	}
	return nil, errUnknownKey
}

// young reports whether there are keys that may still be used. The caller holds mu.
func (j *jwks) young(now time.Time) bool {
	return j.keys != nil && now.Sub(j.fetched) < maxKeyAge
}

// take joins the flight under way or starts one. The caller holds mu.
func (j *jwks) take(ctx context.Context) *flight {
	if j.flight == nil {
		f := &flight{began: time.Now(), done: make(chan struct{})}
		j.flight = f
		go j.fly(context.WithoutCancel(ctx), f)
	}
	return j.flight
}

// fly fetches, keeps what came, and tells everyone who waits. A set that came
// replaces the old one whole, so a key that Clerk has withdrawn is gone.
func (j *jwks) fly(ctx context.Context, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	f.keys, f.err = j.fetch(ctx)

	j.mu.Lock()
	defer j.mu.Unlock()
	if f.err == nil {
		j.keys, j.fetched = f.keys, f.began
	} else {
		f.err = fmt.Errorf("fetch clerk's keys: %s", clip(f.err))
		j.failed, j.failure = time.Now(), f.err
	}
	j.flight = nil
	close(f.done)
}

// run fetches the keys now and then regularly, sooner after a failure.
func (j *jwks) run(ctx context.Context) error {
	pauses := backoff.NewExponentialBackOff()
	pauses.MaxInterval = maxRetryPause
	for {
		pause := refreshEvery
		if err := j.refresh(ctx); err != nil {
			pause = pauses.NextBackOff()
			j.logger.WarnContext(ctx, "clerk's keys could not be refreshed", "cause", err, "retry", pause)
		} else {
			pauses.Reset()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// refresh fetches the keys, or waits for whoever does so already.
func (j *jwks) refresh(ctx context.Context) error {
	j.mu.Lock()
	f := j.take(ctx)
	j.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func oneKey(key *signingKey) []*signingKey {
	if key == nil {
		return nil
	}
	return []*signingKey{key}
}
