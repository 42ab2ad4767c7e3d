// Package store is everything Segue asks of PostgreSQL for a caller: the row
// types, all SQL, and the rules of sight. Every method takes the viewer it
// answers for, and scope.go alone decides what that viewer's SQL may match, so
// a new read cannot forget to ask.
//
// A read is described by a tree of wants: which columns, which edges, which
// pages of which lists. To-one edges are joined in their parent's statement;
// to-many edges of one level go out together as one pipelined batch, each
// statement covering all parents of that level. A read therefore costs as many
// round trips as it has levels of lists, whatever the number of rows.
//
// The package knows nothing of GraphQL, HTTP or Clerk. Errors that a caller may
// be told are *fault.Error; see errors.go.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/fault"
)

// Store answers reads and makes writes for viewers. Make one with New; it is
// safe for concurrent use and owns nothing but the use of its pools.
type Store struct {
	primary database
	replica *replica // nil: none
	sending meeting[*outgoing]
	inserts atomic.Int64 // rows inserted, for folding
}

// database is a server's pool.
type database struct {
	pool     *pgxpool.Pool
	trips    meeting[*turn]
	counting counting
	renewed  atomic.Int64 // when its connections were last thrown away, UnixNano
}

func newDatabase(pool *pgxpool.Pool) database {
	conns := int(pool.Config().MaxConns)
	return database{pool: pool, trips: newMeeting[*turn](conns), counting: newCounting(conns)}
}

// Config is what a Store works on.
type Config struct {
	// Pool is the primary database. Required.
	Pool *pgxpool.Pool
	// Replica, where set, answers the analytics reads of callers who have not just written.
	Replica *pgxpool.Pool
	// Logger is told, now and then, of reads that the replica failed to answer; nil: nobody is.
	Logger *slog.Logger
}

// New returns a Store on cfg's pools.
func New(cfg Config) *Store {
	s := &Store{primary: newDatabase(cfg.Pool), sending: newMeeting[*outgoing](int(cfg.Pool.Config().MaxConns))}
	if cfg.Replica != nil {
		s.replica = newReplica(cfg.Replica, cfg.Logger)
	}
	return s
}

// acquireTimeout bounds the wait for a connection: past it the request is shed
// rather than queued behind a database that does not answer.
const acquireTimeout = 1500 * time.Millisecond

// statement is one SQL text with its arguments and the reader of its rows. read
// is called with the open rows, once a try, and must consume them. An error of its
// own is a *fault.Error.
type statement struct {
	sql  string
	args []any
	read func(rows resultRows) error
	// rows is how many rows an index leads it to at most, 0 where nobody can say.
	// With a bound it may share a round trip with other requests' (share.go).
	rows int
}

// run sends the statements in one round trip and hands each its rows. Reads
// that failed for want of a working connection are tried once more on another
// one, after again has undone what their readers did; writes, whose again is
// nil, only where PostgreSQL certainly did not do them.
func (s *Store) run(ctx context.Context, again func(), stmts ...statement) error {
	return s.primary.run(ctx, again, stmts)
}

func (d *database) run(ctx context.Context, again func(), stmts []statement) error {
	err := d.first(ctx, again, stmts)
	if err != nil && ctx.Err() == nil && mayRetry(err, again == nil) {
		d.renew()
		if again != nil {
			again()
		}
		err = d.attempt(ctx, stmts)
	}
	return explain(ctx, err)
}

// first sends the statements for the first time: small reads together with others'.
func (d *database) first(ctx context.Context, again func(), stmts []statement) error {
	if rows := bound(stmts); again != nil && rows > 0 {
		if answered, err := d.share(ctx, stmts, rows); answered {
			return err
		}
		again()
	}
	return d.attempt(ctx, stmts)
}

// bound is how many rows all statements read at most, 0 where nobody can say.
func bound(stmts []statement) (rows int) {
	for i := range stmts {
		if stmts[i].rows == 0 {
			return 0
		}
		rows += stmts[i].rows
	}
	return rows
}

// renew throws the pool's connections away, once a second at most, so that a
// second try goes out on a new one. Where one broke the others mostly have too;
// and after a failover they still lead to the old server, which goes on reading
// and would refuse every write until they expire.
func (d *database) renew() {
	last, now := d.renewed.Load(), time.Now().UnixNano()
	if now-last > int64(time.Second) && d.renewed.CompareAndSwap(last, now) {
		d.pool.Reset()
	}
}

func (d *database) attempt(ctx context.Context, stmts []statement) error {
	conn, err := acquire(ctx, d.pool)
	if err != nil {
		return err
	}
	defer conn.Release()
	if len(stmts) == 1 {
		rows, err := conn.Query(ctx, stmts[0].sql, stmts[0].args...)
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		return readAll(rows, stmts[0].read)
	}
	var batch pgx.Batch
	for _, st := range stmts {
		batch.Queue(st.sql, st.args...)
	}
	results := conn.SendBatch(ctx, &batch)
	for _, st := range stmts {
		rows, err := results.Query()
		if err == nil {
			err = readAll(rows, st.read)
		}
		if err != nil {
			return errors.Join(err, results.Close())
		}
	}
	return results.Close()
}

func readAll(rows pgx.Rows, read func(resultRows) error) error {
	defer rows.Close()
	if err := read(rows); err != nil {
		return err
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// acquire waits for a connection no longer than acquireTimeout.
func acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	wait, cancel := context.WithTimeoutCause(ctx, acquireTimeout, errNoConnection)
	defer cancel()
	conn, err := pool.Acquire(wait)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return nil, fmt.Errorf("acquire: %w: %w", errNoConnection, err)
	}
	if err != nil {
		return nil, fmt.Errorf("acquire: %w", errors.Join(errNotSent, err))
	}
	return conn, nil
}

// errGone is what a statement's gate answers for a caller who was deleted.
var errGone = fault.New(fault.UserDeleted, "this account was deleted")
