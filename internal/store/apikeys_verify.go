package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/ai-dj/segue/internal/fault"
)

const (
	// keysMaxAge bounds how long a revoked key still works.
	keysMaxAge = 2 * time.Second
	// keysTimeout bounds one load of the keys.
	keysTimeout = acquireTimeout
	// useEvery is how often a key's last use is written down.
	useEvery = time.Minute
	// An id we do not know may belong to a key made a moment ago, so the keys are
	// loaded early for it: newKeyBurst times at once and then every newKeyPause.
	// Guessing cannot cause more than that.
	newKeyPause = time.Second
	newKeyBurst = 5
)

// Keys verifies API keys. It holds all keys in use in memory, at most keysMaxAge
// old and loaded only while somebody uses one, so that a revocation holds in
// every replica within seconds, a request with a key costs no query, and neither
// does a guess. It needs no viewer: it is what makes one.
type Keys struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
	known  atomic.Pointer[knownKeys]
	loads  singleflight.Group
	early  *rate.Limiter
	used   chan string // ids whose use is to be written down
}

// knownKeys are the keys in use at a moment. It is never changed.
type knownKeys struct {
	at   time.Time // when loading began
	byID map[string]*knownKey
}

type knownKey struct {
	hash    []byte
	expires *time.Time
	noted   atomic.Int64 // when its use was last written down or queued, Unix seconds
}

// NewKeys returns a verifier of the keys in pool's database.
func NewKeys(pool *pgxpool.Pool, logger *slog.Logger) *Keys {
	return &Keys{
		pool:   pool,
		logger: logger,
		early:  rate.NewLimiter(rate.Every(newKeyPause), newKeyBurst),
		used:   make(chan string, maxKeys),
	}
}

// Verify returns the id of the key with this text. A key that is malformed,
// unknown, expired or revoked is a *fault.Error with the code Unauthenticated,
// whose cause says no more than that; any other error means that the database
// could not be asked.
func (k *Keys) Verify(ctx context.Context, plaintext string) (id string, err error) {
	id, ok := keyID(plaintext)
	if !ok {
		return "", badKey("malformed")
	}
	key, err := k.find(ctx, id)
	if err != nil {
		return "", err
	}
	if key == nil {
		return "", badKey("unknown, expired or revoked")
	}
	sum := sha256.Sum256(append(make([]byte, 0, keyLength), plaintext...))
	if subtle.ConstantTimeCompare(sum[:], key.hash) != 1 {
		return "", badKey("wrong secret")
	}
	now := time.Now()
	if key.expires != nil && !now.Before(*key.expires) {
		return "", badKey("expired")
	}
	k.note(id, key, now)
	return id, nil
}

// Run writes down when keys were used, at most once a minute each, until ctx
// ends; it then returns nil. What could not be written is only logged.
func (k *Keys) Run(ctx context.Context) error {
	for {
		select {
		case id := <-k.used:
			if err := k.writeUse(ctx, id); err != nil && ctx.Err() == nil {
				k.logger.WarnContext(ctx, "use of an API key not written down", "key", id, "cause", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func badKey(why string) error {
	return fault.New(fault.Unauthenticated, "the API key is not valid").Because(fmt.Errorf("API key: %s", why))
}

// find returns the key in use with this id, nil when there is none.
func (k *Keys) find(ctx context.Context, id string) (*knownKey, error) {
	known := k.known.Load()
	if known != nil && time.Since(known.at) < keysMaxAge {
		if key := known.byID[id]; key != nil || !k.early.Allow() {
			return key, nil
		}
	}
	known, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	return known.byID[id], nil
}

// load asks the database, once for all who wait. The query belongs to none of
// them: it goes on when they hang up.
func (k *Keys) load(ctx context.Context) (*knownKeys, error) {
	detached := context.WithoutCancel(ctx)
	loading := k.loads.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(detached, keysTimeout)
		defer cancel()
		known, err := k.query(ctx)
		if err != nil {
			return nil, explain(ctx, fmt.Errorf("load API keys: %w", err))
		}
		k.known.Store(known)
		return known, nil
	})
	select {
	case result := <-loading:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*knownKeys), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (k *Keys) query(ctx context.Context) (*knownKeys, error) {
	before := k.known.Load()
	known := &knownKeys{at: time.Now(), byID: map[string]*knownKey{}}
	rows, err := k.pool.Query(ctx, `
		select id, hash, expires_at, coalesce(extract(epoch from last_used_at)::bigint, 0)
		from segue.api_keys
		where revoked_at is null and (expires_at is null or expires_at > now())`)
	if err != nil {
		return nil, err
	}
	var id string
	var hash []byte
	var expires *time.Time
	var used int64
	_, err = pgx.ForEachRow(rows, []any{&id, &hash, &expires, &used}, func() error {
		key := &knownKey{hash: hash, expires: expires}
		key.noted.Store(max(used, before.noted(id)))
		known.byID[id] = key
		hash, expires = nil, nil // the next row's own
		return nil
	})
	return known, err
}

// noted is when the use of a key was last written down or queued, as far as known.
func (k *knownKeys) noted(id string) int64 {
	if k == nil || k.byID[id] == nil {
		return 0
	}
	return k.byID[id].noted.Load()
}

// note queues a use to be written down, unless one was within useEvery.
func (k *Keys) note(id string, key *knownKey, now time.Time) {
	last := key.noted.Load()
	if now.Unix()-last < int64(useEvery/time.Second) || !key.noted.CompareAndSwap(last, now.Unix()) {
		return
	}
	select {
	case k.used <- id:
	default: // the writer is far behind; the next minute's use will do
	}
}

// writeUse leaves the row alone when another replica has just written it.
func (k *Keys) writeUse(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	_, err := k.pool.Exec(ctx, `
		update segue.api_keys set last_used_at = now()
		where id = $1 and (last_used_at is null or last_used_at < now() - $2::interval)`, id, useEvery)
	return err
}
