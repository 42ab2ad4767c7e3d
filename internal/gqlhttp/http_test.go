package gqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/fault"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	url := listen(t, toyConfig(t, newToy()))
	a := post(t, url, query(`{ echo(text: "<b>&ü") }`))
	if want := `{"data":{"echo":"<b>&ü"}}`; a.status != 200 || a.body != want {
		t.Errorf("got %d %s, want %s", a.status, a.body, want)
	}
	for name, want := range map[string]string{
		"Content-Type":   "application/json; charset=utf-8",
		"Content-Length": fmt.Sprint(len(a.body)),
		"Cache-Control":  "no-store",
		"Vary":           "Accept",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestRefusals is every way for a request to be refused before anything runs.
func TestRefusals(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	get := func(pairs ...string) string {
		values := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			values.Add(pairs[i], pairs[i+1])
		}
		return "?" + values.Encode()
	}
	const ok = `{"query":"{__typename}"}`
	cases := []struct {
		name, method, query, body string
		headers                   []string
		status                    int
		code                      fault.Code
	}{
		{"no body", "POST", "", "", nil, 400, fault.BadUserInput},
		{"not JSON", "POST", "", `{"query":`, nil, 400, fault.BadUserInput},
		{"two values", "POST", "", ok + ok, nil, 400, fault.BadUserInput},
		{"a string", "POST", "", `"{__typename}"`, nil, 400, fault.BadUserInput},
		{"null", "POST", "", `null`, nil, 400, fault.BadUserInput},
		{"a batch", "POST", "", `[` + ok + `]`, nil, 400, fault.BadUserInput},
		{"no query", "POST", "", `{"Query":"{__typename}"}`, nil, 400, fault.BadUserInput},
		{"query twice", "POST", "", `{"query":"{__typename}","query":"{echo}"}`, nil, 400, fault.BadUserInput},
		{"query is a number", "POST", "", `{"query":7}`, nil, 400, fault.BadUserInput},
		{"variables is a list", "POST", "", `{"query":"{__typename}","variables":[]}`, nil, 400, fault.BadUserInput},
		{"deep variables", "POST", "", `{"query":"{__typename}","variables":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`, nil, 400, fault.BadUserInput},
		{"a lone high surrogate", "POST", "", `{"query":"{__typename}","variables":{"a":"\ud83d"}}`, nil, 400, fault.BadUserInput},
		{"a lone low surrogate", "POST", "", `{"query":"{__typename}","variables":{"a":"x\udc00"}}`, nil, 400, fault.BadUserInput},
		{"two high surrogates", "POST", "", `{"query":"{__typename}","variables":{"a":"\ud83d\ud83d"}}`, nil, 400, fault.BadUserInput},
		{"UTF-16 without saying so", "POST", "", "\xff\xfe{\x00}\x00", nil, 400, fault.BadUserInput},
		{"bad UTF-8", "POST", "", "{\"query\":\"{__typename} #\xff\"}", nil, 400, fault.BadUserInput},
		{"UTF-16", "POST", "", ok, []string{"Content-Type", "application/json; charset=utf-16"}, 415, fault.BadUserInput},
		{"no type", "POST", "", ok, []string{"Content-Type", ""}, 415, fault.BadUserInput},
		{"text/plain", "POST", "", ok, []string{"Content-Type", "text/plain"}, 415, fault.BadUserInput},
		{"a form", "POST", "", "query={__typename}", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, fault.BadUserInput},
		{"application/graphql", "POST", "", "{__typename}", []string{"Content-Type", "application/graphql"}, 415, fault.BadUserInput},
		{"gzip", "POST", "", ok, []string{"Content-Encoding", "gzip"}, 415, fault.BadUserInput},
		{"too large", "POST", "", `{"query":"{__typename}` + strings.Repeat(" ", 1<<20) + `"}`, nil, 413, fault.BadUserInput},
		{"PUT", "PUT", "", ok, nil, 405, fault.BadUserInput},
		{"OPTIONS that is no preflight", "OPTIONS", "", "", nil, 405, fault.BadUserInput},
		{"GET without a query", "GET", "", "", nil, 400, fault.BadUserInput},
		{"GET with a query twice", "GET", get("query", "{__typename}", "query", "{echo}"), "", nil, 400, fault.BadUserInput},
		{"GET with malformed escapes", "GET", "?query=%zz", "", nil, 400, fault.BadUserInput},
		{"GET with bad UTF-8", "GET", "?query=%7b__typename%7d%ff", "", nil, 400, fault.BadUserInput},
		{"GET with variables that are a list", "GET", get("query", "{__typename}", "variables", "[]"), "", nil, 400, fault.BadUserInput},
		{"GET with two variables objects", "GET", get("query", "{__typename}", "variables", "{}{}"), "", nil, 400, fault.BadUserInput},
		{"a mutation over GET", "GET", get("query", "mutation{write}"), "", nil, 405, fault.BadUserInput},
		{"a subscription over GET", "GET", get("query", "subscription{count(to:1)}"), "", nil, 406, fault.BadUserInput},
		{"a subscription over POST", "POST", "", `{"query":"subscription{count(to:1)}"}`, nil, 406, fault.BadUserInput},
		{"nothing acceptable", "POST", "", ok, []string{"Accept", "text/html, image/png"}, 406, fault.BadUserInput},
		{"everything unacceptable", "POST", "", ok, []string{"Accept", "*/*;q=0"}, 406, fault.BadUserInput},
		{"a syntax error", "POST", "", `{"query":"{"}`, nil, 400, fault.ParseFailed},
		{"an unknown field", "POST", "", `{"query":"{nope}"}`, nil, 400, fault.ValidationFailed},
		{"an unknown operation", "POST", "", `{"query":"query A{__typename}","operationName":"B"}`, nil, 400, fault.ValidationFailed},
		{"no operation named of two", "POST", "", `{"query":"query A{__typename} query B{__typename}"}`, nil, 400, fault.ValidationFailed},
		{"only fragments", "POST", "", `{"query":"fragment F on Query{__typename}"}`, nil, 400, fault.ValidationFailed},
		{"an unknown document", "POST", "", `{"documentId":"abc"}`, nil, 400, fault.PersistedQueryUnsupported},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := send(t, c.method, endpoint+c.query, c.body, c.headers...)
			if a.status != c.status || a.code(t) != string(c.code) {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, c.status, c.code)
			}
			if strings.Contains(a.body, `"data"`) {
				t.Errorf("a refusal has data: %s", a.body)
			}
		})
	}
}

