package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"
)

// Under load most of what a small read costs is its round trip: two system calls
// here, a wake-up and two more there. Small reads that are ready at the same
// moment therefore share one (docs/adr/0013).
//
// The moment is a turn of Go's scheduler: the first read yields once, and
// whatever other requests have ready when it runs again goes with it. Where
// nothing else is runnable it runs again at once, so a read never waits for
// others to come, only for those that would have taken the CPU before it anyway.

// turn is one request's part of a trip.
type turn struct {
	stmts    []statement
	rows     int       // what they read at most
	deadline time.Time // of the request; zero: none
	answered bool      // its statements ran, or never will
	err      error     // why not all of them gave rows
}

func newTurn(ctx context.Context, stmts []statement, rows int) *turn {
	deadline, _ := ctx.Deadline()
	return &turn{stmts: stmts, rows: rows, deadline: deadline}
}

// trip is a round trip that several requests share. Who came first leads.
type trip struct {
	turns []*turn
	rows  int
	over  chan struct{} // closed when every turn that was answered is
}

// trips is where requests meet.
type trips struct {
	mu   sync.Mutex
	next *trip // what can still be joined
}

const (
	// maxTurns and maxTripRows bound what one server process does in a row, where
	// it might have been done by several at a time: a millisecond or two.
	maxTurns    = 16
	maxTripRows = 1000
	// tripTimeout ends a trip that something holds up; who was on it goes on alone,
	// until its own deadline.
	tripTimeout = acquireTimeout + 500*time.Millisecond
)

// join takes a turn in the next trip, or leads a new one where there is no room.
func (m *trips) join(t *turn) (tr *trip, leads bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tr = m.next
	if tr == nil || len(tr.turns) == maxTurns || tr.rows+t.rows > maxTripRows {
		m.next = &trip{turns: []*turn{t}, rows: t.rows}
		return m.next, true
	}
	if tr.over == nil {
		tr.over = make(chan struct{})
	}
	tr.turns = append(tr.turns, t)
	tr.rows += t.rows
	return tr, false
}

// depart lets nobody else on.
func (m *trips) depart(tr *trip) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == tr {
		m.next = nil
	}
}

// share runs reads together with those of other requests that are ready now. It
// reports false when they have to be run alone: nobody else was there, or the
// trip did not get as far as them.
func (d *database) share(ctx context.Context, t *turn) (answered bool, err error) {
	if trace.SpanContextFromContext(ctx).IsSampled() {
		return false, nil // a trace shows its own statements, and no one else's
	}
	tr, leads := d.trips.join(t)
	if !leads {
		<-tr.over
		return t.answered, t.err
	}
	runtime.Gosched()
	d.trips.depart(tr)
	if len(tr.turns) == 1 {
		return false, nil
	}
	defer close(tr.over)
	d.travel(ctx, tr.turns)
	return t.answered, t.err
}

// travel sends all turns' statements as one pipeline and hands each its rows. It
// outlives the leader's own request, which may be cancelled while others wait.
func (d *database) travel(ctx context.Context, turns []*turn) {
	deadline := time.Now().Add(tripTimeout)
	for _, t := range turns {
		if !t.deadline.IsZero() && t.deadline.Before(deadline) {
			deadline = t.deadline // nobody is kept beyond its own
		}
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	conn, err := acquire(ctx, d.pool)
	if errors.Is(err, errNoConnection) { // they all waited their share
		for _, t := range turns {
			t.answered, t.err = true, err
		}
	}
	if err != nil {
		return
	}
	defer conn.Release()
	var batch pgx.Batch
	for _, t := range turns {
		for _, st := range t.stmts {
			batch.Queue(st.sql, st.args...)
		}
	}
	results := conn.SendBatch(ctx, &batch)
	defer results.Close() //nolint:errcheck // what it could tell, the turns that were not answered will find out
	for _, t := range turns {
		if !t.read(results) {
			return
		}
	}
}

// read takes the turn's rows. It reports false when nothing more can be read: an
// error in a pipeline ends all of it. A reader that panics is a request's own
// affair: it will again when that request goes alone.
func (t *turn) read(results pgx.BatchResults) (more bool) {
	defer func() {
		if recover() != nil {
			more = false
		}
	}()
	for _, st := range t.stmts {
		rows, err := results.Query()
		if err == nil {
			err = readAll(rows, st.read)
		}
		if err != nil && !isCallers(err) {
			return false
		}
		t.err = errors.Join(t.err, err)
	}
	t.answered = true
	return true
}
