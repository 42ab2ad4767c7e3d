package graph_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/testdb"
)

// rootLists are the lists that give many parents of a type.
var rootLists = map[string]string{"User": "users", "ChatMessage": "chatMessages", "Feedback": "feedback", "TrackLike": "trackLikes", "UserStats": "userStats"}

// TestStatementsDoNotGrowWithRows counts the SQL statements of every object and
// list field of the schema, two levels deep, for 1, 10 and 100 parents.
func TestStatementsDoNotGrowWithRows(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, shape)
			crowd(g)
			schema := graph.NewSchema(&graph.Resolver{}).Schema()
			queries := 0
			for _, parent := range slices.Sorted(maps.Keys(rootLists)) {
				for _, path := range paths(schema, schema.Types[parent], 2) {
					count(t, g, rootLists[parent], path)
					queries++
				}
			}
			if queries < 40 {
				t.Errorf("only %d fields were found", queries)
			}
		})
	}
}

func count(t *testing.T, g *gateway, list, path string) {
	t.Helper()
	var counts []int64
	for _, n := range []int{1, 10, 100} {
		query := fmt.Sprintf("{ %s(first: %d) { edges { node { %s } } } }", list, n, path)
		before := g.statements.n.Load()
		a := g.ok(ana, query)
		if rows := len(a.at(list + ".edges").([]any)); rows != n {
			t.Fatalf("%s gave %d rows", query, rows)
		}
		counts = append(counts, g.statements.n.Load()-before)
	}
	if counts[0] != counts[1] || counts[1] != counts[2] || counts[2] > 8 {
		t.Errorf("%s { %s }: %v statements for 1, 10 and 100 parents", list, path, counts)
	} else {
		t.Logf("%d statements: %s { %s }", counts[0], list, path)
	}
}

// paths are the selections of each object field of def, and of theirs.
func paths(schema *ast.Schema, def *ast.Definition, depth int) []string {
	var all []string
	for _, f := range def.Fields {
		of := schema.Types[f.Type.Name()]
		if strings.HasPrefix(f.Name, "__") || !of.IsCompositeType() {
			continue
		}
		wrap := func(inner string) string { return f.Name + " { " + inner + " }" }
		node := of
		if strings.HasSuffix(of.Name, "Connection") {
			node = schema.Types[strings.TrimSuffix(of.Name, "Connection")]
			wrap = func(inner string) string {
				return f.Name + " { totalCount pageInfo { hasNextPage hasPreviousPage } edges { cursor node { " + inner + " } } }"
			}
		}
		all = append(all, wrap(scalars(schema, node)))
		if depth > 1 {
			for _, inner := range paths(schema, node, depth-1) {
				all = append(all, wrap(scalars(schema, node)+" "+inner))
			}
		}
	}
	return all
}

func scalars(schema *ast.Schema, def *ast.Definition) string {
	names := []string{"__typename"}
	for _, f := range def.Fields {
		if !strings.HasPrefix(f.Name, "__") && !schema.Types[f.Type.Name()].IsCompositeType() {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, " ")
}

// crowd makes a hundred people who each wrote, rated and liked.
func crowd(g *gateway) {
	g.t.Helper()
	for i := range 100 {
		testdb.AddUser(g.t, g.pool, fmt.Sprintf("user_%03d", i), "N", "n@example.com")
	}
	g.exec(`INSERT INTO public.chat_messages (id, clerk_id, role, content, created_at)
		SELECT gen_random_uuid(), u.id, 'user', 'm' || n, '2026-03-01'::timestamptz + n * interval '1 minute' FROM neon_auth.users_sync u, generate_series(1, 3) n WHERE u.id LIKE 'user_0%'`)
	g.exec(`INSERT INTO public.message_feedback (id, clerk_id, message_id, rating, created_at) SELECT gen_random_uuid(), clerk_id, id, 1, created_at FROM public.chat_messages`)
	g.exec(`INSERT INTO public.track_likes (id, clerk_id, track_id, created_at)
		SELECT gen_random_uuid(), u.id, 't' || n, '2026-03-01' FROM neon_auth.users_sync u, generate_series(1, 3) n WHERE u.id LIKE 'user_0%'`)
}