func TestBodiesAreNeverEchoed(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	for _, body := range []string{`{"query":"marker`, `{"marker"`, `"marker"`, `{"query":["marker"]}`, `{"query":"{__typename}","variables":"marker"}`} {
		if a := send(t, "POST", endpoint, body); strings.Contains(a.body, "marker") || a.status != 400 {
			t.Errorf("%s is answered %d %s", body, a.status, a.body)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	if got := send(t, "GET", endpoint+"?query=mutation%7Bwrite%7D", "").header.Get("Allow"); got != "POST" {
		t.Errorf("a mutation over GET has Allow %q", got)
	}
	if got := send(t, "DELETE", endpoint, "").header.Get("Allow"); got != "GET, POST, OPTIONS" {
		t.Errorf("DELETE has Allow %q", got)
	}
	if a := send(t, "HEAD", endpoint+"?query=%7B__typename%7D", ""); a.status != 405 {
		t.Errorf("HEAD is %d", a.status)
	}
}

func TestForgery(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	read := "?query=%7B__typename%7D"
	cases := []struct {
		name, method, query string
		headers             []string
		status              int
	}{
		{"GET", "GET", read, nil, 200},
		{"GET with a cookie", "GET", read, []string{"Cookie", "a=b"}, 403},
		{"GET across sites", "GET", read, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET of the same origin", "GET", read, []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"GET with a cookie and a preflight header", "GET", read, []string{"Cookie", "a=b", "GraphQL-Require-Preflight", "1"}, 200},
		{"GET across sites with Apollo's header", "GET", read, []string{"Sec-Fetch-Site", "cross-site", "Apollo-Require-Preflight", "1"}, 200},
		{"POST of JSON with a cookie", "POST", "", []string{"Cookie", "a=b"}, 200},
		{"POST of JSON across sites", "POST", "", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"POST of text with a cookie", "POST", "", []string{"Cookie", "a=b", "Content-Type", "text/plain"}, 403},
		{"POST of text that has JSON in it", "POST", "", []string{"Cookie", "a=b", "Content-Type", "text/plain; application/json"}, 403},
		{"POST of nothing across sites", "POST", "", []string{"Sec-Fetch-Site", "cross-site", "Content-Type", ""}, 403},
		{"POST of a form with a cookie and a preflight header", "POST", "", []string{"Cookie", "a=b", "Content-Type", "multipart/form-data; boundary=x", "Apollo-Require-Preflight", "1"}, 415},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := send(t, c.method, endpoint+c.query, `{"query":"{__typename}"}`, c.headers...)
			if a.status != c.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, c.status)
			}
			if c.status == 403 && a.code(t) != "FORBIDDEN" {
				t.Errorf("got %s", a.body)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	const response, plain = "application/graphql-response+json; charset=utf-8", "application/json; charset=utf-8"
	cases := []struct {
		accept, contentType string
		statusOfBadDocument int
	}{
		{"", plain, 400},
		{"*/*", plain, 400},
		{"application/*", plain, 400},
		{"application/json", plain, 200},
		{"application/graphql-response+json", response, 400},
		{"application/graphql-response+json, application/json;q=0.9", response, 400},
		{"application/graphql-response+json;q=0.5, application/json;q=0.9", plain, 200},
		{"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", response, 400},
		{"text/html, */*;q=0.1", plain, 400},
		{"application/json; charset=utf-8", plain, 200},
		{"nonsense;;;, application/json", plain, 200},
	}
	for _, c := range cases {
		t.Run(c.accept, func(t *testing.T) {
			t.Parallel()
			good := post(t, endpoint, query("{__typename}"), "Accept", c.accept)
			bad := post(t, endpoint, query("{"), "Accept", c.accept)
			if good.status != 200 || bad.status != c.statusOfBadDocument || good.header.Get("Content-Type") != c.contentType {
				t.Errorf("got %d, %d and %q", good.status, bad.status, good.header.Get("Content-Type"))
			}
		})
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	const text, input = `query($v: String){echo(text: $v)}`, `query($v: EchoInput){echo(input: $v)}`
	cases := []struct {
		name, query string
		value       any
		field       string // of the error; empty: none
		hidden      string // the message while introspection is off
		shown       string // and while it is on
	}{
		{"a string", text, "x", "", "", ""},
		{"null", text, nil, "", "", ""},
		{"a pair of surrogates", text, "🏃", "", "", ""},
		{"a number for a string", text, 12345, "v", "$v is not valid", "$v cannot be used as String"},
		{"an input", input, map[string]any{"text": "x", "kind": "FANCY", "more": map[string]any{"text": "y"}}, "", "", ""},
		{"a required field left out", input, map[string]any{"more": map[string]any{}}, "v", "$v lacks a required field", "$v.text must be defined"},
		{"a required field left out below", input, map[string]any{"text": "x", "more": map[string]any{}}, "more", "$v.more lacks a required field", "$v.more.text must be defined"},
		{"an unknown enum value", input, map[string]any{"text": "x", "kind": "LOUD"}, "kind", "$v.kind is not valid", "$v.kind LOUD is not a valid Kind"},
		{"an unknown field", input, map[string]any{"text": "x", "colour": 1}, "colour", "$v.colour is not valid", "$v.colour unknown field"},
		{"a number for a string below", input, map[string]any{"text": 1.5}, "text", "$v.text is not valid", "$v.text cannot be used as String"},
		{"a list", input, []any{1}, "v", "$v is not valid", "$v must be a EchoInput"},
	}
	for _, introspection := range []bool{false, true} {
		config := toyConfig(t, newToy())
		config.Introspection = introspection
		endpoint := listen(t, config)
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s, introspection %t", c.name, introspection), func(t *testing.T) {
				t.Parallel()
				a := post(t, endpoint, map[string]any{"query": c.query, "variables": map[string]any{"v": c.value}})
				if c.field == "" {
					if a.status != 200 || a.code(t) != "" {
						t.Errorf("got %d %s", a.status, a.body)
					}
					return
				}
				if a.status != 400 || a.code(t) != "BAD_USER_INPUT" {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				e := a.errorAt(t, 0)
				switch {
				case introspection && e.Message != c.shown, !introspection && e.Message != c.hidden:
					t.Errorf("got %s", a.body)
				case !introspection && e.Extensions["field"] != c.field:
					t.Errorf("field: got %s", a.body)
				}
			})
		}
	}
}

func TestRequiredVariable(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	a := post(t, endpoint, query(`query($v: String!){echo(text: $v)}`))
	if a.code(t) != "BAD_USER_INPUT" || a.errorAt(t, 0).Message != "$v must be defined" {
		t.Errorf("got %s", a.body)
	}
}

// TestStatuses is the contract's table of statuses for operations that ran.
func TestStatuses(t *testing.T) {
	t.Parallel()
	es := newToy()
	es.fail = func(how string) error {
		switch how {
		case "plain":
			return errors.New("dial tcp db.internal:5432: select secret")
		case "deadline":
			return fmt.Errorf("query: %w", context.DeadlineExceeded)
		case "panic":
			panic("secret")
		}
		f := fault.New(fault.Code(how), "because")
		if f.Code == fault.Unavailable || f.Code == fault.RateLimited {
			f = f.Retry(1500 * time.Millisecond)
		}
		return f.Because(errors.New("secret"))
	}
	endpoint := listen(t, toyConfig(t, es))
	cases := []struct {
		how    string
		code   fault.Code
		status int
	}{
		{"UNAUTHENTICATED", fault.Unauthenticated, 200},
		{"FORBIDDEN", fault.Forbidden, 200},
		{"NOT_FOUND", fault.NotFound, 200},
		{"CONFLICT", fault.Conflict, 200},
		{"BAD_USER_INPUT", fault.BadUserInput, 200},
		{"USER_NOT_SYNCED", fault.UserNotSynced, 200},
		{"USER_DELETED", fault.UserDeleted, 403},
		{"RATE_LIMITED", fault.RateLimited, 429},
		{"UNAVAILABLE", fault.Unavailable, 503},
		{"TIMEOUT", fault.Timeout, 504},
		{"INTERNAL", fault.Internal, 500},
		{"plain", fault.Internal, 500},
		{"panic", fault.Internal, 500},
		{"deadline", fault.Timeout, 504},
	}
	for _, c := range cases {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			for _, field := range []string{"fail", "must"} {
				whole := post(t, endpoint, query(`{ `+field+`(how: "`+c.how+`") }`))
				if whole.status != c.status || whole.code(t) != string(c.code) {
					t.Errorf("%s: got %d %s, want %d %s", field, whole.status, whole.body, c.status, c.code)
				}
				if strings.Contains(whole.body, "secret") {
					t.Errorf("the cause leaks: %s", whole.body)
				}
				checkExtensions(t, whole, c.code)
			}
			part := post(t, endpoint, query(`{ fail(how: "`+c.how+`") echo(text: "here") }`))
			switch {
			case c.how == "panic": // the toy does not catch panics per field
			case c.code == fault.UserDeleted:
				if part.status != 403 || strings.Contains(part.body, "here") || strings.Contains(part.body, `"data"`) {
					t.Errorf("a deleted user gets %d %s", part.status, part.body)
				}
			case part.status != 200 || !strings.Contains(part.body, "here"):
				t.Errorf("partial data: got %d %s", part.status, part.body)
			}
		})
	}
}

