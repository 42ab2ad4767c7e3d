package usersync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/usersync"
)

// bury marks a user as deleted that long ago, as anybody may.
func (f *fixture) bury(id string, ago time.Duration) {
	f.t.Helper()
	f.exec(`update neon_auth.users_sync set deleted_at = now() - $2::interval where id = $1`, id, ago)
}

const month time.Duration = 30 * 24 * time.Hour

func TestSweepErasesWhatIsDue(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			f := start(t, shape)
			for _, id := range []string{"user_due", "user_recent", "user_live"} {
				testdb.AddUser(t, f.pool, id, "Name", "mail@example.com")
				f.write(id, 3)
			}
			f.bury("user_due", month+time.Hour)
			f.bury("user_recent", month-time.Hour)
			f.exec(`insert into public.message_feedback (clerk_id, message_id, rating) select 'user_live', id, -1 from public.chat_messages where clerk_id = 'user_due'`)
			before := f.row("user_due")

			erased, err := f.System.Sweep(t.Context(), month)
			want := store.Erasure{Users: 1, Erased: store.Erased{Messages: 3, Feedback: 3, Likes: 3}, OthersFeedback: 3}
			if err != nil || erased != want {
				t.Errorf("erased %+v, %v", erased, err)
			}
			if f.rows("user_due") != 0 || f.rows("user_recent") != 9 || f.rows("user_live") != 9 {
				t.Errorf("rows left: %d, %d, %d", f.rows("user_due"), f.rows("user_recent"), f.rows("user_live"))
			}
			if n := f.number(`select count(*) from segue.erasures where user_id = 'user_due' and cause = 'sweep'
				and (messages, feedback, likes, others_feedback) = (3, 3, 3, 3) and finished_at is not null`); n != 1 {
				t.Errorf("%d audit rows", n)
			}
			after := f.row("user_due")
			if f.neon() && after != before {
				t.Errorf("Neon's row was written: %s", after)
			}
			if !f.neon() && (!strings.Contains(after, "name=- email=-") || strings.HasSuffix(after, "deleted=-")) {
				t.Errorf("the tombstone is %s", after)
			}
			if again, err := f.System.Sweep(t.Context(), month); err != nil || again != (store.Erasure{}) {
				t.Errorf("a second sweep erased %+v, %v", again, err)
			}
			if n := f.number(`select count(*) from segue.erasures`); n != 1 {
				t.Errorf("%d audit rows after a second sweep", n)
			}
		})
	}
}

// Other programs may go on writing for a deleted user: the foreign key lets them.
func TestSweepComesBackForLateRows(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	testdb.AddUser(t, f.pool, "user_due", "", "")
	f.bury("user_due", month+time.Hour)
	for range 2 {
		f.write("user_due", 1)
		if erased, err := f.System.Sweep(t.Context(), month); err != nil || erased.Messages != 1 {
			t.Errorf("erased %+v, %v", erased, err)
		}
	}
}

func TestSweepNeedsNoMoreThanNeonGrants(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Neon)
	owner := on(t, testdb.Connect(t, url), store.NeonOwned, clerktest.NewAPI(t))
	testdb.AddUser(t, owner.pool, "user_due", "Name", "")
	owner.write("user_due", 2)
	owner.bury("user_due", month+time.Hour)
	least := on(t, testdb.Connect(t, testdb.Role(t, url)), "", owner.api)
	if !least.neon() {
		t.Error("a table that may not be written was taken for Segue's")
	}
	if erased, err := least.System.Sweep(t.Context(), month); err != nil || erased.Messages != 2 {
		t.Errorf("erased %+v, %v", erased, err)
	}
	if err := least.System.Export(t.Context(), "user_due", &bytes.Buffer{}); err != nil {
		t.Errorf("export: %v", err)
	}
}

