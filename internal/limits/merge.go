package limits

import (
	"encoding/binary"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// merger merges selection sets as an executor does: fields with one response
// name become one, fragments are entered once. Both the overlap rule and the
// cost need it, and both would be exponential without its names for field sets.
//
// It spends one unit of its budget for every selection it comes by.
type merger struct {
	budget int
	// skip leaves selections out by their directives; nil keeps all.
	skip func(ast.DirectiveList) bool

	round int
	seen  map[*ast.FragmentDefinition]int // the last round that entered a fragment
	ids   map[*ast.Field]uint32
}

// group is the fields of one response name, in document order.
type group []*ast.Field

// composite reports whether the group has anything below it.
func (g group) composite() bool {
	return slices.ContainsFunc(g, func(f *ast.Field) bool { return len(f.SelectionSet) > 0 })
}

// root merges a selection set. Like below, it gives nothing once the budget is spent.
func (m *merger) root(set ast.SelectionSet) []group {
	m.round++
	r := round{merger: m}
	r.add(set)
	return r.result()
}

// below merges what is under a group's fields.
func (m *merger) below(g group) []group {
	m.round++
	r := round{merger: m}
	for _, f := range g {
		r.add(f.SelectionSet)
	}
	return r.result()
}

// round is one merge: the groups in the order in which their names first came up.
type round struct {
	*merger
	groups []group
	first  []*ast.Field   // each group's first field; most groups have no second
	index  map[string]int // of groups by name, once there are many
}

func (r *round) result() []group {
	if r.budget < 0 {
		return nil
	}
	return r.groups
}

func (r *round) add(set ast.SelectionSet) {
	if r.budget -= len(set); r.budget < 0 {
		return
	}
	if r.groups == nil {
		r.groups, r.first = make([]group, 0, min(len(set), few)), make([]*ast.Field, 0, min(len(set), few))
	}
	for _, selection := range set {
		if r.skip != nil && r.skip(directivesOf(selection)) {
			continue
		}
		switch s := selection.(type) {
		case *ast.Field:
			r.field(s)
		case *ast.InlineFragment:
			r.add(s.SelectionSet)
		case *ast.FragmentSpread:
			r.spread(s)
		}
	}
}

func (r *round) spread(s *ast.FragmentSpread) {
	if s.Definition == nil || r.seen[s.Definition] == r.round {
		return
	}
	if r.seen == nil {
		r.seen = map[*ast.FragmentDefinition]int{}
	}
	r.seen[s.Definition] = r.round
	r.add(s.Definition.SelectionSet)
}

func (r *round) field(f *ast.Field) {
	i := r.find(f.Alias)
	if i >= 0 {
		r.groups[i] = append(r.groups[i], f)
		return
	}
	n := len(r.groups)
	r.first = append(r.first, f)
	r.groups = append(r.groups, r.first[n:n+1:n+1])
	if r.index != nil {
		r.index[f.Alias] = n
	}
}

// few is how many groups are searched one by one rather than through an index.
const few = 16

func (r *round) find(name string) int {
	if len(r.groups) <= few {
		return slices.IndexFunc(r.groups, func(g group) bool { return g[0].Alias == name })
	}
	if r.index == nil {
		r.index = make(map[string]int, 2*few)
		for i, g := range r.groups {
			r.index[g[0].Alias] = i
		}
	}
	if i, found := r.index[name]; found {
		return i
	}
	return -1
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
	if m.ids == nil {
		m.ids = map[*ast.Field]uint32{}
	}
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
