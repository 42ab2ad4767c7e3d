package graph_test

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/page"
)

// operation is a random operation with its variables.
type operation struct {
	text      string
	variables map[string]any
}

// composer makes operations out of the schema, as many-sided as the language
// allows: a new field is asked for the day it exists. Nearly all are valid.
type composer struct {
	*rand.Rand
	schema    *ast.Schema
	budget    int // fields left
	aliases   int
	declared  []string          // definitions of variables
	uses      map[string]string // variables by what they stand for
	values    map[string]any
	fragments []string            // definitions of fragments
	reusable  map[string][]string // names of finished fragments by type
	faulty    bool                // now and then an argument is wrong
}

// tape is a source of random numbers that plays what it was given, a byte a
// number, and then goes on by itself: to change a byte is to change one decision.
type tape struct {
	bytes []byte
	then  *rand.PCG
}

// Uint64 has the byte at both ends, where rand.IntN looks.
func (t *tape) Uint64() uint64 {
	next := t.then.Uint64()
	if len(t.bytes) > 0 {
		b := uint64(t.bytes[0])
		next = b<<56 | next<<8>>16<<8 | b
		t.bytes = t.bytes[1:]
	}
	return next
}

// compose makes the operation that the source's numbers stand for.
func compose(schema *ast.Schema, source rand.Source) operation {
	c := &composer{Rand: rand.New(source), schema: schema, uses: map[string]string{}, values: map[string]any{}, reusable: map[string][]string{}}
	kind, root := "query", schema.Query
	if c.one(8) {
		kind, root = "mutation", schema.Mutation
	}
	c.faulty = c.one(8)
	c.budget = 3 + c.IntN(25)
	body := c.selection(root, 1)
	text := kind
	if c.one(2) {
		text += " Op"
	}
	if len(c.declared) > 0 {
		text += "(" + strings.Join(c.declared, ", ") + ")"
	}
	return operation{strings.Join(append([]string{text + " " + body}, c.fragments...), "\n"), c.values}
}

// one is true once in n times.
func (c *composer) one(n int) bool { return c.IntN(n) == 0 }

func (c *composer) pick(from ...string) string { return from[c.IntN(len(from))] }

func (c *composer) selection(def *ast.Definition, depth int) string {
	var parts []string
	if def.IsAbstractType() {
		for _, t := range c.schema.GetPossibleTypes(def) {
			if c.one(2) {
				parts = append(parts, c.onType(t, c.selection(t, depth)))
			}
		}
	}
	for range 1 + c.IntN(5) {
		switch f := def.Fields[c.IntN(len(def.Fields))]; {
		case c.one(10):
			parts = append(parts, c.typename())
		case strings.HasPrefix(f.Name, "__"):
			if c.one(8) {
				parts = append(parts, c.alias()+c.pick(introspection...))
			}
		case c.composite(f) && (depth > deepest || c.budget <= 0):
		default:
			parts = append(parts, c.wrapped(def, c.field(f, depth)))
			if len(f.Arguments) > 0 && c.one(3) { // and with other arguments
				parts = append(parts, c.wrapped(def, c.field(f, depth)))
			}
		}
	}
	if finished := c.reusable[def.Name]; len(finished) > 0 && c.one(3) {
		parts = append(parts, "..."+c.pick(finished...)+c.directive(6))
	}
	if len(parts) > 0 && c.one(10) { // the very same again
		parts = append(parts, c.pick(parts...))
	}
	return c.joined(parts)
}

var introspection = []string{
	`__type(name: "User") { name kind fields { name type { kind name ofType { name } } } }`, `__type(name: "Nothing") { name }`,
	`__schema { queryType { name } mutationType { name } }`,
}

func (c *composer) joined(parts []string) string {
	if len(parts) == 0 {
		parts = []string{c.typename()}
	}
	c.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	body := "{ " + strings.Join(parts, " ") + " }"
	switch c.IntN(40) { // nothing is left of it
	case 0:
		body = "{ ... @include(if: " + c.boolean(false) + ") " + body + " }"
	case 1:
		body = "{ ... @skip(if: " + c.boolean(true) + ") " + body + " }"
	}
	return body
}

func (c *composer) typename() string {
	if c.one(4) {
		return c.alias() + "__typename" + c.directive(8)
	}
	return "__typename" + c.directive(20)
}

// wrapped puts a part of def's selection set into a fragment, or leaves it.
func (c *composer) wrapped(def *ast.Definition, part string) string {
	switch c.IntN(14) {
	case 0:
		return c.onType(def, "{ "+part+" }")
	case 1:
		return "..." + c.directive(1) + " { " + part + " }"
	case 2:
		for _, i := range def.Interfaces {
			return c.onType(c.schema.Types[i], "{ ... on "+def.Name+" { "+part+" } "+c.pick("id", "__typename", "id __typename")+" }")
		}
	}
	return part
}

