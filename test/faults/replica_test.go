package faults

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/testdb"
)

// followed is a gateway before a primary and a hot standby that follows it.
type followed struct {
	*gateway
	url     string        // the database, as its superuser
	primary *pgxpool.Pool // the same, by the straight road
	behind  *pgxpool.Pool // the same on the standby
	standby *testdb.PrivateServer
	tokens  map[string]string // by caller
	likes   int               // on the primary, all of them Ada's
}

// Callers beside Ada, who is an analyst here.
const (
	bob       = "Bob, an analyst"
	dashboard = "an API key"
	plain     = "Ada without the role"
)

// newFollowed starts everything. Two of Ada's likes are in the totals, others
// and one that she took back are in the journal.
func newFollowed(t *testing.T) *followed {
	t.Helper()
	server := testdb.Primary(t)
	s := &followed{url: server.New(testdb.Plain)}
	s.primary = testdb.Connect(t, s.url)
	testdb.AddUser(t, s.primary, ada, "Ada", "")
	testdb.AddUser(t, s.primary, "user_bob", "Bob", "")
	role := testdb.Role(t, s.url)
	s.standby = server.Standby("max_standby_streaming_delay=0", "max_standby_archive_delay=0") // what is in replay's way is cancelled at once
	s.behind = testdb.Connect(t, s.standby.On(s.url))
	s.like(t)
	s.like(t)
	s.exec(t, "select segue.fold()")
	s.like(t)
	s.like(t)
	s.exec(t, "delete from public.track_likes where id = (select id from public.track_likes order by created_at limit 1)")
	s.likes--
	s.tokens = map[string]string{dashboard: newKey(t, s.url)}
	for caller, claims := range map[string]clerktest.Claims{ada: clerktest.Analyst(ada), bob: clerktest.Analyst("user_bob"), plain: clerktest.User(ada)} {
		s.tokens[caller] = clerktest.Token(key(), claims.With("exp", time.Now().Add(time.Hour).Unix()))
	}
	s.gateway = serve(t, role, "DATABASE_REPLICA_URL="+s.standby.On(role), "REQUEST_TIMEOUT=1m")
	s.catchUp(t)
	return s
}

// exec changes the primary behind the gateway's back.
func (s *followed) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.primary.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (s *followed) like(t *testing.T) {
	t.Helper()
	s.exec(t, "insert into public.track_likes (id, clerk_id, track_id, created_at) select x, $1, x, now() from gen_random_uuid() x", ada)
	s.likes++
}

// until asks until the condition holds; a server has no signal for most.
func until(t *testing.T, db *pgxpool.Pool, condition string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for holds := false; !holds; time.Sleep(5 * time.Millisecond) {
		err := db.QueryRow(ctx, "select "+condition, args...).Scan(&holds)
		if err != nil && !strings.Contains(err.Error(), "40001") { // in the way of replay, as anybody may be
			t.Fatalf("%s: %v", condition, err)
		}
	}
}

// catchUp returns when the standby has replayed what the primary did.
func (s *followed) catchUp(t *testing.T) {
	t.Helper()
	s.exec(t, "select pg_logical_emit_message(true, '', '')") // its commit takes along what open transactions did
	var at string
	if err := s.primary.QueryRow(context.Background(), "select pg_current_wal_flush_lsn()::text").Scan(&at); err != nil {
		t.Fatal(err)
	}
	until(t, s.behind, "pg_last_wal_replay_lsn() >= $1::text::pg_lsn", at)
}

// pause lets the standby catch up and then keeps it there.
func (s *followed) pause(t *testing.T) (resume func()) {
	t.Helper()
	s.catchUp(t)
	t.Cleanup(func() { _, _ = s.behind.Exec(context.Background(), "select pg_wal_replay_resume()") }) // where the test failed
	until(t, s.behind, "pg_wal_replay_pause() is not null and pg_get_wal_replay_pause_state() = 'paused'")
	return func() {
		t.Helper()
		until(t, s.behind, "pg_wal_replay_resume() is not null and pg_get_wal_replay_pause_state() = 'not paused'")
		s.catchUp(t)
	}
}

