package live_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

const ada = "user_ada"

var (
	asAda     = viewer.User(ada, "sess_ada", false)
	asAnalyst = viewer.User("user_ann", "sess_ann", true)
)

// run starts a hub that ends with the test, and sees to it that nothing of it is left.
func run(t *testing.T, url string, change ...func(*live.Config)) *live.Hub {
	t.Helper()
	c := live.Config{DirectURL: url, Logger: slog.New(slog.DiscardHandler), Linger: 50 * time.Millisecond}
	for _, f := range change {
		f(&c)
	}
	hub := live.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return hub
}

// echo sends the ids themselves.
func echo(_ context.Context, ids []string) ([][]byte, error) {
	items := make([][]byte, len(ids))
	for i, id := range ids {
		items[i] = []byte(id)
	}
	return items, nil
}

func subscribe(t *testing.T, hub *live.Hub, f live.Feed) *live.Subscription {
	t.Helper()
	if f.Read == nil {
		f.Read = echo
	}
	s, err := hub.Subscribe(deadline(t), f)
	if err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// deadline is for what must happen; it is so long that only a hang meets it.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func next(t *testing.T, s *live.Subscription) string {
	t.Helper()
	item, err := s.Next(deadline(t))
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return string(item)
}

func database(t *testing.T) (string, *pgxpool.Pool) {
	t.Helper()
	url := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, url)
	testdb.AddUser(t, pool, ada, "Ada", "")
	testdb.AddUser(t, pool, "user_bob", "Bob", "")
	return url, pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

const message = `insert into public.chat_messages (clerk_id, role, content) values ($1, 'user', 'hi') returning id::text`

func send(t *testing.T, pool *pgxpool.Pool, owner string) (id string) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), message, owner).Scan(&id); err != nil {
		t.Fatalf("send: %v", err)
	}
	return id
}

func TestTopics(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	hub := run(t, url)
	mine := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded, Owner: ada}, Viewer: asAda})
	all := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst})
	ratings := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.FeedbackGiven}, Viewer: asAnalyst})
	likes := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.TrackLiked, Owner: ada}, Viewer: asAda})

	bobs, adas := send(t, pool, "user_bob"), send(t, pool, ada)
	if got := next(t, mine); got != adas {
		t.Errorf("one's own feed gave %s, want %s", got, adas)
	}
	if a, b := next(t, all), next(t, all); a != bobs || b != adas {
		t.Errorf("everyone's feed gave %s, %s; want %s, %s", a, b, bobs, adas)
	}

	rate := `insert into public.message_feedback (clerk_id, message_id, rating) values ($1, $2, $3)
		on conflict (clerk_id, message_id) do update set rating = excluded.rating`
	exec(t, pool, rate, ada, adas, 1)
	exec(t, pool, rate, ada, adas, -1)
	if a, b := next(t, ratings), next(t, ratings); a != b {
		t.Errorf("a replaced rating gave %s, %s; want the same twice", a, b)
	}
	exec(t, pool, "insert into public.track_likes (clerk_id, track_id) values ($1, 't1')", "user_bob")
	exec(t, pool, "insert into public.track_likes (id, clerk_id, track_id) values ('00000000-0000-0000-0000-000000000001', $1, 't1')", ada)
	if got := next(t, likes); got != "00000000-0000-0000-0000-000000000001" {
		t.Errorf("likes gave %s", got)
	}
}

