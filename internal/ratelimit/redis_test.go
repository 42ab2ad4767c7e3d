package ratelimit_test

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/ratelimit"
)

func containsSecret(text string) bool { return strings.Contains(text, "secret") }

// server is a Redis of the test's own.
type server struct {
	port    int
	process *os.Process
}

func (s *server) url() string { return fmt.Sprintf("redis://127.0.0.1:%d/0", s.port) }

// startRedis starts Debian's redis-server on a free port, or on the given one.
func startRedis(t *testing.T, port int) *server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: apt-get install redis-server")
		}
		t.Skip("SKIPPED: redis-server is not installed (apt-get install redis-server), shared rate limits are not tested")
	}
	if port == 0 {
		port = freePort(t)
	}
	cmd := exec.Command(binary, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be dead already, as the test wanted
		_ = cmd.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go func() { // a full pipe would stop it
				for lines.Scan() {
				}
			}()
			return &server{port: port, process: cmd.Process}
		}
	}
	t.Fatalf("redis-server did not start:\n%s", said.String())
	return nil
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// lines is a log that can be read while it is written.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) count(text string) int {
	l.Lock()
	defer l.Unlock()
	return strings.Count(l.String(), text)
}

func TestReplicasShareAllowances(t *testing.T) {
	t.Parallel()
	url := startRedis(t, 0).url()
	one := limiter(t, ratelimit.Config{PointsPerMinute: 10, RedisURL: url})
	two := limiter(t, ratelimit.Config{PointsPerMinute: 10, RedisURL: url})
	if r := take(t, one, "a", 6); !r.Allowed || r.Remaining != 4 || r.Limit != 10 {
		t.Errorf("the first replica says %+v", r)
	}
	r := take(t, two, "a", 6)
	if r.Allowed || r.Remaining != 4 || r.RetryAfter <= 0 || r.RetryAfter > 12*time.Second || r.Reset > 36*time.Second {
		t.Errorf("the second replica says %+v", r)
	}
	if r := take(t, two, "b", 6); !r.Allowed {
		t.Errorf("another caller gets %+v", r)
	}
}

// Two replicas and 400 requests at once of one caller: not a point too many.
func TestReplicasGiveExactlyOneAllowance(t *testing.T) {
	t.Parallel()
	url := startRedis(t, 0).url()
	given := make(chan int, 2)
	for range 2 {
		l := limiter(t, ratelimit.Config{PointsPerMinute: 20, RedisURL: url})
		go func() { given <- storm(t, l, "a", 200) }()
	}
	// A point grows back every three seconds; the storm may last that long on a slow machine.
	if got := <-given + <-given; got < 20 || got > 22 {
		t.Errorf("%d points were given, want 20", got)
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	redis := startRedis(t, 0)
	var log lines
	l := limiter(t, ratelimit.Config{PointsPerMinute: 10, RedisURL: redis.url(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	l.AskAtOnce()
	if r := take(t, l, "a", 10); !r.Allowed {
		t.Fatalf("at first: %+v", r)
	}

	if err := redis.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := redis.process.Wait(); err != nil {
		t.Fatal(err)
	}
	// This process has counted nothing yet, and from now on does.
	for i, want := range []bool{true, true, false} {
		if r := take(t, l, "a", 5); r.Allowed != want {
			t.Errorf("request %d without Redis: %+v", i, r)
		}
	}
	if n := log.count("redis does not answer"); n != 1 {
		t.Errorf("%d log lines, want 1:\n%s", n, log.String())
	}

	startRedis(t, redis.port)
	if r := take(t, l, "a", 5); !r.Allowed {
		t.Errorf("with Redis back and empty: %+v", r)
	}
	if n := log.count("redis answers again"); n != 1 {
		t.Errorf("%d log lines, want 1:\n%s", n, log.String())
	}
}

// A Redis that is there and says nothing costs one request its patience, and the next ones nothing.
func TestRedisFrozen(t *testing.T) {
	t.Parallel()
	redis := startRedis(t, 0)
	var log lines
	l := limiter(t, ratelimit.Config{PointsPerMinute: 1_000, RedisURL: redis.url(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	take(t, l, "a", 1)
	if err := redis.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if got := storm(t, l, "a", 50); got != 50 {
		t.Errorf("%d of 50 requests passed", got)
	}
	if n := log.count("redis does not answer"); n != 1 {
		t.Errorf("%d log lines, want 1:\n%s", n, log.String())
	}
}
