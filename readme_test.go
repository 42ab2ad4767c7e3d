package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// block is a fenced block of README.md.
type block struct{ language, text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func readmeBlocks(t *testing.T) []block {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, m := range fence.FindAllSubmatch(text, -1) {
		blocks = append(blocks, block{string(m[1]), strings.TrimSpace(string(m[2]))})
	}
	return blocks
}

// TestReadmeCommandsRun runs the README's shell commands against a real `segue
// dev` and compares their output with the answers that the README shows.
func TestReadmeCommandsRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // for root, PostgreSQL's own account must get there
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "segue"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	env := append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "ADDR=127.0.0.1:0")
	address := startDev(t, dir, env)
	blocks := readmeBlocks(t)
	ran := 0
	for i, b := range blocks {
		if b.language != "sh" || strings.HasPrefix(b.text, "make ") { // one is running, the other is running this
			continue
		}
		ran++
		script := strings.ReplaceAll(b.text, "127.0.0.1:8080", address)
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", b.text, err, out)
		}
		if i+1 < len(blocks) && blocks[i+1].language == "json" && strings.TrimSpace(string(out)) != blocks[i+1].text {
			t.Errorf("%s\n got %s\nwant %s", b.text, out, blocks[i+1].text)
		}
	}
	if ran < 2 {
		t.Errorf("only %d commands were found in README.md", ran)
	}
}

// startDev runs `segue dev` in dir and returns the address it printed.
func startDev(t *testing.T, dir string, env []string) string {
	t.Helper()
	log := filepath.Join(dir, "log")
	stderr, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stderr.Close()
		if text, err := os.ReadFile(log); t.Failed() && err == nil {
			t.Logf("segue dev said:\n%s", text)
		}
	})
	dev := exec.CommandContext(context.WithoutCancel(t.Context()), "./segue", "dev")
	dev.Dir, dev.Env, dev.Stderr = dir, env, stderr
	out, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dev.Process.Signal(syscall.SIGINT)
		killed := time.AfterFunc(time.Minute, func() { _ = dev.Process.Kill() })
		defer killed.Stop()
		if err := dev.Wait(); err != nil {
			t.Errorf("segue dev did not stop cleanly: %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, found := strings.Cut(lines.Text(), "GraphQL     http://"); found {
			go func() { // the rest must not fill the pipe
				for lines.Scan() {
				}
			}()
			return strings.TrimSuffix(address, "/graphql")
		}
	}
	t.Fatal("segue dev did not start")
	return ""
}
