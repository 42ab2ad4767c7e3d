package usersync_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/usersync"
)

func TestWebhookKeepsTheRow(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, f *fixture) {
		steps := []struct {
			name string
			d    clerktest.Delivery
			want string
		}{
			{"created", clerktest.UserEvent("msg_1", "user.created", ada(0, "Augusta"), at(1)),
				"user_ada name=Augusta Lovelace email=Augusta@example.com created=1750000000000 updated=1750000000000 deleted=-"},
			{"updated", clerktest.UserEvent("msg_2", "user.updated", ada(10, "Ada"), at(11)),
				"user_ada name=Ada Lovelace email=Ada@example.com created=1750000000000 updated=1750000010000 deleted=-"},
			{"an older update, late", clerktest.UserEvent("msg_3", "user.updated", ada(5, "Old"), at(20)),
				"user_ada name=Ada Lovelace email=Ada@example.com created=1750000000000 updated=1750000010000 deleted=-"},
			{"deleted", clerktest.DeletedEvent("msg_4", "user_ada", at(30)),
				"user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000"},
			{"updated after that", clerktest.UserEvent("msg_5", "user.updated", ada(40, "Ghost"), at(41)),
				"user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000"},
			{"deleted again, later", clerktest.DeletedEvent("msg_6", "user_ada", at(50)),
				"user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000"},
			{"a repeat of the first", clerktest.UserEvent("msg_1", "user.created", ada(60, "Repeat"), at(61)),
				"user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000"},
		}
		for _, step := range steps {
			if status := step.d.Deliver(t, f.Webhook()); status != http.StatusNoContent {
				t.Errorf("%s: status %d", step.name, status)
			}
			if got := f.row("user_ada"); got != step.want {
				t.Errorf("%s:\n got %s\nwant %s", step.name, got, step.want)
			}
		}
		if n := f.number(`select count(*) from segue.webhook_inbox`); n != 6 {
			t.Errorf("%d deliveries remembered", n)
		}
	})
}

func TestWebhookBuriesTheUnknown(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, f *fixture) {
		clerktest.DeletedEvent("msg_1", "user_ada", at(30)).Deliver(t, f.Webhook())
		f.wantRow("user_ada", "user_ada name=- email=- created=- updated=1750000030000 deleted=1750000030000")
		clerktest.UserEvent("msg_2", "user.created", ada(0, "Ada"), at(1)).Deliver(t, f.Webhook())
		f.wantRow("user_ada", "user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000")
		// Not even a tombstone that somebody removed by hand lets one in again.
		f.exec(`delete from neon_auth.users_sync`)
		clerktest.UserEvent("msg_3", "user.updated", ada(40, "Ada"), at(41)).Deliver(t, f.Webhook())
		f.wantRow("user_ada", "")
	})
}

// Rows and tombstones that Segue did not write count as they are.
func TestWebhookRespectsOthersRows(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.exec(`insert into neon_auth.users_sync (id, name, updated_at) values ('user_ada', 'By hand', $1)`, at(10))
	clerktest.UserEvent("msg_1", "user.updated", ada(5, "Stale"), at(20)).Deliver(t, f.Webhook())
	f.wantRow("user_ada", "user_ada name=By hand email=- created=- updated=1750000010000 deleted=-")
	clerktest.UserEvent("msg_2", "user.updated", ada(15, "Ada"), at(21)).Deliver(t, f.Webhook())
	f.wantRow("user_ada", "user_ada name=Ada Lovelace email=Ada@example.com created=1750000000000 updated=1750000015000 deleted=-")
	f.exec(`update neon_auth.users_sync set deleted_at = $1`, at(30))
	clerktest.UserEvent("msg_3", "user.updated", ada(40, "Risen"), at(41)).Deliver(t, f.Webhook())
	f.wantRow("user_ada", "user_ada name=Ada Lovelace email=Ada@example.com created=1750000000000 updated=1750000015000 deleted=1750000030000")
	clerktest.DeletedEvent("msg_4", "user_ada", at(50)).Deliver(t, f.Webhook())
	f.wantRow("user_ada", "user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000")
}

// history is a life of Ada: created, updated often and sometimes twice within a
// millisecond, sometimes deleted in the end.
func history(r *rand.Rand) []clerktest.Delivery {
	second := 0
	events := []clerktest.Delivery{clerktest.UserEvent("msg_0", "user.created", ada(0, "Zero"), at(0))}
	for i := range 1 + r.Intn(5) {
		second += r.Intn(3) // two updates may have one updated_at
		name := fmt.Sprintf("Name%d", r.Intn(4))
		events = append(events, clerktest.UserEvent(fmt.Sprintf("msg_%d", i+1), "user.updated", ada(second, name), at(second+r.Intn(2))))
	}
	for i := range r.Intn(3) {
		events = append(events, clerktest.DeletedEvent(fmt.Sprintf("msg_gone_%d", i), "user_ada", at(second+1+i)))
	}
	return events
}

