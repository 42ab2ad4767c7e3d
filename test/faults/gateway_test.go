package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
)

// binary builds segue once for all tests of the process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "segue-faults-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "segue")
	out, err := exec.Command("go", "build", "-o", path, "github.com/ai-dj/segue").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, err
})

// key signs every token of these tests.
var key = sync.OnceValue(func() clerktest.Key { return clerktest.NewKey("ins_faults") })

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// requestTimeout is the gateways' REQUEST_TIMEOUT, short so that the tests are.
const requestTimeout = 3 * time.Second

// gateway is one `segue serve`. Its addresses stay the same over a kill and a start.
type gateway struct {
	t     *testing.T
	env   []string
	addr  string
	admin string

	cmd  *exec.Cmd
	done chan struct{}
	exit error
	log  *logFile
}

// serve starts a gateway on the database and waits until it listens. settings are NAME=value.
func serve(t *testing.T, databaseURL string, settings ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, addr: "127.0.0.1:0", admin: freeAddr(t)}
	g.env = append(append(os.Environ(), "DATABASE_URL="+databaseURL, "CLERK_JWT_KEY="+key().PEM(), "REQUEST_TIMEOUT="+requestTimeout.String(),
		"RATE_LIMIT=0", "LOG_LEVEL=info"), settings...)
	g.start()
	t.Cleanup(g.kill)
	return g
}

func (g *gateway) start() {
	g.t.Helper()
	path, err := binary()
	if err != nil {
		g.t.Fatal(err)
	}
	r, w := io.Pipe()
	g.log = &logFile{}
	g.cmd = exec.Command(path, "serve")
	g.cmd.Env = append(g.env[:len(g.env):len(g.env)], "ADDR="+g.addr, "ADMIN_ADDR="+g.admin)
	g.cmd.Stderr = w
	// A gateway must not outlive a test that is killed.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	done := make(chan struct{})
	g.done = done
	go func(cmd *exec.Cmd) {
		g.exit = cmd.Wait()
		_ = w.Close()
		close(done)
	}(g.cmd)
	addr := make(chan string, 1)
	go g.log.read(r, addr)
	select {
	case at := <-addr:
		if g.addr != at { // it stays, and callers read it meanwhile
			g.addr = at
		}
	case <-done:
		g.t.Fatalf("segue serve: %v: %s", g.exit, g.log.last(3))
	}
}

// kill ends the gateway as a crash does.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.done
}

func (g *gateway) signal(sig os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(sig); err != nil {
		g.t.Fatal(err)
	}
}

// gauge is the sum of a metric's series on the admin address.
func (g *gateway) gauge(name string) float64 {
	g.t.Helper()
	resp, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	series := regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(string(text), -1)
	if series == nil {
		g.t.Fatalf("no metric %s", name)
	}
	sum := 0.0
	for _, s := range series {
		v, err := strconv.ParseFloat(s[1], 64)
		if err != nil {
			g.t.Fatal(err)
		}
		sum += v
	}
	return sum
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// logFile keeps what a gateway said.
type logFile struct {
	mu   sync.Mutex
	text strings.Builder
}

// read keeps the lines of r and sends the address of the one that says "serving".
func (l *logFile) read(r io.Reader, addr chan<- string) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			addr <- line.Addr
		}
		l.mu.Lock()
		l.text.WriteString(lines.Text() + "\n")
		l.mu.Unlock()
	}
}

func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// last is the end of what it said.
func (l *logFile) last(n int) string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// answer is what a caller got.
type answer struct {
	status     int
	code       string // the first error's, "" when there is none
	message    string
	retryAfter string
	data       json.RawMessage
	began      time.Time
	took       time.Duration
	err        error // no answer at all
}

func (a answer) ok() bool { return a.err == nil && a.status == http.StatusOK && a.code == "" }

func (a answer) String() string {
	if a.err != nil {
		return "no answer: " + a.err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, a.code))
}

// client has a connection for each request that runs: none waits for another's.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// ask sends an operation as the user.
func (g *gateway) ask(ctx context.Context, user, query string, variables map[string]any) answer {
	return ask(ctx, "http://"+g.addr, token(user), query, variables)
}

// token is a session token of the user's, made once in half of its minute.
func token(user string) string {
	type made struct {
		at    time.Time
		token string
	}
	if m, ok := tokens.Load(user); ok && time.Since(m.(made).at) < 30*time.Second {
		return m.(made).token
	}
	m := made{time.Now(), clerktest.Token(key(), clerktest.User(user))}
	tokens.Store(user, m)
	return m.token
}

var tokens sync.Map

func ask(ctx context.Context, base, token, query string, variables map[string]any) (a answer) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return answer{err: err}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		return answer{err: err}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	a.began = time.Now()
	defer func() { a.took = time.Since(a.began) }()
	resp, err := client.Do(r)
	if err != nil {
		a.err = err
		return a
	}
	defer resp.Body.Close()
	var out struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		a.err = errors.Join(err, ctx.Err())
		return a
	}
	a.status, a.data, a.retryAfter = resp.StatusCode, out.Data, resp.Header.Get("Retry-After")
	if len(out.Errors) > 0 {
		a.code, a.message = out.Errors[0].Extensions.Code, out.Errors[0].Message
	}
	return a
}
