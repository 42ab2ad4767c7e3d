package faults

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/testdb"
)

// stage is a gateway before a PostgreSQL that may be broken, with the network between them.
type stage struct {
	*gateway
	server *testdb.PrivateServer
	admin  *pgxpool.Pool // straight to the server, as its superuser
	url    string        // the database, as its superuser
	role   *url.URL      // the database, as the gateway, by the straight road
	net    *proxy
}

const ada = "user_ada"

// newStage starts everything, with ada as the one user.
func newStage(t *testing.T, settings ...string) *stage {
	t.Helper()
	server := testdb.Server(t)
	s := &stage{server: server, url: server.New(testdb.Plain)}
	s.admin = testdb.Connect(t, s.url)
	testdb.AddUser(t, s.admin, ada, "Ada", "")
	s.role = parse(t, testdb.Role(t, s.url))
	s.net = newProxy(t, s.role.Host)
	through := *s.role
	through.Host = s.net.addr
	s.gateway = serve(t, through.String(), settings...)
	return s
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s *stage) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.admin.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// terminate ends every connection to the database but the test's own.
func (s *stage) terminate(t *testing.T) {
	s.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename <> current_user")
}

// freeze stops every process of the server: connections are accepted by the
// system, and nothing ever answers.
func (s *stage) freeze(t *testing.T) (thaw func()) {
	t.Helper()
	rows, err := s.admin.Query(context.Background(), "select pid from pg_stat_activity where pid <> pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	all := func(sig syscall.Signal) {
		s.server.Signal(sig)
		for _, pid := range pids {
			_ = syscall.Kill(int(pid), sig) // one may have ended
		}
	}
	all(syscall.SIGSTOP)
	return func() { all(syscall.SIGCONT) }
}

// lock makes everyone who needs the messages wait.
func (s *stage) lock(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := s.admin.Begin(context.Background())
	if err == nil {
		_, err = tx.Exec(context.Background(), "lock table public.chat_messages in access exclusive mode")
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func (s *stage) unlock(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Rollback(context.Background()); err != nil {
		t.Error(err)
	}
}

// waitFor returns when n of callers' queries (each tells whether its caller is
// gone) are running in PostgreSQL. Whoever holds the lock that they wait for lends
// its transaction.
func (s *stage) waitFor(t *testing.T, tx pgx.Tx, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		var running int
		if err := tx.QueryRow(ctx, `select count(*) from pg_stat_clear_snapshot(), pg_stat_activity
			where datname = current_database() and application_name = 'segue' and state = 'active' and query like '%gone%'`).Scan(&running); err != nil {
			t.Fatalf("there should be %d queries running, there are %d: %v\n%s", n, running, err, s.log.last(5))
		}
		if running == n {
			return
		}
		time.Sleep(5 * time.Millisecond) // pg_stat_activity gives no signal
	}
}

const (
	readQuery = `{ chatMessages(first: 5) { totalCount nodes: edges { node { id feedback { totalCount edges { node { id } } } } } } }`
	sendQuery = `mutation ($input: SendChatMessageInput!) { sendChatMessage(input: $input) { chatMessage { id } } }`
)

func (s *stage) read() answer { return s.ask(context.Background(), ada, readQuery, nil) }
func (s *stage) send() answer {
	return s.ask(context.Background(), ada, sendQuery, map[string]any{"input": map[string]any{"content": "hello"}})
}

// together runs n reads and n writes at one time.
func (s *stage) together(n int) []answer { return atOnce(n, s.read, s.send) }

// atOnce does each n times, all at one time.
func atOnce(n int, each ...func() answer) (all []answer) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, f := range each {
		for range n {
			wg.Go(func() {
				a := f()
				mu.Lock()
				defer mu.Unlock()
				all = append(all, a)
			})
		}
	}
	wg.Wait()
	return all
}

func need(t *testing.T, what string, answers []answer) {
	t.Helper()
	for _, a := range answers {
		if !a.ok() {
			t.Errorf("%s: %s %s", what, a, a.message)
			return
		}
	}
}

// The contract's bounds are 2 s. Slack is for machines on which everything is
// slow; the tables print what was measured.
const slack = 3 * time.Second

