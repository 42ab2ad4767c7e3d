package gqlhttp

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// replica is a gateway on a real database: everything but the routes.
type replica struct {
	*Handler
	url string
}

// gateway starts a replica. Its tokens are "Bearer USER" and "Bearer analyst".
func gateway(t *testing.T, database string, change ...func(*Config)) replica {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	pool := testdb.Connect(t, database)
	hub := live.New(live.Config{DirectURL: database, Logger: log, Linger: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	c := Config{
		Schema:  graph.NewSchema(&graph.Resolver{Store: store.New(store.Config{Pool: pool}), Live: hub}),
		Limits:  limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(log),
		Logger:  log,
		Sockets: Sockets{
			Bearer: func(_ context.Context, authorization string) (viewer.Viewer, error) {
				user, ok := strings.CutPrefix(authorization, "Bearer ")
				if !ok {
					return viewer.Viewer{}, fault.New(fault.Unauthenticated, "no bearer")
				}
				if user == "analyst" {
					return viewer.Key("key"), nil
				}
				return viewer.User("user_"+user, "sess_"+user, false), nil
			},
			Join: func(who viewer.Viewer, end func(error)) func() { return hub.Join(who, end).Leave },
		},
	}
	for _, f := range change {
		f(&c)
	}
	h := New(c)
	return replica{h, serve(t, h)}
}

func users(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	testdb.AddUser(t, pool, "user_ada", "Ada", "ada@example.com")
	testdb.AddUser(t, pool, "user_bob", "Bob", "")
}

// subscribed is a peer with one subscription that is under way.
func subscribed(t *testing.T, pool *pgxpool.Pool, url, token, query string) *peer {
	t.Helper()
	p := dial(t, url)
	p.say(fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer %s"}}`, token))
	p.hear()
	p.say(fmt.Sprintf(`{"type":"subscribe","id":"1","payload":{"query":%q}}`, query))
	waitUntil(t, pool, "select exists (select from segue.watchers where until > now())")
	return p
}

func waitUntil(t *testing.T, pool *pgxpool.Pool, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for ok := false; !ok; {
		if err := pool.QueryRow(ctx, "select "+strings.TrimPrefix(condition, "select ")+" from (select pg_sleep(0.02)) s").Scan(&ok); err != nil {
			t.Fatalf("%s: %v", condition, err)
		}
	}
}

func run(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

const fixed = "00000000-0000-0000-0000-00000000000"

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	database := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	run(t, pool, `insert into public.chat_messages (id, clerk_id, role, content, created_at) values ('`+fixed+`9', 'user_ada', 'user', 'before', '2026-03-01T18:30:00.25Z')`)
	g := gateway(t, database)
	cases := []struct{ name, token, query, write, want string }{
		{"a message", "ada", `subscription { m: chatMessageAdded { __typename id role content createdAt user { id email } } }`,
			`insert into public.chat_messages (id, clerk_id, role, content, created_at) values ('` + fixed + `1', 'user_ada', 'assistant', '<"é">', '2026-03-01T18:30:00.25Z')`,
			`{"m":{"__typename":"ChatMessage","id":"` + fixed + `1","role":"ASSISTANT","content":"<\"é\">","createdAt":"2026-03-01T18:30:00.25Z","user":{"id":"user_ada","email":"ada@example.com"}}}`},
		{"a message, to an analyst", "analyst", `subscription($u: ID = "user_ada") { chatMessageAdded(userId: $u) { content feedback(first: 1) { totalCount } } }`,
			`insert into public.chat_messages (clerk_id, role, content) values ('user_bob', 'user', 'not asked for'), ('user_ada', 'user', 'asked for')`,
			`{"chatMessageAdded":{"content":"asked for","feedback":{"totalCount":0}}}`},
		{"a rating", "ada", `subscription { feedbackGiven { rating comment message { content } } }`,
			`insert into public.message_feedback (clerk_id, message_id, rating, comment) values ('user_ada', '` + fixed + `9', -1, 'no')`,
			`{"feedbackGiven":{"rating":"DOWN","comment":"no","message":{"content":"before"}}}`},
		{"a like", "bob", `subscription { trackLiked(userId: "user_bob") { trackId user { name } } }`,
			`insert into public.track_likes (clerk_id, track_id) values ('user_ada', 't'), ('user_bob', 't')`,
			`{"trackLiked":{"trackId":"t","user":{"name":"Bob"}}}`},
		{"numbers", "bob", `subscription { userStatsChanged { user { id } likedTracks } }`,
			`insert into public.track_likes (clerk_id, track_id) select 'user_bob', 'n' || i from generate_series(1, 3) i`,
			`{"userStatsChanged":{"user":{"id":"user_bob"},"likedTracks":`},
		{"nothing of others", "bob", `subscription { chatMessageAdded(userId: "user_ada") { id } }`,
			`insert into public.chat_messages (clerk_id, role, content) values ('user_ada', 'user', 'private')`, ""},
	}
	for _, c := range cases { // one after the other: they share a database
		p := subscribed(t, pool, g.url, c.token, c.query)
		p.say(`{"type":"ping"}`)
		p.hear()
		settle(t, p)
		if c.want == "" {
			owner := subscribed(t, pool, g.url, "ada", `subscription { chatMessageAdded { content } }`)
			settle(t, owner)
			run(t, pool, c.write)
			if got := owner.hear(); !strings.Contains(got, "private") { // so it was handed out by now
				t.Errorf("%s: the owner heard %s", c.name, got)
			}
			settle(t, p)
			continue
		}
		run(t, pool, c.write)
		if got := p.hear(); !strings.HasPrefix(got, `{"type":"next","id":"1","payload":{"data":`+c.want) {
			t.Errorf("%s: heard\n%s\nwant\n%s", c.name, got, c.want)
		}
		p.conn.CloseNow()
	}
	analyst := subscribed(t, pool, g.url, "analyst", `subscription { chatMessageAdded { content } }`)
	settle(t, analyst)
	testdb.DeleteUser(t, pool, "user_bob")
	run(t, pool, `insert into public.chat_messages (clerk_id, role, content) values ('user_bob', 'user', 'of a deleted user'), ('user_ada', 'user', 'of a live one')`)
	if got := analyst.hear(); !strings.Contains(got, "of a live one") {
		t.Errorf("an analyst heard %s", got)
	}
	anonymous := dial(t, g.url)
	anonymous.say(hello)
	anonymous.hear()
	anonymous.say(`{"type":"subscribe","id":"1","payload":{"query":"subscription { trackLiked { id } }"}}`)
	if got := anonymous.hear(); !strings.Contains(got, "UNAUTHENTICATED") {
		t.Errorf("nobody heard %s", got)
	}
	if got := anonymous.hear(); got != `{"type":"complete","id":"1"}` {
		t.Errorf("nobody heard %s", got)
	}
}

// settle passes when a message that goes through everything the events go
// through, a second subscription, is the next that the peer hears.
func settle(t *testing.T, p *peer) {
	t.Helper()
	for i := range 3 { // queries take the way of the subscription before them
		p.say(fmt.Sprintf(`{"type":"subscribe","id":"q%d","payload":{"query":"{__typename}"}}`, i))
		if got := p.hear(); got != fmt.Sprintf(`{"type":"next","id":"q%d","payload":{"data":{"__typename":"Query"}}}`, i) {
			t.Errorf("heard %s", got)
		}
		p.hear()
	}
}

// node is the real graphql-ws client in a process of its own.
type node struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

type line struct {
	Connected string
	Closed    int
	Reason    string
	Pong      *struct{ ExpiresAt time.Time }
	Error     string
	Renewing  *bool
	Next      *struct {
		Data map[string]struct{ ID, Content string }
	}
}

func startNode(t *testing.T, token, query string, renewEvery time.Duration, urls ...string) *node {
	t.Helper()
	dir := installed(t, "socket")
	for i, u := range urls {
		urls[i] = "ws" + strings.TrimPrefix(u, "http")
	}
	what, err := json.Marshal(map[string]any{"urls": urls, "authorization": "Bearer " + token, "query": query, "renewEvery": renewEvery.Milliseconds()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // so that only a hang ends it
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", "client.js", string(what))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	n := &node{t, cmd, bufio.NewScanner(out)}
	n.lines.Buffer(nil, 8<<20)
	return n
}

func (n *node) next() (l line) {
	n.t.Helper()
	if !n.lines.Scan() {
		n.t.Fatal("the client ended")
	}
	if err := json.Unmarshal(n.lines.Bytes(), &l); err != nil {
		n.t.Fatalf("%s: %v", n.lines.Text(), err)
	}
	return l
}

// until reads lines until one satisfies ok.
func (n *node) until(ok func(line) bool) line {
	n.t.Helper()
	for {
		if l := n.next(); ok(l) {
			return l
		}
	}
}

func (n *node) connected(url string) {
	n.t.Helper()
	l := n.until(func(l line) bool { return l.Connected != "" })
	if l.Connected != url {
		n.t.Errorf("connected to %s, want %s", l.Connected, url)
	}
}

const allMessages = `subscription { chatMessageAdded { id content } }`

// The socket stays open, and every message comes once and in order, while the
// database goes away in every way.
func TestClient_databaseFaults(t *testing.T) {
	t.Parallel()
	server := testdb.Server(t)
	database := server.New(testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	a, b := gateway(t, database), gateway(t, database)
	clients := []*node{startNode(t, "analyst", allMessages, 0, a.url), startNode(t, "ada", allMessages, 0, b.url)}
	for _, c := range clients {
		c.until(func(l line) bool { return l.Connected != "" })
	}
	waitUntil(t, pool, "select (select count(*) from segue.watchers) = 2")
	number := 0
	write := func(n int) {
		t.Helper()
		for end := number + n; number < end; number++ {
			writeThrough(t, database, number)
		}
	}
	faults := []func(){
		func() {
			run(t, pool, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'segue live'")
		},
		func() { server.Stop(); server.Start() },
		func() { server.Kill(); server.Start() },
		func() { server.Signal(syscall.SIGSTOP); server.Signal(syscall.SIGCONT) },
	}
	// The subscriptions are under way when a first message has come; a few may have been too early.
	seen := make([]int, len(clients))
	for i, c := range clients {
		for seen[i] = -1; seen[i] < 0; {
			write(1)
			got := make(chan int, 1)
			go func() { got <- c.message() }()
			select {
			case seen[i] = <-got:
			case <-time.After(2 * time.Second):
				t.Fatal("no message came")
			}
		}
	}
	for _, fault := range faults {
		write(50)
		fault()
		write(50)
	}
	for i, c := range clients {
		for want := seen[i] + 1; want < number; want++ {
			if got := c.message(); got != want {
				t.Fatalf("client %d: message %d came, want %d", i, got, want)
			}
		}
	}
}

// message is the number of the next message; anything else that happens is a failure.
func (n *node) message() int {
	l := n.next()
	if l.Next == nil {
		n.t.Errorf("%s", n.lines.Text())
		return -2
	}
	var number int
	if _, err := fmt.Sscan(l.Next.Data["chatMessageAdded"].Content, &number); err != nil {
		n.t.Error(err)
	}
	return number
}

// writeThrough writes message number, however long it takes, with a commit that outlives a crash.
func writeThrough(t *testing.T, database string, number int) {
	t.Helper()
	id := fmt.Sprintf("00000000-0000-0000-0001-%012d", number)
	for {
		conn, err := pgx.Connect(context.Background(), database)
		if err == nil {
			_, err = conn.Exec(context.Background(), fmt.Sprintf(`set synchronous_commit = on; insert into public.chat_messages (id, clerk_id, role, content)
				values ('%s', 'user_ada', 'user', '%d') on conflict do nothing`, id, number))
			conn.Close(context.Background())
		}
		if err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond) // a server that is down sends no signal
	}
}

func TestClient_renewsInPlace(t *testing.T) {
	t.Parallel()
	database := testdb.New(t, testdb.Plain)
	users(t, testdb.Connect(t, database))
	g := gateway(t, database, func(c *Config) { c.Sockets.MaxAge = time.Second })
	c := startNode(t, "ada", allMessages, 100*time.Millisecond, g.url)
	c.until(func(l line) bool { return l.Connected != "" })
	for i := range 25 { // two and a half lives
		if l := c.next(); l.Pong == nil || time.Until(l.Pong.ExpiresAt) > time.Second {
			t.Fatalf("after %d renewals: %s", i, c.lines.Text())
		}
	}
	if err := c.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if l := c.until(func(l line) bool { return l.Closed != 0 }); l.Closed != 4403 || l.Reason == "" {
		t.Errorf("without renewal: closed with %d %q", l.Closed, l.Reason)
	}
	c.until(func(l line) bool { return l.Connected != "" }) // a standard client comes back by itself
}

func TestClient_goesToAnotherReplica(t *testing.T) {
	t.Parallel()
	database := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	a, b := gateway(t, database), gateway(t, database)
	neighbour := subscribed(t, pool, b.url, "bob", allMessages) // b listens
	c := startNode(t, "ada", allMessages, 0, a.url, b.url)
	c.until(func(l line) bool { return l.Connected != "" })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a.Drain(ctx)
	if l := c.until(func(l line) bool { return l.Closed != 0 }); l.Closed != 1001 {
		t.Errorf("the drain closed with %d %q", l.Closed, l.Reason)
	}
	c.connected("ws" + strings.TrimPrefix(b.url, "http"))
	run(t, pool, "select segue.announce('session', 'sess_ada')")
	if l := c.until(func(l line) bool { return l.Closed != 0 }); l.Closed != 4403 {
		t.Errorf("the revocation closed with %d %q", l.Closed, l.Reason)
	}
	settle(t, neighbour)
}

// A client that is stopped is closed once it has stopped for good; its neighbour hears everything.
func TestClient_stopped(t *testing.T) {
	t.Parallel()
	database := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	g := gateway(t, database)
	stopped := startNode(t, "analyst", allMessages, 0, g.url)
	stopped.until(func(l line) bool { return l.Connected != "" })
	p := subscribed(t, pool, g.url, "analyst", allMessages)
	settle(t, p)
	if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const n = 3000
	run(t, pool, fmt.Sprintf(`insert into public.chat_messages (clerk_id, role, content) select 'user_ada', 'user', repeat('x', 8000) from generate_series(1, %d)`, n))
	for range n {
		if got := p.hear(); !strings.HasPrefix(got, `{"type":"next"`) {
			t.Fatalf("the neighbour heard %.200s", got)
		}
	}
	if err := stopped.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if l := stopped.until(func(l line) bool { return l.Closed != 0 }); l.Closed != 1013 {
		t.Errorf("closed with %d %q", l.Closed, l.Reason)
	}
}
