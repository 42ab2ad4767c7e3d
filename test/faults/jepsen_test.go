package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

// jepsenWriters is how many people write, each one thing after the other.
const jepsenWriters = 6

// Whatever is killed, and whenever: what was acknowledged is there exactly once
// and in its writer's order, and every statistic equals a recount. SEGUE_JEPSEN
// is how long things are killed (15 s).
func TestJepsen(t *testing.T) {
	t.Parallel()
	length := 15 * time.Second
	if v := os.Getenv("SEGUE_JEPSEN"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	server := testdb.Server(t)
	url := server.New(testdb.Plain)
	admin := testdb.Connect(t, url)
	database := strings.TrimPrefix(parse(t, url).Path, "/")
	// The tests' servers acknowledge before they have written; here that is the question.
	if _, err := admin.Exec(context.Background(), `alter database "`+database+`" set synchronous_commit = on`); err != nil {
		t.Fatal(err)
	}
	admin.Reset() // the setting is for new connections
	j := &jepsen{gateways: []*gateway{serve(t, url), serve(t, url)}, over: make(chan struct{})}
	var writing sync.WaitGroup
	for i := range jepsenWriters {
		w := &writer{jepsen: j, user: fmt.Sprintf("user_w%d", i), rated: map[string]rating{}}
		testdb.AddUser(t, admin, w.user, w.user, "")
		j.writers = append(j.writers, w)
	}
	for _, w := range j.writers {
		writing.Go(func() { w.run(t) })
	}
	j.kill(t, server, length)
	close(j.over)
	writing.Wait()
	j.prove(t, testdb.Connect(t, url))
}

type jepsen struct {
	gateways []*gateway
	writers  []*writer
	over     chan struct{}
	kills    map[string]int
}

// kill ends a gateway or PostgreSQL by SIGKILL every now and then, and starts it again.
func (j *jepsen) kill(t *testing.T, server *testdb.PrivateServer, length time.Duration) {
	j.kills = map[string]int{}
	pause := func(most int) { time.Sleep(time.Duration(rand.IntN(most)) * time.Millisecond) }
	var order []int
	for begin := time.Now(); time.Since(begin) < length; pause(1500) {
		if len(order) == 0 {
			order = rand.Perm(3) // nobody is left out
		}
		victim := order[0]
		order = order[1:]
		switch victim {
		case 0, 1:
			j.gateways[victim].kill()
			pause(300)
			j.gateways[victim].start()
			j.kills["gateway"]++
		case 2:
			server.Signal(syscall.SIGKILL)
			pause(300)
			server.Stop() // collects the dead process
			server.Start()
			j.kills["PostgreSQL"]++
		}
	}
}

// writer writes as one person until it is over. It tells acknowledged writes
// from lost answers, and repeats the latter until they are acknowledged.
type writer struct {
	*jepsen
	user string

	messages []string // acknowledged, in order
	likes    []string
	rated    map[string]rating // by message
	acked    int
	tries    int
	unsure   int // answers that never came, or said that the write may not be done
}

type rating struct{ ID, Rating string }

const (
	likeQuery = `mutation ($input: LikeTrackInput!) { likeTrack(input: $input) { trackLike { id trackId } } }`
	rateQuery = `mutation ($input: GiveFeedbackInput!) { giveFeedback(input: $input) { feedback { id rating } } }`
)

func (w *writer) run(t *testing.T) {
	for n := 0; ; n++ {
		select {
		case <-w.over:
			return
		default:
		}
		switch n % 4 {
		case 0, 1:
			id := uuid.NewString()
			var out struct {
				SendChatMessage struct{ ChatMessage struct{ ID string } }
			}
			if !w.write(t, sendQuery, map[string]any{"id": id, "content": fmt.Sprintf("%s %d", w.user, n)}, &out) {
				return
			}
			if got := out.SendChatMessage.ChatMessage.ID; got != id {
				t.Errorf("sent %s, stored %s", id, got)
			}
			w.messages = append(w.messages, id)
		case 2:
			track := fmt.Sprintf("%s-%d", w.user, n)
			if n%3 == 0 && len(w.likes) > 0 {
				track = w.likes[rand.IntN(len(w.likes))] // again: changes nothing
			}
			if !w.write(t, likeQuery, map[string]any{"trackId": track}, nil) {
				return
			}
			if !slices.Contains(w.likes, track) {
				w.likes = append(w.likes, track)
			}
		case 3:
			if !w.rate(t) {
				return
			}
		}
	}
}

// rate rates the newest message, or one of long ago once more.
func (w *writer) rate(t *testing.T) bool {
	message := w.messages[len(w.messages)-1]
	if old := len(w.messages) - 20; old > 0 && rand.IntN(2) == 0 {
		message = w.messages[rand.IntN(old)]
	}
	var out struct{ GiveFeedback struct{ Feedback rating } }
	up := []string{"UP", "DOWN"}[rand.IntN(2)]
	if !w.write(t, rateQuery, map[string]any{"messageId": message, "rating": up}, &out) {
		return false
	}
	given := out.GiveFeedback.Feedback
	if before, again := w.rated[message]; given.Rating != up || again && before.ID != given.ID {
		t.Errorf("rated %s %s: was %v, is %v", message, up, before, given)
	}
	w.rated[message] = given
	return true
}

// write sends one write to either gateway until it is acknowledged.
func (w *writer) write(t *testing.T, query string, input map[string]any, out any) bool {
	for {
		w.tries++
		g := w.gateways[rand.IntN(len(w.gateways))]
		a := ask(context.Background(), "http://"+g.addr, token(w.user), query, map[string]any{"input": input})
		switch {
		case a.ok():
			w.acked++
			if out != nil {
				if err := json.Unmarshal(a.data, out); err != nil {
					t.Errorf("%s: %v", a.data, err)
				}
			}
			return true
		case a.err != nil, a.code == "UNAVAILABLE", a.code == "TIMEOUT":
			w.unsure++
			time.Sleep(time.Duration(20+rand.IntN(80)) * time.Millisecond) // as a client that retries does
		default:
			t.Errorf("told %s %s", a, a.message)
			return false
		}
	}
}

// prove compares what the writers know with what is stored and what is served.
func (j *jepsen) prove(t *testing.T, db *pgxpool.Pool) {
	var sent, likes, ratings, acked, tries, unsure, missing, twice, disordered, wrong int
	for _, w := range j.writers {
		stored := column(t, db, "select id::text from public.chat_messages where clerk_id = $1 order by created_at, id", w.user)
		m, tw, d := compare(w.messages, stored)
		liked := column(t, db, "select track_id from public.track_likes where clerk_id = $1 order by created_at, id", w.user)
		m2, tw2, d2 := compare(w.likes, liked)
		missing, twice, disordered = missing+m+m2, twice+tw+tw2, disordered+d+d2
		given := column(t, db, `select message_id || ' ' || id || ' ' || case rating when 1 then 'UP' else 'DOWN' end
			from public.message_feedback where clerk_id = $1`, w.user)
		var known []string
		for message, r := range w.rated {
			known = append(known, message+" "+r.ID+" "+r.Rating)
		}
		slices.Sort(known)
		slices.Sort(given)
		m3, tw3, _ := compare(known, given)
		wrong += m3 + tw3
		sent, likes, ratings = sent+len(w.messages), likes+len(w.likes), ratings+len(w.rated)
		acked, tries, unsure = acked+w.acked, tries+w.tries, unsure+w.unsure
		j.statistics(t, w)
	}
	drift, err := store.CheckRollups(context.Background(), db, 100_000)
	if err != nil || len(drift) > 0 {
		t.Errorf("rollups: %v %v", drift, err)
	}
	t.Logf("| killed -9 | %d × gateway, %d × PostgreSQL |", j.kills["gateway"], j.kills["PostgreSQL"])
	t.Logf("| acknowledged | %d writes in %d tries, of which %d had no answer or a refusal |", acked, tries, unsure)
	t.Logf("| they make | %d messages, %d likes, %d rated messages |", sent, likes, ratings)
	t.Logf("| found | %d missing, %d twice or never sent, %d out of order, %d wrong ratings |", missing, twice, disordered, wrong)
	t.Logf("| rollups | %d differ from a recount |", len(drift))
	if missing+twice+disordered+wrong > 0 {
		t.Error("what is stored is not what was acknowledged")
	}
	if sent == 0 || j.kills["gateway"] == 0 || j.kills["PostgreSQL"] == 0 || unsure == 0 {
		t.Error("nothing was tried")
	}
}

const statsQuery = `{ me { stats { messageCount likedTracks feedbackUp feedbackDown firstActiveAt lastActiveAt }
	chatMessages { totalCount } trackLikes { totalCount } feedback { totalCount } }
	userStats { edges { node { messageCount likedTracks feedbackUp feedbackDown firstActiveAt lastActiveAt } } }
	userStatsOf: userStats(range: {from: "2000-01-01T00:00:00Z"}) { edges { node { messageCount likedTracks feedbackUp feedbackDown firstActiveAt lastActiveAt } } } }`

type statistics struct {
	MessageCount, LikedTracks, FeedbackUp, FeedbackDown int
	FirstActiveAt, LastActiveAt                         string
}

// statistics compares the ways in which the writer's numbers are served with what it did.
func (j *jepsen) statistics(t *testing.T, w *writer) {
	a := j.gateways[0].ask(context.Background(), w.user, statsQuery, nil)
	if !a.ok() {
		t.Errorf("statistics: %s %s", a, a.message)
		return
	}
	type count struct{ TotalCount int }
	type board struct{ Edges []struct{ Node statistics } }
	var out struct {
		Me struct {
			Stats                              statistics
			ChatMessages, TrackLikes, Feedback count
		}
		UserStats, UserStatsOf board
	}
	if err := json.Unmarshal(a.data, &out); err != nil {
		t.Fatal(err)
	}
	want := statistics{MessageCount: len(w.messages), LikedTracks: len(w.likes)}
	for _, r := range w.rated {
		if r.Rating == "UP" {
			want.FeedbackUp++
		} else {
			want.FeedbackDown++
		}
	}
	// When things happened only the database knows; all must agree on it.
	want.FirstActiveAt, want.LastActiveAt = out.Me.Stats.FirstActiveAt, out.Me.Stats.LastActiveAt
	got := []statistics{out.Me.Stats}
	for _, b := range []board{out.UserStats, out.UserStatsOf} {
		for _, e := range b.Edges {
			got = append(got, e.Node)
		}
	}
	if len(got) != 3 {
		t.Errorf("%s: %d statistics", w.user, len(got))
	}
	for _, g := range got {
		if g != want {
			t.Errorf("%s: statistics say %+v, want %+v", w.user, g, want)
		}
	}
	if out.Me.ChatMessages.TotalCount != len(w.messages) || out.Me.TrackLikes.TotalCount != len(w.likes) || out.Me.Feedback.TotalCount != len(w.rated) {
		t.Errorf("%s: counts say %+v, want %+v", w.user, out.Me, want)
	}
}

// compare counts what of want is missing in got, what got has beyond that, and
// what stands elsewhere than it should.
func compare(want, got []string) (missing, more, disordered int) {
	place := make(map[string]int, len(want))
	for i, s := range want {
		place[s] = i
	}
	seen := map[string]bool{}
	last := -1
	for _, s := range got {
		at, known := place[s]
		switch {
		case !known || seen[s]:
			more++
			continue
		case at < last:
			disordered++
		}
		seen[s] = true
		last = max(last, at)
	}
	return len(want) - len(seen), more, disordered
}

func column(t *testing.T, db *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	var list []string
	if err := db.QueryRow(context.Background(), "select array(select x::text from ("+sql+") as q(x))", args...).Scan(&list); err != nil {
		t.Fatal(err)
	}
	return list
}
