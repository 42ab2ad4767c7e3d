package limits

import (
	"encoding/json"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
)

const (
	// ListSize is what a list of objects without a size argument counts as:
	// activity, whose length is known only once its range has been read.
	ListSize = 100
	// MaxSelections is how many selections pricing may come by.
	MaxSelections = 100_000
	// MaxIntrospectionDepth and MaxIntrospectionCost are introspection's own limits:
	// about twice what the playground's query needs (15 deep, 180,817 points).
	MaxIntrospectionDepth = 25
	MaxIntrospectionCost  = 400_000

	// manyPoints is where costs stop growing.
	manyPoints = 1_000_000_000
)

// Cost prices an operation of a document that came from Parse, with variables
// as coerced. Each field is 1; a connection multiplies what is under it by its
// page size, a list with sizes or ids of its own by those. Fields that would be
// merged or are skipped cost as they execute: once, or nothing. Depth is counted
// on the way.
//
// A page size outside 1…100 is the resolver's BAD_USER_INPUT to report and is
// priced as the nearest size allowed.
func (l Limits) Cost(schema *ast.Schema, doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) (int, *fault.Error) {
	p := &pricer{merger: merger{budget: MaxSelections}, schema: schema, op: op, variables: variables}
	p.skip = p.skipped
	if len(doc.Fragments) > 0 {
		// Only through fragments does one come by a field twice.
		p.known = map[string]price{}
	}
	total := p.operation()
	switch {
	case total.depth > l.MaxDepth:
		return total.points, fault.New(fault.OperationTooDeep, "the operation is %d fields deep, the limit is %d", total.depth, l.MaxDepth)
	case p.introspection.depth > MaxIntrospectionDepth:
		return total.points, fault.New(fault.OperationTooDeep,
			"the introspection is %d fields deep, the limit is %d", p.introspection.depth, MaxIntrospectionDepth)
	case p.budget < 0:
		return manyPoints, fault.New(fault.OperationTooComplex,
			"the operation's fragments expand too far to be priced, the limit is %d selections", MaxSelections)
	case p.introspection.points > MaxIntrospectionCost:
		return total.points, fault.New(fault.OperationTooComplex,
			"the introspection costs %d, the limit is %d", p.introspection.points, MaxIntrospectionCost)
	case total.points > l.MaxComplexity:
		return total.points, fault.New(fault.OperationTooComplex, "the operation costs %d, the limit is %d", total.points, l.MaxComplexity)
	}
	return total.points, nil
}

// price is what a selection set costs and how deep it goes.
type price struct{ points, depth int }

// add puts a field that is multiplied by size beside the others.
func (p *price) add(below price, size int) {
	p.points = min(manyPoints, p.points+1+size*below.points)
	p.depth = max(p.depth, 1+below.depth)
}

type pricer struct {
	merger
	schema        *ast.Schema
	op            *ast.OperationDefinition
	variables     map[string]any
	introspection price
	known         map[string]price // by the fields that were merged; nil remembers nothing
}

// operation prices the root fields, those of introspection on an account of their own.
func (p *pricer) operation() price {
	var total price
	for _, g := range p.root(p.op.SelectionSet) {
		below := p.below(g)
		if name := g[0].Name; name == "__schema" || name == "__type" {
			p.introspection.add(below, 1)
			total.add(price{}, 1)
			continue
		}
		total.add(below, p.size(g))
	}
	return total
}

// below prices what is under a group of fields.
func (p *pricer) below(g group) price {
	if !g.composite() {
		return price{}
	}
	if p.known == nil {
		return p.children(g)
	}
	key := p.key(g)
	known, found := p.known[key]
	if !found {
		known = p.children(g)
		p.known[key] = known
	}
	return known
}

func (p *pricer) children(g group) (total price) {
	for _, child := range p.merger.below(g) {
		total.add(p.below(child), p.size(child))
	}
	return total
}

// size is the largest size of a group's fields: fields of different types may
// share a response name and not their arguments.
func (p *pricer) size(g group) int {
	size := 1
	for _, f := range g {
		size = max(size, p.fieldSize(f))
	}
	return size
}