func checkExtensions(t *testing.T, a answer, code fault.Code) {
	t.Helper()
	e := a.errorAt(t, 0)
	switch code {
	case fault.Internal:
		if e.Extensions["requestId"] != "request-1" {
			t.Errorf("got %s", a.body)
		}
	case fault.Unavailable, fault.RateLimited:
		if e.Extensions["retryAfterMs"] != 1500.0 || a.header.Get("Retry-After") != "2" {
			t.Errorf("got %s, Retry-After %q", a.body, a.header.Get("Retry-After"))
		}
	}
}

func TestFewErrors(t *testing.T) {
	t.Parallel()
	es := newToy()
	es.fail = func(string) error { return fault.New(fault.NotFound, "no") }
	endpoint := listen(t, toyConfig(t, es))
	var fields strings.Builder
	for i := range 15 {
		fmt.Fprintf(&fields, `f%d: fail(how: "x") `, i)
	}
	a := post(t, endpoint, query("{"+fields.String()+"}"))
	if n := strings.Count(a.body, `"message"`); n != 10 {
		t.Errorf("%d errors in %s", n, a.body)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	es := newToy()
	config := toyConfig(t, es)
	config.RequestTimeout = time.Millisecond
	a := post(t, listen(t, config), query("{ wait }"))
	if a.status != 504 || a.code(t) != "TIMEOUT" {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	es := newToy()
	config := toyConfig(t, es)
	config.MaxRunning = 1
	var shed atomic.Int32
	config.Shed = func() { shed.Add(1) }
	endpoint := listen(t, config)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		req, _ := http.NewRequestWithContext(ctx, "POST", endpoint, strings.NewReader(`{"query":"{wait}"}`))
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-es.waiting
	if a := post(t, endpoint, query("{echo}")); a.status != 503 || a.code(t) != "UNAVAILABLE" || a.header.Get("Retry-After") != "1" || shed.Load() != 1 {
		t.Errorf("got %d %s, %d shed", a.status, a.body, shed.Load())
	}
	leave()
	<-left
}

// TestLogs: the log has the cause and who asked for what, and nothing the caller sent.
func TestLogs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	es := newToy()
	es.fail = func(string) error { return errors.New(`invalid input "a private word" of ada@example.com`) }
	config := toyConfig(t, es)
	config.Present = graph.Presenter(slog.New(slog.NewJSONHandler(&out, nil)))
	request := map[string]any{"query": `query Mine($how: String!) { fail(how: $how) }`, "variables": map[string]any{"how": "a private word"}}
	if a := post(t, listen(t, config), request); a.status != 500 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	text := out.String()
	for _, want := range []string{`"level":"ERROR"`, `"code":"INTERNAL"`, `"operation":"Mine"`, `"request_id":"request-1"`, `"caller":"user_a"`, "invalid input"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if strings.Contains(text, "private") || strings.Contains(text, "ada") {
		t.Errorf("the log has what the caller sent: %s", text)
	}
}

func TestCancelledClientCancelsItsOperation(t *testing.T) {
	t.Parallel()
	es := newToy()
	done := make(chan struct{})
	config := toyConfig(t, es)
	config.Observe = func(_ context.Context, o Outcome) {
		if o.Code != "CANCELLED" {
			t.Errorf("counted as %s", o.Code)
		}
		close(done)
	}
	endpoint := listen(t, config)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", endpoint, strings.NewReader(`{"query":"{wait}"}`))
	req.Header.Set("Content-Type", "application/json")
	go func() { <-es.waiting; cancel() }()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the request was answered")
	}
	<-done
}

// meter is a RateLimiter with a fixed answer that remembers whom it charged.
type meter struct {
	rate   Rate
	err    error
	mu     sync.Mutex
	caller string
	points int
}

func (m *meter) Take(_ context.Context, caller string, points int) (Rate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.caller, m.points = caller, points
	return m.rate, m.err
}

func TestRates(t *testing.T) {
	t.Parallel()
	rate := Rate{Limit: 60_000, Remaining: 59_000, Window: time.Minute, Reset: 1500 * time.Millisecond, RetryAfter: 900 * time.Millisecond}
	allowed := rate
	allowed.Allowed = true
	cases := []struct {
		name   string
		meter  meter
		status int
		policy string
	}{
		{"within", meter{rate: allowed}, 200, `"points";q=60000;w=60`},
		{"beyond", meter{rate: rate}, 429, `"points";q=60000;w=60`},
		{"a limiter that fails", meter{err: errors.New("redis is gone")}, 200, ""},
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := toyConfig(t, newToy())
			config.Rates = &c.meter
			a := post(t, listen(t, config), query("{__typename}"))
			if a.status != c.status || a.header.Get("RateLimit-Policy") != c.policy {
				t.Errorf("got %d %s %v", a.status, a.body, a.header)
			}
			if c.policy != "" && a.header.Get("RateLimit") != `"points";r=59000;t=2` {
				t.Errorf("got RateLimit %s", a.header.Get("RateLimit"))
			}
			if c.status == 429 && (a.header.Get("Retry-After") != "1" || a.errorAt(t, 0).Extensions["retryAfterMs"] != 900.0) {
				t.Errorf("got %s %v", a.body, a.header)
			}
			if c.meter.caller != "user_a" || c.meter.points < 1 {
				t.Errorf("charged %q %d", c.meter.caller, c.meter.points)
			}
		})
	}
}

