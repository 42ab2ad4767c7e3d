package gqlhttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/viewer"
)

// bearers are the tokens of these tests.
var bearers = map[string]viewer.Viewer{
	"Bearer ada":         viewer.User("user_ada", "sess_ada", false),
	"Bearer ada again":   viewer.User("user_ada", "sess_ada", false),
	"Bearer ada analyst": viewer.User("user_ada", "sess_ada", true),
	"Bearer bob":         viewer.User("user_bob", "sess_bob", false),
}

// socketConfig is toyConfig with sockets.
func socketConfig(t *testing.T, es *toy) Config {
	t.Helper()
	c := toyConfig(t, es)
	c.Sockets.Bearer = func(_ context.Context, authorization string) (viewer.Viewer, error) {
		if who, ok := bearers[authorization]; ok {
			return who, nil
		}
		if authorization == "Bearer unverifiable" {
			return viewer.Viewer{}, fault.New(fault.Unavailable, "no keys")
		}
		return viewer.Viewer{}, fault.New(fault.Unauthenticated, "bad token")
	}
	return c
}

// peer is a client that says exactly what a test wants.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func dial(t *testing.T, url string, options ...func(*websocket.DialOptions)) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	o := &websocket.DialOptions{Subprotocols: []string{subprotocol}}
	for _, f := range options {
		f(o)
	}
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(url, "http"), o)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	return &peer{t, conn, ctx}
}

func (p *peer) say(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.ctx, websocket.MessageText, []byte(text)); err != nil {
		p.t.Fatalf("say %s: %v", text, err)
	}
}

// hear is the next message, or how the socket was closed ("4400 why").
func (p *peer) hear() string {
	p.t.Helper()
	_, text, err := p.conn.Read(p.ctx)
	if err == nil {
		return string(text)
	}
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return strings.TrimSpace(fmt.Sprintf("%d %s", closed.Code, closed.Reason))
	}
	p.t.Fatalf("hear: %v", err)
	return ""
}

const (
	hello    = `{"type":"connection_init"}`
	helloAda = `{"type":"connection_init","payload":{"authorization":"Bearer ada"}}`
	ack      = `{"type":"connection_ack"}`
	forever  = `{"type":"subscribe","id":"f","payload":{"query":"subscription{forever}"}}`
	first    = `{"type":"next","id":"f","payload":{"data":{"forever":1}}}`
)

// TestSocket_conformance is the protocol, exchange by exchange: "> " is what the
// client says, "< " what it must hear, "= " how the server must close.
func TestSocket_conformance(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, exchange string }{
		{"init and ack", `> ` + hello + `
< ` + ack},
		{"init with null payload", `> {"type":"connection_init","payload":null}
< ` + ack},
		{"4429 second init", `> ` + hello + `
< ` + ack + `
> ` + hello + `
= 4429 Too many initialisation requests`},
		{"4401 subscribe before init", `> ` + forever + `
= 4401 Unauthorized`},
		{"4400 not JSON", `> hello
= 4400 Invalid message received`},
		{"4400 not an object", `> "hello"
= 4400 Invalid message received`},
		{"4400 no type", `> {"id":"1"}
= 4400 Invalid message received`},
		{"4400 type is no string", `> {"type":1}
= 4400 Invalid message received`},
		{"4400 unknown type", `> {"type":"start","id":"1"}
= 4400 Invalid message received`},
		{"4400 a server's type", `> {"type":"connection_ack"}
= 4400 Invalid message received`},
		{"4400 init payload is no object", `> {"type":"connection_init","payload":"x"}
= 4400 Invalid message received`},
		{"4400 ping payload is no object", `> {"type":"ping","payload":[]}
= 4400 Invalid message received`},
		{"4400 subscribe without id", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","payload":{"query":"{echo}"}}
= 4400 Invalid message received`},
		{"4400 subscribe with empty id", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"","payload":{"query":"{echo}"}}
= 4400 Invalid message received`},
		{"4400 subscribe without payload", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1"}
= 4400 Invalid message received`},
		{"4400 subscribe without query", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{}}
= 4400 Invalid message received`},
		{"4400 query is no string", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"query":1}}
= 4400 Invalid message received`},
		{"4400 variables are no object", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"query":"{echo}","variables":"x"}}
= 4400 Invalid message received`},
		{"4400 complete without id", `> ` + hello + `
< ` + ack + `
> {"type":"complete"}
= 4400 Invalid message received`},
		{"4409 an id twice", `> ` + hello + `
< ` + ack + `
> ` + forever + `
< ` + first + `
> ` + forever + `
= 4409 Subscriber for f already exists`},
		{"4409 an id that fits no reason", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"` + strings.Repeat("x", 150) + `","payload":{"query":"{wait}"}}
