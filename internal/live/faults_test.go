package live_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/testdb"
)

// faultEvents is how many rows are written while everything goes wrong.
const (
	faultWriters = 4
	faultEvents  = 60_000
)

// Two replicas see every row exactly once, and each writer's in its order, while
// listeners are killed, the server restarts and crashes, and transactions overlap.
func TestFaults_exactlyOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	server := testdb.Server(t)
	url := server.New(testdb.Plain)
	pool := testdb.Connect(t, url)
	testdb.AddUser(t, pool, ada, "Ada", "")

	var subs []*live.Subscription
	for range 2 {
		subs = append(subs, subscribe(t, run(t, url), live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst}))
	}
	var reading sync.WaitGroup
	got := make([][]string, len(subs))
	written := make(chan struct{})
	for i, s := range subs {
		reading.Go(func() { got[i] = collect(t, s, written) })
	}

	var writing sync.WaitGroup
	for w := range faultWriters {
		writing.Go(func() { write(t, url, w) })
	}
	over := make(chan struct{})
	faults := make(chan map[string]int, 1)
	go func() { faults <- breakThings(t, server, url, over) }()
	writing.Wait()
	close(over)
	t.Logf("faults: %v", <-faults)
	close(written)
	reading.Wait()

	rows := stored(t, url)
	for i := range subs {
		check(t, fmt.Sprintf("replica %d", i), got[i], rows)
	}
}

// end is the id of the row that is written last.
const end = "ffffffff-ffff-ffff-ffff-ffffffffffff"

func collect(t *testing.T, s *live.Subscription, written <-chan struct{}) (ids []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		item, err := s.Next(ctx)
		if err != nil {
			t.Errorf("after %d events: %v", len(ids), err)
			return ids
		}
		if string(item) == end {
			<-written
			return ids
		}
		ids = append(ids, string(item))
	}
}

// write inserts the writer's rows in transactions of up to 40, with clocks that
// are wrong, some rolled back, and starts again from what is stored after a fault.
func write(t *testing.T, url string, writer int) {
	next := 0
	for next < faultEvents/faultWriters {
		conn := reach(url)
		if err := conn.QueryRow(context.Background(), `select coalesce(max(split_part(content, ' ', 2)::int) + 1, 0)
			from public.chat_messages where session_id = $1`, fmt.Sprint(writer)).Scan(&next); err == nil {
			next = writeOn(conn, writer, next)
		}
		conn.Close(context.Background())
	}
}

func writeOn(conn *pgx.Conn, writer, next int) int {
	for next < faultEvents/faultWriters {
		n := min(1+rand.IntN(40), faultEvents/faultWriters-next)
		err := pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
			for _, part := range [][2]int{{next, next + n/2}, {next + n/2, next + n}} {
				if _, err := tx.Exec(context.Background(), `insert into public.chat_messages (clerk_id, role, content, session_id, created_at)
					select $1, 'user', $2 || ' ' || i, $2, now() - random() * interval '1 year' from generate_series($3::int, $4::int - 1) i`,
					ada, fmt.Sprint(writer), part[0], part[1]); err != nil {
					return err
				}
			}
			if rand.IntN(10) == 0 {
				return pgx.ErrTxClosed // any error: rolls back
			}
			return nil
		})
		switch {
		case err == nil:
			next += n
		case conn.IsClosed() || conn.PgConn().TxStatus() != 'I':
			return next
		}
	}
	return next
}

// reach connects as soon as the server lets it. Its commits wait for the log, so that a crash forgets none.
func reach(url string) *pgx.Conn {
	for {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			if _, err = conn.Exec(context.Background(), "set synchronous_commit = on"); err == nil {
				return conn
			}
		}
		time.Sleep(10 * time.Millisecond) // a server that is down sends no signal
	}
}

func breakThings(t *testing.T, server *testdb.PrivateServer, url string, over <-chan struct{}) map[string]int {
	done := map[string]int{}
	kill := func() {
		conn := reach(url)
		defer conn.Close(context.Background())
		conn.Exec(context.Background(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'segue live'")
	}
	for i := 0; ; i++ {
		select {
		case <-over:
			conn := reach(url)
			defer conn.Close(context.Background())
			if _, err := conn.Exec(context.Background(), `insert into public.chat_messages (id, clerk_id, role, content) values ($1, $2, 'user', 'end')`, end, ada); err != nil {
				t.Error(err)
			}
			return done
		case <-time.After(time.Duration(20+rand.IntN(200)) * time.Millisecond):
		}
		switch {
		case i%6 == 2:
			server.Stop()
			server.Start()
			done["restart"]++
		case i%6 == 5:
			server.Kill()
			server.Start()
			done["crash"]++
		case i%6 == 3:
			server.Signal(syscall.SIGSTOP)
			time.Sleep(200 * time.Millisecond)
			server.Signal(syscall.SIGCONT)
			done["stopped for a while"]++
		default:
			kill()
			done["listeners terminated"]++
		}
	}
}

type row struct {
	writer string
	number int
}

func stored(t *testing.T, url string) map[string]row {
	t.Helper()
	conn := reach(url)
	defer conn.Close(context.Background())
	rows := map[string]row{}
	result, err := conn.Query(context.Background(), "select id::text, session_id, split_part(content, ' ', 2)::int from public.chat_messages where session_id is not null")
	if err != nil {
		t.Fatal(err)
	}
	var id string
	var r row
	if _, err := pgx.ForEachRow(result, []any{&id, &r.writer, &r.number}, func() error { rows[id] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(rows) != faultEvents {
		t.Fatalf("%d rows stored, want %d", len(rows), faultEvents)
	}
	return rows
}

func check(t *testing.T, who string, got []string, rows map[string]row) {
	t.Helper()
	seen := map[string]bool{}
	last := map[string]int{}
	twice, unknown, disordered := 0, 0, 0
	for _, id := range got {
		r, known := rows[id]
		switch {
		case seen[id]:
			twice++
		case !known:
			unknown++
		case r.number != last[r.writer]:
			disordered++
			last[r.writer] = r.number + 1
		default:
			last[r.writer]++
		}
		seen[id] = true
	}
	missing := 0
	for id := range rows {
		if !seen[id] {
			missing++
		}
	}
	t.Logf("%s: %d stored, %d seen, %d missing, %d twice, %d unknown, %d out of order", who, len(rows), len(got), missing, twice, unknown, disordered)
	if missing+twice+unknown+disordered > 0 {
		t.Errorf("%s did not see every row exactly once and in order", who)
	}
}

// A connection whose other end is alive and silent looks idle; that it is dead shows within two ticks.
func TestFaults_silentBackend(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 seconds")
	}
	t.Parallel()
	server := testdb.Server(t)
	url := server.New(testdb.Plain)
	pool := testdb.Connect(t, url)
	testdb.AddUser(t, pool, ada, "Ada", "")
	s := subscribe(t, run(t, url), live.Feed{Topic: live.Topic{Kind: live.MessageAdded}, Viewer: asAnalyst})
	var backend int
	if err := pool.QueryRow(t.Context(), "select pid from pg_stat_activity where application_name = 'segue live'").Scan(&backend); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(backend, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(backend, syscall.SIGCONT) })
	want := send(t, pool, ada)
	if got := next(t, s); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
