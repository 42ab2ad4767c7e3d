package usersync_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/usersync"
)

// sync runs a backfill that must go well, and checks what it changed.
func (f *fixture) sync(created, updated, deleted int) usersync.Report {
	f.t.Helper()
	report, err := f.Sync(f.t.Context(), usersync.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	if report.Created != created || report.Updated != updated || report.Deleted != deleted {
		f.t.Errorf("%d created, %d updated, %d deleted; want %d, %d, %d",
			report.Created, report.Updated, report.Deleted, created, updated, deleted)
	}
	return report
}

// versions fingerprints the rows of users_sync: any write to one changes it.
func (f *fixture) versions() (text string) {
	f.t.Helper()
	if err := f.pool.QueryRow(context.Background(), `select md5(string_agg(id || xmin, ',' order by id)) from neon_auth.users_sync`).Scan(&text); err != nil {
		f.t.Fatal(err)
	}
	return text
}

func TestSync(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, f *fixture) {
		f.api.Put(crowd(1100)...)
		f.sync(1100, 0, 0)
		f.wantRow("user_00042", "user_00042 name=First email=user_00042@example.com created=1750000042000 updated=1750000042000 deleted=-")

		before := f.versions()
		f.sync(0, 0, 0)
		if f.versions() != before {
			t.Error("a second run wrote rows")
		}

		changed := crowd(1100)[7]
		changed.FirstName, changed.UpdatedAt = "Seventh", at(5000)
		f.api.Put(changed)
		f.api.Remove("user_00001", "user_00002")
		f.sync(0, 1, 2)
		f.wantRow("user_00007", "user_00007 name=Seventh email=user_00007@example.com created=1750000007000 updated=1750005000000 deleted=-")
		if !strings.Contains(f.row("user_00001"), "name=- email=-") || strings.HasSuffix(f.row("user_00001"), "deleted=-") {
			t.Errorf("not a tombstone: %s", f.row("user_00001"))
		}
		if len(f.told) != 2 || f.number(`select count(distinct id) from segue.events where kind = 'user'`) != 2 {
			t.Errorf("told %q", f.told)
		}

		f.api.Put(crowd(2)[1]) // an older answer of Clerk's, or a restored backup
		f.sync(0, 0, 0)
		if strings.HasSuffix(f.row("user_00001"), "deleted=-") {
			t.Error("a tombstone was revived")
		}
	})
}

// What others wrote is corrected, and what they deleted comes back or stays dead.
func TestSyncCorrectsRowsOfOtherWriters(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(crowd(20)...)
	testdb.AddUser(t, f.pool, "user_00003", "Wrong, and written today", "")
	f.exec(`insert into neon_auth.users_sync (id) values ('user_00004')`)
	f.sync(18, 2, 0)
	f.wantRow("user_00003", "user_00003 name=First email=user_00003@example.com created=1750000003000 updated=1750000003000 deleted=-")
	f.wantRow("user_00004", "user_00004 name=First email=user_00004@example.com created=1750000004000 updated=1750000004000 deleted=-")
	f.exec(`update neon_auth.users_sync set email = 'typo' where id = 'user_00005'`)
	f.exec(`delete from neon_auth.users_sync where id = 'user_00006'`)
	f.exec(`update neon_auth.users_sync set deleted_at = $1 where id = 'user_00007'`, at(0))
	f.sync(1, 1, 0)
	if !strings.Contains(f.row("user_00005"), "user_00005@example.com") || !strings.HasSuffix(f.row("user_00007"), "deleted=1750000000000") {
		t.Errorf("got %s and %s", f.row("user_00005"), f.row("user_00007"))
	}
}

func TestSyncDoesNotUndoNewerNews(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(ada(0, "Old"))
	f.api.Before(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/users" {
			clerktest.UserEvent("msg_1", "user.updated", ada(10, "New"), at(10)).Deliver(t, f.Webhook())
		}
	})
	f.sync(0, 0, 0)
	f.wantRow("user_ada", "user_ada name=New Lovelace email=New@example.com created=1750000000000 updated=1750000010000 deleted=-")
}

