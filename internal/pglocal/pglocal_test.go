//go:build unix

package pglocal

import (
	"archive/zip"
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// parentDir makes this test binary the program that starts a server in that
// directory and then waits, for the tests that kill such a program.
const (
	parentDir        = "PGLOCAL_TEST_PARENT_DIR"
	parentDisposable = "PGLOCAL_TEST_PARENT_DISPOSABLE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(parentDir); dir != "" {
		s, err := Start(context.Background(), Config{Dir: dir, Disposable: os.Getenv(parentDisposable) != ""})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.cmd.Process.Pid, s.watcher.cmd.Process.Pid, s.URL("postgres"))
		select {}
	}
	os.Exit(m.Run())
}

// dir is a directory the server's account may enter; t.TempDir's are root's alone.
func dir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pglocal-test-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func must(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ended waits until the server closes an idle session.
func ended(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the server still runs: %v", err)
	}
}

// parent is a running program that has started a server.
type parent struct {
	cmd             *exec.Cmd
	server, watcher int
	conn            *pgx.Conn
}

func startParent(t *testing.T, dir string, env ...string) parent {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), parentDir+"="+dir), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p := parent{cmd: cmd}
	var url string
	if _, err := fmt.Sscan(line, &p.server, &p.watcher, &url); err != nil {
		t.Fatalf("the parent said %q", line)
	}
	p.conn = connect(t, url)
	return p
}

func (p parent) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait() // it was killed, and says so
}

func TestStart_keepsItsDataAndPassword(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: dir(t)}
	s := start(t, cfg)
	url, err := s.Database(t.Context(), "segue")
	if err != nil {
		t.Fatal(err)
	}
	must(t, connect(t, url), "create table kept ()")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Port = s.Port()
	again := start(t, cfg)
	if again.URL("segue") != url {
		t.Errorf("the URL changed from %s to %s", url, again.URL("segue"))
	}
	if _, err := again.Database(t.Context(), "segue"); err != nil {
		t.Error(err)
	}
	must(t, connect(t, url), "select from kept")
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg.Fresh = true
	fresh := start(t, cfg)
	if _, err := pgx.Connect(t.Context(), fresh.URL("segue")); err == nil {
		t.Error("fresh data still has the old database")
	}
}

func TestStart_asksForThePasswordAndListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: dir(t), Disposable: true})
	if _, err := pgx.Connect(t.Context(), strings.Replace(s.URL("postgres"), s.password, "guess", 1)); err == nil {
		t.Error("any password will do")
	}
	var addresses string
	if err := connect(t, s.URL("postgres")).QueryRow(t.Context(), "show listen_addresses").Scan(&addresses); err != nil || addresses != "127.0.0.1" {
		t.Errorf("it listens on %q, %v", addresses, err)
	}
	if info, err := os.Stat(s.passwordFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password file: %v, %v", info, err)
	}
}

func TestStart_asRootRunsAsSomeoneElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has to")
	}
	t.Parallel()
	s := start(t, Config{Dir: dir(t), Disposable: true})
	info, err := os.Stat(s.data())
	if err != nil {
		t.Fatal(err)
	}
	if info.Sys().(*syscall.Stat_t).Uid == 0 || info.Mode().Perm() != 0o700 {
		t.Errorf("the data belongs to root or is open: %v", info.Mode())
	}
	closed := filepath.Join(dir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{Dir: filepath.Join(closed, "here")}); err == nil || !strings.Contains(err.Error(), "cannot enter "+closed) {
		t.Errorf("in a closed directory: %v", err)
	}
}

func TestDefaultDir_isOneThatTheServerCanEnter(t *testing.T) {
	open, closed := dir(t), filepath.Join(dir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", open)
	t.Setenv("HOME", open) // for systems without XDG
	if got, err := DefaultDir(); err != nil || !strings.HasPrefix(got, open) {
		t.Errorf("got %s, %v", got, err)
	}
	t.Setenv("XDG_CACHE_HOME", closed)
	t.Setenv("HOME", closed)
	got, err := DefaultDir()
	if root := os.Geteuid() == 0; err != nil || root != (got == rootDir) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestStart_refusesASecondTime(t *testing.T) {
	t.Parallel()
	d := dir(t)
	start(t, Config{Dir: d, Disposable: true})
	_, err := Start(t.Context(), Config{Dir: d})
	running, ok := errors.AsType[*RunningError](err)
	if !ok || running.PID != os.Getpid() {
		t.Fatalf("got %v", err)
	}
	elsewhere := dir(t)
	p := startParent(t, elsewhere)
	_, err = Start(t.Context(), Config{Dir: elsewhere})
	if running, ok := errors.AsType[*RunningError](err); !ok || running.PID != p.cmd.Process.Pid {
		t.Errorf("beside another process: %v", err)
	}
}

func TestKilledParent_takesItsServerAlong(t *testing.T) {
	t.Parallel()
	d := dir(t)
	p := startParent(t, d)
	must(t, p.conn, "create table kept ()")
	p.kill(t)
	ended(t, p.conn)
	must(t, connect(t, start(t, Config{Dir: d}).URL("postgres")), "select from kept")
}

// This is what becomes of testdb's server when a test panics or times out.
func TestKilledParent_leavesNothingOfADisposableServer(t *testing.T) {
	t.Parallel()
	d := dir(t)
	p := startParent(t, d, parentDisposable+"=1")
	p.kill(t)
	ended(t, p.conn)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond) // the watcher is not our child to wait for
	defer tick.Stop()
	for {
		if _, err := os.Stat(d); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("its directory is still there")
		}
	}
}