// onType is a fragment, inline or by name.
func (c *composer) onType(t *ast.Definition, body string) string {
	if c.one(2) {
		return "... on " + t.Name + c.directive(6) + " " + body
	}
	name := "F" + strconv.Itoa(len(c.fragments))
	c.fragments = append(c.fragments, "fragment "+name+" on "+t.Name+" "+body)
	c.reusable[t.Name] = append(c.reusable[t.Name], name)
	return "..." + name + c.directive(6)
}

// directive is @skip or @include, once in n times.
func (c *composer) directive(n int) string {
	if !c.one(n) {
		return ""
	}
	skip := func() string { return " @skip(if: " + c.boolean(c.one(3)) + ")" }
	include := func() string { return " @include(if: " + c.boolean(!c.one(3)) + ")" }
	switch c.IntN(8) {
	case 0:
		return skip() + include()
	case 1:
		return include() + skip()
	case 2, 3, 4:
		return skip()
	}
	return include()
}

// boolean is a condition with the given value, mostly a variable's.
func (c *composer) boolean(is bool) string {
	value, opposite := strconv.FormatBool(is), strconv.FormatBool(!is)
	switch c.IntN(4) {
	case 0:
		return value
	case 1:
		return c.known("required "+value, "Boolean!", is)
	case 2:
		return c.known("default "+value, "Boolean = "+value)
	}
	return c.known("replaced "+value, "Boolean = "+opposite, is)
}

// known is the variable for a use, declared and given a value, where there is one, when it is used first.
func (c *composer) known(use, definition string, value ...any) string {
	name, declared := c.uses[use]
	if !declared {
		name = "v" + strconv.Itoa(len(c.declared))
		c.uses[use] = name
		c.declared = append(c.declared, "$"+name+": "+definition)
		for _, v := range value {
			c.values[name] = v
		}
	}
	return "$" + name
}

func (c *composer) alias() string {
	c.aliases++
	return "a" + strconv.Itoa(c.aliases) + ": "
}

func (c *composer) composite(f *ast.FieldDefinition) bool {
	return c.schema.Types[f.Type.Name()].IsCompositeType()
}

func (c *composer) field(f *ast.FieldDefinition, depth int) string {
	c.budget--
	text := f.Name
	switch {
	case len(f.Arguments) > 0: // the same field with others may stand beside it
		text = c.alias() + text + c.arguments(f)
	case c.one(5) && c.aliases < 40:
		text = c.alias() + text
	case !c.composite(f) && c.one(12): // one name for many fields, of types that exclude each other
		text = "one" + strings.ReplaceAll(f.Type.String(), "!", "Always") + ": " + text
	}
	text += c.directive(14)
	if c.composite(f) {
		text += " " + c.selection(c.schema.Types[f.Type.Name()], depth+1)
	}
	return text
}

func (c *composer) arguments(f *ast.FieldDefinition) string {
	var args []string
	backward := c.one(4)
	for _, a := range f.Arguments {
		switch a.Name {
		case "first", "last":
			if f.Arguments.ForName("last") != nil && backward != (a.Name == "last") && !(c.faulty && c.one(10)) {
				continue
			}
		case "after", "before":
			if c.one(6) {
				args = append(args, a.Name+": "+c.orVariable(a.Type, c.cursor(f.Type.Name())))
			}
			continue
		}
		if a.Type.NonNull && a.DefaultValue == nil || c.one(2) {
			args = append(args, a.Name+": "+c.value(a.Name, a.Type))
		}
	}
	if len(args) == 0 {
		return ""
	}
	return "(" + strings.Join(args, ", ") + ")"
}

// term is a constant, in the language and as a variable's value.
type term struct {
	literal string
	value   any
}

func textTerm(s string) term {
	literal, _ := json.Marshal(s) // its escapes are GraphQL's too
	return term{string(literal), s}
}

func intTerm(n int64) term { return term{strconv.FormatInt(n, 10), n} }

