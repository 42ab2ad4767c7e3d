package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

func createKey(t *testing.T, pool *pgxpool.Pool, expires time.Time) (string, store.Key) {
	t.Helper()
	text, key, err := store.CreateKey(t.Context(), pool, "grafana", expires)
	if err != nil {
		t.Fatal(err)
	}
	return text, key
}

func newKeys(pool *pgxpool.Pool) *store.Keys {
	return store.NewKeys(pool, slog.New(slog.DiscardHandler))
}

func mustBeBad(t *testing.T, keys *store.Keys, text, why string) {
	t.Helper()
	_, err := keys.Verify(t.Context(), text)
	if fault.CodeOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want UNAUTHENTICATED because %s", err, why)
	}
}

// counting is a pool on url that counts the statements sent through it.
func counting(t *testing.T, url string) (*pgxpool.Pool, *counter) {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{}
	cfg.ConnConfig.Tracer = c
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, c
}

type counter struct{ statements atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestAKeyIsGoodUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	text, key := createKey(t, pool, time.Time{})
	if !regexp.MustCompile(`^sgk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$`).MatchString(text) {
		t.Errorf("a key of another form: %d characters", len(text))
	}
	id, err := newKeys(pool).Verify(t.Context(), text)
	if err != nil || id != key.ID {
		t.Fatalf("got %q, %v, want %q", id, err, key.ID)
	}
	for range 2 { // again changes nothing
		if err := store.RevokeKey(t.Context(), pool, key.ID); err != nil {
			t.Fatal(err)
		}
	}
	mustBeBad(t, newKeys(pool), text, "unknown, expired or revoked")
	if err := store.RevokeKey(t.Context(), pool, "0000"); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("revoking no key: %v, want ErrNoKey", err)
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	pool, count := counting(t, url)
	text, _ := createKey(t, pool, time.Time{})
	expired, key := createKey(t, pool, time.Now().Add(time.Hour))
	if _, err := pool.Exec(t.Context(), `update segue.api_keys set expires_at = now() - interval '1 second' where id = $1`, key.ID); err != nil {
		t.Fatal(err)
	}
	keys := newKeys(pool)
	mustBeBad(t, keys, expired, "unknown, expired or revoked")
	mustBeBad(t, keys, text[:len(text)-1]+"!", "wrong secret")
	mustBeBad(t, keys, "sgk_"+strings.Repeat("0", 16)+text[20:], "unknown, expired or revoked")

	before := count.statements.Load()
	for _, malformed := range []string{"", "sgk_", text[:len(text)-1], text + "x", "xgk_" + text[4:]} {
		mustBeBad(t, keys, malformed, "malformed")
	}
	if asked := count.statements.Load() - before; asked != 0 {
		t.Errorf("%d statements for malformed keys, want none", asked)
	}
}

func TestAKeyExpiresWhileItIsHeldInMemory(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	expires := time.Now().Add(200 * time.Millisecond)
	text, _ := createKey(t, pool, expires)
	keys := newKeys(pool)
	if _, err := keys.Verify(t.Context(), text); err != nil && time.Now().Before(expires) {
		t.Fatal(err)
	}
	<-time.After(time.Until(expires))
	mustBeBad(t, keys, text, "expired")
}

// TestARevocationHoldsWithinSeconds polls a replica that has the key in memory.
func TestARevocationHoldsWithinSeconds(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	text, key := createKey(t, pool, time.Time{})
	keys := newKeys(pool)
	if _, err := keys.Verify(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := store.RevokeKey(t.Context(), pool, key.ID); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := keys.Verify(t.Context(), text)
		if fault.CodeOf(err) == fault.Unauthenticated && err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a revoked key still works after a minute")
		}
		<-time.After(50 * time.Millisecond)
	}
}

