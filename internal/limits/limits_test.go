package limits_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
)

// segue is the schema Segue serves.
func segue(tb testing.TB) *ast.Schema {
	tb.Helper()
	text, err := os.ReadFile("../../schema.graphqls")
	if err != nil {
		tb.Fatal(err)
	}
	return load(tb, string(text))
}

func load(tb testing.TB, sdl string) *ast.Schema {
	tb.Helper()
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: sdl})
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

func times(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

// nested is a value in n levels of brackets inside an argument, three levels down.
func nested(n int) string {
	return "{user(id:" + strings.Repeat("[", n-2) + strings.Repeat("]", n-2) + "){id}}"
}

// Every limit is met exactly by one document and exceeded by the next.
func TestParseLimits(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	const fine, complex, deep = "", fault.OperationTooComplex, fault.OperationTooDeep
	tests := []struct {
		name, query string
		want        fault.Code
		message     string
	}{
		{"tokens at the limit", "{me{" + strings.Repeat("id ", limits.MaxTokens-5) + "}}", fine, ""},
		{"a token too many", "{me{" + strings.Repeat("id ", limits.MaxTokens-4) + "}}", complex, "tokens: at most 4000"},
		{"comments and commas are no tokens", "{me{" + strings.Repeat("id,,#id\n", limits.MaxTokens-5) + "}}", fine, ""},
		{"aliases at the limit", "{me{" + times(limits.MaxAliases, "a%d:id ") + "}}", fine, ""},
		{"an alias too many", "{me{" + times(limits.MaxAliases+1, "a%d:id ") + "}}", complex, "aliases: at most 50"},
		{"arguments are no aliases", "{me{" + strings.Repeat("chatMessages(first:1 filter:{role:USER range:{from:1}}){totalCount}", 30) + "}}", fine, ""},
		{"directives at the limit", "{me{" + strings.Repeat("id@skip(if:true) ", limits.MaxDirectives) + "}}", fine, ""},
		{"a directive too many", "{me{" + strings.Repeat("id@skip(if:true) ", limits.MaxDirectives+1) + "}}", complex, "directives: at most 20"},
		{"root fields at the limit", "{" + times(limits.MaxRootFields, "a%d:__typename ") + "}", fine, ""},
		{"a root field too many", "{" + times(limits.MaxRootFields+1, "a%d:__typename ") + "}", complex, "root fields: at most 20"},
		{
			"root fields through fragments",
			"{" + times(10, "a%d:__typename ") + "...F ...on Query{c:__typename}} fragment F on Query{" + times(10, "b%d:__typename ") + "}",
			complex, "root fields: at most 20",
		},
		{"a repeated root field is one", "{" + strings.Repeat("me{id}", 100) + "}", fine, ""},
		{"brackets at the limit", nested(limits.MaxNesting), fault.ValidationFailed, ""},
		{"a bracket too deep", nested(limits.MaxNesting + 1), deep, "at most 128 levels"},
		{"a name too long", "{" + strings.Repeat("x", limits.MaxNameBytes+1) + "}", complex, "at most 255 bytes"},
		{"the longest document", "{me{id}}" + strings.Repeat(" ", limits.MaxDocumentBytes-8), fine, ""},
		{"a byte too long", "{me{id}}" + strings.Repeat(" ", limits.MaxDocumentBytes-7), complex, "at most 1048576 bytes"},
		{"too many lines", "{me{id}}" + strings.Repeat("\n", limits.MaxLines+1), complex, "lines: at most 40000"},
		{"no document", " # nothing", fault.ParseFailed, "<EOF>"},
		{"not UTF-8", "{user(id:\"\xff\"){id}}", fault.ParseFailed, "UTF-8"},
		{"a leading surrogate alone", `{user(id:"a\uD83D b"){id}}`, fault.ParseFailed, "Unicode"},
		{"a trailing surrogate alone", `{user(id:"\\\uDE00"){id}}`, fault.ParseFailed, "Unicode"},
		{"two leading surrogates", `{user(id:"\uD83D\uD83D"){id}}`, fault.ParseFailed, "Unicode"},
		{"a pair of surrogates", `{user(id:"é\uD83D\uDE00\uFFFD"){id}}`, fine, ""},
		{"what only looks like a surrogate", `{user(id:"` + "\uFFFD" + `\\uD83D"){id}}`, fine, ""},
		{"a block string has no escapes", `{user(id:"""\uD83D"""){id}}`, fine, ""},
		{"@defer", "{me{...@defer{id}}}", fault.ValidationFailed, "@defer"},
		{"@skip without a condition", "{me{id @skip}}", fault.ValidationFailed, "required"},
		{"@skip twice", "{me{id @skip(if:true) @skip(if:true)}}", fault.ValidationFailed, "only be used once"},
		{"@include on an operation", "query @include(if:true) {me{id}}", fault.ValidationFailed, "may not be used"},
		{"@include of a string", `{me{id @include(if:"yes")}}`, fault.ValidationFailed, ""},
		{"an Int of 33 bits", "{users(first:2147483648){totalCount}}", fault.ValidationFailed, ""},
		{"an Int of 32 bits", "{users(first:-2147483648){totalCount}}", fine, ""},
		{"a fragment with variables", "{me{...F}} fragment F($a:Int=1) on User{id}", fault.ValidationFailed, "variables"},
		{"a fragment in itself", "{me{...F}} fragment F on User{stats{user{...F}}}", fault.ValidationFailed, "within itself"},
		{"a cycle that nothing enters", "{me{id}} fragment F on User{...G} fragment G on User{...F}", fault.ValidationFailed, "within itself"},
		{"two fragments of one name", "{me{...F}} fragment F on User{id} fragment F on User{name}", fault.ValidationFailed, "only one fragment"},
		{"a type definition", "type Query{a:Int}", fault.ParseFailed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, introspection := range []bool{true, false} {
				_, errs := defaults.Parse(schema, tt.query, introspection)
				if tt.want == fine {
					if len(errs) > 0 {
						t.Errorf("refused: %v", errs)
					}
					continue
				}
				if len(errs) == 0 || codes(errs) != string(tt.want) || introspection && !strings.Contains(errs[0].Message, tt.message) {
					t.Errorf("got %v, want %s with %q", errs, tt.want, tt.message)
				}
			}
		})
	}
}