// value is an argument's or input field's: constants and variables, at any level.
func (c *composer) value(name string, t *ast.Type) string {
	if c.one(4) {
		return c.orVariable(t, c.constant(name, t))
	}
	def := c.schema.Types[t.Name()]
	switch {
	case !t.NonNull && c.one(12):
		return "null"
	case t.Elem != nil:
		items := make([]string, c.IntN(4))
		for i := range items {
			items[i] = c.value(name, t.Elem)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case def.Kind == ast.InputObject:
		var fields []string
		for _, f := range c.given(def, t.NonNull) {
			fields = append(fields, f.Name+": "+c.value(f.Name, f.Type))
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return c.orVariable(t, c.scalar(name, def))
}

// given are the fields of an input object that it has: those it needs and some others.
func (c *composer) given(def *ast.Definition, all bool) []*ast.FieldDefinition {
	var fields []*ast.FieldDefinition
	for _, f := range def.Fields {
		if f.Type.NonNull && f.DefaultValue == nil || all && def.Name == "TimeRange" || c.one(3) {
			fields = append(fields, f)
		}
	}
	return fields
}

func (c *composer) constant(name string, t *ast.Type) term {
	def := c.schema.Types[t.Name()]
	switch {
	case !t.NonNull && c.one(12):
		return term{"null", nil}
	case t.Elem != nil:
		var literals []string
		list := []any{}
		for range c.IntN(4) {
			item := c.constant(name, t.Elem)
			literals, list = append(literals, item.literal), append(list, item.value)
		}
		return term{"[" + strings.Join(literals, ", ") + "]", list}
	case def.Kind == ast.InputObject:
		var literals []string
		object := map[string]any{}
		for _, f := range c.given(def, t.NonNull) {
			field := c.constant(f.Name, f.Type)
			literals = append(literals, f.Name+": "+field.literal)
			object[f.Name] = field.value
		}
		return term{"{" + strings.Join(literals, ", ") + "}", object}
	}
	return c.scalar(name, def)
}

func (c *composer) scalar(name string, def *ast.Definition) term {
	if def.Kind == ast.Enum {
		v := def.EnumValues[c.IntN(len(def.EnumValues))].Name
		return term{v, v}
	}
	wrong := c.faulty && c.one(12)
	switch def.Name {
	case "Int":
		if wrong {
			return intTerm(int64(c.IntN(103) - 1))
		}
		return intTerm(int64(1 + c.IntN(5)))
	case "Boolean":
		v := c.one(2)
		return term{strconv.FormatBool(v), v}
	case "DateTime":
		at := time.Date(2026, 3, 1, c.IntN(40), 15*c.IntN(4), 0, 1000*c.IntN(3), time.UTC)
		switch {
		case wrong:
			return textTerm("yesterday")
		case c.one(4):
			return intTerm(at.UnixMilli())
		}
		return textTerm(at.Format(time.RFC3339Nano))
	case "ID":
		return c.id(name, wrong)
	}
	if name == "timeZone" {
		return textTerm(c.pick("UTC", "Europe/Berlin", "Asia/Kathmandu", "Mars/Olympus"))
	}
	return textTerm(c.pick("s1", "t1", "x", "%", "ünï \"q\" \\ \n\u2028🎧", "\x00"))
}

func (c *composer) id(name string, wrong bool) term {
	switch {
	case wrong:
		return textTerm(c.pick("", "nonsense", "\x00"))
	case c.one(20):
		return intTerm(int64(c.IntN(100)))
	case strings.HasPrefix(name, "user"), !strings.HasPrefix(name, "message") && c.one(3):
		return textTerm(c.pick(userIDs...))
	}
	return textTerm(c.pick("018f0000-0000-7000-8000-00000000000a", "018F0000-0000-7000-8000-00000000000A", "018f0000-0000-7000-8000-00000000000b", "018f0000-0000-7000-8000-00000000000c"))
}

// kinds are the cursors of each connection.
var kinds = map[string][]page.Kind{
	"UserConnection": {page.Users}, "ChatMessageConnection": {page.ChatMessages}, "FeedbackConnection": {page.Feedback}, "TrackLikeConnection": {page.TrackLikes},
	"UserStatsConnection": {page.StatsByMessageCount, page.StatsByLikedTracks, page.StatsByLastActive},
}

func (c *composer) cursor(connection string) term {
	kind := kinds[connection][c.IntN(len(kinds[connection]))]
	if c.faulty && c.one(6) {
		kind = page.Kind(c.IntN(9))
	}
	return textTerm(page.Cursor(kind, page.Key{Value: c.Int64N(2_000_000_000_000_000), ID: "018f0000-0000-7000-8000-00000000000a"}))
}

// orVariable is the constant itself or a variable with its value.
func (c *composer) orVariable(t *ast.Type, v term) string {
	nullable, required := *t, *t
	nullable.NonNull, required.NonNull = false, true
	could, must := nullable.String(), required.String()
	other := could + " " + v.literal
	switch c.IntN(12) {
	case 0: // its default
		if v.value != nil || !t.NonNull {
			return c.known("default "+other, could+" = "+v.literal)
		}
	case 1: // given
		if v.value != nil {
			return c.known("required "+other, must, v.value)
		}
	case 2:
		if !t.NonNull {
			return c.known("given "+other, could, v.value)
		}
	case 3: // given in the place of a default
		if v.value != nil {
			return c.known("replaced "+other, must+" = "+v.literal, v.value)
		}
	case 4: // left out
		if !t.NonNull {
			return c.known("none "+could, could)
		}
	}
	return v.literal
}