// histories and shuffles are how much of the property is tried.
const (
	histories = 120
	shuffles  = 4
)

// Any order of arrival, with repeats, over two replicas, ends in the same row.
func TestShuffledHistoriesEndInTheSameRow(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	t.Logf("seed %d; %d histories, each in its order and shuffled %d times", seed, histories, shuffles)
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewSource(seed))
			one := on(t, testdb.Pool(t, shape), store.SegueOwned, clerktest.NewAPI(t))
			two := on(t, one.pool, store.SegueOwned, one.api)
			for i := range histories {
				events := history(r)
				want := one.play(two, r, events, false)
				for range shuffles {
					shuffled := append(slices.Clone(events), events[:r.Intn(len(events))]...)
					r.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
					if got := one.play(two, r, shuffled, true); got != want {
						t.Fatalf("history %d of seed %d:\n got %s\nwant %s\n of %v", i, seed, got, want, shuffled)
					}
				}
			}
		})
	}
}

// play lets the events happen to a user of their own, by way of either replica,
// and returns that user's row without the id. Some repeats come under another
// svix-id, as a replay from Clerk's dashboard may.
func (f *fixture) play(other *fixture, r *rand.Rand, events []clerktest.Delivery, replays bool) string {
	f.t.Helper()
	f.lives++
	user := fmt.Sprintf("user_life_%d", f.lives)
	for i, e := range events {
		data := maps.Clone(e.Data.(map[string]any))
		data["id"] = user
		e.ID, e.Data = user+e.ID, data
		if replays && r.Intn(4) == 0 {
			e.ID = fmt.Sprintf("%s_replayed_%d", e.ID, i)
		}
		replica := f
		if r.Intn(2) == 0 {
			replica = other
		}
		if status := e.Deliver(f.t, replica.Webhook()); status != http.StatusNoContent {
			f.t.Fatalf("status %d", status)
		}
	}
	return strings.TrimPrefix(f.row(user), user)
}

// Deliveries that arrive at the same moment in two replicas end as they would one by one.
func TestDeliveriesAtOnceEndInTheSameRow(t *testing.T) {
	t.Parallel()
	one := start(t, testdb.Plain)
	two := on(t, one.pool, store.SegueOwned, one.api)
	r := rand.New(rand.NewSource(1))
	for i := range 20 {
		events := history(r)
		want := one.play(two, r, events, false)
		user := fmt.Sprintf("user_at_once_%d", i)
		var arriving sync.WaitGroup
		for _, e := range events {
			data := maps.Clone(e.Data.(map[string]any))
			data["id"] = user
			e.ID, e.Data = user+e.ID, data
			for _, replica := range []*fixture{one, two} {
				arriving.Go(func() {
					if status := e.Deliver(t, replica.Webhook()); status != http.StatusNoContent {
						t.Errorf("status %d", status)
					}
				})
			}
		}
		arriving.Wait()
		if got := strings.TrimPrefix(one.row(user), user); got != want {
			t.Errorf("history %d:\n got %s\nwant %s", i, got, want)
		}
	}
}

func TestWebhookTellsOfSessionsAndDeletions(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() { // in Neon's table too, which stays as it is
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			f := start(t, shape)
			for i, kind := range []string{"session.ended", "session.removed", "session.revoked"} {
				d := clerktest.SessionEvent(fmt.Sprintf("msg_%d", i), kind, fmt.Sprintf("sess_%d", i), "user_ada", at(i))
				d.Deliver(t, f.Webhook())
				d.Deliver(t, f.Webhook())
			}
			clerktest.DeletedEvent("msg_gone", "user_ada", at(9)).Deliver(t, f.Webhook())
			want := []string{"session sess_0", "session sess_1", "session sess_2", "user user_ada"}
			if !slices.Equal(f.told, want) {
				t.Errorf("this process heard %q", f.told)
			}
			if n := f.number(`select count(distinct id) from segue.events where kind in ('session', 'user')`); n != 4 {
				t.Errorf("the other processes are told of %d", n)
			}
			if f.neon() && f.row("user_ada") != "" {
				t.Error("users_sync was written in neon mode")
			}
		})
	}
}

