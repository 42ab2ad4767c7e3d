package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ai-dj/segue/"

// layers are the rooms from the door to the cellar. A room may import only rooms
// of later lines. Data flows one way: HTTP → auth → graph → store → PostgreSQL.
var layers = [][]string{
	{""}, // server.go
	{"internal/cli"},
	{"internal/app", "internal/adopt", "internal/doctor", "internal/sample"},
	{"internal/httpd", "internal/usersync", "internal/web"},
	{"internal/gqlhttp", "internal/ratelimit"},
	{"internal/auth"},
	{"graph"},
	{"graph/model", "internal/live", "internal/limits"},
	{"internal/store", "internal/clerk"},
	{"internal/page", "internal/config", "internal/telemetry", "internal/devkey", "internal/pglocal"},
	{"internal/viewer", "internal/fault"},
}

// forTests are rooms that only tests import.
var forTests = []string{"internal/testdb", "internal/clerktest", "internal/limits/attack"}

// TestImportsPointOneWay holds every package's imports against the layers.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	depth := map[string]int{}
	for i, layer := range layers {
		for _, room := range layer {
			depth[room] = i
		}
	}
	for room, imports := range importsOf(t) {
		at, known := depth[room]
		if !known {
			if !slices.Contains(forTests, room) {
				t.Errorf("%s stands in no layer: give it one in imports_test.go", room)
			}
			continue
		}
		for _, imported := range imports {
			if below, known := depth[imported]; !known || below <= at {
				t.Errorf("%s may not import %s", room, imported)
			}
		}
	}
}

// TestOnlyTheStoreSpeaksSQL allows a database driver where SQL belongs, and
// GraphQL's and Clerk's libraries where those belong.
func TestOnlyTheStoreSpeaksSQL(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"github.com/jackc/pgx":       {"internal/store", "internal/live", "internal/adopt", "internal/doctor", "internal/sample", "internal/pglocal", "internal/telemetry", "internal/app", "internal/cli"},
		"github.com/clerk/clerk-sdk": {"internal/auth", "internal/clerk"},
		"github.com/vektah/gqlparse": {"graph", "internal/limits", "internal/gqlhttp"},
		"github.com/99designs/gqlge": {"graph", "graph/model", "internal/gqlhttp"},
	}
	walk(t, func(room string, imported string) {
		for prefix, rooms := range allowed {
			if strings.HasPrefix(imported, prefix) && !slices.Contains(rooms, room) && !slices.Contains(forTests, room) {
				t.Errorf("%s may not import %s", room, imported)
			}
		}
	})
}

// importsOf are the project's own imports of each room.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	rooms := map[string][]string{}
	walk(t, func(room, imported string) {
		rooms[room] = append(rooms[room], nil...)
		if own, ok := strings.CutPrefix(imported, module); ok {
			rooms[room] = append(rooms[room], own)
		}
	})
	return rooms
}

// walk visits every import of every file that is not a test.
func walk(t *testing.T, visit func(room, imported string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "tools" || d.Name() == ".git" || d.Name() == "examples" || d.Name() == "bench") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(path))
		if room == "." {
			room = ""
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			visit(room, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
