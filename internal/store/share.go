package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"
)

// Small reads share a round trip with those of other requests (gather.go). Every
// request keeps its own statements, its viewer's scope in them; what several ask
// in the same words, arguments included, is asked once.

// turn is one request's part of a trip.
type turn struct {
	stmts    []statement
	deadline time.Time // of the request; zero: none
	answered bool      // its statements ran, or never will
	err      error     // why not all of them gave rows
}

func newTurn(ctx context.Context, stmts []statement) *turn {
	deadline, _ := ctx.Deadline()
	return &turn{stmts: stmts, deadline: deadline}
}

// tripTimeout ends a trip that something holds up; who was on it goes on alone,
// until its own deadline.
const tripTimeout = acquireTimeout + 500*time.Millisecond

// share runs reads together with those of other requests that are ready now. It
// reports false when the trip did not get as far as them, and they have to be
// run alone.
func (d *database) share(ctx context.Context, stmts []statement, rows int) (answered bool, err error) {
	if trace.SpanContextFromContext(ctx).IsSampled() {
		return false, nil // a trace shows its own statements, and no one else's
	}
	t := newTurn(ctx, stmts)
	d.trips.together("", t, rows, func(turns []*turn) {
		if len(turns) == 1 {
			t.answered, t.err = true, d.attempt(ctx, stmts)
			return
		}
		d.travel(ctx, turns)
	})
	return t.answered, t.err
}

// untilFirst is a context for what is done for several requests at once. It
// outlives the leader's own, which may be cancelled while others wait, and keeps
// nobody beyond its deadline.
func untilFirst(ctx context.Context, deadlines ...time.Time) (context.Context, context.CancelFunc) {
	first := time.Now().Add(tripTimeout)
	for _, d := range deadlines {
		if !d.IsZero() && d.Before(first) {
			first = d
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), first)
}

// travel sends all turns' statements as one pipeline and hands each its rows.
func (d *database) travel(ctx context.Context, turns []*turn) {
	deadlines := make([]time.Time, len(turns))
	for i, t := range turns {
		deadlines[i] = t.deadline
	}
	ctx, cancel := untilFirst(ctx, deadlines...)
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
	asked := distinctStatements(turns)
	var batch pgx.Batch
	for _, a := range asked {
		if a.same == nil {
			batch.Queue(a.sql, a.args...)
		}
	}
	results := conn.SendBatch(ctx, &batch)
	defer results.Close() //nolint:errcheck // what it could tell, the turns that were not answered will find out
	for _, t := range turns {
		if !t.read(results, asked[:len(t.stmts)]) {
			return
		}
		asked = asked[len(t.stmts):]
	}
}

// read takes the turn's rows. It reports false when nothing more can be read: an
// error in a pipeline ends all of it. A reader that panics is a request's own
// affair: it will again when that request goes alone.
func (t *turn) read(results pgx.BatchResults, asked []*asked) (more bool) {
	defer func() {
		if recover() != nil {
			more = false
		}
	}()
	for _, a := range asked {
		err := a.answer(results)
		if err != nil && !isCallers(err) {
			return false
		}
		t.err = errors.Join(t.err, err)
	}
	t.answered = true
	return true
}
