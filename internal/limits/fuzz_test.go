package limits_test

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

// FuzzParse: nothing panics, every refusal has a code and few, short errors, what
// is accepted is accepted by gqlparser too, and can be priced.
func FuzzParse(f *testing.F) {
	for _, a := range attack.All() {
		if a.Document == nil {
			continue
		}
		if query := a.Document(); len(query) < 4_000 { // the engine works best on small inputs
			f.Add(query)
		}
	}
	for _, query := range mistakes {
		f.Add(query)
	}
	schema := segue(f)
	f.Fuzz(func(t *testing.T, query string) {
		for _, introspection := range []bool{true, false} {
			doc, errs := defaults.Parse(schema, query, introspection)
			if (doc == nil) == (len(errs) == 0) || len(errs) > limits.MaxErrors {
				t.Fatalf("a document %v and %d errors", doc, len(errs))
			}
			for _, e := range errs {
				switch code, _ := e.Extensions["code"].(string); fault.Code(code) {
				case fault.ParseFailed, fault.ValidationFailed, fault.OperationTooComplex, fault.OperationTooDeep:
				default:
					t.Fatalf("%q has code %q", e.Message, code)
				}
				if len(e.Message) == 0 || len(e.Message) > 500 {
					t.Fatalf("a message of %d bytes", len(e.Message))
				}
			}
			if doc == nil {
				continue
			}
			for _, op := range doc.Operations {
				if cost, _ := defaults.Cost(schema, doc, op, nil); cost < 0 {
					t.Fatalf("a cost of %d", cost)
				}
			}
			checkWithGqlparser(t, schema, query)
		}
	})
}

func checkWithGqlparser(t *testing.T, schema *ast.Schema, query string) {
	t.Helper()
	if strings.Count(query, "") > 2_000 {
		return // its overlap rule is why this package exists
	}
	if _, errs := gqlparser.LoadQueryWithRules(schema, query, rules.NewDefaultRules()); len(errs) > 0 {
		t.Fatalf("gqlparser refuses what was accepted: %v", errs)
	}
}

// FuzzCheckJSON: it never panics, and what it lets through nests no deeper than promised.
func FuzzCheckJSON(f *testing.F) {
	for _, a := range attack.All() {
		if request := a.Request(); len(request) < 4_000 {
			f.Add(request)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if limits.CheckJSON(raw) != nil {
			return
		}
		if depth := jsonDepth(raw); depth > limits.MaxJSONNesting {
			t.Fatalf("nests %d deep", depth)
		}
	})
}
