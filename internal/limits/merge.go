package limits

import (
	"encoding/binary"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// merger merges selection sets as an executor does: fields with one response
// name become one, fragments are entered once. Both the overlap rule and the
// cost need it, and both would be exponential without its memory of field sets.
//
// It spends one unit of its budget for every selection it comes by.
type merger struct {
	budget int
	// skip leaves selections out by their directives; nil keeps all.
	skip func(ast.DirectiveList) bool

	ids   map[*ast.Field]uint32
	round int
	seen  map[*ast.FragmentDefinition]int // the last round that entered a fragment
}

func newMerger(budget int) *merger {
	return &merger{
		budget: budget,
		ids:    map[*ast.Field]uint32{},
		seen:   map[*ast.FragmentDefinition]int{},
	}
}

// group is the fields of one response name, in document order.
type group []*ast.Field

// composite reports whether the group has anything below it.
func (g group) composite() bool {
	return slices.ContainsFunc(g, func(f *ast.Field) bool { return len(f.SelectionSet) > 0 })
}

// below merges what is under a group's fields.
func (m *merger) below(g group) []group {
	sets := make([]ast.SelectionSet, 0, len(g))
	for _, f := range g {
		sets = append(sets, f.SelectionSet)
	}
	return m.merge(sets...)
}

// merge flattens sets into groups, in the order their names first come up. It
// gives nothing once the budget is spent.
func (m *merger) merge(sets ...ast.SelectionSet) []group {
	m.round++
	index := map[string]int{}
	var groups []group
	var add func(ast.SelectionSet)
	add = func(set ast.SelectionSet) {
		if m.budget -= len(set); m.budget < 0 {
			return
		}
		for _, selection := range set {
			if m.skip != nil && m.skip(directivesOf(selection)) {
				continue
			}
			switch s := selection.(type) {
			case *ast.Field:
				i, found := index[s.Alias]
				if !found {
					i = len(groups)
					index[s.Alias] = i
					groups = append(groups, nil)
				}
				groups[i] = append(groups[i], s)
			case *ast.InlineFragment:
				add(s.SelectionSet)
			case *ast.FragmentSpread:
				if s.Definition != nil && m.seen[s.Definition] != m.round {
					m.seen[s.Definition] = m.round
					add(s.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		add(set)
	}
	if m.budget < 0 {
		return nil
	}
	return groups
}

func directivesOf(selection ast.Selection) ast.DirectiveList {
	switch s := selection.(type) {
	case *ast.Field:
		return s.Directives
	case *ast.InlineFragment:
		return s.Directives
	case *ast.FragmentSpread:
		return s.Directives
	}
	return nil
}

// key names the set of fields whose selections are merged, whatever their order.
func (m *merger) key(g group) string {
	ids := make([]uint32, 0, len(g))
	for _, f := range g {
		if len(f.SelectionSet) == 0 {
			continue
		}
		id, found := m.ids[f]
		if !found {
			id = uint32(len(m.ids))
			m.ids[f] = id
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	key := make([]byte, 0, 4*len(ids))
	for _, id := range slices.Compact(ids) {
		key = binary.BigEndian.AppendUint32(key, id)
	}
	return string(key)
}