// outages are what goes wrong. begin returns what ends it.
var outages = []struct {
	name  string
	codes []string // what callers may be told meanwhile; empty: nobody notices
	begin func(*testing.T, *stage) (end func())
}{
	{"PostgreSQL stopped, started again", []string{"UNAVAILABLE"}, func(_ *testing.T, s *stage) func() {
		s.server.Stop()
		return s.server.Start
	}},
	{"PostgreSQL killed, started again", []string{"UNAVAILABLE"}, func(_ *testing.T, s *stage) func() {
		s.server.Kill()
		return s.server.Start
	}},
	{"PostgreSQL frozen (SIGSTOP to all)", []string{"UNAVAILABLE", "TIMEOUT"}, func(t *testing.T, s *stage) func() { return s.freeze(t) }},
	{"its main process frozen", nil, func(_ *testing.T, s *stage) func() {
		s.server.Signal(syscall.SIGSTOP)
		return func() { s.server.Signal(syscall.SIGCONT) }
	}},
	// A write that was under way may or may not have been done: only its caller can tell.
	{"all backends terminated", []string{"UNAVAILABLE"}, func(t *testing.T, s *stage) func() {
		s.terminate(t)
		return func() {}
	}},
	{"connections exhausted", []string{"UNAVAILABLE"}, exhaust},
	{"a table locked", []string{"UNAVAILABLE", "TIMEOUT"}, func(t *testing.T, s *stage) func() {
		tx := s.lock(t)
		return func() { s.unlock(t, tx) }
	}},
	{"failover to a read-only server", []string{"UNAVAILABLE"}, func(t *testing.T, s *stage) func() {
		database := pgx.Identifier{strings.TrimPrefix(parse(t, s.url).Path, "/")}.Sanitize()
		s.exec(t, "alter database "+database+" set default_transaction_read_only = on")
		s.terminate(t)
		return func() {
			s.exec(t, "alter database "+database+" reset default_transaction_read_only")
		}
	}},
	{"network slow (100 ms each way)", nil, func(_ *testing.T, s *stage) func() {
		s.net.slow(100 * time.Millisecond)
		return s.net.heal
	}},
	{"network too slow (5 s each way)", []string{"UNAVAILABLE", "TIMEOUT"}, func(_ *testing.T, s *stage) func() {
		s.net.slow(5 * time.Second)
		return s.net.heal
	}},
	{"network cut", []string{"UNAVAILABLE"}, func(_ *testing.T, s *stage) func() {
		s.net.sever()
		return s.net.heal
	}},
	{"network silent", []string{"UNAVAILABLE", "TIMEOUT"}, func(_ *testing.T, s *stage) func() {
		s.net.hold()
		return s.net.heal
	}},
	{"network silent, connections lost", []string{"UNAVAILABLE", "TIMEOUT"}, func(_ *testing.T, s *stage) func() {
		s.net.hold()
		return func() {
			s.net.reset()
			s.net.heal()
		}
	}},
}

// exhaust takes every connection that the server has for ordinary roles.
func exhaust(t *testing.T, s *stage) func() {
	other := testdb.Role(t, s.url)
	var taken []*pgx.Conn
	take := func() {
		for {
			c, err := pgx.Connect(context.Background(), other)
			if err != nil {
				if !strings.Contains(err.Error(), "53300") {
					t.Error(err)
				}
				return
			}
			taken = append(taken, c)
		}
	}
	take()
	s.exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'segue'")
	take()
	return func() {
		for _, c := range taken {
			_ = c.Close(context.Background())
		}
	}
}

// Callers learn of an outage in bounded time, by the contract's codes and with
// the time to come again; when it is over they are served without a restart.
func TestOutages(t *testing.T) {
	t.Parallel()
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			need(t, "before", s.together(8)) // and the pool is full of connections

			end := o.begin(t, s)
			began := time.Now()
			during := s.during(2 * time.Second)
			end()
			over := time.Now()
			first := s.firstServed(t, over)
			need(t, "after", s.together(8))

			tally, slowest, told := summary(during, began)
			t.Logf("| %s | %s | %s | %s | %s |", o.name, tally, milliseconds(told), milliseconds(slowest), milliseconds(first.Sub(over)))
			check(t, during, o.codes)
			if got := first.Sub(over); got > 2*time.Second+slack {
				t.Errorf("served again after %v", got)
			}
		})
	}
}

// during sends a read and a write every 50 ms and waits for all the answers.
func (s *stage) during(d time.Duration) (all []answer) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); time.Since(begin) < d; <-tick.C {
		for _, f := range []func() answer{s.read, s.send} {
			wg.Go(func() {
				a := f()
				mu.Lock()
				defer mu.Unlock()
				all = append(all, a)
			})
		}
	}
	wg.Wait()
	return all
}

// firstServed asks until a read and a write are served, and says since when they were.
func (s *stage) firstServed(t *testing.T, over time.Time) time.Time {
	t.Helper()
	for time.Since(over) < 20*time.Second {
		if s.read().ok() && s.send().ok() {
			return time.Now()
		}
	}
	t.Fatalf("not served 20 s after the outage: %s\n%s", s.send(), s.log.last(6))
	return time.Time{}
}

// check holds the answers to the contract.
func check(t *testing.T, answers []answer, codes []string) {
	t.Helper()
	told := map[string]int{}
	for _, a := range answers {
		if a.ok() {
			continue
		}
		told[a.code]++
		switch {
		case a.err != nil:
			t.Errorf("no answer: %v", a.err)
		case !slices.Contains(codes, a.code):
			t.Errorf("told %s %s (%s)", a, a.message, a.took)
		case a.code == "UNAVAILABLE" && a.status != 503, a.code == "TIMEOUT" && a.status != 504:
			t.Errorf("%s has status %d", a.code, a.status)
		case a.retryAfter == "":
			t.Errorf("%s without Retry-After", a)
		case a.code == "UNAVAILABLE" && a.took > 2*time.Second+slack:
			t.Errorf("%s after %v", a, a.took)
		case a.took > requestTimeout+slack:
			t.Errorf("%s after %v", a, a.took)
		}
		if t.Failed() {
			return
		}
	}
}

// summary counts the answers, and finds the slowest refusal and how long after the beginning the first came.
func summary(answers []answer, began time.Time) (tally string, slowest, told time.Duration) {
	counts := map[string]int{}
	var order []string
	for _, a := range answers {
		s := a.String()
		if counts[s] == 0 {
			order = append(order, s)
		}
		counts[s]++
		if a.ok() {
			continue
		}
		slowest = max(slowest, a.took)
		if at := a.began.Add(a.took).Sub(began); told == 0 || at < told {
			told = at
		}
	}
	slices.Sort(order)
	for i, s := range order {
		order[i] = fmt.Sprintf("%d × %s", counts[s], s)
	}
	return strings.Join(order, ", "), slowest, told
}

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
}
