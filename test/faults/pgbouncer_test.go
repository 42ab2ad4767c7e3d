package faults

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/testdb"
)

// pgbouncer starts PgBouncer in transaction mode before the database and gives
// the database's URL through it.
func pgbouncer(t *testing.T, database *url.URL, settings ...string) *url.URL {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("pgbouncer is not installed (apt-get install pgbouncer)")
	}
	if err != nil {
		t.Skip("NOT TESTED: pgbouncer is not installed (apt-get install pgbouncer)")
	}
	dir, err := os.MkdirTemp("", "segue-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	host, port, err := net.SplitHostPort(freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := database.User.Password()
	ini := append([]string{"[databases]", fmt.Sprintf("* = host=%s port=%s", database.Hostname(), database.Port()),
		"[pgbouncer]", "listen_addr=" + host, "listen_port=" + port, "unix_socket_dir=", "pool_mode=transaction", "auth_type=plain",
		"auth_file=" + filepath.Join(dir, "users"), "default_pool_size=3", "min_pool_size=3"}, settings...)
	users := fmt.Sprintf("%q %q\n", database.User.Username(), password)
	for name, text := range map[string]string{"users": users, "ini": strings.Join(ini, "\n") + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{filepath.Join(dir, "ini")}
	if os.Geteuid() == 0 { // which PgBouncer refuses
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"-u", "nobody"}, args...)
	}
	log := &strings.Builder{}
	cmd := exec.Command(path, args...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Logf("pgbouncer: %s", log)
		}
	})
	through := *database
	through.Host = net.JoinHostPort(host, port)
	for !dials(through.Host) { // it has no signal for being ready
		select {
		case <-done:
			t.Fatalf("pgbouncer: %s", log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return &through
}

func dials(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// Through PgBouncer in transaction mode, which deals every statement to another
// of its connections, everything is served, and a time-out ends the query in PostgreSQL.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	type mode struct{ name, setting string }
	modes := []mode{{"prepared statements not carried", ""}} // before 1.21 there was no other, nor the setting
	if carriesStatements(t) {
		modes = []mode{
			{"prepared statements not carried", "max_prepared_statements=0"},
			{"prepared statements carried", "max_prepared_statements=100"},
		}
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			server := testdb.Server(t)
			s := &stage{server: server, url: server.New(testdb.Plain)}
			s.admin = testdb.Connect(t, s.url)
			testdb.AddUser(t, s.admin, ada, "Ada", "")
			s.role = parse(t, testdb.Role(t, s.url))
			pooled := pgbouncer(t, s.role, mode.setting)
			s.gateway = serve(t, pooled.String(), "DATABASE_DIRECT_URL="+s.role.String())

			for range 5 {
				need(t, "through PgBouncer", s.together(10))
			}
			asFound(t, pooled)
			need(t, "deep", []answer{s.ask(context.Background(), ada, deepQuery, nil)})
			t.Logf("| REQUEST_TIMEOUT %v through PgBouncer, %s | query gone from PostgreSQL %v after its caller was told |",
				requestTimeout, mode.name, s.timesOut(t).Round(time.Millisecond))
			s.leave(t, 100)
			need(t, "after time-outs and callers who left", s.together(10))
		})
	}
}

// asFound looks whether the pooler's connections, which other programs share, are set as they were.
func asFound(t *testing.T, pooled *url.URL) {
	t.Helper()
	cfg, err := pgx.ParseConfig(pooled.String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for range 10 {
		var cost string
		if err := conn.QueryRow(context.Background(), "show random_page_cost").Scan(&cost); err != nil || cost != "4" {
			t.Errorf("random_page_cost of a shared connection: %q, %v", cost, err)
		}
	}
}

// deepQuery has three levels of lists, pipelined.
const deepQuery = `{ me { id chatMessages(first: 3) { totalCount edges { node { id user { name } feedback { totalCount } } } }
	trackLikes { totalCount } stats { messageCount } } userStats { totalCount edges { node { messageCount } } } topTracks { likes } }`

func carriesStatements(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("sh", "-c", "PATH=$PATH:/usr/sbin; pgbouncer --version").Output()
	if err != nil {
		return true // pgbouncer says why
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "PgBouncer %d.%d", &major, &minor); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return major > 1 || minor >= 21
}

// timesOut has a query wait for a lock until it times out, and says how long it
// is in PostgreSQL after its caller knows.
func (s *stage) timesOut(t *testing.T) time.Duration {
	t.Helper()
	tx := s.lock(t)
	defer s.unlock(t, tx)
	a := s.read()
	told := time.Now()
	if a.status != 504 || a.code != "TIMEOUT" || a.took > requestTimeout+slack {
		t.Errorf("told %s after %v", a, a.took)
	}
	s.waitFor(t, tx, 0)
	return time.Since(told)
}

// leave has n callers ask for what is locked, and leave.
func (s *stage) leave(t *testing.T, n int) {
	t.Helper()
	tx := s.lock(t)
	defer s.unlock(t, tx)
	var wg sync.WaitGroup
	for range 3 { // as many as PgBouncer has connections
		wg.Go(func() {
			for range n / 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				s.ask(ctx, ada, readQuery, nil)
				cancel()
			}
		})
	}
	wg.Wait()
	s.waitFor(t, tx, 0)
}