func TestSyncRefusesToMarkTooMany(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(crowd(40)...)
	f.sync(40, 0, 0)
	for _, u := range crowd(5) {
		f.api.Remove(u.ID)
	}
	before := f.versions()
	_, err := f.Sync(t.Context(), usersync.Options{})
	refusal, ok := errors.AsType[*usersync.TooManyMissing](err)
	if !ok || refusal.Missing != 5 || refusal.Live != 40 || !strings.Contains(err.Error(), "--force") {
		t.Fatalf("got %v", err)
	}
	if f.versions() != before {
		t.Error("rows were written")
	}
	f.api.Put(crowd(1)...) // four of forty are a tenth and no more
	f.sync(0, 0, 4)

	f.api.Remove("user_00010", "user_00011", "user_00012", "user_00013", "user_00014")
	report, err := f.Sync(t.Context(), usersync.Options{Force: true})
	if err != nil || report.Deleted != 5 {
		t.Errorf("forced: %d deleted, %v", report.Deleted, err)
	}
}

// A list that leaves users out is not believed: they are asked for by id.
func TestSyncChecksMissingUsersByID(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	users := crowd(250)
	f.api.Put(users...)
	f.sync(250, 0, 0)
	hidden := users[:150]
	f.api.Before(func(_ http.ResponseWriter, r *http.Request) {
		for _, u := range hidden {
			if r.URL.Query().Has("user_id") {
				f.api.Put(u)
			} else {
				f.api.Remove(u.ID)
			}
		}
	})
	f.sync(0, 0, 0)
	if n := f.api.Calls("/v1/users?limit=100&user_id="); n != 2 {
		t.Errorf("%d calls by id", n)
	}
}

func TestSyncWaitsOutARateLimit(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(crowd(600)...)
	var calls atomic.Int32
	f.api.Before(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%2 == 1 {
			clerktest.Fail(w, 429, "rate_limited", 0)
		}
	})
	f.sync(600, 0, 0)
}

