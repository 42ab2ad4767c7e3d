package httpd

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestReadiness walks a database through a day: probes look at it at first, while
// others use it, and while it is down, and otherwise let it sleep.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var (
		now    = time.Unix(1_000_000, 0)
		uses   int64
		checks int
		down   error
	)
	r := readiness{
		now:      func() time.Time { return now },
		activity: func() int64 { return uses },
		check:    func(context.Context) error { checks++; uses++; return down },
	}
	steps := []struct {
		name   string
		do     func()
		after  time.Duration
		checks int
		ready  bool
	}{
		{"first probe", nil, 0, 1, true},
		{"again", nil, time.Second, 0, true},
		{"nobody uses it", nil, time.Minute, 0, true},
		{"still nobody", nil, time.Hour, 0, true},
		{"somebody does", func() { uses++ }, time.Second, 1, true},
		{"shortly after", nil, recheck, 1, true},
		{"too soon", nil, time.Second, 0, true},
		{"long after", nil, inUse, 0, true},
		{"it fails in somebody's hands", func() { down = errors.New("gone"); r.suspect() }, time.Second, 1, false},
		{"at once", nil, retry / 2, 0, false},
		{"it is still down", nil, retry, 1, false},
		{"it is back", func() { down = nil }, retry, 1, true},
		{"and left alone", nil, time.Hour, 0, true},
	}
	for _, step := range steps {
		now = now.Add(step.after)
		if step.do != nil {
			step.do()
		}
		before := checks
		ready := r.ask(t.Context()) == nil
		if ready != step.ready || checks-before != step.checks {
			t.Errorf("%s: ready %t after %d checks, want %t after %d", step.name, ready, checks-before, step.ready, step.checks)
		}
	}
}

func TestNotReadyHidesTheCause(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *Config) {
		c.Ready = func(context.Context) error { return errors.New("dial tcp db.internal:5432") }
	})
	a := do(t, http.MethodGet, s.url+"/readyz")
	if a.status != 503 || strings.Contains(a.body, "db.internal") || !strings.Contains(a.body, `"reason":"the database`) {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a = do(t, http.MethodGet, s.url+"/healthz"); a.status != 200 {
		t.Errorf("healthz is %d while the database is away", a.status)
	}
}
