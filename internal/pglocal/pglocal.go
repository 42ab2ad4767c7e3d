//go:build unix

// Package pglocal runs a real PostgreSQL on this machine for `segue dev` and
// for the tests, with nothing set up beforehand. It looks for the machine's own
// binaries and downloads some only when there are none.
//
// What it promises about processes:
//   - one server per directory: Start holds a lock on it, and a second Start
//     gets a *RunningError that names the holder;
//   - a server never outlives its parent: a small watcher process stops it when
//     the parent is gone, however it went; should the watcher have been killed
//     too, the next Start finds the server by its pid file and stops it;
//   - as root, which PostgreSQL refuses, the server runs as user postgres or nobody.
//
// It listens on 127.0.0.1 only and asks for a generated password even there,
// because whoever is superuser of a PostgreSQL can run programs as its user.
// There is no Unix socket: its path length is limited, and one road is enough.
package pglocal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Config says where a server keeps its things and how it runs.
type Config struct {
	// Dir holds the data, the password, the log and the lock. It is made if
	// absent, its contents survive the server, and no two servers share it.
	Dir string
	// Port to listen on; 0 picks a free one.
	Port int
	// Fresh throws the data of earlier runs away.
	Fresh bool
	// Disposable is for tests: nothing is flushed to the disk, settings are
	// chosen to trip code that leans on the server's, and Dir is removed when
	// this process ends without having called Stop.
	Disposable bool
	// Settings are more of the server's settings, name=value. They come last, so they count.
	Settings []string
	// Progress is told each step that may take a while; nil is fine.
	Progress func(step string)
}

// Server is a running PostgreSQL.
type Server struct {
	dir      string
	port     int
	password string
	cmd      *exec.Cmd
	watcher  *watcher
	lock     *os.File
	done     chan struct{} // closed when the server process has ended
	exit     error         // why; read after done
}

// RunningError says that another living process uses the directory.
type RunningError struct {
	Dir string
	PID int
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("the PostgreSQL in %s is in use by process %d: stop that one first (kill %d)", e.Dir, e.PID, e.PID)
}

const (
	superuser = "segue"
	// startTimeout covers crash recovery of a big data directory on a slow disk.
	startTimeout = 60 * time.Second
	// stopTimeout is how long a fast shutdown may take before an immediate one.
	stopTimeout = 10 * time.Second
)

// Start returns when the server answers. ctx bounds the starting only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := prepareDir(cfg.Dir, who)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, lock: lock}
	if err := s.start(ctx, cfg, who); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg Config, who account) error {
	if err := stopLeftover(ctx, s.data(), cfg.Progress); err != nil {
		return err
	}
	if cfg.Fresh {
		if err := errors.Join(os.RemoveAll(s.data()), os.RemoveAll(s.passwordFile())); err != nil {
			return fmt.Errorf("remove the old data: %w", err)
		}
	}
	bin, err := findBinaries(ctx, s.dir, s.data(), cfg.Progress)
	if err != nil {
		return err
	}
	if err := s.initialise(ctx, bin, who, cfg.Progress); err != nil {
		return err
	}
	return s.launch(ctx, bin, who, cfg)
}

// initialise runs initdb unless there is data already. It works in a directory
// of another name first, so that an initdb that was killed leaves no half of one.
func (s *Server) initialise(ctx context.Context, bin string, who account, progress func(string)) error {
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		password, err := os.ReadFile(s.passwordFile())
		if err != nil {
			return fmt.Errorf("%s has data but no readable password file, start with fresh data: %w", s.dir, err)
		}
		s.password = strings.TrimSpace(string(password))
		return nil
	}
	progress("preparing a database in " + s.dir)
	s.password = rand.Text()
	unfinished := s.data() + ".new"
	if err := errors.Join(os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o700), who.own(unfinished),
		os.WriteFile(s.passwordFile(), []byte(s.password+"\n"), 0o600), who.own(s.passwordFile())); err != nil {
		return err
	}
	if err := initdb(ctx, bin, unfinished, s.passwordFile(), who); err != nil {
		return err
	}
	return os.Rename(unfinished, s.data())
}

// initdb makes a cluster whose default collation is ICU's English: letters of
// every language have upper and lower case, as on hosted PostgreSQL, and a test
// that takes the server's order for the bytewise one fails.
func initdb(ctx context.Context, bin, data, passwordFile string, who account) error {
	args := []string{"-D", data, "-U", superuser, "-A", "scram-sha-256", "--pwfile", passwordFile,
		"-N", "-E", "UTF8", "--locale=C", "--no-instructions"}
	icu := append(args[:len(args):len(args)], "--locale-provider=icu", "--icu-locale=en-US")
	out, err := who.command(ctx, filepath.Join(bin, "initdb"), icu...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "ICU is not supported") {
		out, err = who.command(ctx, filepath.Join(bin, "initdb"), args...).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLines(out))
	}
	return nil
}

