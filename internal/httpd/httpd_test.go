package httpd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server under test.
type running struct {
	*Server
	url  string
	stop context.CancelFunc
	done chan error
}

// start runs a server on a free port until the test ends.
func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	c := Config{
		Listener:     listener(t),
		Authenticate: func(*http.Request) (viewer.Viewer, error) { return viewer.Viewer{}, nil },
		GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "caller="+viewer.FromContext(r.Context()).Caller())
		}),
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &running{New(c), "http://" + c.Listener.Addr().String(), cancel, make(chan error, 1)}
	go func() { s.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-s.done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "page") })
	full := start(t, func(c *Config) {
		c.Webhook, c.SDL = page, "type Query"
		c.Pages = map[string]http.Handler{"GET /dashboard": page, "GET /{$}": page}
	})
	bare := start(t, func(c *Config) { c.GraphQL = nil })
	cases := []struct {
		method, path string
		full, bare   int
	}{
		{"GET", "/graphql", 200, 404},
		{"POST", "/webhooks/clerk", 200, 404},
		{"GET", "/webhooks/clerk", 405, 404},
		{"GET", "/", 200, 404},
		{"GET", "/dashboard", 200, 404},
		{"GET", "/schema.graphqls", 200, 404},
		{"GET", "/healthz", 200, 200},
		{"GET", "/readyz", 200, 200},
		{"GET", "/metrics", 404, 404},
		{"GET", "/debug/pprof/", 404, 404},
		{"GET", "/nowhere", 404, 404},
	}
	for _, c := range cases {
		if got := do(t, c.method, full.url+c.path).status; got != c.full {
			t.Errorf("%s %s is %d, want %d", c.method, c.path, got, c.full)
		}
		if got := do(t, c.method, bare.url+c.path).status; got != c.bare {
			t.Errorf("%s %s with nothing configured is %d, want %d", c.method, c.path, got, c.bare)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for _, path := range []string{"/graphql", "/healthz", "/nowhere"} {
		a := do(t, "GET", s.url+path)
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"X-Frame-Options":         "DENY",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Server":                  "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s has %s %q, want %q", path, name, got, want)
			}
		}
		if a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s has no request id", path)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for offered, kept := range map[string]bool{
		"0190-abc_DEF.1":         true,
		"has space":              false,
		`quote"`:                 false,
		"<script>":               false,
		strings.Repeat("a", 128): true,
		strings.Repeat("a", 129): false,
	} {
		got := do(t, "GET", s.url+"/healthz", "X-Request-Id", offered).header.Get("X-Request-Id")
		if (got == offered) != kept || got == "" {
			t.Errorf("%q became %q", offered, got)
		}
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	if a := do(t, "GET", s.url+"/healthz", "X-Large", strings.Repeat("a", 33<<10)); a.status != 431 {
		t.Errorf("33 KiB of headers are answered %d", a.status)
	}
	if a := do(t, "GET", s.url+"/healthz", "X-Large", strings.Repeat("a", 30<<10)); a.status != 200 {
		t.Errorf("30 KiB of headers are answered %d", a.status)
	}
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *Config) {
		c.Authenticate = func(r *http.Request) (viewer.Viewer, error) {
			switch r.Header.Get("Authorization") {
			case "":
				return viewer.Viewer{}, nil
			case "good":
				return viewer.User("user_a", "sess_a", false), nil
			case "unknown":
				return viewer.Viewer{}, fault.New(fault.Unavailable, "try again").Retry(2 * time.Second)
			case "broken":
				return viewer.Viewer{}, errors.New("secret")
			}
			return viewer.Viewer{}, fault.New(fault.Unauthenticated, "the credential is not valid").Because(errors.New("secret"))
		}
	})
	cases := []struct {
		credential string
		status     int
		body       string
	}{
		{"", 200, "caller="},
		{"good", 200, "caller=user_a"},
		{"bad", 401, `{"errors":[{"message":"the credential is not valid","extensions":{"code":"UNAUTHENTICATED"}}]}`},
		{"unknown", 503, `{"errors":[{"message":"try again","extensions":{"code":"UNAVAILABLE","retryAfterMs":2000}}]}`},
		{"broken", 500, ""},
	}
	for _, c := range cases {
		a := do(t, "GET", s.url+"/graphql", "Authorization", c.credential)
		if a.status != c.status || (c.body != "" && a.body != c.body) || strings.Contains(a.body, "secret") {
			t.Errorf("%q is answered %d %s", c.credential, a.status, a.body)
		}
	}
	if a := do(t, "GET", s.url+"/graphql", "Authorization", "bad"); a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("a 401 without a challenge: %v", a.header)
	}
	if a := do(t, "GET", s.url+"/healthz", "Authorization", "bad"); a.status != 200 {
		t.Errorf("a probe with a bad credential is answered %d", a.status)
	}
	broken := do(t, "GET", s.url+"/graphql", "Authorization", "broken", "X-Request-Id", "r-1")
	if !strings.Contains(broken.body, `"requestId":"r-1"`) {
		t.Errorf("INTERNAL without a request id: %s", broken.body)
	}
}

