package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// The people of the fixture: two users, a deleted one, an analyst.
const (
	ada  = "user_ada"
	ben  = "user_ben"
	gone = "user_gone"
	ana  = "user_ana"
)

// gateway is Segue from the HTTP handler down, on a database of its own. Who
// asks is told by headers instead of tokens: auth has tests of its own.
type gateway struct {
	t          testing.TB
	url        string
	pool       *pgxpool.Pool
	statements *statements // sent by the gateway itself
}

func newGateway(t testing.TB, shape testdb.Shape, change ...func(*graph.Resolver, *gqlhttp.Config)) *gateway {
	t.Helper()
	url := testdb.New(t, shape)
	return gatewayOn(t, url, testdb.Connect(t, url), change...)
}

// gatewayOn is a gateway on a database that may have others.
func gatewayOn(t testing.TB, url string, pool *pgxpool.Pool, change ...func(*graph.Resolver, *gqlhttp.Config)) *gateway {
	t.Helper()
	counter := &statements{}
	own, err := store.OpenPool(url, 4, counter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	r := &graph.Resolver{Store: store.New(store.Config{Pool: own})}
	cfg := gqlhttp.Config{
		Limits:  limits.Limits{MaxDepth: 15, MaxComplexity: 1_000_000},
		Present: graph.Presenter(slog.New(slog.NewTextHandler(t.Output(), nil))),
		Schema:  graph.NewSchema(r), Introspection: true,
	}
	for _, f := range change {
		f(r, &cfg)
	}
	handler := gqlhttp.New(cfg)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		handler.ServeHTTP(w, req.WithContext(viewer.NewContext(req.Context(), callerOf(req))))
	}))
	t.Cleanup(server.Close)
	g := &gateway{t: t, url: server.URL + "/graphql", pool: pool, statements: counter}
	g.people()
	return g
}

// statements counts what the gateway sends to PostgreSQL.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { s.n.Add(1) }
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

func callerOf(req *http.Request) viewer.Viewer {
	switch who := req.Header.Get("X-Test-Caller"); who {
	case "":
		return viewer.Viewer{}
	case "key":
		return viewer.Key("k1")
	default:
		return viewer.User(who, "sess_1", who == ana)
	}
}

func (g *gateway) people() {
	g.t.Helper()
	if query1[bool](g, `SELECT EXISTS (SELECT 1 FROM neon_auth.users_sync)`) {
		return // another gateway on this database made them
	}
	testdb.AddUser(g.t, g.pool, ada, "Ada", "ada@example.com")
	testdb.AddUser(g.t, g.pool, ben, "Ben", "ben@example.com")
	testdb.AddUser(g.t, g.pool, gone, "Gone", "gone@example.com")
	testdb.AddUser(g.t, g.pool, ana, "Ana", "ana@example.com")
	g.exec(`UPDATE neon_auth.users_sync SET deleted_at = now() WHERE id = $1`, gone)
}

func (g *gateway) exec(sql string, args ...any) {
	g.t.Helper()
	if _, err := g.pool.Exec(context.Background(), sql, args...); err != nil {
		g.t.Fatalf("%s: %v", sql, err)
	}
}

// query1 is the single value of a SQL query.
func query1[T any](g *gateway, sql string, args ...any) T {
	g.t.Helper()
	rows, err := g.pool.Query(context.Background(), sql, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		g.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// message adds a message minutes after a fixed instant and returns its id.
func (g *gateway) message(who, content string, minutes int) string {
	g.t.Helper()
	return query1[string](g, `INSERT INTO public.chat_messages (id, clerk_id, session_id, role, content, created_at)
		VALUES (gen_random_uuid(), $1, 's1', 'user', $2, '2026-03-01T10:00:00Z'::timestamptz + $3 * interval '1 minute') RETURNING id::text`, who, content, minutes)
}

func (g *gateway) rate(who, message string, rating int, comment string) string {
	g.t.Helper()
	return query1[string](g, `INSERT INTO public.message_feedback (id, clerk_id, message_id, rating, comment, created_at)
		VALUES (gen_random_uuid(), $1, $2::uuid, $3, $4, '2026-03-02T10:00:00Z') RETURNING id::text`, who, message, rating, comment)
}

func (g *gateway) like(who, track string) string {
	g.t.Helper()
	return query1[string](g, `INSERT INTO public.track_likes (id, clerk_id, track_id, title, artist, created_at)
		VALUES (gen_random_uuid(), $1, $2, 'Title of ' || $2, 'Artist', '2026-03-03T10:00:00Z') RETURNING id::text`, who, track)
}

// answer is one GraphQL response.
type answer struct {
	t      testing.TB
	status int
	raw    string
	Data   map[string]any
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
}

func (g *gateway) ask(who, query string, variables ...any) *answer {
	g.t.Helper()
	vars := map[string]any{}
	for i := 0; i+1 < len(variables); i += 2 {
		vars[variables[i].(string)] = variables[i+1]
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Test-Caller", who)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	a := &answer{t: g.t, status: resp.StatusCode, raw: string(raw)}
	if err := json.Unmarshal(raw, a); err != nil {
		g.t.Fatalf("%s: %v\n%s", query, err, raw)
	}
	return a
}

// ok asks and expects no error.
func (g *gateway) ok(who, query string, variables ...any) *answer {
	g.t.Helper()
	a := g.ask(who, query, variables...)
	if len(a.Errors) > 0 || a.status != http.StatusOK {
		g.t.Fatalf("%s as %q: HTTP %d %s", query, who, a.status, a.raw)
	}
	return a
}

// code is the first error's code, "" without errors.
func (a *answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return fmt.Sprint(a.Errors[0].Extensions["code"])
}

// at walks the data by a dotted path; numbers index lists.
func (a *answer) at(path string) any {
	a.t.Helper()
	var v any = a.Data
	for part := range strings.SplitSeq(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[part]
			if !ok {
				a.t.Fatalf("no %q of %q in %s", part, path, a.raw)
			}
			v = next
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(node) {
				a.t.Fatalf("no %q of %q in %s", part, path, a.raw)
			}
			v = node[i]
		default:
			a.t.Fatalf("no %q of %q in %s", part, path, a.raw)
		}
	}
	return v
}

// want compares what stands at path with its JSON.
func (a *answer) want(path, wanted string) {
	a.t.Helper()
	got, err := json.Marshal(a.at(path))
	if err != nil {
		a.t.Fatal(err)
	}
	if string(got) != wanted {
		a.t.Errorf("%s = %s, want %s", path, got, wanted)
	}
}
