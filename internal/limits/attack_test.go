package limits_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

var defaults = limits.Limits{MaxDepth: 12, MaxComplexity: 10_000}

// answer is what the limits make of a document: a code and what a caller would read of it, or "runs".
func answer(schema *ast.Schema, query string, introspection bool) (code, body string) {
	doc, errs := defaults.Parse(schema, query, introspection)
	if len(errs) > 0 {
		out, _ := json.Marshal(errs) // strings, numbers and maps of strings
		return codes(errs), string(out)
	}
	for _, op := range doc.Operations {
		if _, err := defaults.Cost(schema, doc, op, nil); err != nil {
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
// memory; the most expensive ones are those whose text is long.
const (
	maxAnswer     = 6 << 10
	maxAllocation = 12 << 20
)

// Work is counted in bytes allocated, not in time. Attacks run one after another, as
// the memory they take is counted for the process. Times are in docs/attacks.md.
func TestAttacks(t *testing.T) {
	schema := segue(t)
	for _, a := range attack.All() {
		if a.Document == nil {
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			query := a.Document()
			for _, introspection := range []bool{true, false} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				code, body := answer(schema, query, introspection)
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
				if a.Valid && (code == string(fault.ParseFailed) || code == string(fault.ValidationFailed)) {
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

func BenchmarkAttack(b *testing.B) {
	schema := segue(b)
	for _, a := range attack.All() {
		if a.Document == nil {
			continue
		}
		b.Run(strings.ReplaceAll(a.Name, " ", "_"), func(b *testing.B) {
			query := a.Document()
			b.ReportAllocs()
			for b.Loop() {
				answer(schema, query, false)
			}
		})
	}
}