const (
	// analyticsQuery asks for all that a replica may answer, in both ways of counting each.
	analyticsQuery = `query ($from: DateTime!, $to: DateTime!) {
	userStats { edges { node { likedTracks firstActiveAt } } }
	userStatsOfRange: userStats(range: {from: $from, to: $to}) { edges { node { likedTracks lastActiveAt } } }
	activity(range: {from: $from, to: $to}) { likes }
	activityOfOne: activity(range: {from: $from, to: $to}, userId: "user_ada") { likes }
	topTracks(first: 100) { likes }
	topTracksOfRange: topTracks(first: 100, range: {from: $from, to: $to}) { likes } }`
	// otherQuery asks for the same likes where the primary alone answers.
	otherQuery = `{ users { edges { node { stats { likedTracks } } } } trackLikes { totalCount }
	user(id: "user_ada") { trackLikes { totalCount } } node(id: "user_ada") { ... on User { stats { likedTracks } } } }`
	topQuery         = `{ topTracks(first: 100) { likes } }`
	likeAndReadQuery = `mutation ($input: LikeTrackInput!) { likeTrack(input: $input) { trackLike { user { stats { likedTracks } } } } }`
)

func (s *followed) as(caller, query string, variables map[string]any) answer {
	return ask(context.Background(), "http://"+s.addr, s.tokens[caller], query, variables)
}

func (s *followed) analytics(caller string) answer {
	now := time.Now()
	return s.as(caller, analyticsQuery, map[string]any{"from": now.Add(-50 * time.Hour), "to": now.Add(50 * time.Hour)})
}

// counts holds every field of an answer to adding up to that many likes.
func counts(t *testing.T, what string, likes int, a answer) {
	t.Helper()
	if !a.ok() {
		t.Fatalf("%s: told %s %s", what, a, a.message)
	}
	var fields map[string]any
	if err := json.Unmarshal(a.data, &fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if n := total(value); n != likes {
			t.Errorf("%s: %s counts %d likes, want %d", what, name, n, likes)
		}
	}
}

// total adds up the numbers in a JSON value.
func total(value any) (n int) {
	switch v := value.(type) {
	case float64:
		n = int(v)
	case []any:
		for _, e := range v {
			n += total(e)
		}
	case map[string]any:
		for _, e := range v {
			n += total(e)
		}
	}
	return n
}

// reads holds the analytics of the callers to that many likes.
func (s *followed) reads(t *testing.T, when string, likes int, callers ...string) {
	t.Helper()
	for _, caller := range callers {
		counts(t, when+", "+caller, likes, s.analytics(caller))
	}
}

// Analytics come from a standby that follows the primary, but for who wrote
// lately, and no caller notices when it goes away or refuses.
func TestReplica(t *testing.T) {
	t.Parallel()
	s := newFollowed(t)
	for _, step := range []struct {
		name string
		run  func(*followed, *testing.T)
	}{
		{"analysts and keys read from the standby", (*followed).lags},
		{"who wrote reads it", (*followed).ownWrites},
		{"standby stopped and killed", (*followed).leaves},
		{"query cancelled by replay", (*followed).conflicts},
		{"standby refuses what the primary answers", (*followed).refuses},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(s, t) }) {
			t.Fatalf("the standby is as that step left it\n%s", s.log.last(5))
		}
	}
}

func (s *followed) lags(t *testing.T) {
	s.reads(t, "caught up", s.likes, ada, bob, dashboard, plain)
	resume := s.pause(t)
	old := s.likes
	s.like(t)
	s.reads(t, "paused", old, ada, bob, dashboard)
	s.reads(t, "paused", s.likes, plain)
	s.exec(t, "select segue.fold()")
	s.reads(t, "paused, folded on the primary", old, ada, bob, dashboard)
	resume()
	s.reads(t, "resumed", s.likes, ada, bob, dashboard, plain)
}

func (s *followed) ownWrites(t *testing.T) {
	resume := s.pause(t)
	old := s.likes
	s.likes++
	// The token of a moment later may have the role; the person is the same.
	counts(t, "the write's own answer", s.likes, s.as(plain, likeAndReadQuery, map[string]any{"input": map[string]any{"trackId": "new"}}))
	s.reads(t, "paused", s.likes, ada)
	s.reads(t, "paused", old, bob, dashboard)
	counts(t, "paused, other reads of who wrote", s.likes, s.as(ada, otherQuery, nil))
	counts(t, "paused, other reads of an analyst", s.likes, s.as(bob, otherQuery, nil))
	resume()
	s.reads(t, "resumed", s.likes, ada, bob, dashboard)
}

