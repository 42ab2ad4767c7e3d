package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ai-dj/segue/internal/fault"
)

var (
	// errNoConnection: every connection stayed busy, or none could be made, for acquireTimeout.
	errNoConnection = errors.New("no connection became free")
	// errNotSent: it failed before PostgreSQL could have seen any of it.
	errNotSent = errors.New("not sent")
)

// retryAfter is how long callers are told to wait while the database is away.
const retryAfter = time.Second

// mayRetry reports whether the statements may be sent again: a write only if
// PostgreSQL never saw it, a read after any loss of its connection, and either
// when it was refused before anything ran: a cached plan went stale under it
// (0A000), a pooler lost its prepared statement, or the server only reads (25006;
// the next connection may lead to one that writes).
func mayRetry(err error, write bool) bool {
	if errors.Is(err, errNoConnection) {
		return false // it waited its share already
	}
	if errors.Is(err, errNotSent) || pgconn.SafeToRetry(err) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "0A000" || pg.Code == readOnly || lostStatement(pg.Code) || !write && connectionLost(pg.Code)
	}
	return !write && !isCallers(err)
}

// readOnly is read_only_sql_transaction: this server became a standby.
const readOnly = "25006"

// isCallers reports errors that were made above the connection and would come again.
func isCallers(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// connectionLost reports the SQLSTATEs that say the server or its connection is
// going, not that the statement is wrong: class 08, shutdown and crash (57P01–05),
// no slot left (53300).
func connectionLost(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P") || code == "53300"
}

// explain turns what PostgreSQL or the network said into what a caller may be
// told, keeping the cause for the log. Nil stays nil.
func explain(ctx context.Context, err error) error {
	if err == nil || isCallers(err) {
		return err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	if ctx.Err() != nil {
		return timedOut().Because(err)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return explainSQL(pg, err)
	}
	if unreachable(err) {
		return fault.New(fault.Unavailable, "the database cannot be reached; try again").Retry(retryAfter).Because(err)
	}
	return err
}

func unreachable(err error) bool {
	_, connect := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	return connect || network || errors.Is(err, errNoConnection) || errors.Is(err, errNotSent) ||
		errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "unexpected EOF")
}

func timedOut() *fault.Error {
	return fault.New(fault.Timeout, "the operation took too long; ask for less or try again").Retry(retryAfter)
}

// explainSQL maps the SQLSTATEs that mean something to a caller. Constraint
// names stay in the log.
func explainSQL(pg *pgconn.PgError, err error) error {
	switch {
	case pg.Code == "57014", pg.Code == "55P03": // query_canceled by a timeout, lock_not_available
		return timedOut().Because(err)
	case pg.Code == "40001", pg.Code == "40P01", strings.HasPrefix(pg.Code, "53"), lostStatement(pg.Code): // serialization, deadlock, resources, pooler
		return fault.New(fault.Unavailable, "the database is busy; try again").Retry(retryAfter).Because(err)
	case connectionLost(pg.Code):
		return fault.New(fault.Unavailable, "the database is restarting; try again").Retry(retryAfter).Because(err)
	case pg.Code == readOnly: // a failover in progress
		return fault.New(fault.Unavailable, "the database is read-only at the moment; try again").Retry(retryAfter).Because(err)
	case pg.Code == "23503" && strings.Contains(pg.Detail, "(message_id)"): // constraints may have any name, and most contain "message"
		return fault.New(fault.NotFound, "there is no such message").Because(err)
	case pg.Code == "23503":
		return errNotSynced.Because(err)
	case pg.Code == "23505":
		return fault.New(fault.Conflict, "that id is taken").Because(err)
	case pg.Code == "23514" && strings.Contains(pg.ConstraintName, "role"):
		return fault.BadInput("role", "is not accepted by this database").Because(err)
	}
	return err
}

// errNotSynced is a verified caller whose row is not yet in users_sync. Callers
// provision the row and try again before anyone is told.
var errNotSynced = fault.New(fault.UserNotSynced, "your account is not known here yet; try again in a moment").Retry(SyncRetryAfter)

// SyncRetryAfter is how long callers who are not in users_sync yet are told to wait.
const SyncRetryAfter = 2 * time.Second