func TestWebhookNeverWritesNeonsTable(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Neon)
	testdb.AddUserAt(t, f.pool, "user_ada", "Neon's", "neon@example.com", at(0))
	before := f.row("user_ada")
	clerktest.UserEvent("msg_1", "user.updated", ada(1000, "Ada"), time.Now()).Deliver(t, f.Webhook())
	clerktest.DeletedEvent("msg_2", "user_ada", time.Now()).Deliver(t, f.Webhook())
	f.wantRow("user_ada", before)
}

func TestWebhookAnswers(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain, func(c *usersync.Config) {
		c.WebhookSecrets = []string{clerktest.OtherWebhookSecret, clerktest.WebhookSecret}
	})
	good := clerktest.UserEvent("msg_good", "user.created", ada(0, "Ada"), at(0))
	for _, c := range []struct {
		name   string
		d      clerktest.Delivery
		change func(*http.Request)
		want   int
	}{
		{name: "good", d: good, want: 204},
		{name: "good, with the other secret", d: with(good, func(d *clerktest.Delivery) { d.Secret = clerktest.OtherWebhookSecret }), want: 204},
		{name: "four minutes old", d: with(good, func(d *clerktest.Delivery) { d.SentAt = time.Now().Add(-4 * time.Minute) }), want: 204},
		{name: "unknown type", d: clerktest.Delivery{ID: "msg_org", Type: "organization.created", At: at(0), Data: map[string]any{"id": "org_1"}}, want: 204},
		{name: "the standard's header names", d: good, change: func(r *http.Request) {
			for _, name := range []string{"id", "timestamp", "signature"} {
				r.Header.Set("webhook-"+name, r.Header.Get("svix-"+name))
				r.Header.Del("svix-" + name)
			}
		}, want: 204},
		{name: "six minutes old", d: with(good, func(d *clerktest.Delivery) { d.SentAt = time.Now().Add(-6 * time.Minute) }), want: 400},
		{name: "from the future", d: with(good, func(d *clerktest.Delivery) { d.SentAt = time.Now().Add(6 * time.Minute) }), want: 400},
		{name: "wrong secret", d: with(good, func(d *clerktest.Delivery) { d.Secret = "whsec_d3JvbmctMzItYnl0ZXMtd3Jvbmctd3Jvbmctd3I=" }), want: 400},
		{name: "empty secret", d: with(good, func(d *clerktest.Delivery) { d.Secret = "whsec_" }), want: 400},
		{name: "unsigned", d: good, change: func(r *http.Request) { r.Header.Del("svix-signature") }, want: 400},
		{name: "another id than was signed", d: good, change: func(r *http.Request) { r.Header.Set("svix-id", "msg_other") }, want: 400},
		{name: "another body than was signed", d: good, change: func(r *http.Request) {
			r.Body = http.NoBody
		}, want: 400},
		{name: "no JSON", d: clerktest.Delivery{ID: "msg_x", Body: []byte("hello")}, want: 400},
		{name: "a user without an id", d: clerktest.Delivery{ID: "msg_y", Type: "user.created", At: at(0), Data: map[string]any{}}, want: 400},
		{name: "too large", d: clerktest.Delivery{ID: "msg_z", Body: bytes.Repeat([]byte("x"), 1<<20+1)}, want: 413},
		{name: "GET", d: good, change: func(r *http.Request) { r.Method = http.MethodGet }, want: 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.d.Request(t)
			if c.change != nil {
				c.change(r)
			}
			w := httptest.NewRecorder()
			f.Webhook().ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
			if strings.Contains(w.Body.String(), "Lovelace") {
				t.Error("the body was echoed")
			}
		})
	}
}

func with(d clerktest.Delivery, change func(*clerktest.Delivery)) clerktest.Delivery {
	change(&d)
	return d
}

func TestWebhookIsOffWithoutASecret(t *testing.T) {
	t.Parallel()
	service, err := usersync.New(usersync.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if status := clerktest.DeletedEvent("msg_1", "user_ada", at(0)).Deliver(t, service.Webhook()); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

func TestNewRefusesSecretsThatAnybodyCouldUse(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_***not base64 at all***"} {
		if _, err := usersync.New(usersync.Config{WebhookSecrets: []string{secret}}); err == nil {
			t.Errorf("accepted %q", secret)
		}
	}
}

func TestWebhookAsksAgainWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	d := clerktest.UserEvent("msg_1", "user.created", ada(0, "Ada"), at(0))
	f.exec(`alter table segue.user_versions rename to gone`)
	if status := d.Deliver(t, f.Webhook()); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	f.exec(`alter table segue.gone rename to user_versions`)
	if status := d.Deliver(t, f.Webhook()); status != http.StatusNoContent || f.row("user_ada") == "" {
		t.Errorf("the repeat: status %d, row %q", status, f.row("user_ada"))
	}
}
