package store

import (
	"runtime"
	"sync"
	"time"
)

// Under load most of what a small statement costs is its round trip: two system
// calls here, a wake-up and two more there. What requests have ready at the same
// moment therefore goes together (docs/adr/0013).
//
// The moment is a turn of Go's scheduler: the first request yields once, and
// whatever others have ready when it runs again goes with it. Where nothing else
// is runnable it runs again at once, so a request does not wait for others to
// come, only for those that would have taken the CPU before it anyway.
//
// While all lanes are taken the next ones gather until one is free, or for
// laneWait at most.

// gathering is requests that go together. Who came first leads.
type gathering[T any] struct {
	kind  string // only what is of one kind can go together
	turns []T
	size  int
	over  chan struct{} // closed when all that can be done for everybody is
}

// meeting is where requests meet.
type meeting[T any] struct {
	mu    sync.Mutex
	next  *gathering[T] // what can still be joined
	lanes chan struct{} // a place for each gathering under way
}

const (
	// maxTurns and maxSize bound what one server process does in a row, where it
	// might have been done by several at a time: a millisecond or two.
	maxTurns = 16
	maxSize  = 1000
	// laneWait is how long a gathering waits for another one to end. A database
	// that is far away or slow has more under way than there are lanes, and gets them.
	laneWait = 5 * time.Millisecond
)

// newMeeting is a meeting for so many connections. A quarter of them is enough
// to keep as many CPUs busy as a pool of that size is made for.
func newMeeting[T any](conns int) meeting[T] {
	return meeting[T]{lanes: make(chan struct{}, max(1, conns/4))}
}

// together calls do with a request's turn and those of others, in the first
// one's goroutine, and returns when it has returned.
func (m *meeting[T]) together(kind string, turn T, size int, do func([]T)) {
	g, leads := m.join(kind, turn, size)
	if !leads {
		<-g.over
		return
	}
	runtime.Gosched()
	defer m.enter()()
	m.depart(g)
	if g.over != nil {
		defer close(g.over)
	}
	do(g.turns)
}

// join takes a turn in the next gathering, or leads a new one where there is no room.
func (m *meeting[T]) join(kind string, turn T, size int) (g *gathering[T], leads bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g = m.next
	if g == nil || g.kind != kind || len(g.turns) == maxTurns || g.size+size > maxSize {
		m.next = &gathering[T]{kind: kind, turns: []T{turn}, size: size}
		return m.next, true
	}
	if g.over == nil {
		g.over = make(chan struct{})
	}
	g.turns = append(g.turns, turn)
	g.size += size
	return g, false
}

// enter takes a lane, if one is or becomes free in time. It is left with leave.
func (m *meeting[T]) enter() (leave func()) {
	leave = func() { <-m.lanes }
	select {
	case m.lanes <- struct{}{}:
		return leave
	default:
	}
	late := time.NewTimer(laneWait)
	defer late.Stop()
	select {
	case m.lanes <- struct{}{}:
		return leave
	case <-late.C:
		return func() {}
	}
}

// depart lets nobody else on.
func (m *meeting[T]) depart(g *gathering[T]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == g {
		m.next = nil
	}
}
