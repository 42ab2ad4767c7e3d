package graph_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph"
)

// generator makes random valid operations out of the schema itself, so that a
// new field is asked for the day it exists.
type generator struct {
	*rand.Rand
	schema *ast.Schema
	ids    []string // of rows of all kinds, anybody's
	users  []string
	budget int // fields left
	alias  int
}

func newGenerator(seed uint64, ids, users []string) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 7)), schema: graph.NewSchema(&graph.Resolver{}).Schema(), ids: ids, users: users}
}

// query is a random document of one query.
func (g *generator) query() string {
	g.budget, g.alias = 12+g.IntN(40), 0
	body := g.selection(g.schema.Query, 1)
	return "query" + declare(body) + body
}

// mutation is a random document of one mutation.
func (g *generator) mutation() string {
	g.budget, g.alias = 20, 0
	fields := g.schema.Mutation.Fields
	f := fields[g.IntN(len(fields))]
	for f.Name == "eraseMyData" {
		f = fields[g.IntN(len(fields))]
	}
	body := "{ " + g.field(f, 1) + " }"
	return "mutation" + declare(body) + body
}

// declare declares the variables that body uses.
func declare(body string) string {
	var used []string
	for _, d := range []string{"$yes: Boolean = true", "$no: Boolean = false", "$size: Int = 3"} {
		name, _, _ := strings.Cut(d, ":")
		if strings.Contains(body, name) {
			used = append(used, d)
		}
	}
	if len(used) == 0 {
		return " "
	}
	return "(" + strings.Join(used, ", ") + ") "
}

const deepest = 9

func (g *generator) selection(def *ast.Definition, depth int) string {
	var parts []string
	if g.IntN(4) == 0 {
		parts = append(parts, "__typename")
	}
	if def.IsAbstractType() {
		parts = append(parts, g.fragments(def, depth)...)
	}
	n := 1 + g.IntN(4)
	for range n {
		f := def.Fields[g.IntN(len(def.Fields))]
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		of := g.schema.Types[f.Type.Name()]
		if of.IsCompositeType() && (depth >= deepest || g.budget <= 0 || g.alias > 40) {
			continue
		}
		part := g.field(f, depth)
		switch g.IntN(12) {
		case 0:
			part = "... on " + def.Name + " { " + part + " }"
		case 1:
			part = "... @include(if: $" + g.pick("yes", "no") + ") { " + part + " }"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		parts = append(parts, "__typename")
	}
	return "{ " + strings.Join(parts, " ") + " }"
}

func (g *generator) fragments(def *ast.Definition, depth int) []string {
	var parts []string
	for _, t := range g.schema.GetPossibleTypes(def) {
		if g.IntN(2) == 0 {
			parts = append(parts, "... on "+t.Name+" "+g.selection(t, depth))
		}
	}
	return parts
}

func (g *generator) field(f *ast.FieldDefinition, depth int) string {
	g.budget--
	composite := g.schema.Types[f.Type.Name()].IsCompositeType()
	text := f.Name + g.arguments(f)
	if composite || g.IntN(4) == 0 && g.alias < 30 {
		g.alias++
		text = "a" + strconv.Itoa(g.alias) + ": " + text
	}
	if g.IntN(15) == 0 {
		text += " @skip(if: $" + g.pick("yes", "no") + ")"
	}
	if composite {
		text += " " + g.selection(g.schema.Types[f.Type.Name()], depth+1)
	}
	return text
}

func (g *generator) arguments(f *ast.FieldDefinition) string {
	var args []string
	paged := f.Arguments.ForName("last") != nil
	backward := g.IntN(4) == 0
	for _, a := range f.Arguments {
		switch {
		case paged && (a.Name == "first" && backward || a.Name == "last" && !backward || a.Name == "after" || a.Name == "before"):
			continue
		case !a.Type.NonNull && g.IntN(3) > 0:
			continue
		}
		args = append(args, a.Name+": "+g.value(a.Name, a.Type))
	}
	if len(args) == 0 {
		return ""
	}
	return "(" + strings.Join(args, ", ") + ")"
}

func (g *generator) pick(values ...string) string { return values[g.IntN(len(values))] }

func (g *generator) value(name string, t *ast.Type) string {
	if !t.NonNull && g.IntN(12) == 0 {
		return "null"
	}
	if t.Elem != nil {
		var items []string
		for range g.IntN(4) {
			items = append(items, g.value(name, t.Elem))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	def := g.schema.Types[t.NamedType]
	switch def.Kind {
	case ast.Enum:
		return def.EnumValues[g.IntN(len(def.EnumValues))].Name
	case ast.InputObject:
		var fields []string
		for _, f := range def.Fields {
			if f.Type.NonNull || g.IntN(3) == 0 || name == "range" {
				fields = append(fields, f.Name+": "+g.value(f.Name, f.Type))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	return g.scalar(name, t)
}

func (g *generator) scalar(name string, t *ast.Type) string {
	switch t.NamedType {
	case "Int":
		if !t.NonNull && g.IntN(3) == 0 {
			return "$size"
		}
		return strconv.Itoa(1 + g.IntN(6))
	case "Boolean":
		return g.pick("true", "false")
	case "DateTime":
		return fmt.Sprintf("%q", fmt.Sprintf("2026-03-%02dT%02d:00:00Z", 1+g.IntN(4), g.IntN(24)))
	case "ID":
		if strings.HasPrefix(name, "user") {
			return strconv.Quote(g.pick(g.users...))
		}
		return strconv.Quote(g.pick(append(g.ids, "nonsense", "")...))
	}
	switch name {
	case "timeZone":
		return strconv.Quote(g.pick("UTC", "Europe/Berlin", "Asia/Kathmandu"))
	case "search":
		return strconv.Quote(g.pick("LEAK", "a", "%", "@", "e"))
	}
	return strconv.Quote(g.pick("s1", "t1", "t2", "x"))
}
