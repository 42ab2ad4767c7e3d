package gqlhttp

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ai-dj/segue/graph"
)

// TestAudits runs all 61 audits of the npm package graphql-http against a
// listening handler, with introspection off as in production.
func TestAudits(t *testing.T) {
	t.Parallel()
	config := toyConfig(t, newToy())
	config.Schema, config.Fields = graph.NewSchema(&graph.Resolver{}), graph.Fields // no audit reads data
	url := listen(t, config)
	lines := runNode(t, "audit.js", url)
	for _, line := range lines {
		if strings.HasPrefix(line, "not ok ") {
			t.Error(line)
		}
	}
	if last := lines[len(lines)-1]; last != "61 of 61" {
		t.Errorf("passed %s audits", last)
	}
}

// TestStandardEventsClient subscribes with the npm package graphql-sse.
func TestStandardEventsClient(t *testing.T) {
	t.Parallel()
	got := runNode(t, "events.js", listen(t, toyConfig(t, newToy())))
	want := []string{
		`{"data":{"count":1}}`, `{"data":{"count":2}}`, "complete",
		`{"data":{"echo":"x"}}`, "complete",
		`{"errors":[{"message":"Cannot query field \"nope\" on type \"…\".","locations":[{"line":1,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}`, "complete",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the client saw\n%s", strings.Join(got, "\n"))
	}
}

// runNode runs a script of testdata/audit with a URL and returns the lines it printed.
func runNode(t *testing.T, script, url string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", script, url)
	cmd.Dir = installed(t, "audit")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
