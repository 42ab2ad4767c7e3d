package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// cancelGrace is how long PostgreSQL has to confirm a cancellation before the
	// connection is given up.
	cancelGrace = 500 * time.Millisecond
	// cancelSettles is how long a confirmed cancellation may take to reach the
	// backend; a statement sent earlier could be hit in the first one's place.
	cancelSettles = 100 * time.Millisecond
)

// canceller ends a statement whose context ended: by a cancel request, which
// poolers pass on, so that the connection survives, or else by a deadline.
//
// It is pgconn.CancelRequestContextWatcherHandler but for one thing: it waits for
// the answer to the cancel request even when the statement has ended by then.
// pgx hangs up, and PgBouncer up to 1.19, Debian 12's among them, may die of that
// (github.com/pgbouncer/pgbouncer/pull/846; TestPgBouncer in test/faults).
type canceller struct {
	conn *pgconn.PgConn
	done chan struct{}
}

// HandleCancel implements ctxwatch.Handler.
func (c *canceller) HandleCancel(context.Context) {
	deadline := time.Now().Add(cancelGrace)
	_ = c.conn.Conn().SetDeadline(deadline) // fails on a closed connection only
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		if c.conn.CancelRequest(ctx) == nil {
			time.Sleep(cancelSettles)
		}
	}()
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler.
func (c *canceller) HandleUnwatchAfterCancel() {
	<-c.done
	_ = c.conn.Conn().SetDeadline(time.Time{})
}
