package faults

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A read whose connection breaks is tried once more; a write never, for it may
// have been done; both are refused when the second connection breaks too.
func TestRetry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ask    func(*stage) answer
		breaks int
		served bool
	}{
		{"read", (*stage).read, 1, true},
		{"read, twice", (*stage).read, 2, false},
		{"write", (*stage).send, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "REQUEST_TIMEOUT=1m")
			need(t, "before", []answer{c.ask(s)})
			before := s.messages(t)
			tx := s.lock(t)
			got := make(chan answer, 1)
			go func() { got <- c.ask(s) }()
			for range c.breaks {
				s.waitFor(t, tx, 1)
				if _, err := tx.Exec(context.Background(), `select pg_terminate_backend(pid, 10000) from pg_stat_activity
					where application_name = 'segue' and state = 'active' and query like '%gone%'`); err != nil {
					t.Fatal(err)
				}
			}
			if c.served {
				s.waitFor(t, tx, 1)
				s.unlock(t, tx)
				need(t, "second try", []answer{<-got})
				return
			}
			a := <-got
			if a.status != 503 || a.code != "UNAVAILABLE" || a.retryAfter == "" {
				t.Errorf("told %s", a)
			}
			s.waitFor(t, tx, 0)
			s.unlock(t, tx)
			if after := s.messages(t); after != before {
				t.Errorf("%d messages, %d before", after, before)
			}
		})
	}
}

func (s *stage) messages(t *testing.T) (n int) {
	t.Helper()
	if err := s.admin.QueryRow(context.Background(), "select count(*) from public.chat_messages").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A connection that the server closed while it rested is found out before a
// write goes out on it, so that nobody has to ask whether that was done.
func TestRestedConnections(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.gateway = serve(t, s.role.String()) // without the proxy, which closes a moment later
	need(t, "before", s.together(8))
	rows, err := s.admin.Query(context.Background(), `with segue as materialized (select pid from pg_stat_activity where application_name = 'segue')
		select pid from segue where pg_terminate_backend(pid)`)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil || len(pids) < 2 {
		t.Fatalf("%d connections: %v", len(pids), err)
	}
	for _, pid := range pids {
		for !errors.Is(syscall.Kill(int(pid), 0), syscall.ESRCH) {
			time.Sleep(time.Millisecond) // it is not our child: only asking works
		}
	}
	for range 2 * len(pids) {
		need(t, "write", []answer{s.send()})
	}
}