func TestSyncRefusesWhereItHasNothingToDo(t *testing.T) {
	t.Parallel()
	if _, err := start(t, testdb.Neon).Sync(t.Context(), usersync.Options{}); !errors.Is(err, usersync.ErrNeonOwned) {
		t.Errorf("in neon mode: %v", err)
	}
	keyless := start(t, testdb.Plain, func(c *usersync.Config) { c.Clerk = nil })
	if _, err := keyless.Sync(t.Context(), usersync.Options{}); !errors.Is(err, usersync.ErrNoSecretKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestSyncShowsProgress(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(crowd(1200)...)
	var seen []usersync.Progress
	if _, err := f.Sync(t.Context(), usersync.Options{Progress: func(p usersync.Progress) { seen = append(seen, p) }}); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 2 || seen[0].Done != 500 || seen[0].Total != 1200 {
		t.Errorf("got %+v", seen)
	}
}

// Two processes that sync at once share the run: all rows are there, once, and neither fails.
func TestSyncTwiceAtOnce(t *testing.T) {
	t.Parallel()
	one := start(t, testdb.Plain)
	two := on(t, one.pool, store.SegueOwned, one.api)
	one.api.Put(crowd(2600)...)
	one.api.Remove("user_00000")
	testdb.AddUser(t, one.pool, "user_gone", "Gone", "")
	var both sync.WaitGroup
	for _, replica := range []*fixture{one, two} {
		both.Go(func() {
			if _, err := replica.Sync(t.Context(), usersync.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := one.number(`select count(*) from neon_auth.users_sync where deleted_at is null`); n != 2599 {
		t.Errorf("%d live rows", n)
	}
	if strings.HasSuffix(one.row("user_gone"), "deleted=-") {
		t.Error("the missing user was not marked")
	}
	// Six pages, of which five begin with the last user of the one before.
	if n := one.number(`select seen from segue.sync_state`); n != 2599+5 {
		t.Errorf("%d entries were counted: a page was saved twice", n)
	}
}

// interruption is where the child process of a kill test is when it dies.
type interruption struct {
	name string
	at   func(r *http.Request) bool
	left int // the most calls for pages that the second process may need
}

// A process that is killed loses at most the page it was reading.
func TestSyncGoesOnAfterAKill(t *testing.T) {
	t.Parallel()
	for _, c := range []interruption{
		{"at the first page", func(r *http.Request) bool { return r.URL.Query().Get("limit") == "500" }, 5},
		{"at the fourth page", pageNumber(4), 2},
		{"while checking by id", func(r *http.Request) bool { return r.URL.Query().Has("user_id") }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := testdb.New(t, testdb.Plain)
			f := on(t, testdb.Connect(t, url), store.SegueOwned, clerktest.NewAPI(t, crowd(2100)...))
			testdb.AddUser(t, f.pool, "user_gone", "Gone", "")
			f.killChildAt(t, "sync", url, c.at)
			before := f.api.Calls("/v1/users?")
			report := f.sync(2100, 0, 1)
			if !report.Resumed {
				t.Error("it started anew")
			}
			if n := f.api.Calls("/v1/users?") - before - 1; n > c.left { // one of them by id
				t.Errorf("it read %d pages again", n)
			}
			if n := f.number(`select count(*) from neon_auth.users_sync where deleted_at is null`); n != 2100 {
				t.Errorf("%d live rows", n)
			}
			f.sync(0, 0, 0)
		})
	}
}

func pageNumber(n int32) func(*http.Request) bool {
	var seen atomic.Int32
	return func(r *http.Request) bool { return r.URL.Query().Get("limit") == "500" && seen.Add(1) == n }
}

// killChildAt runs a command in a process of its own, kills it the hard way when
// it makes the call, and waits until it is gone.
func (f *fixture) killChildAt(t *testing.T, command, url string, at func(*http.Request) bool) {
	t.Helper()
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.api.Before(func(_ http.ResponseWriter, r *http.Request) {
		if at(r) {
			once.Do(func() {
				close(reached)
				<-release
			})
		}
	})
	child := childProcess(t, command, url, f.api.URL)
	gone := make(chan error, 1)
	go func() { gone <- child.Wait() }()
	select {
	case <-reached:
	case err := <-gone:
		t.Fatalf("the process ended before it was killed: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-gone
	close(release)
}

func childProcess(t *testing.T, command, url, api string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestChild$")
	child.Env = append(os.Environ(), "USERSYNC_CHILD="+command, "USERSYNC_DATABASE="+url, "USERSYNC_CLERK="+api)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child
}

// TestChild is what the killed processes run; in the tests' own process it has nothing to do.
func TestChild(t *testing.T) {
	command := os.Getenv("USERSYNC_CHILD")
	if command == "" {
		t.Skip("runs in child processes only")
	}
	pool, err := pgxpool.New(t.Context(), os.Getenv("USERSYNC_DATABASE"))
	if err != nil {
		t.Fatal(err)
	}
	service, err := usersync.New(usersync.Config{
		System: store.NewSystem(pool, store.SegueOwned),
		Clerk:  clerk.New(clerk.Config{SecretKey: clerktest.SecretKey, URL: os.Getenv("USERSYNC_CLERK")}),
		// Gone as soon as deleted, for the sweep's test.
		EraseAfter: new(time.Duration(0)),
		Log:        slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	switch command {
	case "sync":
		_, err = service.Sync(t.Context(), usersync.Options{})
	case "run":
		err = service.Run(t.Context())
	default:
		err = fmt.Errorf("no such command: %s", command)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunRepeatsTheBackfillInOneReplica(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(crowd(10)...)
	f.exec(`update segue.sync_state set since = now() - interval '25 hours'`)
	daily := func(c *usersync.Config) { c.SyncEvery = 24 * time.Hour }
	replicas := []*fixture{on(t, f.pool, store.SegueOwned, f.api, daily), on(t, f.pool, store.SegueOwned, f.api, daily)}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, replica := range replicas {
		running.Go(func() { _ = replica.Run(ctx) })
	}
	f.until(`select completed_at is not null from segue.sync_state`)
	stop()
	running.Wait()
	if run := f.number(`select run from segue.sync_state`); run != 1 {
		t.Errorf("%d runs", run)
	}
	if n := f.api.Calls("/v1/users?"); n != 1 {
		t.Errorf("%d pages read", n)
	}
}

// The first repetition is a whole interval away: a new gateway does not begin
// by marking users as deleted.
func TestRunWaitsBeforeItsFirstBackfill(t *testing.T) {
	t.Parallel()
	system := store.NewSystem(testdb.Pool(t, testdb.Plain), store.SegueOwned)
	claimed, wait, err := system.ClaimBackfill(t.Context(), 24*time.Hour)
	if err != nil || claimed || wait < 23*time.Hour {
		t.Errorf("claimed %t, wait %s, %v", claimed, wait, err)
	}
	claimed, _, err = system.ClaimBackfill(t.Context(), 0)
	if err != nil || !claimed {
		t.Errorf("when it is due: claimed %t, %v", claimed, err)
	}
	claimed, wait, err = system.ClaimBackfill(t.Context(), 0)
	if err != nil || claimed || wait <= 0 {
		t.Errorf("while another has it: claimed %t, wait %s, %v", claimed, wait, err)
	}
}

// until polls the database for what another process does there.
func (f *fixture) until(condition string) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		var is bool
		if err := f.pool.QueryRow(context.Background(), condition).Scan(&is); err != nil {
			f.t.Fatal(err)
		}
		if is {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.t.Fatalf("never: %s", condition)
}
