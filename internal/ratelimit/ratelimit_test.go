package ratelimit_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ai-dj/segue/internal/ratelimit"
)

func limiter(t *testing.T, c ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := ratelimit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func take(t *testing.T, l *ratelimit.Limiter, caller string, points int) ratelimit.Result {
	t.Helper()
	r, err := l.Take(t.Context(), caller, points)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAllowance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, ratelimit.Config{PointsPerMinute: 60})
		steps := []struct {
			caller string
			points int
			want   ratelimit.Result
			wait   time.Duration
		}{
			{"a", 40, ratelimit.Result{Remaining: 20, Reset: 40 * time.Second, Allowed: true}, 0},
			{"a", 30, ratelimit.Result{Remaining: 20, Reset: 40 * time.Second, RetryAfter: 10 * time.Second}, 0},
			{"b", 30, ratelimit.Result{Remaining: 30, Reset: 30 * time.Second, Allowed: true}, 0},
			{"a", 20, ratelimit.Result{Remaining: 0, Reset: 60 * time.Second, Allowed: true}, 0},
			{"a", 1, ratelimit.Result{Remaining: 0, Reset: 60 * time.Second, RetryAfter: time.Second}, 15 * time.Second},
			{"a", 10, ratelimit.Result{Remaining: 5, Reset: 55 * time.Second, Allowed: true}, time.Hour},
			{"a", 0, ratelimit.Result{Remaining: 59, Reset: time.Second, Allowed: true}, time.Hour},
			{"a", 1_000_000, ratelimit.Result{Remaining: 0, Reset: 60 * time.Second, Allowed: true}, 0},
			{"a", 1_000_000, ratelimit.Result{Remaining: 0, Reset: 60 * time.Second, RetryAfter: 60 * time.Second}, 0},
		}
		for i, s := range steps {
			s.want.Limit, s.want.Window = 60, time.Minute
			if got := take(t, l, s.caller, s.points); got != s.want {
				t.Errorf("step %d: %s takes %d and gets %+v, want %+v", i, s.caller, s.points, got, s.want)
			}
			time.Sleep(s.wait) // the bubble's clock
		}
	})
}

func TestConcurrentCallersGetExactlyTheirAllowance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if got := storm(t, limiter(t, ratelimit.Config{PointsPerMinute: 100}), "a", 300); got != 100 {
			t.Errorf("%d of 300 points were given, want 100", got)
		}
	})
}

// storm has many goroutines take a point each and counts who got one.
func storm(t *testing.T, l *ratelimit.Limiter, caller string, n int) int {
	t.Helper()
	var given atomic.Int64
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			r, err := l.Take(context.Background(), caller, 1)
			if err != nil {
				t.Error(err)
			}
			if r.Allowed {
				given.Add(1)
			}
		})
	}
	group.Wait()
	return int(given.Load())
}

// Memory is bounded: the caller not seen for longest is forgotten.
func TestCallersAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := limiter(t, ratelimit.Config{PointsPerMinute: 1})
		if !take(t, l, "first", 1).Allowed || take(t, l, "first", 1).Allowed {
			t.Fatal("an allowance of 1 is not 1")
		}
		for i := range ratelimit.MaxCallers {
			take(t, l, fmt.Sprint("caller ", i), 1)
		}
		if !take(t, l, "first", 1).Allowed {
			t.Errorf("a caller is remembered after %d others", ratelimit.MaxCallers)
		}
	})
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]ratelimit.Config{
		"no points":       {},
		"a bad URL":       {PointsPerMinute: 1, RedisURL: "http://user:secret@host"},
		"negative":        {PointsPerMinute: -1},
		"too many points": {PointsPerMinute: int(2 * time.Minute)},
	} {
		_, err := ratelimit.New(c)
		if err == nil {
			t.Errorf("%s is accepted", name)
		} else if text := err.Error(); len(text) > 200 || containsSecret(text) {
			t.Errorf("%s: %s", name, text)
		}
	}
}