func TestAnonymousCallersAreBilledByAddress(t *testing.T) {
	t.Parallel()
	m := &meter{rate: Rate{Allowed: true}}
	config := toyConfig(t, newToy())
	config.Rates = m
	post(t, listen(t, config), query("{__typename}"), "X-Test-Viewer", "nobody")
	if m.caller != "address:127.0.0.1" {
		t.Errorf("charged %q", m.caller)
	}
	for addr, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[::ffff:192.0.2.7]:1": "::ffff:192.0.2.7", "@": "@",
	} {
		if got := remote(addr); got != want {
			t.Errorf("%s is billed as %s, want %s", addr, got, want)
		}
	}
}

func persisted(hash string, version any) map[string]any {
	return map[string]any{"persistedQuery": map[string]any{"version": version, "sha256Hash": hash}}
}

func TestAutomaticPersistedQueries(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	const text = `{ echo(text: "kept") }`
	hash := sha256Hex(text)
	ask := func(q string, extensions map[string]any) answer {
		request := map[string]any{"extensions": extensions}
		if q != "" {
			request["query"] = q
		}
		return post(t, endpoint, request, "Accept", "application/graphql-response+json")
	}
	if a := ask("", persisted(hash, 1)); a.status != 200 || a.code(t) != "PERSISTED_QUERY_NOT_FOUND" || a.errorAt(t, 0).Message != "PersistedQueryNotFound" {
		t.Fatalf("unknown: %d %s", a.status, a.body)
	}
	if a := ask(text, persisted(strings.Repeat("0", 64), 1)); a.status != 400 || a.code(t) != "BAD_USER_INPUT" {
		t.Errorf("wrong hash: %d %s", a.status, a.body)
	}
	if a := ask(text, persisted(hash, 2)); a.status != 400 || a.code(t) != "PERSISTED_QUERY_NOT_SUPPORTED" {
		t.Errorf("version 2: %d %s", a.status, a.body)
	}
	if a := ask(text, persisted(hash, 1)); a.status != 200 || a.code(t) != "" {
		t.Errorf("registering: %d %s", a.status, a.body)
	}
	for _, h := range []string{hash, strings.ToUpper(hash)} {
		if a := ask("", persisted(h, 1)); a.body != `{"data":{"echo":"kept"}}` {
			t.Errorf("by hash: %d %s", a.status, a.body)
		}
	}
	get := endpoint + "?extensions=" + url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+hash+`"}}`)
	if a := send(t, "GET", get, ""); a.body != `{"data":{"echo":"kept"}}` {
		t.Errorf("by GET: %d %s", a.status, a.body)
	}
	for _, bad := range []string{"{", "{ nope }"} {
		ask(bad, persisted(sha256Hex(bad), 1))
		if a := ask("", persisted(sha256Hex(bad), 1)); a.code(t) != "PERSISTED_QUERY_NOT_FOUND" {
			t.Errorf("%q was kept: %s", bad, a.body)
		}
	}
}

