package store_test

import (
	"context"
	"sync"
	"testing"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// TestReadsThatCount_leaveConnectionsToOthers has many of them stand behind a
// lock: what reads by key goes on, and those past the queue are refused at once.
func TestReadsThatCount_leaveConnectionsToOthers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	testdb.AddUser(t, admin, "user_a", "A", "a@example.com")
	pool, err := store.OpenPool(url, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := store.New(store.Config{Pool: pool})
	v := viewer.User("user_a", "sess_1", true)
	text, role, from := "x", store.RoleUser, store.Time(0)
	window := store.PageWant{Window: page.Window{Size: 1}, Rows: true}
	counting := store.PageWant{Window: page.Window{Size: 1}, TotalCount: true}
	since := &store.TimeRange{From: &from}
	reads := []func(context.Context) error{ // all go to a table that is locked
		func(ctx context.Context) error {
			_, err := s.ChatMessages(ctx, v, &store.ChatMessageList{PageWant: counting})
			return err
		},
		func(ctx context.Context) error {
			_, err := s.ChatMessages(ctx, v, &store.ChatMessageList{PageWant: window, Filter: store.ChatMessageFilter{Search: &text}})
			return err
		},
		func(ctx context.Context) error {
			_, err := s.ChatMessages(ctx, v, &store.ChatMessageList{PageWant: window, Filter: store.ChatMessageFilter{Role: &role}})
			return err
		},
		func(ctx context.Context) error {
			_, err := s.TopTracks(ctx, v, since, 1)
			return err
		},
		func(ctx context.Context) error {
			_, err := s.UserStats(ctx, v, &store.UserStatsList{PageWant: window, Range: since, OrderBy: store.ByLastActiveAt, Span: true})
			return err
		},
		func(ctx context.Context) error {
			_, err := s.User(ctx, v, "user_a", &store.UserWant{Stats: []*store.StatsWant{{Range: since, Span: true}}})
			return err
		},
	}

	lock, err := admin.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(ctx, "lock table public.chat_messages, public.track_likes in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	places := store.CountingReads(2) * (1 + store.WaitingPerCount)
	refused := make(chan error, places+1)
	var all sync.WaitGroup
	for i := range places + 1 {
		all.Go(func() {
			if err := reads[i%len(reads)](ctx); err != nil {
				refused <- err
			}
		})
	}
	if err := <-refused; fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("the one too many got %v", err)
	}
	for range 50 {
		if _, err := s.User(ctx, v, "user_a", &store.UserWant{Columns: store.Name}); err != nil {
			t.Fatalf("a read by key, while others count: %v", err)
		}
	}
	if err := lock.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	close(refused)
	for err := range refused {
		t.Errorf("who waited got %v", err)
	}
}

// Who gives up waiting is told that it took too long, and its place is free again.
func TestReadsThatCount_giveUpWaiting(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	pool, err := store.OpenPool(url, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := store.New(store.Config{Pool: pool})
	count := func(ctx context.Context) error {
		_, err := s.Users(ctx, viewer.Key("k"), &store.UserList{PageWant: store.PageWant{Window: page.Window{Size: 1}, TotalCount: true}})
		return err
	}
	lock, err := admin.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(ctx, "lock table neon_auth.users_sync in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() { first <- count(ctx) }()
	for held := false; !held; {
		const waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()) from pg_sleep(0.01)"
		if err := admin.QueryRow(ctx, waits).Scan(&held); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	for range 2 * store.WaitingPerCount {
		if err := count(over); fault.CodeOf(err) != fault.Timeout {
			t.Fatalf("got %v", err)
		}
	}
	if err := lock.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// What a replica sheds is not read from the primary instead: that would undo the bound.
func TestReadsThatCount_areShedByTheReplica(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	replica, err := store.OpenPool(url, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(replica.Close)
	s := store.New(store.Config{Pool: testdb.Pool(t, testdb.Plain), Replica: replica})
	count := func() error {
		_, err := s.UserStats(ctx, viewer.Key("k"), &store.UserStatsList{
			PageWant: store.PageWant{Window: page.Window{Size: 1}, TotalCount: true}, OrderBy: store.ByMessageCount,
		})
		return err
	}
	lock, err := admin.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(ctx, "lock table neon_auth.users_sync in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	places := store.CountingReads(1) * (1 + store.WaitingPerCount)
	ended := make(chan error, places+1)
	for range places + 1 {
		go func() { ended <- count() }()
	}
	if err := <-ended; fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("the one too many got %v", err)
	}
	if err := lock.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	for range places {
		if err := <-ended; err != nil {
			t.Errorf("who waited got %v", err)
		}
	}
}