func TestKilledParentAndWatcher_theServerIsFoundAndStopped(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run("hanging="+strconv.FormatBool(stopped), func(t *testing.T) {
			t.Parallel()
			d := dir(t)
			p := startParent(t, d)
			must(t, p.conn, "create table kept ()")
			if stopped {
				if err := syscall.Kill(p.server, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Kill(p.watcher, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			p.kill(t)
			if err := syscall.Kill(p.server, 0); err != nil {
				t.Fatalf("there is no server left to find: %v", err)
			}
			var steps []string
			s := start(t, Config{Dir: d, Progress: func(step string) { steps = append(steps, step) }})
			ended(t, p.conn)
			must(t, connect(t, s.URL("postgres")), "select from kept")
			if !strings.Contains(strings.Join(steps, "\n"), strconv.Itoa(p.server)) {
				t.Errorf("the steps do not name the server that was left: %q", steps)
			}
		})
	}
}

func TestKilledServer_comesBackWithItsSessionsStillThere(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: dir(t), Disposable: true}
	s := start(t, cfg)
	busy := connect(t, s.URL("postgres"))
	go busy.Exec(context.Background(), "select pg_sleep(1)") // ends with the server or by itself
	must(t, connect(t, s.URL("postgres")), "create table kept ()")
	if err := s.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil {
		t.Error("Run took the kill for a stop")
	}
	start(t, cfg)
}

func TestStart_clearsWhatACrashLeaves(t *testing.T) {
	t.Parallel()
	d := dir(t)
	if err := os.MkdirAll(filepath.Join(d, "data.new", "base"), 0o700); err != nil { // initdb was killed
		t.Fatal(err)
	}
	s := start(t, Config{Dir: d})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// The machine went down, and someone else has the pid now.
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	pidFile := fmt.Sprintf("%d\n%s\n", stranger.Process.Pid, s.data())
	if err := os.WriteFile(filepath.Join(s.data(), "postmaster.pid"), []byte(pidFile), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, Config{Dir: d})
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger was ended: %v", err)
	}
}

func TestRun_stopsTheServerWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: dir(t), Disposable: true})
	conn := connect(t, s.URL("postgres"))
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	cancel()
	if err := <-result; err != nil {
		t.Error(err)
	}
	ended(t, conn)
}

func TestFindBinaries_wantsTheVersionThatMadeTheData(t *testing.T) {
	t.Parallel()
	d := dir(t)
	data := filepath.Join(d, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Dir: d})
	if err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 9") {
		t.Errorf("got %v", err)
	}
}

// The fixture holds scripts that know --version and fail at everything else, so
// the library's own start fails here for everybody as it does for root.
func TestDownload_bringsBinaries(t *testing.T) {
	t.Parallel()
	archive, err := os.ReadFile("testdata/binaries.txz")
	if err != nil {
		t.Fatal(err)
	}
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".jar") {
			http.NotFound(w, r)
			return
		}
		jar := zip.NewWriter(w)
		if f, err := jar.Create("postgres.txz"); err == nil {
			f.Write(archive)
		}
		jar.Close()
	}))
	defer mirror.Close()
	into := filepath.Join(dir(t), "postgresql")
	if err := download(t.Context(), mirror.URL, into); err != nil {
		t.Fatal(err)
	}
	if v := version(filepath.Join(into, "bin")); v != 18 {
		t.Errorf("the version is %d", v)
	}
	mirror.Close()
	err = download(t.Context(), mirror.URL, filepath.Join(dir(t), "postgresql"))
	if err == nil || !strings.Contains(err.Error(), "SEGUE_PG_BIN") {
		t.Errorf("without a mirror: %v", err)
	}
}