func TestCachesAreBoundedByBytes(t *testing.T) {
	t.Parallel()
	config := toyConfig(t, newToy())
	config.DocumentCacheBytes, config.PersistedCacheBytes = 64<<10, 16<<10
	h := New(config)
	for i := range 500 {
		text := fmt.Sprintf(`{ echo(text: "%d%s") }`, i, strings.Repeat("x", 100))
		if _, f := h.prepare(t.Context(), Params{Query: text, Extensions: persisted(sha256Hex(text), json.Number("1"))}); f != nil {
			t.Fatal(f.Errors)
		}
	}
	h.documents.parsed.CleanUp()
	h.documents.persisted.CleanUp()
	if n := h.documents.parsed.WeightedSize(); n > config.DocumentCacheBytes || n == 0 {
		t.Errorf("parsed documents weigh %d", n)
	}
	if n := h.documents.persisted.WeightedSize(); n > config.PersistedCacheBytes || n == 0 {
		t.Errorf("persisted texts weigh %d", n)
	}
}

// counting is a Guard that counts parses and holds each until released.
type counting struct {
	Guard
	parses  atomic.Int32
	release chan struct{}
}

func (c *counting) Parse(schema *ast.Schema, query string, introspection bool) (*ast.QueryDocument, gqlerror.List) {
	c.parses.Add(1)
	<-c.release
	return c.Guard.Parse(schema, query, introspection)
}