func TestANewKeyWorksAtOnceAndGuessingCostsLittle(t *testing.T) {
	t.Parallel()
	pool, count := counting(t, testdb.New(t, testdb.Plain))
	first, _ := createKey(t, pool, time.Time{})
	keys := newKeys(pool)
	if _, err := keys.Verify(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second, _ := createKey(t, pool, time.Time{})
	if _, err := keys.Verify(t.Context(), second); err != nil {
		t.Errorf("a key made a moment ago: %v", err)
	}

	start, before := time.Now(), count.statements.Load()
	for i := range 1000 {
		mustBeBad(t, keys, fmt.Sprintf("sgk_%016x%s", i, first[20:]), "unknown")
	}
	allowed := 5 + 2*int64(time.Since(start)/time.Second+1)
	if asked := count.statements.Load() - before; asked > allowed {
		t.Errorf("%d statements for 1,000 guesses, want at most %d", asked, allowed)
	}
}

func TestUsersOfAKeyShareOneQuery(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	text, key := createKey(t, testdb.Connect(t, url), time.Time{})
	pool, count := counting(t, url)
	keys := newKeys(pool)
	block, err := testdb.Connect(t, url).Begin(t.Context()) // holds the query back until all wait for it
	if err != nil {
		t.Fatal(err)
	}
	if _, err := block.Exec(t.Context(), `lock table segue.api_keys`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if id, err := keys.Verify(context.Background(), text); err != nil || id != key.ID {
				t.Errorf("got %q, %v", id, err)
			}
		})
	}
	if err := block.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if asked := count.statements.Load(); asked != 1 {
		t.Errorf("%d statements for 50 callers, want 1", asked)
	}
}

func TestLastUseIsWrittenOnceAMinute(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	reader := testdb.Connect(t, url)
	text, _ := createKey(t, reader, time.Time{})
	pool, count := counting(t, url)
	keys := newKeys(pool)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- keys.Run(ctx) }()

	for range 100 {
		if _, err := keys.Verify(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	var used *time.Time
	for used == nil {
		list, err := store.ListKeys(t.Context(), reader)
		if err != nil {
			t.Fatal(err)
		}
		used = list[0].LastUsedAt
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	// One load (a second or third if the machine is slow) and one write.
	if asked := count.statements.Load(); asked > 4 {
		t.Errorf("%d statements for 100 uses", asked)
	}
}

func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	for name, c := range map[string]struct {
		name    string
		expires time.Time
		want    error
	}{
		"no name":        {"  ", time.Time{}, store.ErrKeyName},
		"a long name":    {strings.Repeat("n", 101), time.Time{}, store.ErrKeyName},
		"a line break":   {"a\nb", time.Time{}, store.ErrKeyName},
		"a time gone by": {"a", time.Now().Add(-time.Second), store.ErrKeyExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := store.CreateKey(context.Background(), pool, c.name, c.expires); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestKeysInUseAreBounded(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	_, err := pool.Exec(t.Context(), `
		insert into segue.api_keys (id, name, hash, revoked_at)
		select 'id' || n, 'k', sha256(n::text::bytea), case when n > 999 then now() end from generate_series(1, 1100) n`)
	if err != nil {
		t.Fatal(err)
	}
	createKey(t, pool, time.Time{})
	if _, _, err := store.CreateKey(t.Context(), pool, "k", time.Time{}); !errors.Is(err, store.ErrTooManyKeys) {
		t.Errorf("got %v, want ErrTooManyKeys", err)
	}
}

func TestNoTextOfAKeyIsStored(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	text, _ := createKey(t, pool, time.Now().Add(time.Hour))
	var row string
	if err := pool.QueryRow(t.Context(), `select k::text || encode(hash, 'escape') from segue.api_keys k`).Scan(&row); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(row, text[21:]) {
		t.Error("the row holds the key's secret")
	}
}

func TestAnUnreachableDatabaseIsNoBadKey(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	text, _ := createKey(t, pool, time.Time{})
	pool.Close()
	if _, err := newKeys(pool).Verify(t.Context(), text); err == nil || fault.CodeOf(err) == fault.Unauthenticated {
		t.Errorf("got %v, want anything but UNAUTHENTICATED", err)
	}
}

// TestAKnownKeyCostsNoAllocation: nor, then, a statement. Not parallel: it counts
// the whole process's allocations.
func TestAKnownKeyCostsNoAllocation(t *testing.T) {
	pool := testdb.Pool(t, testdb.Plain)
	text, _ := createKey(t, pool, time.Time{})
	keys := newKeys(pool)
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := keys.Verify(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for a known key, want none", allocations)
	}
}
