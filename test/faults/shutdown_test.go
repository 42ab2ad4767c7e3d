package faults

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// Told to stop, the gateway takes no more requests, finishes those it has and
// ends well.
func TestShutdown_drains(t *testing.T) {
	t.Parallel()
	s := newStage(t, "REQUEST_TIMEOUT=1m")
	tx := s.lock(t)
	got := make(chan answer)
	go func() { got <- s.send() }()
	s.waitFor(t, tx, 1)
	s.signal(syscall.SIGTERM)
	for dials(s.addr) {
		time.Sleep(5 * time.Millisecond) // the listener closes in its own time
	}
	select {
	case a := <-got:
		t.Fatalf("did not wait for the request in flight: %s", a)
	case <-s.done:
		t.Fatal("ended with a request in flight")
	default:
	}
	s.unlock(t, tx)
	need(t, "the request in flight", []answer{<-got})
	select {
	case <-s.done:
		if s.exit != nil {
			t.Errorf("exit: %v\n%s", s.exit, s.log.last(5))
		}
	case <-time.After(10 * time.Second):
		t.Errorf("did not end:\n%s", s.log.last(5))
	}
}

// A second signal ends the gateway at once, whatever is in flight.
func TestShutdown_secondSignal(t *testing.T) {
	t.Parallel()
	s := newStage(t, "REQUEST_TIMEOUT=1m")
	tx := s.lock(t)
	defer s.unlock(t, tx)
	got := make(chan answer, 1)
	go func() { got <- s.send() }()
	s.waitFor(t, tx, 1)
	s.signal(syscall.SIGTERM)
	for dials(s.addr) {
		time.Sleep(5 * time.Millisecond)
	}
	s.signal(syscall.SIGTERM)
	second := time.Now()
	select {
	case <-s.done:
		t.Logf("| second signal | process gone after %s |", milliseconds(time.Since(second)))
	case <-time.After(5 * time.Second):
		t.Error("did not end at the second signal")
		s.kill()
	}
	if a := <-got; a.err == nil {
		t.Errorf("the request in flight got %s", a)
	}
}

// Health follows the database: alive all the time, ready while it answers.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	await := func(path string, want int) time.Duration {
		t.Helper()
		begin := time.Now()
		for time.Since(begin) < 15*time.Second {
			if s.status(t, path) == want {
				return time.Since(begin)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s is not %d within 15 s", path, want)
		return 0
	}
	await("/readyz", 200)
	need(t, "before", s.together(4))
	s.server.Stop()
	s.together(1) // somebody notices
	down := await("/readyz", 503)
	if got := s.status(t, "/healthz"); got != 200 {
		t.Errorf("/healthz: %d while the database is away", got)
	}
	s.server.Start()
	up := await("/readyz", 200)
	t.Logf("| /readyz | 503 %s after a caller saw the outage, 200 %s after it |", milliseconds(down), milliseconds(up))
}

func (g *gateway) status(t *testing.T, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+g.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
