package limits_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

var update = flag.Bool("update", false, "measure the attacks again and rewrite docs/attacks.md")

var defaults = limits.Limits{MaxDepth: 12, MaxComplexity: 10_000}

// answer is what a gateway with the default settings makes of a request up to
// the point where it would run: a code, and what a caller would read.
func answer(schema *ast.Schema, request []byte, introspection bool) (code, body string) {
	if len(request) > limits.MaxDocumentBytes {
		return "request refused", "the body is too large"
	}
	if err := limits.CheckJSON(request); err != nil {
		return "request refused", err.Error()
	}
	var params struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := json.Unmarshal(request, &params); err != nil {
		return "request refused", "the body is not JSON"
	}
	doc, errs := defaults.Parse(schema, params.Query, introspection)
	if len(errs) > 0 {
		out, _ := json.Marshal(errs)
		return codes(errs), string(out)
	}
	for _, op := range doc.Operations {
		if _, err := defaults.Cost(schema, doc, op, params.Variables); err != nil {
			return string(err.Code), err.Message
		}
	}
	return "runs", ""
}

func codes(errs gqlerror.List) string {
	code, _ := errs[0].Extensions["code"].(string)
	return code
}

// maxAnswer and maxAllocation bound what an attack may cost in bytes out and in
// memory. The memory covers one copy each of a 1 MiB body as JSON and as text.
const (
	maxAnswer     = 6 << 10
	maxAllocation = 24 << 20
)

// Attacks run one after another: the memory they take is counted for the process.
func TestAttacks(t *testing.T) {
	schema := segue(t)
	for _, a := range attack.All() {
		t.Run(a.Name, func(t *testing.T) {
			request := a.Request()
			for _, introspection := range []bool{true, false} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				code, body := answer(schema, request, introspection)
				runtime.ReadMemStats(&after)
				if len(body) > maxAnswer {
					t.Errorf("the answer has %d bytes, want at most %d", len(body), maxAnswer)
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > maxAllocation {
					t.Errorf("%d bytes were allocated, want at most %d", grown, maxAllocation)
				}
				if code == "runs" && !a.Valid {
					t.Errorf("introspection %v: the attack runs", introspection)
				}
				if code == string(fault.ParseFailed) && a.Valid || code == string(fault.ValidationFailed) && a.Valid {
					t.Errorf("introspection %v: refused as %s: %s", introspection, code, body)
				}
			}
		})
	}
}

// With a larger MAX_BODY_BYTES longer documents arrive, and are not read.
func TestParseDoesNotReadOverlongDocuments(t *testing.T) {
	schema := segue(t)
	for _, a := range attack.All() {
		if a.Document == nil {
			continue
		}
		query := a.Document()
		if len(query) <= limits.MaxDocumentBytes {
			continue
		}
		allocations := testing.AllocsPerRun(10, func() {
			if _, errs := defaults.Parse(schema, query, true); codes(errs) != string(fault.OperationTooComplex) {
				t.Errorf("%s: %v", a.Name, errs)
			}
		})
		if allocations > 20 {
			t.Errorf("%s: %v allocations, want a handful", a.Name, allocations)
		}
	}
}

// Fifty milliseconds are promised for each attack; the table in docs says what
// this machine measured, and must name every attack.
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
			t.Errorf("docs/attacks.md lacks %q; measure with: go test ./internal/limits -run AttackTable -update", a.Name)
		}
	}
}

func attackTable(t *testing.T) []byte {
	t.Helper()
	schema := segue(t)
	var out bytes.Buffer
	fmt.Fprintf(&out, `# Attacks and what they cost

Each request of the corpus (`+"`internal/limits/attack`"+`) through JSON decoding, guard, parser, validation and pricing with the
default settings, introspection off, after the HTTP layer's limit on bodies (`+"`MAX_BODY_BYTES`"+`, 1 MiB). CPU is the process's user and system time, the best of five runs; bytes out are the errors'
JSON. "runs" means that the document is honest as far as limits can tell: it is cheap now, or its arguments are refused when it runs.

Measured on %s/%s, %s, with: `+"`go test ./internal/limits -run AttackTable -update`"+`

| attack | bytes in | CPU ms | bytes out | answer |
| --- | ---: | ---: | ---: | --- |
`, runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, a := range attack.All() {
		request := a.Request()
		code, body, best := "", "", time.Hour
		for range 5 {
			runtime.GC()
			start := cpuTime(t)
			code, body = answer(schema, request, false)
			best = min(best, cpuTime(t)-start)
		}
		fmt.Fprintf(&out, "| %s | %d | %.1f | %d | %s |\n", a.Name, len(request), float64(best.Microseconds())/1000, len(body), code)
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

func BenchmarkAttack(b *testing.B) {
	schema := segue(b)
	for _, a := range attack.All() {
		b.Run(strings.ReplaceAll(a.Name, " ", "_"), func(b *testing.B) {
			request := a.Request()
			b.ReportAllocs()
			for b.Loop() {
				answer(schema, request, false)
			}
		})
	}
}
