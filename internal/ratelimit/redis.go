package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/throttled/throttled/v2"
	goredisstore "github.com/throttled/throttled/v2/store/goredisstore.v9"
)

const (
	// patience is how long an operation may wait for Redis.
	patience = 250 * time.Millisecond
	// pause is how long Redis is left alone after it did not answer.
	pause = 5 * time.Second
	// stripes is how many callers this process may count in Redis at once.
	stripes = 64
)

// shared counts in Redis. Throttled reads a count and swaps it, and tries again
// when someone was faster; a caller with many requests at once would be its own
// rival, so this process counts each caller one request at a time.
type shared struct {
	client  *redis.Client
	counter *throttled.GCRARateLimiterCtx
	logger  *slog.Logger
	pause   time.Duration

	seed  maphash.Seed
	turns [stripes]sync.Mutex

	away  atomic.Bool  // Redis did not answer when last asked
	until atomic.Int64 // when to ask again, in Unix nanoseconds
}

func newShared(c Config) (*shared, error) {
	options, err := redis.ParseURL(c.RedisURL)
	if err != nil {
		// Not wrapped: the text may repeat the URL and the password in it.
		return nil, fmt.Errorf("rate limit: REDIS_URL is not a Redis URL")
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = patience, patience, patience
	options.ContextTimeoutEnabled = true
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	quiet()
	s := &shared{client: redis.NewClient(options), logger: c.Logger, pause: pause, seed: maphash.MakeSeed()}
	store, err := goredisstore.NewCtx(s.client, "segue:rate:")
	if err != nil {
		return nil, fmt.Errorf("rate limit in Redis: %w", err)
	}
	s.counter, err = counter(store, c.PointsPerMinute)
	return s, err
}

// take counts in Redis. It reports false when Redis is not to be had.
func (s *shared) take(ctx context.Context, caller string, points int) (limited bool, state throttled.RateLimitResult, ok bool) {
	if s.resting() {
		return false, state, false
	}
	turn := &s.turns[maphash.String(s.seed, caller)%stripes]
	turn.Lock()
	defer turn.Unlock()
	// Whoever waited behind a request that found Redis away need not find out too.
	if s.resting() {
		return false, state, false
	}
	// A caller that hangs up must not look like a Redis that is away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	limited, state, err := s.counter.RateLimitCtx(ctx, caller, points)
	s.heard(err)
	return limited, state, err == nil
}

func (s *shared) resting() bool { return time.Now().UnixNano() < s.until.Load() }

// heard notes whether Redis answered and logs when that changes.
func (s *shared) heard(err error) {
	if err != nil {
		s.until.Store(time.Now().Add(s.pause).UnixNano())
	}
	switch was := s.away.Swap(err != nil); {
	case err != nil && !was:
		s.logger.Warn("redis does not answer, each replica counts rate limits by itself", "cause", err)
	case err == nil && was:
		s.logger.Info("redis answers again, rate limits are shared")
	}
}

// quiet keeps go-redis, whose logger is the whole process's, from writing a line
// of its own to standard error for every connection it cannot make.
var quiet = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
