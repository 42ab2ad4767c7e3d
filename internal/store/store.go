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
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/maypok86/otter/v2"

	"github.com/ai-dj/segue/internal/fault"
)

// Store answers reads and makes writes for viewers. Make one with New; it is
// safe for concurrent use and owns nothing but the use of its pools.
type Store struct {
	pool    *pgxpool.Pool
	replica *pgxpool.Pool
	writers *otter.Cache[string, struct{}] // who wrote lately, by id; nil without a replica
	trips   trips
	renewed atomic.Int64 // when the pool's connections were last thrown away, UnixNano
}

// Config is what a Store works on.
type Config struct {
	// Pool is the primary database. Required.
	Pool *pgxpool.Pool
	// Replica, where set, answers the analytics reads of callers who have not just written.
	Replica *pgxpool.Pool
}

// New returns a Store on cfg's pools.
func New(cfg Config) *Store {
	s := &Store{pool: cfg.Pool, replica: cfg.Replica}
	if s.replica != nil {
		s.writers = newWriters()
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
	read func(rows pgx.Rows) error
	// rows is how many rows an index leads it to at most, 0 where nobody can say.
	// With a bound it may share a round trip with other requests' (share.go).
	rows int
}

// run sends the statements in one round trip and hands each its rows. Reads
// that failed for want of a working connection are tried once more on another
// one, after again has undone what their readers did; writes, whose again is
// nil, only where PostgreSQL certainly did not do them.
func (s *Store) run(ctx context.Context, again func(), stmts ...statement) error {
	return s.runOn(ctx, s.pool, again, stmts)
}

func (s *Store) runOn(ctx context.Context, pool *pgxpool.Pool, again func(), stmts []statement) error {
	if rows := bound(stmts); pool == s.pool && again != nil && rows > 0 {
		if answered, err := s.share(ctx, &turn{stmts: stmts, rows: rows}); answered {
			return explain(ctx, err)
		}
		again()
	}
	err := s.attempt(ctx, pool, stmts)
	if err != nil && ctx.Err() == nil && mayRetry(err, again == nil) {
		s.renew(pool)
		if again != nil {
			again()
		}
		err = s.attempt(ctx, pool, stmts)
	}
	return explain(ctx, err)
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

// renew throws a pool's connections away, once a second at most, so that a
// second try goes out on a new one. Where one broke the others mostly have too;
// and after a failover they still lead to the old server, which goes on reading
// and would refuse every write until they expire.
func (s *Store) renew(pool *pgxpool.Pool) {
	last, now := s.renewed.Load(), time.Now().UnixNano()
	if now-last > int64(time.Second) && s.renewed.CompareAndSwap(last, now) {
		pool.Reset()
	}
}

func (s *Store) attempt(ctx context.Context, pool *pgxpool.Pool, stmts []statement) error {
	conn, err := acquire(ctx, pool)
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

func readAll(rows pgx.Rows, read func(pgx.Rows) error) error {
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
