// Package testdb gives each test a PostgreSQL database of its own, on a real server.
//
// A test process has one server, started when first asked for, on a free port and
// with nothing flushed to disk. It is never stopped by the tests: pglocal's
// watcher stops it and removes its files when the process is gone, whether it
// returned, panicked, timed out or was killed. With TEST_DATABASE_URL (a
// superuser's) the tests use that server instead.
//
// The migrations run once for each shape of users_sync, into a template that is
// named by their hash; a test's database is a copy of it (about 30 ms).
// Databases have random names, so any number of tests and processes go in
// parallel, and each is dropped when its test ends.
//
// The package uses store, so tests that use it live outside package store (store_test).
package testdb

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/pglocal"
	"github.com/ai-dj/segue/internal/store"
)

// Shape is a form of neon_auth.users_sync that Segue meets (contract §5).
type Shape string

const (
	// Plain is Segue's own table, made by migrate.
	Plain Shape = "plain"
	// Neon is Neon Auth's table of generated columns, there before migrate runs.
	Neon Shape = "neon"
)

// Shapes are both, to range over in a test that must hold in each.
func Shapes() []Shape { return []Shape{Plain, Neon} }

// New makes a migrated database for this test and gives its URL, as its owner.
func New(t testing.TB, shape Shape) string {
	t.Helper()
	return shared(t).fromTemplate(t, shape)
}

// Empty makes a database without any schema and gives its URL.
func Empty(t testing.TB) string {
	t.Helper()
	return shared(t).create(t, "template0")
}

// Pool is a pool on a new migrated database, closed when the test ends.
func Pool(t testing.TB, shape Shape) *pgxpool.Pool {
	t.Helper()
	return Connect(t, New(t, shape))
}

// Connect is a pool on the database at url, closed when the test ends.
func Connect(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// server is where databases are made.
type server struct {
	admin string // superuser's URL of a database that is no test's
	mu    sync.Mutex
	ready map[Shape]bool // templates known to be there
}

// one is the process's server.
var one = sync.OnceValues(func() (*server, error) {
	if admin := os.Getenv("TEST_DATABASE_URL"); admin != "" {
		return newServer(admin), nil
	}
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	pg, err := pglocal.Start(context.Background(), pglocal.Config{Dir: dir, Disposable: true})
	if err != nil {
		return nil, err
	}
	keep = pg
	return newServer(pg.URL("postgres")), nil
})

// keep holds the server's pipe to its watcher open: collected, it would close.
//
//lint:ignore U1000 it is only ever kept
var keep *pglocal.Server

func shared(t testing.TB) *server {
	t.Helper()
	s, err := one()
	if err != nil {
		t.Fatalf("testdb: start PostgreSQL: %v", err)
	}
	return s
}

func newServer(admin string) *server { return &server{admin: admin, ready: map[Shape]bool{}} }

// tempDir is a directory that the server's account may enter too: as root the
// server runs as someone else.
func tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "segue-test-")
	if err == nil && os.Geteuid() == 0 {
		err = os.Chmod(dir, 0o711)
	}
	return dir, err
}

func (s *server) fromTemplate(t testing.TB, shape Shape) string {
	t.Helper()
	template := templateName(shape)
	if err := s.prepare(context.Background(), template, shape); err != nil {
		t.Fatalf("testdb: template %s: %v", template, err)
	}
	return s.create(t, template)
}

// prepare makes the template once in this process, and on the server once among all processes.
func (s *server) prepare(ctx context.Context, template string, shape Shape) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready[shape] {
		return nil
	}
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) // and with it the lock
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext($1))", template); err != nil {
		return err
	}
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", template).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		err = s.build(ctx, conn, template, shape)
	}
	s.ready[shape] = err == nil
	return err
}

// build migrates under another name first: a template with the right name is complete.
func (s *server) build(ctx context.Context, conn *pgx.Conn, template string, shape Shape) error {
	building := template + "_building"
	if err := statements(ctx, conn, "drop database if exists "+building+" with (force)",
		"create database "+building+" template template0"); err != nil {
		return err
	}
	target := withDatabase(s.admin, building)
	if shape == Neon {
		if err := run(ctx, target, NeonAuth); err != nil {
			return err
		}
	}
	if err := store.Migrate(ctx, target, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	return statements(ctx, conn, "alter database "+building+" rename to "+template)
}

// create copies a template for the test and drops the copy after it.
func (s *server) create(t testing.TB, template string) string {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text())
	if err := run(context.Background(), s.admin, "create database "+name+" template "+template+" strategy file_copy"); err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(func() {
		if err := run(context.Background(), s.admin, "drop database "+name+" with (force)"); err != nil {
			t.Logf("testdb: %v", err) // the test may have killed the server
		}
	})
	return withDatabase(s.admin, name)
}

// templateName changes when a migration or the Neon table does.
func templateName(shape Shape) string {
	h := sha256.New()
	files := store.Migrations()
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		panic(err) // a malformed pattern
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // part of the binary
		}
		fmt.Fprintf(h, "%s %d %s", name, len(text), text)
	}
	fmt.Fprint(h, NeonAuth)
	return fmt.Sprintf("segue_%s_%s", shape, hex.EncodeToString(h.Sum(nil))[:16])
}

func run(ctx context.Context, url string, sql ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return statements(ctx, conn, sql...)
}

func statements(ctx context.Context, conn *pgx.Conn, sql ...string) error {
	for _, one := range sql {
		if _, err := conn.Exec(ctx, one); err != nil {
			return fmt.Errorf("%s: %w", one, err)
		}
	}
	return nil
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic(err) // it has been connected to
	}
	u.Path = "/" + name
	return u.String()
}