func TestCookiesOfAnUpgradeAreIgnored(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *Config) {
		c.Authenticate = func(r *http.Request) (viewer.Viewer, error) {
			return viewer.User("cookie:"+r.Header.Get("Cookie"), "", false), nil
		}
	})
	if a := do(t, "GET", s.url+"/graphql", "Cookie", "a=b"); a.body != "caller=cookie:a=b" {
		t.Errorf("got %s", a.body)
	}
	if a := do(t, "GET", s.url+"/graphql", "Cookie", "a=b", "Connection", "Upgrade", "Upgrade", "websocket"); a.body != "caller=cookie:" {
		t.Errorf("got %s", a.body)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *Config) {
		c.CORSOrigins = []string{"https://app.example.com"}
		c.Authenticate = func(*http.Request) (viewer.Viewer, error) {
			return viewer.Viewer{}, fault.New(fault.Unauthenticated, "bad")
		}
	})
	preflight := func(origin, headers string) answer {
		return do(t, "OPTIONS", s.url+"/graphql", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", headers)
	}
	a := preflight("https://app.example.com", "authorization,content-type")
	if a.status != 204 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		a.header.Get("Access-Control-Allow-Credentials") != "true" || a.header.Get("Access-Control-Max-Age") != "7200" {
		t.Errorf("preflight: %d %v", a.status, a.header)
	}
	if a = preflight("https://evil.example.com", "authorization"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another origin: %v", a.header)
	}
	if a = preflight("https://app.example.com", "x-clerk-user-id"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight with an unknown header: %v", a.header)
	}
	a = do(t, "GET", s.url+"/graphql", "Origin", "https://app.example.com")
	if a.status != 401 || a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("pages cannot read a refusal: %d %v", a.status, a.header)
	}
	for _, name := range []string{"Ratelimit", "Retry-After", "X-Request-Id"} {
		if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s is not exposed: %v", name, a.header)
		}
	}
	if a = do(t, "GET", start(t, nil).url+"/graphql", "Origin", "https://app.example.com"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("without origins: %v", a.header)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var mu sync.Mutex
	s := start(t, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "late" {
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
			}
			panic("secret")
		})
	})
	a := do(t, "GET", s.url+"/graphql", "X-Request-Id", "r-1")
	if a.status != 500 || !strings.Contains(a.body, `"code":"INTERNAL"`) || !strings.Contains(a.body, `"requestId":"r-1"`) || strings.Contains(a.body, "secret") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	mu.Lock()
	if text := log.String(); !strings.Contains(text, "secret") || !strings.Contains(text, "request_id=r-1") || !strings.Contains(text, "httpd_test.go") {
		t.Errorf("the log has no cause: %s", text)
	}
	mu.Unlock()
	resp, err := http.Get(s.url + "/graphql?late")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("a half-written answer ends as if it were whole")
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestCompression(t *testing.T) {
	t.Parallel()
	long := `{"data":"` + strings.Repeat("segue ", 1000) + `"}`
	handler := compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("X-Type"))
		_, _ = io.WriteString(w, long[:min(len(long), len(r.Header.Get("X-Length")))])
	}))
	cases := []struct {
		name, remote, accepts, contentType string
		length                             int
		want                               string
	}{
		{"gzip", "192.0.2.1:1", "gzip", "application/json; charset=utf-8", 6000, "gzip"},
		{"zstd", "192.0.2.1:1", "gzip, zstd", "application/graphql-response+json; charset=utf-8", 6000, "zstd"},
		{"short", "192.0.2.1:1", "gzip", "application/json", 500, ""},
		{"not asked for", "192.0.2.1:1", "", "application/json", 6000, ""},
		{"events", "192.0.2.1:1", "gzip", "text/event-stream; charset=utf-8", 6000, ""},
		{"loopback", "127.0.0.1:1", "gzip", "application/json", 6000, ""},
	}
	for _, c := range cases {
		r := httptest.NewRequest("GET", "/graphql", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("Accept-Encoding", c.accepts)
		r.Header.Set("X-Type", c.contentType)
		r.Header.Set("X-Length", strings.Repeat("x", c.length))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != c.want {
			t.Errorf("%s: Content-Encoding is %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	metrics := telemetry.NewMetrics()
	admin := listener(t)
	s := start(t, func(c *Config) { c.Metrics, c.AdminListener = metrics, admin })
	metrics.Gauge("segue_sockets", "Open sockets.", func() float64 { return 7 })
	do(t, "GET", s.url+"/graphql")
	do(t, "GET", s.url+"/some/path/of/the/callers")
	a := do(t, "GET", "http://"+admin.Addr().String()+"/metrics")
	for _, want := range []string{
		`segue_http_requests_total{route="/graphql",status="200"} 1`,
		`segue_http_requests_total{route="other",status="404"} 1`,
		"segue_sockets 7", "go_goroutines",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if a = do(t, "GET", "http://"+admin.Addr().String()+"/debug/pprof/cmdline"); a.status != 200 {
		t.Errorf("pprof is %d", a.status)
	}
}

// TestDrain: probes hear of it first, requests in flight end, sockets are told.
func TestDrain(t *testing.T) {
	t.Parallel()
	begun, finish, told := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := start(t, func(c *Config) {
		c.Drain = func(context.Context) { close(told) }
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-finish
			_, _ = io.WriteString(w, "whole")
		})
	})
	probe, err := net.Dial("tcp", s.Listener.Addr().String()) // open before the listener closes
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	ask := func() *http.Response {
		_, _ = io.WriteString(probe, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(probe), nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if resp := ask(); resp.StatusCode != 200 {
		t.Fatalf("readyz is %d before", resp.StatusCode)
	}
	got := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.url + "/graphql")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got <- string(body)
	}()
	<-begun
	s.stop()
	<-s.Draining
	<-told
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	var body state
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 503 || body.Reason != "draining" {
		t.Errorf("readyz is %d %s while draining", w.Code, w.Body)
	}
	close(finish)
	if text := <-got; text != "whole" {
		t.Errorf("the request in flight got %q", text)
	}
}

// TestDrainTime: what does not end in time has its context cancelled.
func TestDrainTime(t *testing.T) {
	t.Parallel()
	begun, cancelled := make(chan struct{}), make(chan struct{})
	s := start(t, func(c *Config) {
		c.DrainTime = time.Millisecond
		c.GraphQL = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
			close(cancelled)
		})
	})
	go func() {
		if resp, err := http.Get(s.url + "/graphql"); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	s.stop()
	<-cancelled
}
