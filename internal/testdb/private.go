package testdb

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ai-dj/segue/internal/pglocal"
)

// PrivateServer is a PostgreSQL that belongs to one test, which may do to it
// what it likes. It keeps its port and data over a Stop or Kill and a Start.
type PrivateServer struct {
	t        testing.TB
	dir      string
	settings []string
	pg       *pglocal.Server

	databases *server
}

// Server starts a server for this test alone. It costs a second: tests that
// only need a database use New. Settings of its own are name=value.
func Server(t testing.TB, settings ...string) *PrivateServer {
	t.Helper()
	p := private(t, settings)
	p.start(0)
	p.databases = newServer(p.pg.URL("postgres"))
	return p
}

// private is a server that has not started and has no data.
func private(t testing.TB, settings []string) *PrivateServer {
	t.Helper()
	dir, err := tempDir()
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	p := &PrivateServer{t: t, dir: dir, settings: settings}
	t.Cleanup(func() {
		if p.pg != nil {
			p.Stop()
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("testdb: %v", err)
		}
	})
	return p
}

// New makes a migrated database on the server and gives its URL.
func (p *PrivateServer) New(shape Shape) string {
	p.t.Helper()
	return p.databases.fromTemplate(p.t, shape)
}

// Stop shuts the server down: its sessions end with SQLSTATE 57P01.
func (p *PrivateServer) Stop() {
	p.t.Helper()
	if err := p.pg.Stop(); err != nil {
		p.t.Fatalf("testdb: stop: %v", err)
	}
}

// Start brings a stopped or killed server back on the same port with the same data.
func (p *PrivateServer) Start() {
	p.t.Helper()
	p.start(p.pg.Port())
}

// Kill ends the server at once, as a crash of the machine does.
func (p *PrivateServer) Kill() {
	p.t.Helper()
	p.Signal(syscall.SIGQUIT)
	p.Stop()
}

// Signal sends a signal to the server's main process: SIGSTOP makes a server
// that accepts connections and never answers, SIGCONT brings it back.
func (p *PrivateServer) Signal(sig os.Signal) {
	p.t.Helper()
	if err := p.pg.Signal(sig); err != nil {
		p.t.Fatalf("testdb: signal: %v", err)
	}
}

// Log is what the server said since it was last started.
func (p *PrivateServer) Log() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "postgres.log"))
	if err != nil {
		p.t.Fatalf("testdb: %v", err)
	}
	return string(text)
}

func (p *PrivateServer) start(port int) {
	p.t.Helper()
	pg, err := pglocal.Start(context.Background(), pglocal.Config{Dir: p.dir, Port: port, Disposable: true, Settings: p.settings})
	if err != nil {
		p.t.Fatalf("testdb: start PostgreSQL: %v", err)
	}
	p.pg = pg
}
