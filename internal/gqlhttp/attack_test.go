package gqlhttp

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

var update = flag.Bool("update", false, "measure the attacks again and rewrite docs/attacks.md")

// attacked serves Segue's own schema to nobody in particular: everything runs but
// the database, which an anonymous caller does not reach.
func attacked() *Handler {
	logger := slog.New(slog.DiscardHandler)
	return New(Config{
		Schema:  graph.NewSchema(&graph.Resolver{}),
		Limits:  limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(logger),
		Logger:  logger,
	})
}

func assault(h *Handler, body []byte, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/graphql-response+json")
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Every attack is refused, or does no harm, and gets a short answer either way.
func TestAttacks(t *testing.T) {
	t.Parallel()
	const maxAnswer = 6 << 10
	for _, a := range attack.All() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			w := assault(attacked(), a.Request(), a.Encoding)
			if w.Body.Len() > maxAnswer {
				t.Errorf("%d bytes out, want at most %d", w.Body.Len(), maxAnswer)
			}
			if refused := w.Code >= 400 && w.Code < 500; !refused && (!a.Valid || w.Code != http.StatusOK) {
				t.Errorf("status %d: %.200s", w.Code, w.Body)
			}
		})
	}
}

// Fifty milliseconds are promised for each attack. The table in docs says what
// was measured, and must name every attack.
func TestAttackTable(t *testing.T) {
	const file = "../../docs/attacks.md"
	if *update {
		if err := os.WriteFile(file, attackTable(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	table, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attack.All() {
		if !bytes.Contains(table, []byte("| "+a.Name+" |")) {
			t.Errorf("docs/attacks.md lacks %q; measure with: go test ./internal/gqlhttp -run AttackTable -update", a.Name)
		}
	}
}

func attackTable(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, `# Attacks and what they cost

Each request of the corpus (`+"`internal/limits/attack`"+`) through the GraphQL handler, from reading the body to the last byte of the answer, with
the default settings, the real schema, introspection off and an anonymous caller (so that no time is the database's). CPU is the
process's user and system time, the best of five runs on new handlers. Status 200 means that the document is honest as far as can
be told, and cheap now. Every attack has to stay under 50 ms of CPU.

Measured on %s/%s with %s. Again: `+"`go test ./internal/gqlhttp -run AttackTable -update`"+`

| attack | bytes in | CPU ms | bytes out | status | answer |
| --- | ---: | ---: | ---: | ---: | --- |
`, runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, a := range attack.All() {
		body := a.Request()
		var w *httptest.ResponseRecorder
		best := time.Hour
		for range 5 {
			h := attacked()
			runtime.GC()
			start := cpuTime(t)
			w = assault(h, body, a.Encoding)
			best = min(best, cpuTime(t)-start)
		}
		code := answer{body: w.Body.String()}.code(t)
		fmt.Fprintf(&out, "| %s | %d | %.1f | %d | %d | %s |\n", a.Name, len(body), float64(best.Microseconds())/1000, w.Body.Len(), w.Code, code)
	}
	return out.Bytes()
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
