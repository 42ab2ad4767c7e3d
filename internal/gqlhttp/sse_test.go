package gqlhttp

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/viewer"
)

const events1to2 = ":\n\n" +
	"event: next\ndata: {\"data\":{\"count\":1}}\n\n" +
	"event: next\ndata: {\"data\":{\"count\":2}}\n\n" +
	"event: complete\ndata:\n\n"

func TestEvents(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	const subscription = `subscription { count(to: 2) }`
	get := func(q string) string { return endpoint + "?query=" + url.QueryEscape(q) }
	request := func(q string) string { return `{"query":"` + q + `"}` }
	cases := []struct {
		name, method, url, body, accept string
		want                            string
	}{
		{"POST", "POST", endpoint, request(subscription), "text/event-stream", events1to2},
		{"GET", "GET", get(subscription), "", "text/event-stream", events1to2},
		{"a client that lists everything", "POST", endpoint, request(subscription), "application/graphql-response+json, application/json, text/event-stream", events1to2},
		{"a query", "POST", endpoint, request("{echo}"), "text/event-stream",
			":\n\nevent: next\ndata: {\"data\":{\"echo\":\"\"}}\n\nevent: complete\ndata:\n\n"},
		{"a bad document", "POST", endpoint, request("{"), "text/event-stream",
			":\n\nevent: next\ndata: {\"errors\":[{\"message\":\"Expected Name, found <EOF>\",\"locations\":[{\"line\":1,\"column\":2}],\"extensions\":{\"code\":\"GRAPHQL_PARSE_FAILED\"}}]}\n\nevent: complete\ndata:\n\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := send(t, c.method, c.url, c.body, "Accept", c.accept)
			if a.status != 200 || a.body != c.want {
				t.Errorf("got %d\n%s\nwant\n%s", a.status, a.body, c.want)
			}
			if got := a.header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
				t.Errorf("Content-Type is %q", got)
			}
			if a.header.Get("X-Accel-Buffering") != "no" || !strings.Contains(a.header.Get("Cache-Control"), "no-transform") {
				t.Errorf("proxies may buffer this: %v", a.header)
			}
		})
	}
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	endpoint := listen(t, toyConfig(t, newToy()))
	a := send(t, "GET", endpoint+"?query=mutation%7Bwrite%7D", "", "Accept", "text/event-stream")
	if a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("a mutation over GET: %d %v", a.status, a.header)
	}
	if a = send(t, "GET", endpoint+"?query=%7Becho%7D", "", "Accept", "text/event-stream", "Cookie", "a=b"); a.status != 403 {
		t.Errorf("a cookie over GET: %d", a.status)
	}
}

// open starts the endless subscription and reads its first event.
func open(t *testing.T, ctx context.Context, endpoint string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", endpoint+"?query=subscription%7Bforever%7D", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if lines.Text() == `data: {"data":{"forever":1}}` {
			return lines
		}
	}
	t.Fatal("the stream ended before its first event")
	return nil
}

// rest is what else comes before the stream ends.
func rest(lines *bufio.Scanner) string {
	var all strings.Builder
	for lines.Scan() {
		all.WriteString(lines.Text())
	}
	return all.String()
}

// TestStreamsEnd: a stream that ends for the server's reasons does not say
// "complete", so that the client comes back.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	t.Run("when the process drains", func(t *testing.T) {
		t.Parallel()
		es := newToy()
		config := toyConfig(t, es)
		draining := make(chan struct{})
		config.Draining = draining
		lines := open(t, t.Context(), listen(t, config))
		<-es.waiting
		close(draining)
		if got := rest(lines); got != "" {
			t.Errorf("then came %q", got)
		}
	})
	t.Run("at their maximum age", func(t *testing.T) {
		t.Parallel()
		es := newToy()
		config := toyConfig(t, es)
		config.StreamMaxAge = 50 * time.Millisecond
		if got := rest(open(t, t.Context(), listen(t, config))); strings.Contains(got, "complete") {
			t.Errorf("then came %q", got)
		}
	})
	t.Run("when the session is revoked", func(t *testing.T) {
		t.Parallel()
		config := toyConfig(t, newToy())
		joined, left := make(chan func(error), 1), make(chan struct{})
		config.Sockets.Join = func(who viewer.Viewer, end func(error)) func() {
			if who.UserID() == "user_a" {
				joined <- end
			}
			return func() { close(left) }
		}
		lines := open(t, t.Context(), listen(t, config))
		(<-joined)(live.ErrSessionRevoked)
		if got := rest(lines); got != "" {
			t.Errorf("then came %q", got)
		}
		<-left
	})
	t.Run("but not with the server's ReadTimeout", func(t *testing.T) {
		t.Parallel()
		config := toyConfig(t, newToy())
		config.StreamMaxAge = 200 * time.Millisecond
		ended := make(chan error, 1)
		config.Observe = func(ctx context.Context, _ Outcome) { ended <- context.Cause(ctx) }
		server := httptest.NewUnstartedServer(New(config))
		server.Config.ReadTimeout = 20 * time.Millisecond
		server.Start()
		t.Cleanup(server.Close)
		open(t, t.Context(), server.URL)
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the stream ended with %v", err)
		}
	})
	t.Run("when the reader leaves", func(t *testing.T) {
		t.Parallel()
		es := newToy()
		config := toyConfig(t, es)
		ended := make(chan Outcome, 1)
		config.Observe = func(_ context.Context, o Outcome) { ended <- o }
		ctx, leave := context.WithCancel(t.Context())
		open(t, ctx, listen(t, config))
		<-es.waiting
		leave()
		if o := <-ended; o.Transport != "sse" || o.Type != "subscription" || o.Code != "OK" {
			t.Errorf("counted as %+v", o)
		}
	})
}