// A larger MAX_DEPTH must not be cut short by the limit on brackets.
func TestNestingFollowsMaxDepth(t *testing.T) {
	t.Parallel()
	l := limits.Limits{MaxDepth: 150, MaxComplexity: 10_000}
	query := "{me{" + strings.Repeat("stats{user{", 70) + "id" + strings.Repeat("}}", 70) + "}}"
	doc, errs := l.Parse(segue(t), query, false)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if _, err := l.Cost(segue(t), doc, doc.Operations[0], nil); err != nil {
		t.Error(err)
	}
}

func TestErrorsAreFewAndEachHasACode(t *testing.T) {
	t.Parallel()
	query := "{me{" + times(200, "nothing%d ") + "}}"
	_, errs := defaults.Parse(segue(t), query, true)
	if len(errs) != limits.MaxErrors {
		t.Fatalf("%d errors, want %d", len(errs), limits.MaxErrors)
	}
	for _, e := range errs {
		if e.Extensions["code"] != string(fault.ValidationFailed) || len(e.Locations) == 0 {
			t.Errorf("%v has code %v and locations %v", e, e.Extensions["code"], e.Locations)
		}
	}
}

func TestOneMistakeInAFragmentIsOneError(t *testing.T) {
	t.Parallel()
	_, errs := defaults.Parse(segue(t), "query A{me{...F}} query B{me{...F}} fragment F on User{nothing}", true)
	if len(errs) != 1 {
		t.Errorf("got %d errors: %v", len(errs), errs)
	}
}

func TestIntrospectionSwitch(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	full, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	doc, errs := defaults.Parse(schema, string(full), true)
	if len(errs) > 0 {
		t.Fatalf("the playground's query is refused: %v", errs)
	}
	if cost, err := defaults.Cost(schema, doc, doc.Operations[0], nil); err != nil || cost != 1 {
		t.Errorf("the playground's query costs %d: %v", cost, err)
	}
	for query, allowed := range map[string]bool{
		string(full):                  false,
		"{__schema{queryType{name}}}": false,
		"{...F} fragment F on Query{a:__schema{queryType{name}}}": false,
		`{__type(name:"User"){name fields{name}}}`:                true,
		"{__typename}": true,
	} {
		if _, errs := defaults.Parse(schema, query, false); (len(errs) == 0) != allowed {
			t.Errorf("with introspection off %.40s… gives %v", query, errs)
		}
	}
}
