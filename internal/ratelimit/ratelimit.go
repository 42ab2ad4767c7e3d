// Package ratelimit gives every caller an allowance of complexity points per
// minute. It counts with the generic cell rate algorithm (throttled's): the
// whole allowance may be spent at once and then grows back evenly, so there is
// no edge of a window to wait for.
//
// The counts are in memory, or in Redis for all replicas together. It does not
// know what a caller is, nor HTTP: gqlhttp names the one and writes the headers of the other.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
)

// MaxCallers is how many callers are remembered in memory; beyond that the one
// not seen for longest starts afresh.
const MaxCallers = 100_000

// Window is the time that an allowance is about.
const Window = time.Minute

// Config is what a Limiter is made of.
type Config struct {
	// PointsPerMinute is every caller's allowance, at least 1.
	PointsPerMinute int
	// RedisURL is where replicas keep their counts together; empty for in memory.
	RedisURL string
	// Logger hears of Redis going away and coming back.
	Logger *slog.Logger
}

// Limiter counts. It is safe for concurrent use.
type Limiter struct {
	points int
	local  *throttled.GCRARateLimiterCtx
	shared *shared // nil without Redis
}

// Result is what a caller has left. Its fields are those of gqlhttp.Rate, so
// that the one converts to the other.
type Result struct {
	Limit      int           // points per Window
	Remaining  int           // points left now
	Window     time.Duration // Window
	Reset      time.Duration // until the allowance is whole again
	RetryAfter time.Duration // when refused: until as many points will be there
	Allowed    bool
}

// New makes a Limiter. It connects to Redis only when first asked, so that a
// gateway starts without it.
func New(c Config) (*Limiter, error) {
	if c.PointsPerMinute < 1 {
		return nil, errors.New("rate limit: an allowance has at least 1 point")
	}
	store, err := memstore.NewCtx(MaxCallers)
	if err != nil {
		return nil, fmt.Errorf("rate limit in memory: %w", err)
	}
	l := &Limiter{points: c.PointsPerMinute}
	if l.local, err = counter(store, c.PointsPerMinute); err != nil {
		return nil, err
	}
	if c.RedisURL != "" {
		if l.shared, err = newShared(c); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func counter(store throttled.GCRAStoreCtx, points int) (*throttled.GCRARateLimiterCtx, error) {
	quota := throttled.RateQuota{MaxRate: throttled.PerDuration(points, Window), MaxBurst: points - 1}
	g, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, fmt.Errorf("rate limit of %d points: %w", points, err)
	}
	g.SetMaxCASAttemptsLimit(maxAttempts)
	return g, nil
}

// maxAttempts is how often a count is tried again when someone else counted the
// same caller in between.
const maxAttempts = 100

// Take charges caller points, or refuses and charges nothing. A charge above the
// whole allowance counts as the whole allowance: it would otherwise never pass.
// With Redis away, this process counts by itself.
func (l *Limiter) Take(ctx context.Context, caller string, points int) (Result, error) {
	points = max(1, min(points, l.points))
	if l.shared != nil {
		if limited, state, ok := l.shared.take(ctx, caller, points); ok {
			return result(limited, state), nil
		}
	}
	limited, state, err := l.local.RateLimitCtx(ctx, caller, points)
	if err != nil {
		return Result{}, fmt.Errorf("rate limit in memory: %w", err)
	}
	return result(limited, state), nil
}

// Close lets go of Redis.
func (l *Limiter) Close() error {
	if l.shared == nil {
		return nil
	}
	return l.shared.client.Close()
}

func result(limited bool, state throttled.RateLimitResult) Result {
	return Result{
		Limit:      state.Limit,
		Remaining:  max(0, state.Remaining),
		Window:     Window,
		Reset:      state.ResetAfter,
		RetryAfter: max(0, state.RetryAfter),
		Allowed:    !limited,
	}
}
