package testdb

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// replicating are the settings of a server that another may follow. What was
// acknowledged is on its way: the tests' servers otherwise say so before.
var replicating = []string{"wal_level=replica", "max_wal_senders=4", "wal_keep_size=64MB", "synchronous_commit=on"}

// Primary is a Server that Standby can be called on.
func Primary(t testing.TB) *PrivateServer {
	t.Helper()
	return Server(t, replicating...)
}

// Standby starts a server that is a copy of this one, made by pg_basebackup, and
// follows it by streaming replication. Its databases, roles and passwords are
// the primary's (see On), and it only reads.
func (p *PrivateServer) Standby(settings ...string) *PrivateServer {
	p.t.Helper()
	program := p.program("pg_basebackup")
	s := private(p.t, append(replicating[:len(replicating):len(replicating)], settings...))
	if err := p.backup(program, s.dir); err != nil {
		p.t.Fatalf("testdb: standby: %v", err)
	}
	s.start(0)
	return s
}

// On is the same database, role and password on p.
func (p *PrivateServer) On(database string) string {
	p.t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		p.t.Fatalf("testdb: %v", err)
	}
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.pg.Port()))
	return u.String()
}

// program finds a program that came with the server. The builds that pglocal
// downloads have few.
func (p *PrivateServer) program(name string) string {
	p.t.Helper()
	conn, err := pgx.Connect(context.Background(), p.pg.URL("postgres"))
	if err != nil {
		p.t.Fatalf("testdb: %v", err)
	}
	defer conn.Close(context.Background())
	var dir string
	if err := conn.QueryRow(context.Background(), "select setting from pg_config where name = 'BINDIR'").Scan(&dir); err != nil {
		p.t.Fatalf("testdb: where the server's programs are: %v", err)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		missing := fmt.Sprintf("%s has no %s (apt-get install postgresql)", dir, name)
		if os.Getenv("CI") == "true" {
			p.t.Fatal(missing)
		}
		p.t.Skip("NOT TESTED: " + missing)
	}
	return path
}

// backup fills dir as pglocal leaves its own: the data, owned by whom the server
// runs as, and the password beside it.
func (p *PrivateServer) backup(program, dir string) error {
	password, err := os.ReadFile(filepath.Join(p.dir, "password"))
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	cmd := exec.Command(program, "--pgdata", data, "--dbname", p.pg.URL("postgres"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"} // nobody's PG…
	if os.Geteuid() == 0 {
		info, err := os.Stat(filepath.Join(p.dir, "data"))
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t) // of a system that pglocal is for
		if err := os.Chown(data, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return os.WriteFile(filepath.Join(dir, "password"), password, 0o600)
}
