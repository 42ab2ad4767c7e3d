// Package limits stands between the open internet and gqlparser: it refuses
// what no honest client sends before a parser or a validator spends time on it,
// and prices what is left before anything is fetched. It knows gqlparser only.
//
// A document passes four gates, the cheapest first: its tokens are counted
// (guard.go), its fragments are laid out as a graph (fragments.go), gqlparser's
// rules look at it (validate.go), and its fields are merged as an executor
// would merge them (overlap.go). Cost (cost.go) then prices one operation with
// its variables. docs/adr/0004-guard-before-parser.md says why.
package limits

import (
	"errors"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/ai-dj/segue/internal/fault"
)

// What a document may hold, whatever the settings say.
const (
	MaxTokens     = 4_000
	MaxAliases    = 50
	MaxDirectives = 20
	// MaxRootFields counts what an operation would execute: different response
	// names, through fragments.
	MaxRootFields = 20
	// MaxNesting is how deep brackets of any kind may nest. Inline fragments
	// nest without adding depth, so it lies well above any sensible MaxDepth.
	MaxNesting = 128
	// MaxDocumentBytes bounds what is lexed at all: the default of MAX_BODY_BYTES.
	MaxDocumentBytes = 1 << 20
	// MaxNameBytes is the longest name. Names come back in error messages.
	MaxNameBytes = 255
	// MaxLines counts line breaks. Comments are no tokens but not free, and each
	// needs one; a block string is taken apart by them. A message of the longest
	// content written out with nothing but breaks still fits.
	MaxLines = 40_000
)

// Limits are the two limits an operator may set.
type Limits struct {
	// MaxDepth is the most fields on a path, fragments flattened, a root field being 1.
	MaxDepth int
	// MaxComplexity is the highest cost.
	MaxComplexity int
}

// Parse turns text into a document that is valid and safe to run, or says what
// is wrong with it in at most MaxErrors errors, each with its extensions.code.
// With introspection off the errors name nothing of the schema that the
// document did not name itself, and __schema is refused.
//
// The document may be kept and shared: nothing writes to it after Parse.
func (l Limits) Parse(schema *ast.Schema, query string, introspection bool) (*ast.QueryDocument, gqlerror.List) {
	if err := l.guard(query); err != nil {
		return nil, gqlerror.List{err}
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, gqlerror.List{parseError(err)}
	}
	if len(doc.Operations)+len(doc.Fragments) == 0 {
		return nil, gqlerror.List{refusal(fault.ParseFailed, "Syntax Error: Unexpected <EOF>.")}
	}
	if err := checkFragments(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	if list := validate(schema, doc, introspection); len(list) > 0 {
		if !introspection {
			scrub(list, query)
		}
		return nil, list
	}
	return doc, nil
}

// refusal is an error with a code and a message for the caller.
func refusal(code fault.Code, format string, args ...any) *gqlerror.Error {
	return stamp(gqlerror.Errorf(format, args...), code)
}

// tooMuch names the limit that a document is over.
func tooMuch(what string, limit int) *gqlerror.Error {
	return refusal(fault.OperationTooComplex, "the document has too many %s: at most %d are allowed", what, limit)
}

// parseError passes on what the lexer or the parser said.
func parseError(err error) *gqlerror.Error {
	e, ok := errors.AsType[*gqlerror.Error](err)
	if !ok {
		e = gqlerror.Wrap(err)
	}
	return stamp(e, fault.ParseFailed)
}

// stamp gives e its code, a message of bounded size and nothing else a caller does not need.
func stamp(e *gqlerror.Error, code fault.Code) *gqlerror.Error {
	e.Message = clip(e.Message)
	e.Extensions = map[string]any{"code": string(code)}
	return e
}

// maxMessage is the longest message, in bytes: messages quote the document, and
// a small answer to a large attack is part of the defence.
const maxMessage = 400

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
