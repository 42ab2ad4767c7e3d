package plans

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// statement is one that was sent to PostgreSQL.
type statement struct {
	sql  string
	args []any
}

// recorder is a tracer that keeps what is sent to PostgreSQL, in order.
type recorder struct {
	mu    sync.Mutex
	sent  []statement
	moved chan struct{} // closed at the next statement
}

func newRecorder() *recorder { return &recorder{moved: make(chan struct{})} }

func (r *recorder) add(sql string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, statement{sql, args})
	close(r.moved)
	r.moved = make(chan struct{})
}

// take gives what was sent since the last call.
func (r *recorder) take() []statement {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	return sent
}

// wait returns once a statement with the given beginning was sent since the last take.
func (r *recorder) wait(t testing.TB, beginning string) {
	t.Helper()
	for {
		r.mu.Lock()
		for _, s := range r.sent {
			if strings.HasPrefix(strings.TrimSpace(s.sql), beginning) {
				r.mu.Unlock()
				return
			}
		}
		moved := r.moved
		r.mu.Unlock()
		select {
		case <-moved:
		case <-t.Context().Done():
			t.Fatalf("nothing like %q was sent", beginning)
		}
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.add(data.SQL, data.Args)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (r *recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (r *recorder) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (r *recorder) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	r.add(data.SQL, data.Args)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (r *recorder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
