package gqlhttp

import (
	"context"
	"sync"
	"time"
)

// sockets are those that are open.
type sockets struct {
	mu     sync.Mutex
	open   map[*socket]string // whose, "" for nobody's
	of     map[string]int     // how many of each caller
	ending bool
	empty  chan struct{} // closed when ending and none is open
}

func newSockets() *sockets {
	return &sockets{open: map[*socket]string{}, of: map[string]int{}, empty: make(chan struct{})}
}

func (s *sockets) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

func (s *sockets) add(one *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return false
	}
	s.open[one] = ""
	return true
}

// claim makes one the caller's, unless the caller has too many already.
func (s *sockets) claim(caller string, one *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if caller == "" {
		return true
	}
	if s.of[caller] >= MaxSocketsOfUser {
		return false
	}
	s.of[caller]++
	s.open[one] = caller
	return true
}

func (s *sockets) remove(one *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := s.open[one]
	delete(s.open, one)
	if caller != "" {
		if s.of[caller]--; s.of[caller] == 0 {
			delete(s.of, caller)
		}
	}
	if s.ending && len(s.open) == 0 {
		close(s.empty)
	}
}

// end begins the drain and lists who must go.
func (s *sockets) end() []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil
	}
	s.ending = true
	if len(s.open) == 0 {
		close(s.empty)
	}
	list := make([]*socket, 0, len(s.open))
	for one := range s.open {
		list = append(list, one)
	}
	return list
}

// spread is the longest pause between two closes of a drain.
const spread = 100 * time.Millisecond

// Drain closes the sockets with 1001, one after the other over most of the time
// that ctx leaves, so that their clients do not all come back in one instant. No
// new ones are taken. It returns when all are closed or ctx ends.
func (h *Handler) Drain(ctx context.Context) {
	list := h.sockets.end()
	pause := spread
	if deadline, ok := ctx.Deadline(); ok && len(list) > 0 {
		pause = min(pause, time.Until(deadline)*3/4/time.Duration(len(list)))
	}
	for i, one := range list {
		if i > 0 {
			wait(ctx, pause)
		}
		one.close(closeGoingAway, "the server stops")
	}
	select {
	case <-h.sockets.empty:
	case <-ctx.Done():
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
