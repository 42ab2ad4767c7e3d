package gqlhttp

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/limits"
)

// BenchmarkRequest is what the protocol costs around an operation that does
// nothing: go test -bench Request -benchmem ./internal/gqlhttp
func BenchmarkRequest(b *testing.B) {
	logger := slog.New(slog.DiscardHandler)
	h := New(Config{
		Schema: newToy(), Limits: limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(logger), Logger: logger,
	})
	const body = `{"query":"query($t: String) { echo(text: $t) }","variables":{"t":"hello"}}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(&discard{header: http.Header{}}, r)
	}
}