func (p *pricer) fieldSize(f *ast.Field) int {
	definition := f.Definition
	list := definition.Type.Elem != nil
	if strings.HasPrefix(f.ObjectDefinition.Name, "__") {
		return p.introspectionSize(f, list)
	}
	if !list && !isConnection(p.schema.Types[definition.Type.NamedType]) {
		return 1
	}
	if ids := definition.Arguments.ForName("ids"); ids != nil && list {
		return clamp(p.length(f, ids))
	}
	if definition.Arguments.ForName("first") != nil {
		return p.pageSize(f)
	}
	if list && !isConnection(f.ObjectDefinition) && p.schema.Types[definition.Type.Name()].IsCompositeType() {
		return ListSize
	}
	return 1
}

// introspectionSize guesses how many there are of what introspection lists.
func (p *pricer) introspectionSize(f *ast.Field, list bool) int {
	switch {
	case !list:
		return 1
	case f.Name == "types":
		return len(p.schema.Types)
	}
	return 8
}

func isConnection(d *ast.Definition) bool {
	return d != nil && d.Kind == ast.Object && strings.HasSuffix(d.Name, "Connection") &&
		d.Fields.ForName("edges") != nil && d.Fields.ForName("pageInfo") != nil
}

// pageSize is the larger of first and last: both at once is an error that the resolver reports.
func (p *pricer) pageSize(f *ast.Field) int {
	size := 0
	for _, name := range []string{"first", "last"} {
		if n, given := number(p.value(f, f.Definition.Arguments.ForName(name))); given {
			size = max(size, clamp(n))
		}
	}
	if size == 0 {
		return page.DefaultSize
	}
	return size
}

func (p *pricer) length(f *ast.Field, definition *ast.ArgumentDefinition) int {
	switch v := p.value(f, definition).(type) {
	case nil:
		return 0
	case []any:
		return len(v)
	case []string:
		return len(v)
	}
	return 1
}

// value is an argument's value: given, or its default.
func (p *pricer) value(f *ast.Field, definition *ast.ArgumentDefinition) any {
	if definition == nil {
		return nil
	}
	if given := f.Arguments.ForName(definition.Name); given != nil {
		if given.Value.Kind != ast.Variable || p.isSet(given.Value.Raw) {
			return p.literal(given.Value)
		}
	}
	return p.literal(definition.DefaultValue)
}

func (p *pricer) isSet(variable string) bool {
	if _, given := p.variables[variable]; given {
		return true
	}
	v := p.op.VariableDefinitions.ForName(variable)
	return v != nil && v.DefaultValue != nil
}

// literal reads a value with the operation's own variables. (ast.Value.Value
// would do, but takes a shared fragment's defaults from whichever operation was
// validated last.) Only the length of a list matters here.
func (p *pricer) literal(v *ast.Value) any {
	switch {
	case v == nil:
		return nil
	case v.Kind == ast.Variable:
		if given, found := p.variables[v.Raw]; found {
			return given
		}
		if d := p.op.VariableDefinitions.ForName(v.Raw); d != nil && d.DefaultValue != nil {
			return p.literal(d.DefaultValue)
		}
		return nil
	case v.Kind == ast.ListValue:
		return make([]any, len(v.Children))
	}
	value, err := v.Value(nil)
	if err != nil {
		return nil
	}
	return value
}

// skipped says whether a selection's @skip or @include leaves it out.
func (p *pricer) skipped(list ast.DirectiveList) bool {
	return p.holds(list, "skip", true) || p.holds(list, "include", false)
}

func (p *pricer) holds(list ast.DirectiveList, directive string, condition bool) bool {
	d := list.ForName(directive)
	if d == nil {
		return false
	}
	argument := d.Arguments.ForName("if")
	if argument == nil {
		return false
	}
	value, isBool := p.literal(argument.Value).(bool)
	return isBool && value == condition
}

// number reads an Int in any form that variables arrive in.
func number(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int32:
		return int(n), true
	case int64:
		return int(n), true
	case float64:
		return int(max(-1, min(n, manyPoints))), true
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return int(i), true
		}
		return page.MaxSize, true
	}
	return 0, false
}

func clamp(size int) int { return max(1, min(size, page.MaxSize)) }
