package plans

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// gateway is Segue from the HTTP handler down, and all of it that works in the
// background, on a database where it may do what it likes.
type gateway struct {
	t        testing.TB
	url      string
	pool     *pgxpool.Pool
	sent     *recorder // what went over the pool
	heard    *recorder // what went over the listening connection
	handler  http.Handler
	executor *executor.Executor
}

func newGateway(t testing.TB, url string) *gateway {
	t.Helper()
	g := &gateway{t: t, url: url, sent: newRecorder(), heard: newRecorder()}
	var err error
	if g.pool, err = store.OpenPool(url, 4, g.sent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.pool.Close)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	hub := live.New(live.Config{DirectURL: url, Tracer: g.heard, Logger: logger, Linger: time.Millisecond, StatsEvery: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("live: %v", err)
		}
	})
	schema := graph.NewSchema(&graph.Resolver{Store: store.New(store.Config{Pool: g.pool}), Live: hub})
	g.handler = gqlhttp.New(gqlhttp.Config{
		Schema: schema, Limits: limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(logger), Logger: logger, RequestTimeout: requestTimeout,
	})
	g.executor = executor.New(schema)
	return g
}

// requestTimeout is long: what a plan costs is shown, not refused.
const requestTimeout = 5 * time.Minute

// record gives the statements that do causes, each text once.
func (g *gateway) record(do func()) []statement {
	g.t.Helper()
	g.sent.take()
	do()
	return distinct(g.sent.take())
}

func distinct(list []statement) []statement {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s statement) bool {
		known := seen[s.sql]
		seen[s.sql] = true
		return known
	})
}

func body(t testing.TB, query string, variables map[string]any) io.Reader {
	t.Helper()
	text, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(text)
}

// ask runs a query or mutation and expects no error.
func (g *gateway) ask(as viewer.Viewer, query string, variables map[string]any) []byte {
	g.t.Helper()
	r := httptest.NewRequestWithContext(g.t.Context(), http.MethodPost, "/graphql", body(g.t, query, variables))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r.WithContext(viewer.NewContext(r.Context(), as)))
	if w.Code != http.StatusOK || bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) {
		g.t.Fatalf("%s: HTTP %d %s", query, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// listen subscribes, has somebody else make an event, and waits for it.
func (g *gateway) listen(as viewer.Viewer, query, cause string, args ...any) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(viewer.NewContext(graphql.StartOperationTrace(g.t.Context()), as))
	defer cancel()
	operation, errs := g.executor.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if len(errs) > 0 {
		g.t.Fatalf("%s: %v", query, errs)
	}
	next, ctx := g.executor.DispatchOperation(ctx, operation) // which has subscribed when it returns
	other := connect(g.t, g.url)
	defer func() { _ = other.Close(context.Background()) }()
	if _, err := other.Exec(ctx, cause, args...); err != nil {
		g.t.Fatalf("%s: %v", cause, err)
	}
	if answer := next(ctx); answer == nil || len(answer.Errors) > 0 {
		g.t.Fatalf("%s: %v", query, answer)
	}
}
