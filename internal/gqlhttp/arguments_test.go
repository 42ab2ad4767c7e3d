package gqlhttp

import (
	"slices"
	"testing"

	"github.com/ai-dj/segue/graph"
)

// TestArguments: what no resolver ever sees is named to the caller all the same.
func TestArguments(t *testing.T) {
	t.Parallel()
	config := toyConfig(t, newToy())
	config.Schema = graph.NewSchema(&graph.Resolver{})
	endpoint := listen(t, config)
	cases := []struct {
		name, query string
		variables   map[string]any
		field       string
		path        []any
	}{
		{"a date in a literal", `{ a: activity(range: {from: "yesterday", to: "2026-01-01T00:00:00Z"}) { start } }`, nil, "from", []any{"a"}},
		{"a date in a variable", `query($r: TimeRange!) { activity(range: $r) { start } }`, map[string]any{"r": map[string]any{"from": "2026-01-01T00:00:00Z", "to": true}}, "to", []any{"activity"}},
		{"a list in place of a date", `query($r: TimeRange!) { activity(range: $r) { start } }`, map[string]any{"r": map[string]any{"from": []any{1}, "to": 1}}, "from", []any{"activity"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := post(t, endpoint, map[string]any{"query": c.query, "variables": c.variables})
			if a.status != 200 || a.code(t) != "BAD_USER_INPUT" {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			if e := a.errorAt(t, 0); e.Extensions["field"] != c.field || !slices.Equal(e.Path, c.path) {
				t.Errorf("got %s", a.body)
			}
		})
	}
}
