package limits

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
)

// MaxVisits is how many selections, arguments and values gqlparser's walk may
// come by. It walks every operation, and then every fragment again, with all
// that each of them reaches, so a chain of fragments costs the square of its length.
const MaxVisits = 100_000

// part is an operation or a fragment: how much it holds itself and which
// fragments it spreads.
type part struct {
	fragment *ast.FragmentDefinition // nil for an operation
	size     int
	spreads  []*ast.FragmentSpread
	state    visitState
	seen     int // number of the last traversal that came by
}

type visitState byte

const (
	untouched visitState = iota
	entered
	left
)

// graph is a document's parts. It is laid out once and then walked without
// looking at selections again.
type graph struct {
	operations, fragments []*part
	byName                map[string]*part
}

// checkFragments refuses documents whose fragments would make a walk endless or
// out of proportion, and operations with too many root fields. It runs before
// validation and so believes nothing: fragments may be missing or doubled.
func checkFragments(doc *ast.QueryDocument) *gqlerror.Error {
	g := newGraph(doc)
	for _, f := range g.fragments {
		if err := g.checkCycle(f); err != nil {
			return err
		}
	}
	if g.visits() > MaxVisits {
		return refusal(fault.OperationTooComplex,
			"the document's fragments spread each other too often: a walk may come by at most %d of their fields and values", MaxVisits)
	}
	for _, op := range doc.Operations {
		if err := g.checkRoot(op); err != nil {
			return err
		}
	}
	return nil
}

func newGraph(doc *ast.QueryDocument) *graph {
	g := &graph{byName: make(map[string]*part, len(doc.Fragments))}
	for _, f := range doc.Fragments {
		p := &part{fragment: f}
		p.add(f.SelectionSet)
		g.fragments = append(g.fragments, p)
		if g.byName[f.Name] == nil {
			g.byName[f.Name] = p
		}
	}
	for _, op := range doc.Operations {
		p := &part{}
		p.add(op.SelectionSet)
		g.operations = append(g.operations, p)
	}
	return g
}

func (p *part) add(set ast.SelectionSet) {
	p.size += len(set)
	for _, selection := range set {
		for _, d := range directivesOf(selection) {
			p.addArguments(d.Arguments)
		}
		switch s := selection.(type) {
		case *ast.Field:
			p.addArguments(s.Arguments)
			p.add(s.SelectionSet)
		case *ast.InlineFragment:
			p.add(s.SelectionSet)
		case *ast.FragmentSpread:
			p.spreads = append(p.spreads, s)
		}
	}
}

func (p *part) addArguments(list ast.ArgumentList) {
	for _, a := range list {
		p.addValue(a.Value)
	}
}

func (p *part) addValue(v *ast.Value) {
	p.size++
	for _, child := range v.Children {
		p.addValue(child.Value)
	}
}

// checkCycle is the spec's "fragment spreads must not form cycles" (§5.5.2.2).
// gqlparser's own rule spells out every cycle, and there can be a million.
func (g *graph) checkCycle(p *part) *gqlerror.Error {
	if p.state != untouched {
		return nil
	}
	p.state = entered
	for _, spread := range p.spreads {
		next := g.byName[spread.Name]
		if next == nil {
			continue
		}
		if next.state == entered {
			e := refusal(fault.ValidationFailed, "Cannot spread fragment %q within itself.", spread.Name)
			return at(e, spread.Position)
		}
		if err := g.checkCycle(next); err != nil {
			return err
		}
	}
	p.state = left
	return nil
}

// visits foretells how much gqlparser's walk comes by; it stops counting once
// that is more than MaxVisits.
func (g *graph) visits() int {
	total := 0
	for i, root := range append(g.operations, g.fragments...) {
		pending := []*part{root}
		for len(pending) > 0 && total <= MaxVisits {
			p := pending[len(pending)-1]
			pending = pending[:len(pending)-1]
			total += p.size
			for _, spread := range p.spreads {
				if next := g.byName[spread.Name]; next != nil && next.seen != i+1 {
					next.seen = i + 1
					pending = append(pending, next)
				}
			}
		}
	}
	return total
}

// checkRoot counts an operation's different root fields through its fragments.
func (g *graph) checkRoot(op *ast.OperationDefinition) *gqlerror.Error {
	names := map[string]bool{}
	entered := map[string]bool{}
	var add func(ast.SelectionSet)
	add = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				names[s.Alias] = true
			case *ast.InlineFragment:
				add(s.SelectionSet)
			case *ast.FragmentSpread:
				if p := g.byName[s.Name]; p != nil && !entered[s.Name] {
					entered[s.Name] = true
					add(p.fragment.SelectionSet)
				}
			}
		}
	}
	add(op.SelectionSet)
	if len(names) > MaxRootFields {
		return at(tooMuch("root fields", MaxRootFields), op.Position)
	}
	return nil
}

func at(e *gqlerror.Error, positions ...*ast.Position) *gqlerror.Error {
	for _, p := range positions {
		if p != nil {
			e.Locations = append(e.Locations, gqlerror.Location{Line: p.Line, Column: p.Column})
		}
	}
	return e
}
