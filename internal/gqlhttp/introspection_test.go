package gqlhttp

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/introspection"

	"github.com/ai-dj/segue/graph"
)

// TestIntrospection asks Segue's own schema what GraphiQL asks it, and with the switch off.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	config := toyConfig(t, newToy())
	config.Schema = graph.NewSchema(&graph.Resolver{})
	off := listen(t, config)
	config.Introspection = true
	on := listen(t, config)

	if a := post(t, on, query(introspection.Query)); a.status != 200 || a.code(t) != "" || !strings.Contains(a.body, "SendChatMessageInput") {
		t.Errorf("on: %d %.300s", a.status, a.body)
	}
	if a := post(t, off, query(introspection.Query)); a.status != 400 || a.code(t) != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("off: %d %.300s", a.status, a.body)
	}
	const typed = `query($n: String!) { __typename user: __type(name: $n) { name fields { name } } }`
	request := map[string]any{"query": typed, "variables": map[string]any{"n": "User"}}
	if a := post(t, off, request); a.body != `{"data":{"__typename":"Query","user":null}}` {
		t.Errorf("off: %s", a.body)
	}
	if a := post(t, on, request); !strings.Contains(a.body, `"name":"email"`) {
		t.Errorf("on: %s", a.body)
	}
}
