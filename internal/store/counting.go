package store

import (
	"context"

	"github.com/ai-dj/segue/internal/fault"
)

// Most reads cost what they give. Some cost what they go through: totalCount,
// filters that no index answers, numbers of a range. They are short on small
// tables and take a second for a million messages (docs/performance.md), so
// they take turns: half of the connections are always left to the others.

// WaitingPerCount is how many reads may wait for each turn.
const WaitingPerCount = 20

// CountingReads is how many reads that count may run at a time, of so many connections.
func CountingReads(conns int) int { return max(1, conns/2) }

// counting are places for reads that count, and for those that wait for one.
type counting struct{ running, waiting chan struct{} }

func newCounting(conns int) counting {
	n := CountingReads(conns)
	return counting{running: make(chan struct{}, n), waiting: make(chan struct{}, n*WaitingPerCount)}
}

// errManyCount answers reads that would wait behind too many others.
var errManyCount = fault.New(fault.Unavailable, "too many counts and searches are running; try again").Retry(retryAfter)

// take waits for a turn as long as ctx lives: who waits holds no connection. The
// turn ends with done.
func (c counting) take(ctx context.Context) (done func(), err error) {
	done = func() { <-c.running }
	select {
	case c.running <- struct{}{}:
		return done, nil
	default:
	}
	select {
	case c.waiting <- struct{}{}:
		defer func() { <-c.waiting }()
	default:
		return nil, errManyCount
	}
	select {
	case c.running <- struct{}{}:
		return done, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