> {"type":"subscribe","id":"` + strings.Repeat("x", 150) + `","payload":{"query":"{wait}"}}
= 4409 Subscriber already exists`},
		{"an id again after complete", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"query":"{echo}"}}
< {"type":"next","id":"1","payload":{"data":{"echo":""}}}
< {"type":"complete","id":"1"}
> {"type":"subscribe","id":"1","payload":{"query":"{echo}"}}
< {"type":"next","id":"1","payload":{"data":{"echo":""}}}
< {"type":"complete","id":"1"}`},
		{"an id again after the client's complete", `> ` + hello + `
< ` + ack + `
> ` + forever + `
< ` + first + `
> {"type":"complete","id":"f"}
> ` + forever + `
< ` + first},
		{"complete of an unknown id", `> ` + hello + `
< ` + ack + `
> {"type":"complete","id":"x"}
> {"type":"ping"}
< {"type":"pong"}`},
		{"a subscription that ends", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"c","payload":{"query":"subscription($n:Int!){count(to:$n)}","variables":{"n":2}}}
< {"type":"next","id":"c","payload":{"data":{"count":1}}}
< {"type":"next","id":"c","payload":{"data":{"count":2}}}
< {"type":"complete","id":"c"}`},
		{"a mutation", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"m","payload":{"query":"mutation{write(text:\"<b>\")}"}}
< {"type":"next","id":"m","payload":{"data":{"write":"<b>"}}}
< {"type":"complete","id":"m"}`},
		{"a document that does not parse", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"query":"{"}}
< {"type":"error","id":"1","payload":[{"message":"Expected Name, found <EOF>","locations":[{"line":1,"column":2}],"extensions":{"code":"GRAPHQL_PARSE_FAILED"}}]}
> {"type":"subscribe","id":"1","payload":{"query":"{echo}"}}
< {"type":"next","id":"1","payload":{"data":{"echo":""}}}
< {"type":"complete","id":"1"}`},
		{"a persisted query", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + sha256Hex("{echo}") + `"}}}}
< {"type":"error","id":"1","payload":[{"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}
> {"type":"subscribe","id":"1","payload":{"query":"{echo}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + sha256Hex("{echo}") + `"}}}}
< {"type":"next","id":"1","payload":{"data":{"echo":""}}}
< {"type":"complete","id":"1"}
> {"type":"subscribe","id":"1","payload":{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + sha256Hex("{echo}") + `"}}}}
< {"type":"next","id":"1","payload":{"data":{"echo":""}}}
< {"type":"complete","id":"1"}`},
		{"ping before init", `> {"type":"ping"}
< {"type":"pong"}`},
		{"ping with a payload", `> {"type":"ping","payload":{"a":[1,"<"]}}
< {"type":"pong","payload":{"a":[1,"<"]}}`},
		{"pong out of the blue", `> {"type":"pong","payload":{}}
> {"type":"ping"}
< {"type":"pong"}`},
		{"4403 a bad token", `> {"type":"connection_init","payload":{"authorization":"Bearer x"}}
= 4403 Forbidden: the token was refused`},
		{"4403 a token that is no text", `> {"type":"connection_init","payload":{"authorization":1}}
= 4403 Forbidden: the token was refused`},
		{"4403 an empty token", `> {"type":"connection_init","payload":{"authorization":""}}
= 4403 Forbidden: the token was refused`},
		{"4403 a bad token under another spelling", `> {"type":"connection_init","payload":{"Authorization":"Bearer x"}}
= 4403 Forbidden: the token was refused`},
		{"1013 a token that cannot be checked now", `> {"type":"connection_init","payload":{"authorization":"Bearer unverifiable"}}
= 1013 the token cannot be checked at the moment`},
		{"4403 renewal with a bad token", `> ` + helloAda + `
< ` + ack + `
> {"type":"ping","payload":{"authorization":"Bearer x"}}
= 4403 Forbidden: the token was refused`},
		{"4403 renewal by somebody else", `> ` + helloAda + `
< ` + ack + `
> {"type":"ping","payload":{"authorization":"Bearer bob"}}
= 4403 Forbidden: the token was refused`},
		{"4403 renewal in another role", `> ` + helloAda + `
< ` + ack + `
> {"type":"ping","payload":{"authorization":"Bearer ada analyst"}}
= 4403 Forbidden: the token was refused`},
		{"4403 a token for nobody's socket", `> ` + hello + `
< ` + ack + `
> {"type":"ping","payload":{"authorization":"Bearer ada"}}
= 4403 Forbidden: the token was refused`},
		{"1009 a message that is too big", `> ` + hello + `
< ` + ack + `
> {"type":"ping","payload":{"a":"` + strings.Repeat("x", 1<<20) + `"}}
= 1009`},
		{"4500 never: a resolver that panics is an answer", `> ` + hello + `
< ` + ack + `
> {"type":"subscribe","id":"1","payload":{"query":"{fail(how:\"panic\")}"}}
< {"type":"next","id":"1","payload":{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL","requestId":"request-1"}}]}}
< {"type":"complete","id":"1"}`},
	}
	es := newToy()
	es.fail = func(string) error { panic("as asked") }
	endpoint := listen(t, socketConfig(t, es))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, endpoint)
			for line := range strings.SplitSeq(c.exchange, "\n") {
				kind, text := line[:2], line[2:]
				if kind == "> " {
					p.say(text)
					continue
				}
				got := p.hear()
				if kind == "= " && len(text) == 4 {
					got, _, _ = strings.Cut(got, " ")
				}
				if got != text {
					t.Fatalf("heard\n%s\nwant\n%s", got, text)
				}
			}
		})
	}
}