func TestOneSweepAtATime(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	testdb.AddUser(t, f.pool, "user_due", "", "")
	f.write("user_due", 1)
	f.bury("user_due", month+time.Hour)
	other, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `select pg_advisory_xact_lock(7330002)`); err != nil {
		t.Fatal(err)
	}
	if _, err := f.System.Sweep(t.Context(), month); !errors.Is(err, store.ErrSweeping) || f.rows("user_due") == 0 {
		t.Errorf("beside another sweep: %v", err)
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.System.Sweep(t.Context(), month); err != nil || f.rows("user_due") != 0 {
		t.Errorf("after it: %v", err)
	}
}

// Several replicas sweep together without erasing, or counting, anything twice.
func TestSweepsTogetherCountOnce(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	testdb.AddUser(t, f.pool, "user_due", "", "")
	f.write("user_due", 5000)
	f.bury("user_due", month+time.Hour)
	var sweeps sync.WaitGroup
	for range 4 {
		sweeps.Go(func() {
			for {
				_, err := f.System.Sweep(t.Context(), month)
				if err == nil {
					return
				}
				if !errors.Is(err, store.ErrSweeping) {
					t.Error(err)
					return
				}
			}
		})
	}
	sweeps.Wait()
	f.wantAudit("user_due", 5000)
}

// wantAudit checks that what was erased adds up, in rows that are all closed.
func (f *fixture) wantAudit(id string, each int) {
	f.t.Helper()
	if n := f.rows(id); n != 0 {
		f.t.Errorf("%d rows left", n)
	}
	if n := f.number(`select count(*) from (
  select sum(messages) m, sum(feedback) f, sum(likes) l, count(*) filter (where finished_at is null) open from segue.erasures where user_id = $1
) a where (m, f, l, open) = ($2::int, $2, $2, 0)`, id, each); n != 1 {
		f.t.Errorf("the audit of %s does not add up to %d each", id, each)
	}
}

// A sweep that is killed is finished by the next one, and the audit adds up.
func TestSweepGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	f := on(t, testdb.Connect(t, url), store.SegueOwned, clerktest.NewAPI(t))
	testdb.AddUser(t, f.pool, "user_due", "", "")
	f.write("user_due", 20000)
	f.bury("user_due", month)
	child := childProcess(t, "run", url, f.api.URL)
	f.until(`select exists (select from segue.erasures where messages > 0)`)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed: an error by design
	if f.rows("user_due") == 0 {
		t.Fatal("the sweep was over before it was killed; give it more rows")
	}
	// The server finishes or rolls back what the child had sent.
	f.until(`select not exists (select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle')`)
	if _, err := f.System.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	f.wantAudit("user_due", 20000)
	if n := f.number(`select count(*) from segue.erasures`); n != 1 {
		t.Errorf("%d audit rows", n)
	}
}

// Run sweeps at the start and after a deletion; with ERASE_AFTER=0 at once.
func TestRunSweeps(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain, func(c *usersync.Config) { c.EraseAfter = new(time.Duration(0)) })
	for _, id := range []string{"user_start", "user_ada"} {
		testdb.AddUser(t, f.pool, id, "Name", "")
		f.write(id, 1)
	}
	f.bury("user_start", time.Second)
	f.exec(`insert into segue.webhook_inbox (svix_id, type, event_at, received_at) values
		('old', 'user.created', now(), now() - interval '41 days'), ('young', 'user.created', now(), now() - interval '39 days')`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	f.until(`select not exists (select from public.chat_messages where clerk_id = 'user_start')`)
	clerktest.DeletedEvent("msg_1", "user_ada", time.Now().Add(time.Minute)).Deliver(t, f.Webhook())
	f.until(`select not exists (select from public.chat_messages where clerk_id = 'user_ada')`)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := f.number(`select count(*) from segue.webhook_inbox where svix_id in ('old', 'young')`); n != 1 {
		t.Errorf("%d old deliveries remembered", n)
	}
}

func TestRunNeverErases(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain, func(c *usersync.Config) { c.EraseAfter = new(time.Duration(-1)) })
	testdb.AddUser(t, f.pool, "user_due", "Name", "")
	f.write("user_due", 1)
	f.bury("user_due", 1000*month)
	f.exec(`insert into segue.webhook_inbox (svix_id, type, event_at, received_at) values ('old', 'user.created', now(), now() - interval '41 days')`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	f.until(`select not exists (select from segue.webhook_inbox)`) // the round is made
	stop()
	<-done
	if f.rows("user_due") != 3 {
		t.Error("rows were erased")
	}
}