func (s *followed) leaves(t *testing.T) {
	for _, end := range []func(){s.standby.Stop, s.standby.Kill} {
		stop := s.keepReading(t, bob, dashboard)
		end()
		s.like(t)
		s.reads(t, "gone", s.likes, ada, bob, dashboard)
		s.standby.Start()
		s.behind.Reset()
		s.catchUp(t)
		stop()
		resume := s.pause(t)
		old := s.likes
		s.like(t)
		s.reads(t, "back", old, bob, dashboard)
		s.reads(t, "back", s.likes, ada)
		resume()
	}
}

// keepReading has the callers read without a pause until they are stopped.
func (s *followed) keepReading(t *testing.T, callers ...string) (stop func()) {
	over := make(chan struct{})
	var reading sync.WaitGroup
	for _, caller := range callers {
		reading.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if a := s.analytics(caller); !a.ok() {
					t.Errorf("%s is told %s %s", caller, a, a.message)
					return
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		close(over)
		reading.Wait()
	})
	t.Cleanup(stop) // where the test failed
	return stop
}

// A query that waits to read the journal, in a function, has its other tables;
// one of those is then locked on the primary, and replay must have the lock.
func (s *followed) conflicts(t *testing.T) {
	ctx := context.Background()
	journal, err := s.primary.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = journal.Rollback(ctx) }() // where the test failed
	if _, err := journal.Exec(ctx, "lock table segue.folded in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	s.catchUp(t)
	got := make(chan answer, 1)
	go func() { got <- s.as(dashboard, topQuery, nil) }()
	const waits = "exists (select from pg_stat_activity where application_name = 'segue' and wait_event_type = 'Lock')"
	until(t, s.behind, waits)
	s.exec(t, "begin; lock table public.track_likes in access exclusive mode; commit")
	until(t, s.primary, waits) // for the same journal
	if err := journal.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	counts(t, "cancelled", s.likes, <-got)
	s.said(t, "conflict with recovery")
	s.catchUp(t)
}

// said holds the standby to having refused in these words.
func (s *followed) said(t *testing.T, words string) {
	t.Helper()
	if log := s.standby.Log(); !strings.Contains(log, words) {
		t.Errorf("the standby did not say %q:\n%s", words, log)
	}
}

// A standby that lags lags behind migrations and roles too.
func (s *followed) refuses(t *testing.T) {
	var function string
	if err := s.primary.QueryRow(context.Background(), "select pg_get_functiondef('segue.unfolded_tracks()'::regprocedure)").Scan(&function); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, change, says string }{
		{"a statement that writes", `create or replace function segue.unfolded_tracks() returns setof segue.track_changes language plpgsql as $$
			begin
				delete from segue.track_changes where false;
				return query select * from segue.track_changes where xid >= segue.unfolded_from();
			end $$`, "cannot execute DELETE in a read-only transaction"},
		{"a function that is not there", "drop function segue.unfolded_tracks()", "function segue.unfolded_tracks() does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.exec(t, c.change)
			resume := s.pause(t)
			s.exec(t, function)
			s.like(t)
			for _, caller := range []string{ada, bob, dashboard} {
				counts(t, caller, s.likes, s.as(caller, topQuery, nil))
			}
			s.said(t, c.says)
			resume()
		})
	}
	t.Run("a role that is not there", func(t *testing.T) {
		resume := s.pause(t)
		role := testdb.Role(t, s.url)
		late := *s
		late.gateway = serve(t, role, "DATABASE_REPLICA_URL="+s.standby.On(role), "REQUEST_TIMEOUT=1m")
		s.like(t)
		late.reads(t, "not there", s.likes, bob, dashboard)
		s.said(t, parse(t, role).User.Username()+`" does not exist`)
		if n := strings.Count(late.log.String(), "the replica does not answer"); n != 1 {
			t.Errorf("the log says so %d times:\n%s", n, late.log)
		}
		old := s.likes
		resume()
		resume = s.pause(t)
		s.like(t)
		late.reads(t, "there", old, bob, dashboard)
		resume()
	})
}