// Commit order is not the order of writing, of clocks or of sequences.
func TestTransactions_thatOverlap(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	ctx := deadline(t)
	before, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Rollback(ctx)
	hub := run(t, url)
	s := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded, Owner: ada}, Viewer: asAda})

	insert := func(content string) string {
		var id string
		if err := before.QueryRow(ctx, `insert into public.chat_messages (clerk_id, role, content, created_at)
			values ($1, 'user', $2, '2001-01-01') returning id::text`, ada, content).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	early := []string{insert("a"), insert("b")}
	late := send(t, pool, ada)
	if got := next(t, s); got != late {
		t.Fatalf("got %s, want %s, which was committed first", got, late)
	}
	early = append(early, insert("c"))
	if err := before.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range early {
		if got := next(t, s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// While the connection of the last subscriber says good-bye it reads no more.
func TestSubscribe_whileTheHubLeaves(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	ctx := deadline(t)
	hub := run(t, url, func(c *live.Config) { c.Linger = time.Millisecond })
	feed := live.Feed{Topic: live.Topic{Kind: live.MessageAdded, Owner: ada}, Viewer: asAda, Read: echo}
	door, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer door.Rollback(ctx)
	last := subscribe(t, hub, feed)
	if _, err := door.Exec(ctx, "select pg_advisory_xact_lock(7330005)"); err != nil { // leaving waits for it
		t.Fatal(err)
	}
	last.Close()
	waitFor(t, pool, "select exists (select from pg_stat_activity where application_name = 'segue live' and wait_event_type = 'Lock' and datname = current_database())")
	over, cancel := context.WithCancel(ctx)
	cancel()
	for range 20 { // of two reasons to return, select takes either
		if s, err := hub.Subscribe(over, feed); err == nil {
			s.Close()
			t.Fatal("subscribed to a connection that was leaving")
		}
	}
	if err := door.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, hub, feed)
	id := send(t, pool, ada)
	if got := next(t, s); got != id {
		t.Errorf("got %s, want %s", got, id)
	}
}

// A writer that looked before anybody watched stays silent until it commits; the first watcher waits for it.
func TestSubscribe_waitsForSilentWriters(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	ctx := deadline(t)
	silent, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Rollback(ctx)
	if _, err := silent.Exec(ctx, "insert into public.chat_messages (clerk_id, role, content) values ($1, 'user', 'x')", ada); err != nil {
		t.Fatal(err)
	}
	hub := run(t, url)
	subscribed := make(chan *live.Subscription, 1)
	go func() {
		s, err := hub.Subscribe(ctx, live.Feed{Topic: live.Topic{Kind: live.MessageAdded, Owner: ada}, Viewer: asAda, Read: echo})
		if err != nil {
			t.Error(err)
		}
		subscribed <- s
	}()
	waitFor(t, pool, "select exists (select from pg_stat_activity where application_name = 'segue live' and wait_event_type = 'Lock' and datname = current_database())")
	spoken := send(t, pool, ada)
	if err := silent.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	s := <-subscribed
	defer s.Close()
	if got := next(t, s); got != spoken {
		t.Errorf("got %s, want %s, which was written while the watcher waited", got, spoken)
	}
}

func TestConnection_followsTheMembers(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	hub := run(t, url)
	const connected = "select exists (select from pg_stat_activity where application_name = 'segue live' and datname = current_database())"
	const clean = "select not exists (select from segue.watchers) and not exists (select from segue.events)"
	var there bool
	if err := pool.QueryRow(t.Context(), connected).Scan(&there); err != nil || there {
		t.Fatalf("connected without members: %v, %v", there, err)
	}
	for range 2 {
		socket := hub.Join(asAda, func(error) {})
		waitFor(t, pool, connected)
		s := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst})
		send(t, pool, ada)
		next(t, s)
		s.Close()
		socket.Leave()
		waitFor(t, pool, "select not ("+connected[7:]+")")
		waitFor(t, pool, clean)
		send(t, pool, ada)
		waitFor(t, pool, clean) // nobody watches, so the triggers wrote nothing
	}
}

func TestRevocations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		want error
	}{
		"a session":                 {"select segue.announce('session', 'sess_ada')", live.ErrSessionRevoked},
		"a deleted user, announced": {"select segue.announce('user', 'user_ada')", live.ErrUserDeleted},
		"a deleted user":            {"update neon_auth.users_sync set deleted_at = now() where id = 'user_ada'", live.ErrUserDeleted},
		"an erased user":            {"delete from neon_auth.users_sync where id = 'user_ada'", live.ErrUserDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, pool := database(t)
			told := make(chan string, 1)
			hub := run(t, url, func(c *live.Config) { c.Revoked = func(kind, id string) { told <- kind + " " + id } })
			ended := make(chan error, 1)
			socket := hub.Join(asAda, func(err error) { ended <- err })
			defer socket.Leave()
			s := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAda})
			other := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst})
			exec(t, pool, c.sql)
			if err := <-ended; !errors.Is(err, c.want) {
				t.Errorf("the socket ended with %v, want %v", err, c.want)
			}
			if _, err := s.Next(deadline(t)); !errors.Is(err, c.want) {
				t.Errorf("the subscription ended with %v, want %v", err, c.want)
			}
			if got := <-told; got != "session sess_ada" && got != "user user_ada" {
				t.Errorf("Revoked was told %q", got)
			}
			want := send(t, pool, "user_bob")
			if got := next(t, other); got != want {
				t.Errorf("the other subscriber got %s, want %s", got, want)
			}
		})
	}
}

