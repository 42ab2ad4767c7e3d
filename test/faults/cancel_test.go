package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// A caller who leaves takes its query along.
func TestCancelled_queryEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t, "REQUEST_TIMEOUT=1m")
	tx := s.lock(t)
	defer s.unlock(t, tx)
	ctx, leave := context.WithCancel(context.Background())
	gone := make(chan answer)
	go func() { gone <- s.ask(ctx, ada, readQuery, nil) }()
	s.waitFor(t, tx, 1)
	leave()
	left := time.Now()
	if a := <-gone; a.err == nil {
		t.Errorf("got %s", a)
	}
	s.waitFor(t, tx, 0)
	t.Logf("| caller leaves | its query is gone from PostgreSQL after %s |", milliseconds(time.Since(left)))
}

// Nothing is left of a thousand callers who left: no query, no goroutine, no
// connection beyond the pool's.
func TestCancelled_nothingLeft(t *testing.T) {
	t.Parallel()
	s := newStage(t, "REQUEST_TIMEOUT=1m")
	need(t, "before", s.together(20))
	before, _ := s.settled()

	tx := s.lock(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				ctx, leave := context.WithTimeout(context.Background(), time.Duration(rand.IntN(100))*time.Millisecond)
				s.ask(ctx, ada, readQuery, nil)
				leave()
			}
		})
	}
	wg.Wait()
	s.waitFor(t, tx, 0)
	s.unlock(t, tx)
	need(t, "after", s.together(20))
	after, inUse := s.settled()
	var connections int
	if err := s.admin.QueryRow(context.Background(), "select count(*) from pg_stat_activity where application_name = 'segue'").Scan(&connections); err != nil {
		t.Fatal(err)
	}
	t.Logf("| 1,000 callers leave | goroutines before %.0f, after %.0f; connections %d, in use %.0f |", before, after, connections, inUse)
	if after > before+5 {
		t.Errorf("%.0f goroutines, %.0f before", after, before)
	}
	if connections > 10 || inUse != 0 {
		t.Errorf("%d connections, %.0f in use", connections, inUse)
	}
}

// settled is how many goroutines the gateway has and how many connections it
// uses, once neither has fallen for half a second: what ends does so in its own
// time, and nothing tells when.
func (s *stage) settled() (goroutines, inUse float64) {
	client.CloseIdleConnections()
	goroutines, inUse = s.gauge("go_goroutines"), s.gauge("segue_db_connections_in_use")
	for fell := time.Now(); time.Since(fell) < time.Second/2; time.Sleep(20 * time.Millisecond) {
		if g, c := s.gauge("go_goroutines"), s.gauge("segue_db_connections_in_use"); g < goroutines || c < inUse {
			goroutines, inUse, fell = g, c, time.Now()
		}
	}
	return goroutines, inUse
}

// Of more than a thousand waiting operations the rest is refused at once rather
// than queued. (Not in parallel: for a second it takes the whole machine.) Writes
// only: of reads that count no more than a hundred wait to begin with.
func TestWaiting_isBounded(t *testing.T) {
	s := newStage(t)
	tx := s.lock(t)
	all := atOnce(1400, s.send)
	s.unlock(t, tx)
	tally, slowest, _ := summary(all, time.Now())
	shed := s.gauge("segue_requests_shed_total")
	t.Logf("| 1,400 at once on a locked table | %s, %.0f of them shed | slowest %s |", tally, shed, milliseconds(slowest))
	check(t, all, []string{"UNAVAILABLE", "TIMEOUT"})
	if shed == 0 {
		t.Error("none was shed")
	}
	need(t, "after", s.together(8))
}

// A gateway that is killed cannot cancel its queries. With the setting that
// docs/faults.md recommends for its role PostgreSQL finds out by itself.
func TestGatewayKilled_queryEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t, "REQUEST_TIMEOUT=1m")
	s.exec(t, "alter role "+s.role.User.Username()+" set client_connection_check_interval = '1s'")
	s.gateway = serve(t, s.role.String(), "REQUEST_TIMEOUT=1m") // its connections have the setting
	tx := s.lock(t)
	defer s.unlock(t, tx)
	go s.send()
	s.waitFor(t, tx, 1)
	s.kill()
	killed := time.Now()
	s.waitFor(t, tx, 0)
	t.Logf("| gateway killed | its query is gone from PostgreSQL after %s |", milliseconds(time.Since(killed)))
}
