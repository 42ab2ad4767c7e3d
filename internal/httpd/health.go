package httpd

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	// recheck is how old a good answer may be while the database is in use.
	recheck = 5 * time.Second
	// retry is how soon a bad answer is looked at again.
	retry = time.Second
	// inUse is how long after its last use the database counts as in use. A check
	// is a use, too: with the pool's idle time (3 min) this stays under the 4
	// minutes after which an idle gateway holds no connection.
	inUse = 30 * time.Second
	// checkTimeout bounds one check; probes give up after a few seconds themselves.
	checkTimeout = 2 * time.Second
)

// readiness remembers whether the database could serve. It looks again while
// others use the database, and while the last look was bad; it lets an idle
// database sleep, however often a probe asks.
type readiness struct {
	check    func(context.Context) error
	activity func() int64
	now      func() time.Time

	mu       sync.Mutex // held while checking: probes that come meanwhile share the answer
	checked  time.Time  // zero: never
	err      error
	seen     int64     // activity after the last check
	lastUse  time.Time // when activity last grew by more than our checks
	suspects bool
}

func (r *readiness) suspect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspects = true
}

// ask returns the last known state, looking first when that is due.
func (r *readiness) ask(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.check == nil || !r.due() {
		return r.err
	}
	// A probe that hangs up must not make the database look bad to the next one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	r.err = r.check(ctx)
	r.checked, r.suspects = r.now(), false
	if r.activity != nil {
		r.seen = r.activity()
	}
	return r.err
}

func (r *readiness) due() bool {
	now := r.now()
	if r.activity != nil && r.activity() != r.seen {
		r.seen, r.lastUse = r.activity(), now
	}
	age := now.Sub(r.checked)
	switch {
	case r.checked.IsZero():
		return true
	case r.err != nil || r.suspects:
		return age >= retry
	}
	return age >= recheck && now.Sub(r.lastUse) < inUse
}

type state struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeState(w, http.StatusOK, state{Status: "alive"})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	select {
	case <-s.Draining:
		writeState(w, http.StatusServiceUnavailable, state{"not ready", "draining"})
		return
	default:
	}
	if err := s.ready.ask(r.Context()); err != nil {
		// The cause may name hosts; it is for the log.
		s.Logger.WarnContext(r.Context(), "not ready", "cause", err)
		writeState(w, http.StatusServiceUnavailable, state{"not ready", "the database does not answer or is not migrated"})
		return
	}
	writeState(w, http.StatusOK, state{Status: "ready"})
}

func writeState(w http.ResponseWriter, status int, body state) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
