package gqlhttp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/viewer"
)

const (
	// heartbeat is shorter than the idle time-out of any proxy we know (30 s to 60 s).
	heartbeat = 12 * time.Second
	// writeWait is how long a reader may take to make room for an event.
	writeWait = 10 * time.Second
)

// events writes server-sent events in the "distinct connections" mode of the
// GraphQL over SSE protocol: one operation, one connection.
type events struct {
	mu     sync.Mutex // the heartbeat writes too
	w      http.ResponseWriter
	rc     *http.ResponseController
	broken bool
}

func openEvents(w http.ResponseWriter) *events {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-cache, no-store, no-transform") // no-transform: proxies must not compress, so buffer
	header.Set("X-Accel-Buffering", "no")                           // nginx's own word for the same
	w.WriteHeader(http.StatusOK)
	e := &events{w: w, rc: http.NewResponseController(w)}
	e.send([]byte(":\n\n")) // some browsers open the stream with its first bytes only
	return e
}

// send writes and flushes; false once the reader is gone or takes nothing.
func (e *events) send(text []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.broken {
		return false
	}
	extend(e.rc, writeWait)
	_, err := e.w.Write(text)
	if err == nil {
		err = e.rc.Flush()
	}
	e.broken = err != nil
	return !e.broken
}

// next sends one response. JSON holds no line breaks, so it is one data line.
func (e *events) next(resp *graphql.Response) bool {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() { buf.Reset(); buffers.Put(buf) }()
	buf.WriteString("event: next\ndata: ")
	encode(buf, resp)
	buf.WriteString("\n\n")
	return e.send(buf.Bytes())
}

func (e *events) complete() { e.send([]byte("event: complete\ndata:\n\n")) }

// beat keeps proxies from closing a quiet stream, until ctx ends. When the
// reader has gone it calls stop.
func (e *events) beat(ctx context.Context, stop context.CancelFunc) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !e.send([]byte(":\n\n")) {
				stop()
				return
			}
		}
	}
}

// serveEvents runs op and sends its responses as they come. A stream ends with
// its operation, with the caller, when the caller's session is revoked, after
// StreamMaxAge, or when the process drains; only the first of these sends
// "complete", so that clients come back after the others.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request, op *Operation) {
	ctx, stop := context.WithTimeout(r.Context(), h.StreamMaxAge)
	defer stop()
	defer h.stopWhenDraining(ctx, stop)()
	if op.Kind() == ast.Subscription {
		defer h.stopWhenRevoked(ctx, stop)()
	}
	op.Rate.writeHeaders(w.Header())
	e := openEvents(w)
	var beating sync.WaitGroup
	beating.Go(func() { e.beat(ctx, stop) })
	for resp := range h.execute(ctx, op) {
		if interrupted(resp.Errors) || !e.next(resp) {
			stop()
			break
		}
	}
	if ctx.Err() == nil {
		e.complete()
	}
	stop()
	beating.Wait()          // nobody may write once ServeHTTP has returned
	extend(e.rc, writeWait) // for net/http's own last bytes
}

// interrupted reports a subscription that broke off on our side: the client
// should subscribe again, so it gets a broken stream and not a last event.
func interrupted(errs gqlerror.List) bool {
	for _, err := range errs {
		if errors.Is(err, live.ErrSlow) || errors.Is(err, live.ErrGap) || errors.Is(err, live.ErrStopped) {
			return true
		}
	}
	return false
}

func (h *Handler) stopWhenRevoked(ctx context.Context, stop context.CancelFunc) (release func()) {
	who := viewer.FromContext(ctx)
	if h.Sockets.Join == nil || !who.SignedIn() {
		return func() {}
	}
	return h.Sockets.Join(who, func(error) { stop() })
}

func (h *Handler) stopWhenDraining(ctx context.Context, stop context.CancelFunc) (release func()) {
	if h.Draining == nil {
		return func() {}
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-h.Draining:
			stop()
		case <-ctx.Done():
		}
	})
	return func() { stop(); watching.Wait() }
}

// streamFailure reports a bad document on the stream itself: a browser's
// EventSource shows its page neither status nor body of a refused one.
func (h *Handler) streamFailure(w http.ResponseWriter, _ *http.Request, f *Failure) {
	e := openEvents(w)
	e.next(&graphql.Response{Errors: f.Errors})
	e.complete()
}