func TestSocket_subprotocol(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, socketConfig(t, newToy()))
	for _, offered := range [][]string{nil, {"graphql-ws"}} {
		p := dial(t, endpoint, func(o *websocket.DialOptions) { o.Subprotocols = offered })
		if got := p.hear(); got != "4406 Subprotocol not acceptable" {
			t.Errorf("with %q: closed with %q", offered, got)
		}
	}
	p := dial(t, endpoint, func(o *websocket.DialOptions) { o.Subprotocols = []string{"graphql-ws", subprotocol} })
	p.say(hello)
	if got := p.hear(); got != ack {
		t.Errorf("with both: %q", got)
	}
}

func TestSocket_initTimeout(t *testing.T) {
	t.Parallel()
	c := socketConfig(t, newToy())
	c.Sockets.InitTimeout = 30 * time.Millisecond
	endpoint := listen(t, c)
	if got := dial(t, endpoint).hear(); got != "4408 Connection initialisation timeout" {
		t.Errorf("closed with %q", got)
	}
}

func TestSocket_origin(t *testing.T) {
	t.Parallel()
	c := socketConfig(t, newToy())
	c.Sockets.Origins = []string{"https://app.example.com"}
	endpoint := listen(t, c)
	host := strings.TrimSuffix(strings.TrimPrefix(endpoint, "http://"), "/graphql")
	for origin, want := range map[string]int{
		"": 101, "http://" + host: 101, "https://app.example.com": 101,
		"http://app.example.com": 403, "https://evil.example.com": 403, "null": 403,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", endpoint, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": subprotocol, "Origin": origin} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("from %q: %d, want %d", origin, resp.StatusCode, want)
		}
	}
}

// A socket is whose token came in connection_init; the viewer of the upgrade, user_a, counts for nothing.
func TestSocket_viewer(t *testing.T) {
	t.Parallel()
	c := socketConfig(t, newToy())
	paid := make(chan string, 2)
	c.Rates = rates(func(caller string) { paid <- caller })
	endpoint := listen(t, c)
	for said, want := range map[string]string{hello: "address:127.0.0.1", helloAda: "user_ada"} {
		p := dial(t, endpoint)
		p.say(said)
		p.hear()
		p.say(`{"type":"subscribe","id":"1","payload":{"query":"{echo}"}}`)
		p.hear()
		if got := <-paid; got != want {
			t.Errorf("%s: the operation was %s's, want %s", said, got, want)
		}
	}
}

type rates func(caller string)

func (r rates) Take(_ context.Context, caller string, _ int) (Rate, error) {
	r(caller)
	return Rate{Allowed: true}, nil
}

func TestSocket_renewal(t *testing.T) {
	t.Parallel()
	c := socketConfig(t, newToy())
	c.Sockets.MaxAge = time.Hour
	p := dial(t, listen(t, c))
	p.say(helloAda)
	p.hear()
	p.say(`{"type":"ping","payload":{"authorization":"Bearer ada again"}}`)
	var pong struct {
		Type    string
		Payload struct{ ExpiresAt time.Time }
	}
	if err := json.Unmarshal([]byte(p.hear()), &pong); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(pong.Payload.ExpiresAt); pong.Type != "pong" || left > time.Hour || left < 55*time.Minute {
		t.Errorf("got %+v, which leaves %v", pong, left)
	}
}