// launch starts the server process and its watcher. Two refusals pass by
// themselves: the free port was taken before the server had it, and sessions of
// a server that was killed have not all noticed yet.
func (s *Server) launch(ctx context.Context, bin string, who account, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		var err error
		if s.port, err = choosePort(cfg.Port); err != nil {
			return err
		}
		cfg.Progress(fmt.Sprintf("starting PostgreSQL %d on 127.0.0.1:%d", version(bin), s.port))
		if err = s.spawn(bin, who, cfg); err != nil {
			return err
		}
		if err = s.ready(ctx); err == nil {
			return nil
		}
		s.end(syscall.SIGQUIT)
		portTaken := cfg.Port == 0 && strings.Contains(err.Error(), "could not bind")
		sessionsLeft := strings.Contains(err.Error(), "pre-existing shared memory block")
		if ctx.Err() != nil || !portTaken && !sessionsLeft {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Server) spawn(bin string, who account, cfg Config) error {
	log, err := os.Create(filepath.Join(s.dir, "postgres.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// Not bound to a context: the server ends by Stop, not by a kill.
	s.cmd = who.command(context.Background(), filepath.Join(bin, "postgres"), s.arguments(cfg)...)
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.done = make(chan struct{})
	go func() {
		s.exit = s.cmd.Wait()
		close(s.done)
	}()
	removed := ""
	if cfg.Disposable {
		removed = s.dir
	}
	if s.watcher, err = watch(s.cmd.Process.Pid, removed); err != nil {
		s.end(syscall.SIGQUIT)
	}
	return err
}

func (s *Server) arguments(cfg Config) []string {
	settings := []string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=",
		"lc_messages=C", "shared_preload_libraries=", "jit=off", "max_connections=100"}
	if cfg.Disposable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0", "max_connections=400",
			// Far from UTC and not by whole hours: code that means UTC has to say so.
			"timezone=Asia/Kathmandu")
	}
	args := []string{"-D", s.data()}
	for _, setting := range append(settings, cfg.Settings...) { // the last one counts
		args = append(args, "-c", setting)
	}
	return args
}

// ready waits until the server lets us log in. The server has no signal for
// that which works on every system; asking every 20 ms is what pg_ctl does too.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("PostgreSQL did not start: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", context.Cause(ctx), s.logTail())
		}
	}
}

// URL is the superuser's connection string for a database on this server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes the database if it is absent and gives its URL.
func (s *Server) Database(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists); err != nil {
		return "", err
	}
	if !exists {
		if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
			return "", fmt.Errorf("make database %s: %w", name, err)
		}
	}
	return s.URL(name), nil
}

// Port is where the server listens on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Run waits for ctx and then stops the server; it returns early, with an
// error, when the server ends by itself.
func (s *Server) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return s.Stop()
	case <-s.done:
		err := fmt.Errorf("PostgreSQL ended by itself (%v): %s", s.exit, s.logTail())
		return errors.Join(err, s.Stop())
	}
}

// Stop ends the server: sessions are cut off, what was committed is kept.
// Stopping a stopped server does nothing.
func (s *Server) Stop() error {
	s.end(syscall.SIGINT)
	if err := s.lock.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Signal sends sig to the server's main process, for tests of what clients do
// when it is killed or hangs.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// end signals the server, waits for it, insists, and ends the watcher, in this
// order: while the server lives, so does its watcher.
func (s *Server) end(sig syscall.Signal) {
	s.cmd.Process.Signal(sig)
	s.cmd.Process.Signal(syscall.SIGCONT) // a stopped process cannot end
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		s.cmd.Process.Signal(syscall.SIGQUIT)
		select {
		case <-s.done:
		case <-time.After(stopTimeout):
			s.cmd.Process.Kill()
			<-s.done
		}
	}
	if s.watcher != nil {
		s.watcher.dismiss()
		s.watcher = nil
	}
}

func (s *Server) data() string         { return filepath.Join(s.dir, "data") }
func (s *Server) passwordFile() string { return filepath.Join(s.dir, "password") }

func (s *Server) logTail() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "postgres.log"))
	if err != nil {
		return err.Error()
	}
	return lastLines(text)
}

func lastLines(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], " | ")
}

func choosePort(wanted int) (int, error) {
	if wanted != 0 {
		return wanted, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