func TestOneParseForManyCallers(t *testing.T) {
	t.Parallel()
	config := toyConfig(t, newToy())
	synctest.Test(t, func(t *testing.T) {
		guard := &counting{Guard: config.Limits, release: make(chan struct{})}
		config.Limits = guard
		h := New(config)
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				if _, f := h.prepare(t.Context(), Params{Query: "{__typename}"}); f != nil {
					t.Error(f.Errors)
				}
			})
		}
		synctest.Wait()
		close(guard.release)
		callers.Wait()
		if n := guard.parses.Load(); n != 1 {
			t.Errorf("parsed %d times", n)
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	es := newToy()
	es.fail = func(string) error { return fault.New(fault.NotFound, "no") }
	config := toyConfig(t, es)
	outcomes := make(chan Outcome, 1)
	config.Observe = func(_ context.Context, o Outcome) { outcomes <- o }
	endpoint := listen(t, config)
	for text, want := range map[string]Outcome{
		"{__typename}":    {Transport: "http", Type: "query", Code: "OK"},
		"mutation{write}": {Transport: "http", Type: "mutation", Code: "OK"},
		`{fail(how:"x")}`: {Transport: "http", Type: "query", Code: "NOT_FOUND"},
		"{":               {Transport: "http", Code: "GRAPHQL_PARSE_FAILED"},
		"query($v:Int!){__typename @skip(if:false)}": {Transport: "http", Code: "GRAPHQL_VALIDATION_FAILED"},
	} {
		post(t, endpoint, query(text))
		got := <-outcomes
		got.Cost, got.Duration = 0, 0
		if got != want {
			t.Errorf("%s is counted as %+v", text, got)
		}
	}
}

// TestAllocations keeps the fixed price of a request from creeping up. It counts
// what prepare and encode allocate for a cached document without variables.
func TestAllocations(t *testing.T) {
	config := toyConfig(t, newToy())
	h := New(config)
	ctx := t.Context()
	p := Params{Query: "{__typename}"}
	if _, f := h.prepare(ctx, p); f != nil {
		t.Fatal(f.Errors)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = h.prepare(ctx, p) }); n > 16 {
		t.Errorf("prepare allocates %v times", n)
	}
	resp := &graphql.Response{Data: []byte(`{"a":1}`)}
	w := &discard{header: http.Header{}}
	if n := testing.AllocsPerRun(100, func() { write(w, media{}, 200, resp) }); n > 8 {
		t.Errorf("write allocates %v times", n)
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
