package gqlhttp

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// install lets one test install at a time.
var install sync.Mutex

// installed is testdata's directory name with the npm packages of its lock file,
// put there by npm ci when they are missing or other ones.
func installed(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("testdata", name)
	install.Lock()
	defer install.Unlock()
	if upToDate(dir) {
		return dir
	}
	if _, err := exec.LookPath("npm"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("npm is not installed, and CI needs the clients of others")
		}
		t.Skip("NOT RUN: npm is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// upToDate reports whether npm's own record of what is installed is newer than the lock file.
func upToDate(dir string) bool {
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return false
	}
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	return err == nil && !done.ModTime().Before(lock.ModTime())
}
