package telemetry

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestLogger(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{"json": `"msg":"kept"`, "text": "msg=kept"} {
		var out bytes.Buffer
		logger := NewLogger(&out, slog.LevelInfo, format)
		logger.Debug("dropped")
		logger.Info("kept")
		if text := out.String(); !strings.Contains(text, want) || strings.Contains(text, "dropped") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`invalid input syntax for type uuid: "my text"`:            `invalid input syntax for type uuid: "[…]"`,
		"Key (email)=(ada@example.com) already exists":             "Key (email)=([…]) already exists",
		"bad token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln here": "bad token […] here",
		"key sgk_abc-123 is unknown":                               "key […] is unknown",
		"dial postgres://user:pass@db:5432/x":                      "dial postgres[…]db:5432/x",
		"relation \"nope\" does not exist (SQLSTATE 42P01)":        "relation \"nope\" does not exist (SQLSTATE 42P01)",
		"a short value x stays":                                    "a short value x stays",
	} {
		if got := Redact(text, "my text", "x"); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/none?pool_max_conns=7") // connects when used
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	m.Pool("primary", pool)
	m.Pool("replica", pool)
	m.Counter("segue_events_total", "Events.", func() float64 { return 5 })
	m.Operation("http", "query", "OK", 12, 3*time.Millisecond)
	m.Operation("ws", "", "GRAPHQL_PARSE_FAILED", 0, 0)
	m.AuthFailure("expired")
	m.Shed()
	text := scrape(t, m)
	for _, want := range []string{
		`segue_operations_total{code="OK",transport="http",type="query"} 1`,
		`segue_operations_total{code="GRAPHQL_PARSE_FAILED",transport="ws",type=""} 1`,
		`segue_operation_duration_seconds_bucket{type="query",le="0.005"} 1`,
		`segue_operation_cost_points_total{type="query"} 12`,
		`segue_auth_failures_total{reason="expired"} 1`,
		`segue_requests_shed_total 1`,
		`segue_events_total 5`,
		`segue_db_connections_max{pool="primary"} 7`,
		`segue_db_connections{pool="replica"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

func TestMetricsCostNoAllocation(t *testing.T) {
	m := NewMetrics()
	count := func() {
		m.Operation("http", "query", "OK", 12, time.Millisecond)
		m.Request("/graphql", "200")
		m.InFlight(1)
	}
	count()
	if n := testing.AllocsPerRun(100, count); n > 0 {
		t.Errorf("counting a request allocates %v times", n)
	}
}

func TestTracingIsOffWithoutAnEndpoint(t *testing.T) {
	t.Parallel()
	off, err := NewTracing(t.Context(), func(string) (string, bool) { return "", false })
	if err != nil || off != nil {
		t.Fatalf("got %v, %v", off, err)
	}
	next := http.NotFoundHandler()
	if off.Tracer() != nil || off.Database() != nil || off.Shutdown(t.Context()) != nil || off.HTTP(next) == nil {
		t.Error("a nil Tracing does something")
	}
}

// TestTracing sends spans to a collector and reads them off the wire.
func TestTracing(t *testing.T) {
	received := make(chan string, 16)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- r.URL.Path + "\n" + string(body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "segue-test")
	tracing, err := NewTracing(t.Context(), func(name string) (string, bool) { return collector.URL, name == "OTEL_EXPORTER_OTLP_ENDPOINT" })
	if err != nil {
		t.Fatal(err)
	}

	const parent = "4bf92f3577b34da6a3ce929d0e0e4736"
	var id string
	handler := tracing.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id = TraceID(r.Context())
		database := tracing.Database()
		ctx := database.TraceQueryStart(r.Context(), nil, pgx.TraceQueryStartData{SQL: "select $1", Args: []any{"a secret"}})
		database.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
	}))
	r := httptest.NewRequest("POST", "/graphql", nil)
	r.Header.Set("Traceparent", "00-"+parent+"-00f067aa0ba902b7-01")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if id != parent {
		t.Errorf("the trace is %q, not the caller's", id)
	}
	if err := tracing.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	sent := <-received
	for _, want := range []string{"/v1/traces\n", "POST /graphql", "select $1", "segue-test"} {
		if !strings.Contains(sent, want) {
			t.Errorf("no %q in what was sent", want)
		}
	}
	if strings.Contains(sent, "a secret") {
		t.Error("a statement's parameter was sent")
	}
}