func TestSocket_maxAge(t *testing.T) {
	t.Parallel()
	c := socketConfig(t, newToy())
	c.Sockets.MaxAge = 50 * time.Millisecond
	p := dial(t, listen(t, c))
	p.say(helloAda)
	p.hear()
	if got := p.hear(); got != "4403 Forbidden: no fresh token came in time" {
		t.Errorf("closed with %q", got)
	}
}

func TestSocket_revoked(t *testing.T) {
	t.Parallel()
	for reason, want := range map[error]string{
		live.ErrSessionRevoked: "4403 the session was revoked",
		live.ErrUserDeleted:    "4403 this account was deleted",
	} {
		c := socketConfig(t, newToy())
		joined, left := make(chan func(error), 1), make(chan viewer.Viewer, 1)
		c.Sockets.Join = func(who viewer.Viewer, end func(error)) func() {
			joined <- end
			return func() { left <- who }
		}
		p := dial(t, listen(t, c))
		p.say(helloAda)
		p.hear()
		(<-joined)(reason)
		if got := p.hear(); got != want {
			t.Errorf("closed with %q, want %q", got, want)
		}
		if who := <-left; who != bearers["Bearer ada"] {
			t.Errorf("%v left the hub", who)
		}
	}
}

// What an operation says may be the end of the socket.
func TestSocket_fatalErrors(t *testing.T) {
	t.Parallel()
	for how, c := range map[string]struct {
		err  error
		want string
	}{
		"deleted": {fault.New(fault.UserDeleted, "gone"), "4403 this account was deleted"},
		"slow":    {fault.New(fault.Unavailable, "slow").Because(live.ErrSlow), "1013 too slow"},
		"stopped": {fault.New(fault.Unavailable, "stop").Because(live.ErrStopped), "1001 the server stops"},
		"gap":     {fault.New(fault.Unavailable, "gap").Because(live.ErrGap), "1013 events were lost: query for them and subscribe again"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			es := newToy()
			es.fail = func(string) error { return c.err }
			p := dial(t, listen(t, socketConfig(t, es)))
			p.say(helloAda)
			p.hear()
			p.say(`{"type":"subscribe","id":"1","payload":{"query":"{fail(how:\"x\")}"}}`)
			if got := p.hear(); got != c.want {
				t.Errorf("heard %q, want %q", got, c.want)
			}
		})
	}
}

func TestSocket_limits(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, socketConfig(t, newToy()))
	open := make([]*peer, MaxSocketsOfUser)
	for i := range open {
		open[i] = dial(t, endpoint)
		open[i].say(helloAda)
		if got := open[i].hear(); got != ack {
			t.Fatalf("socket %d: %s", i, got)
		}
	}
	extra := dial(t, endpoint)
	extra.say(helloAda)
	if got := extra.hear(); got != "4429 Too many sockets of one user" {
		t.Errorf("one more socket: %s", got)
	}
	other := dial(t, endpoint)
	other.say(`{"type":"connection_init","payload":{"authorization":"Bearer bob"}}`)
	if got := other.hear(); got != ack {
		t.Errorf("somebody else's socket: %s", got)
	}
	p := open[0]
	for i := range MaxOperations {
		p.say(fmt.Sprintf(`{"type":"subscribe","id":"%d","payload":{"query":"subscription{forever}"}}`, i))
		p.hear()
	}
	p.say(forever)
	if got := p.hear(); !strings.Contains(got, `"type":"error"`) || !strings.Contains(got, "RATE_LIMITED") {
		t.Errorf("one more operation: %s", got)
	}
	p.say(`{"type":"complete","id":"7"}`)
	p.say(forever)
	if got := p.hear(); got != first {
		t.Errorf("after one was completed: %s", got)
	}
}

func TestSocket_drain(t *testing.T) {
	t.Parallel()
	h := New(socketConfig(t, newToy()))
	endpoint := serve(t, h)
	open := make([]*peer, 5)
	for i := range open {
		open[i] = dial(t, endpoint)
		open[i].say(hello)
		open[i].hear()
		open[i].say(forever)
		open[i].hear()
	}
	closed := make(chan time.Time, len(open))
	for _, p := range open {
		go func() {
			if got := p.hear(); got != "1001 the server stops" {
				t.Errorf("closed with %q", got)
			}
			closed <- time.Now()
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h.Drain(ctx)
	var earliest, latest time.Time
	for range open {
		at := <-closed
		if earliest.IsZero() || at.Before(earliest) {
			earliest = at
		}
		if at.After(latest) {
			latest = at
		}
	}
	if ctx.Err() != nil || latest.Sub(earliest) < 2*spread {
		t.Errorf("closed within %v; they were to be spread", latest.Sub(earliest))
	}
	_, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(endpoint, "http"), nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a socket while draining: %v %v", resp, err)
	}
}