func TestRead_isSharedByAKey(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	hub := run(t, url)
	reads := make(chan int, 1000)
	count := func(ctx context.Context, ids []string) ([][]byte, error) {
		reads <- len(ids)
		return echo(ctx, ids)
	}
	subs := make([]*live.Subscription, 1000)
	for i := range subs {
		subs[i] = subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst, Key: "k", Read: count})
	}
	want := send(t, pool, ada)
	for i, s := range subs {
		if got := next(t, s); got != want {
			t.Fatalf("subscriber %d got %s, want %s", i, got, want)
		}
	}
	if len(reads) != 1 {
		t.Errorf("%d reads for one event of 1,000 subscribers, want 1", len(reads))
	}
	<-reads
	exec(t, pool, "insert into public.chat_messages (clerk_id, role, content) select $1, 'user', 'x' from generate_series(1, 200)", ada)
	for range 200 {
		next(t, subs[0])
	}
	if n := <-reads; n != 200 || len(reads) != 0 {
		t.Errorf("a burst of 200 was read as %d and %d more, want one read", n, len(reads))
	}
}

func TestRead_failures(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	passing, final := errors.New("the database is away"), errors.New("no longer allowed")
	hub := run(t, url, func(c *live.Config) { c.Temporary = func(err error) bool { return errors.Is(err, passing) } })
	topic := live.Topic{Kind: live.MessageAdded}
	tries := 0
	flaky := subscribe(t, hub, live.Feed{Topic: topic, Viewer: asAnalyst, Key: "flaky", Read: func(ctx context.Context, ids []string) ([][]byte, error) {
		if tries++; tries < 3 {
			return nil, passing
		}
		return echo(ctx, ids)
	}})
	denied := subscribe(t, hub, live.Feed{Topic: topic, Viewer: asAnalyst, Key: "same", Read: func(context.Context, []string) ([][]byte, error) { return nil, final }})
	fine := subscribe(t, hub, live.Feed{Topic: topic, Viewer: asAnalyst, Key: "same"})
	for range 3 { // until the denied one's read was the one to be tried
		want := send(t, pool, ada)
		if got := next(t, flaky); got != want {
			t.Errorf("after failures that pass: got %s, want %s", got, want)
		}
		if got := next(t, fine); got != want {
			t.Errorf("beside a failing reader: got %s, want %s", got, want)
		}
	}
	fine.Close()
	send(t, pool, ada)
	if _, err := denied.Next(deadline(t)); !errors.Is(err, final) {
		t.Errorf("ended with %v, want %v", err, final)
	}
}

func TestSlowReader_isEndedAlone(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	hub := run(t, url)
	f := live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst, Key: "k"}
	slow, quick := subscribe(t, hub, f), subscribe(t, hub, f)
	const n = 10_000
	exec(t, pool, "insert into public.chat_messages (clerk_id, role, content) select $1, 'user', 'x' from generate_series(1, $2)", ada, n)
	for range n {
		next(t, quick)
	}
	var err error
	for err == nil {
		_, err = slow.Next(deadline(t))
	}
	if !errors.Is(err, live.ErrSlow) {
		t.Errorf("the slow one ended with %v, want ErrSlow", err)
	}
}

func TestStats_mergesRepeats(t *testing.T) {
	t.Parallel()
	url, pool := database(t)
	hub := run(t, url, func(c *live.Config) { c.StatsEvery = 200 * time.Millisecond })
	var rounds [][]string
	s := subscribe(t, hub, live.Feed{Topic: live.Topic{Kind: live.StatsChanged}, Viewer: asAnalyst, Read: func(ctx context.Context, ids []string) ([][]byte, error) {
		rounds = append(rounds, ids)
		var n string
		if err := pool.QueryRow(ctx, "select count(*)::text from public.chat_messages where clerk_id = $1", ada).Scan(&n); err != nil {
			return nil, err
		}
		items := make([][]byte, len(ids))
		for i, id := range ids {
			items[i] = []byte(id + " " + n)
		}
		return items, nil
	}})
	for range 50 {
		send(t, pool, ada)
	}
	send(t, pool, "user_bob")
	seen := map[string]bool{}
	for !seen[ada+" 50"] || !seen["user_bob 50"] {
		seen[next(t, s)] = true
	}
	exec(t, pool, "delete from public.chat_messages where clerk_id = $1", ada)
	for next(t, s) != ada+" 0" {
	}
	for _, ids := range rounds {
		if len(ids) > 2 {
			t.Errorf("a round named %v, want each person once", ids)
		}
	}
}

func waitFor(t *testing.T, pool *pgxpool.Pool, condition string) {
	t.Helper()
	ctx := deadline(t)
	for {
		var ok bool
		if err := pool.QueryRow(ctx, condition).Scan(&ok); err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
		if ok {
			return
		}
		if _, err := pool.Exec(ctx, "select pg_sleep(0.01)"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("os/exec.(*Cmd).watchCtx.func1"), goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"))
}
