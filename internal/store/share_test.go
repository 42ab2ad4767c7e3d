package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// company is people who wrote a message each, the last of them deleted.
type company struct {
	*testing.T
	store    *store.Store
	messages []string
}

func newCompany(t *testing.T, people int) *company {
	t.Helper()
	pool := testdb.Pool(t, testdb.Plain)
	c := &company{T: t, store: store.New(store.Config{Pool: pool}), messages: make([]string, people)}
	for i := range people {
		testdb.AddUser(t, pool, person(i), person(i), "p@example.com")
		err := pool.QueryRow(context.Background(), `INSERT INTO public.chat_messages (clerk_id, role, content)
			VALUES ($1, 'user', $1) RETURNING id::text`, person(i)).Scan(&c.messages[i])
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(context.Background(), `UPDATE neon_auth.users_sync SET deleted_at = now() WHERE id = $1`, person(people-1)); err != nil {
		t.Fatal(err)
	}
	return c
}

func person(i int) string { return fmt.Sprintf("user_%02d", i) }

// read lets everybody ask for its own message and then its neighbour's, all at
// once, and checks what they get.
func (c *company) read() (wait func()) {
	var all sync.WaitGroup
	for i := range c.messages {
		all.Go(func() { c.readAs(i) })
	}
	return all.Wait
}

func (c *company) readAs(i int) {
	v := viewer.User(person(i), "sess", false)
	want := &store.ChatMessageWant{Columns: store.Content, User: &store.UserWant{Columns: store.Name}}
	own, err := c.store.ChatMessage(context.Background(), v, c.messages[i], want)
	if i == len(c.messages)-1 {
		if fault.CodeOf(err) != fault.UserDeleted {
			c.Errorf("a deleted caller got %v, %v", own, err)
		}
		return
	}
	if err != nil || own == nil || own.Content != person(i) || *own.User.Name != person(i) {
		c.Errorf("%s got %+v, %v", person(i), own, err)
	}
	others, err := c.store.ChatMessage(context.Background(), v, c.messages[(i+1)%len(c.messages)], want)
	if err != nil || others != nil {
		c.Errorf("%s got another's message: %+v, %v", person(i), others, err)
	}
}

func TestATripAnswersEverybodyForItself(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 8)
	trip := store.OpenTrip(c.store)
	wait := c.read()
	trip.Wait(8)
	if n := trip.Travel(); n != 8 {
		t.Errorf("%d of 8 were answered", n)
	}
	trip.Close()
	wait()
}

// TestWhoATripDoesNotAnswerGoesAlone breaks one trip at its first statement, one
// at its reader, and another before it began.
func TestWhoATripDoesNotAnswerGoesAlone(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 6)
	trip := store.OpenTrip(c.store)
	wait := c.read()
	trip.Wait(6)
	trip.Fail()
	if n := trip.Travel(); n != 0 {
		t.Errorf("%d were answered on a trip that failed", n)
	}
	trip.Close()
	wait()

	trip = store.OpenTrip(c.store)
	wait = c.read()
	trip.Wait(6)
	trip.Panic()
	if n := trip.Travel(); n != 0 {
		t.Errorf("%d were answered on a trip whose reader panicked", n)
	}
	trip.Close()
	wait()

	trip = store.OpenTrip(c.store)
	wait = c.read()
	trip.Wait(6)
	trip.Close()
	wait()
}

// TestATripWithoutAConnectionShedsItsTurns does not let them wait a second time.
func TestATripWithoutAConnectionShedsItsTurns(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	pool, err := store.OpenPool(url, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	held, err := pool.Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	s := store.New(store.Config{Pool: pool})
	trip := store.OpenTrip(s)
	failed := make(chan error)
	go func() {
		_, err := s.User(context.Background(), viewer.User("user_a", "sess", false), "user_a", &store.UserWant{Columns: store.Name})
		failed <- err
	}()
	trip.Wait(1)
	trip.Travel()
	trip.Close()
	if err := <-failed; fault.CodeOf(err) != fault.Unavailable || !store.IsNoConnection(err) {
		t.Errorf("got %v", err)
	}
}

// TestReadsUnderLoadStayApart has everybody read at once, as requests do.
func TestReadsUnderLoadStayApart(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 20)
	for range 30 {
		c.read()()
	}
}

// TestATripEndsWithTheShortestDeadline keeps nobody beyond its own: the trip
// stands behind a lock, and the one with little time is told so before the
// others, who go on alone.
func TestATripEndsWithTheShortestDeadline(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	pool, err := store.OpenPool(url, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	testdb.AddUser(t, admin, "user_a", "A", "a@example.com")
	s := store.New(store.Config{Pool: pool})
	lock, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), `LOCK TABLE neon_auth.users_sync IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	read := func(ctx context.Context) error {
		_, err := s.User(ctx, viewer.Key("k"), "user_a", &store.UserWant{Columns: store.Name})
		return err
	}
	trip := store.OpenTrip(s)
	short, patient := make(chan error, 1), make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	go func() { short <- read(ctx) }()
	go func() { patient <- read(t.Context()) }()
	trip.Wait(2)
	if n := trip.Travel(); n != 0 {
		t.Errorf("%d were answered behind a lock", n)
	}
	trip.Close()
	if err := <-short; fault.CodeOf(err) != fault.Timeout {
		t.Errorf("the one without time got %v", err)
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-patient; err != nil {
		t.Errorf("the other got %v", err)
	}
}

// TestAnIDThatNoRowCanHave finds the row of the text it is read as, with what hangs below it.
func TestAnIDThatNoRowCanHave(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	testdb.AddUser(t, pool, "\uFFFD", "Odd", "odd@example.com")
	s := store.New(store.Config{Pool: pool})
	list := &store.FeedbackList{PageWant: store.PageWant{Window: page.Window{Size: 1}, TotalCount: true}}
	u, err := s.User(context.Background(), viewer.Key("k"), "\x00", &store.UserWant{Feedback: []*store.FeedbackList{list}})
	if err != nil || u == nil || len(u.Feedback) != 1 || u.Feedback[0] == nil {
		t.Errorf("got %+v, %v", u, err)
	}
}