// A command that syncs has no Run: it sweeps by itself, but only if it was told when.
func TestSyncSweepsAfterDeletions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after *time.Duration
		left  int
	}{
		{"at once", new(time.Duration(0)), 0},
		{"after a month", new(month), 3},
		{"never", new(time.Duration(-1)), 3},
		{"not said", nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, testdb.Plain, func(config *usersync.Config) { config.EraseAfter = c.after })
			f.api.Put(crowd(20)...)
			f.sync(20, 0, 0)
			f.write("user_00001", 1)
			f.api.Remove("user_00001")
			f.sync(0, 0, 1)
			if n := f.rows("user_00001"); n != c.left {
				t.Errorf("%d rows left, want %d", n, c.left)
			}
		})
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			f := start(t, shape)
			testdb.AddUser(t, f.pool, "user_ada", "Ada", "ada@example.com")
			testdb.AddUser(t, f.pool, "user_bob", "Bob", "bob@example.com")
			f.write("user_ada", 2)
			f.write("user_bob", 2)
			before := f.row("user_ada")
			erased, err := f.System.Erase(t.Context(), "user_ada")
			want := store.Erasure{Users: 1, Erased: store.Erased{Messages: 2, Feedback: 2, Likes: 2}}
			if err != nil || erased != want {
				t.Errorf("erased %+v, %v", erased, err)
			}
			if f.rows("user_ada") != 0 || f.rows("user_bob") != 6 {
				t.Errorf("rows left: %d, %d", f.rows("user_ada"), f.rows("user_bob"))
			}
			after := f.row("user_ada")
			if neon := f.neon(); neon && after != before || !neon && !strings.Contains(after, "name=- email=-") {
				t.Errorf("the row is %s", after)
			}
			if again, err := f.System.Erase(t.Context(), "user_ada"); err != nil || again != (store.Erasure{Users: 1}) {
				t.Errorf("again: %+v, %v", again, err)
			}
			if _, err := f.System.Erase(t.Context(), "user_nobody"); !errors.Is(err, store.ErrUnknownUser) {
				t.Errorf("somebody unknown: %v", err)
			}
		})
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			f := start(t, shape)
			testdb.AddUserAt(t, f.pool, "user_ada", "Ada \"Countess\"", "ada@example.com", at(0))
			testdb.AddUser(t, f.pool, "user_bob", "Bob", "bob@example.com")
			f.exec(`alter table public.chat_messages add column model text default 'of the old app'`)
			f.write("user_ada", 1000)
			f.write("user_bob", 1)
			var out bytes.Buffer
			if err := f.System.Export(t.Context(), "user_ada", &out); err != nil {
				t.Fatal(err)
			}
			var person struct {
				User         map[string]any
				ChatMessages []map[string]any
				Feedback     []map[string]any
				TrackLikes   []map[string]any
			}
			if err := json.Unmarshal(out.Bytes(), &person); err != nil {
				t.Fatal(err)
			}
			if person.User["email"] != "ada@example.com" || person.User["created_at"] != "2025-06-15T15:06:40+00:00" ||
				len(person.ChatMessages) != 1000 || len(person.Feedback) != 1000 || len(person.TrackLikes) != 1000 {
				t.Errorf("%v with %d messages, %d ratings, %d likes", person.User, len(person.ChatMessages), len(person.Feedback), len(person.TrackLikes))
			}
			if person.ChatMessages[0]["model"] != "of the old app" {
				t.Error("a column that Segue does not know is missing")
			}
			if strings.Contains(out.String(), "user_bob") {
				t.Error("another person's rows are in it")
			}
			out.Reset()
			if err := f.System.Export(t.Context(), "user_nobody", &out); !errors.Is(err, store.ErrUnknownUser) || out.Len() > 0 {
				t.Errorf("somebody unknown: %v and %q", err, out.String())
			}
		})
	}
}
