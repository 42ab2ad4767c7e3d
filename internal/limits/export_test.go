package limits

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// Ruleset and CheckOverlap are for tests that compare with gqlparser's own.
var Ruleset = ruleset

// CheckOverlap is the overlap rule alone, on a document that has been walked.
func CheckOverlap(schema *ast.Schema, doc *ast.QueryDocument) gqlerror.List {
	core.Walk(schema, doc, &core.Events{})
	return checkOverlap(schema, doc)
}

// Comparisons is how much of its budget the overlap rule spends on a document.
func Comparisons(schema *ast.Schema, doc *ast.QueryDocument) int {
	o := overlap{schema: schema, merger: &merger{budget: MaxComparisons}, done: map[check]bool{}, texts: map[*ast.Field]string{}}
	core.Walk(schema, doc, &core.Events{})
	for _, op := range doc.Operations {
		o.groups(o.root(op.SelectionSet), false)
	}
	return MaxComparisons - o.budget
}
