package limits

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
)

// MaxComparisons is how many fields the overlap rule may lay side by side in one document.
const MaxComparisons = 100_000

// checkOverlap is the spec's "field selection merging" (§5.3.2): fields that end
// up under one response name must be the same field with the same arguments,
// unless no object can be of both their parents, and must have the same shape even then.
//
// gqlparser and graphql-js compare fields in pairs. Here all fields of one
// response name are looked at together: being of the same shape is an
// equivalence, and so is being the same call, so each field is compared with the
// group's first only, and what is below the group is merged and looked at once.
// That is the same verdict in linear instead of quadratic work.
// (The idea is Simon Adameit's, as used by Sangria and graphql-java.)
//
// It wants a document that the other rules have passed.
func checkOverlap(schema *ast.Schema, doc *ast.QueryDocument) gqlerror.List {
	o := overlap{schema: schema, merger: &merger{budget: MaxComparisons}, done: map[check]bool{}, texts: map[*ast.Field]string{}}
	for _, op := range doc.Operations {
		o.groups(o.root(op.SelectionSet), false)
	}
	if o.budget < 0 {
		return gqlerror.List{refusal(fault.OperationTooComplex,
			"the document's fields overlap too often: at most %d comparisons are allowed", MaxComparisons)}
	}
	return o.errors
}

type overlap struct {
	*merger
	schema *ast.Schema
	done   map[check]bool
	texts  map[*ast.Field]string
	errors gqlerror.List
}

// check is a set of fields whose selections have been merged and looked at.
// Exclusive means that only their shapes had to agree.
type check struct {
	fields    string
	exclusive bool
}

func (o *overlap) groups(list []group, exclusive bool) {
	for _, g := range list {
		if len(o.errors) == MaxErrors || o.budget < 0 {
			return
		}
		o.group(g, exclusive)
	}
}

// group looks at the fields of one response name. Exclusive means that their
// parents' fields are never fetched together.
func (o *overlap) group(g group, exclusive bool) {
	if exclusive {
		if o.sameShape(g) {
			o.descend(g, true)
		}
		return
	}
	classes := byParent(g)
	for _, class := range classes {
		if !o.sameCall(class) {
			return
		}
	}
	if !o.sameShape(g) {
		return
	}
	for _, class := range classes {
		o.descend(class, false)
	}
	if len(classes) > 1 {
		o.descend(g, true)
	}
}

func (o *overlap) descend(g group, exclusive bool) {
	if !g.composite() {
		return
	}
	c := check{o.key(g), exclusive}
	// What holds without exclusivity holds with it.
	if o.done[c] || o.done[check{c.fields, false}] {
		return
	}
	o.done[c] = true
	o.groups(o.below(g), exclusive)
}

// byParent splits a group into the sets of fields that can meet on one object:
// those of each object type, each with those of interfaces and unions.
func byParent(g group) []group {
	var objects []*ast.Definition
	for _, f := range g {
		if p := f.ObjectDefinition; p.Kind == ast.Object && !slices.Contains(objects, p) {
			objects = append(objects, p)
		}
	}
	if len(objects) <= 1 {
		return []group{g}
	}
	classes := make([]group, len(objects))
	for i, object := range objects {
		for _, f := range g {
			if f.ObjectDefinition == object || f.ObjectDefinition.Kind != ast.Object {
				classes[i] = append(classes[i], f)
			}
		}
	}
	return classes
}

func (o *overlap) sameCall(g group) bool {
	first := g[0]
	for _, f := range g[1:] {
		if f.Name != first.Name {
			o.conflict(first, f, `"`+first.Name+`" and "`+f.Name+`" are different fields`)
			return false
		}
		if o.arguments(f) != o.arguments(first) {
			o.conflict(first, f, "they have differing arguments")
			return false
		}
	}
	return true
}

func (o *overlap) sameShape(g group) bool {
	first := g[0]
	for _, f := range g[1:] {
		a, b := first.Definition.Type, f.Definition.Type
		if a != b && !o.compatible(a, b) {
			o.conflict(first, f, `they return conflicting types "`+a.String()+`" and "`+b.String()+`"`)
			return false
		}
	}
	return true
}

// compatible is the spec's SameResponseShape for the types alone: equal wrappers
// around the same leaf type, or around any two composite types.
func (o *overlap) compatible(a, b *ast.Type) bool {
	for {
		if a.NonNull != b.NonNull || (a.Elem == nil) != (b.Elem == nil) {
			return false
		}
		if a.Elem == nil {
			break
		}
		a, b = a.Elem, b.Elem
	}
	if a.NamedType == b.NamedType {
		return true
	}
	left, right := o.schema.Types[a.NamedType], o.schema.Types[b.NamedType]
	return left.IsCompositeType() && right.IsCompositeType()
}

func (o *overlap) conflict(a, b *ast.Field, because string) {
	if len(o.errors) == MaxErrors {
		return
	}
	e := refusal(fault.ValidationFailed,
		`Fields "%s" conflict because %s. Use different aliases on the fields to fetch both if this was intentional.`, a.Alias, because)
	e.Rule = "OverlappingFieldsCanBeMerged"
	o.errors = append(o.errors, at(e, a.Position, b.Position))
}

// arguments is a text that two fields share exactly when their arguments are the
// same: in the order of their names, as objects' fields are too. It is made once a
// field, as a field may be met in many places and hold a very long string.
func (o *overlap) arguments(f *ast.Field) string {
	if len(f.Arguments) == 0 {
		return ""
	}
	known, found := o.texts[f]
	if !found {
		fields := make([]*ast.ChildValue, len(f.Arguments))
		for i, a := range f.Arguments {
			fields[i] = &ast.ChildValue{Name: a.Name, Value: a.Value}
		}
		var text strings.Builder
		writeFields(&text, fields)
		known = text.String()
		o.texts[f] = known
	}
	return known
}

func writeFields(text *strings.Builder, fields []*ast.ChildValue) {
	sorted := slices.Clone(fields)
	slices.SortStableFunc(sorted, func(a, b *ast.ChildValue) int { return strings.Compare(a.Name, b.Name) })
	text.WriteByte('{')
	for _, f := range sorted {
		text.WriteString(f.Name)
		text.WriteByte(':')
		writeValue(text, f.Value)
		text.WriteByte(' ')
	}
	text.WriteByte('}')
}

func writeValue(text *strings.Builder, value *ast.Value) {
	switch value.Kind {
	case ast.ObjectValue:
		writeFields(text, value.Children)
	case ast.ListValue:
		text.WriteByte('[')
		for _, child := range value.Children {
			writeValue(text, child.Value)
			text.WriteByte(' ')
		}
		text.WriteByte(']')
	case ast.BlockValue:
		// graphql-js tells a block string from a string with the same text; so does gqlparser.
		text.WriteByte('#')
		text.WriteString(value.String())
	default:
		text.WriteString(value.String())
	}
}
