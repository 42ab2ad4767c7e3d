package gqlhttp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ai-dj/segue/graph"
)

// TestAudits runs all 61 audits of the npm package graphql-http against a
// listening handler, with introspection off as in production.
func TestAudits(t *testing.T) {
	t.Parallel()
	dir := auditDir(t)
	config := toyConfig(t, newToy())
	config.Schema, config.Fields = graph.NewSchema(&graph.Resolver{}), graph.Fields // no audit reads data
	url := listen(t, config)
	cmd := exec.CommandContext(t.Context(), "node", "audit.js", url)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("audit.js: %v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "not ok ") {
			t.Error(line)
		}
	}
	if last := lines[len(lines)-1]; last != "61 of 61" {
		t.Errorf("passed %s audits", last)
	}
}

// auditDir is where graphql-http is installed, by npm ci on the first run.
func auditDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("testdata", "audit")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "graphql-http")); err == nil {
		return dir
	}
	if _, err := exec.LookPath("npm"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("npm is not installed, and CI needs the audits")
		}
		t.Skip("AUDITS NOT RUN: npm is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}
