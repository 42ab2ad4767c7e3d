package gqlhttp

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ai-dj/segue/internal/clerktest"
)

// TestAudits runs all 61 audits of the npm package graphql-http against a real
// `segue serve`, as it runs in production. No audit reads data, so it has no database.
func TestAudits(t *testing.T) {
	t.Parallel()
	lines := runNode(t, "audit.js", "http://"+serveForReal(t)+"/graphql")
	for _, line := range lines {
		if strings.HasPrefix(line, "not ok ") {
			t.Error(line)
		}
	}
	if last := lines[len(lines)-1]; last != "61 of 61" {
		t.Errorf("passed %s audits", last)
	}
}

// serveForReal builds and runs `segue serve` and returns its address.
func serveForReal(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "segue")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../..").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), binary, "serve")
	cmd.Env = append(os.Environ(), "DATABASE_URL=postgres://nobody@127.0.0.1:1/none?sslmode=disable",
		"CLERK_JWT_KEY="+clerktest.NewKey("ins_audit").PEM(), "ADDR=127.0.0.1:0", "ADMIN_ADDR=", "LOG_LEVEL=info", "LOG_FORMAT=json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return line.Addr
		}
	}
	t.Fatal("segue serve did not start")
	return ""
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
