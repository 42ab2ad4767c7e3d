package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
)

// operations are what clients send, each as often as its weight says.
var operations = []struct {
	weight    int
	query     string
	variables func(*client) map[string]any
}{
	{25, `query ($id: ID!) { chatMessage(id: $id) { id content role createdAt user { id name email } } }`,
		func(c *client) map[string]any { return map[string]any{"id": c.message()} }},
	{20, `{ chatMessages(first: 50) { edges { node { id content role createdAt user { id name } feedback(first: 10) { edges { node { rating comment } } } } } } }`, nil},
	{15, `query ($after: String) { page: chatMessages(first: 50, after: $after) { edges { node { id content createdAt } } pageInfo { hasNextPage endCursor } } }`,
		func(c *client) map[string]any { return map[string]any{"after": c.cursor} }},
	{8, `{ users(first: 10) { edges { node { id name chatMessages(first: 5) { edges { node { id content feedback(first: 5) { edges { node { rating } } } } } } trackLikes(first: 5) { edges { node { title artist } } } } } } }`, nil},
	{8, `{ me { name stats { messageCount likedTracks feedbackUp feedbackDown } } }`, nil},
	{7, `{ userStats(first: 20) { edges { node { user { id name } messageCount likedTracks } } } }`, nil},
	{10, `mutation ($text: String!) { sendChatMessage(input: {content: $text, sessionId: "load"}) { chatMessage { id createdAt } } }`,
		func(c *client) map[string]any {
			return map[string]any{"text": fmt.Sprintf("something slow after midnight, number %d", c.rng.IntN(1000))}
		}},
	{4, `mutation ($id: String!) { likeTrack(input: {trackId: $id, title: "Teardrop", artist: "Massive Attack"}) { trackLike { id } } }`,
		func(c *client) map[string]any { return map[string]any{"id": "load" + strconv.Itoa(c.rng.IntN(500))} }},
	{3, `mutation ($id: ID!) { giveFeedback(input: {messageId: $id, rating: UP}) { feedback { id } } }`,
		func(c *client) map[string]any { return map[string]any{"id": c.message()} }},
}

// client is one person with one connection. One in eight is an analyst, who sees everyone's messages.
type client struct {
	stage   *stage
	addr    string
	user    user
	analyst bool
	rng     *rand.Rand
	token   string
	minted  time.Time
	cursor  *string // where its next page begins
	conn    net.Conn
	reader  *bufio.Reader
	body    bytes.Buffer

	from   time.Time // when counting begins
	took   []time.Duration
	errors map[string]int
}

func newClient(s *stage, addr string, i int, from time.Time) *client {
	return &client{stage: s, addr: addr, user: s.users[i%len(s.users)], analyst: i%8 == 7, rng: rand.New(rand.NewPCG(512, uint64(i))), from: from, errors: map[string]int{}}
}

func (c *client) message() string { return c.user.messages[c.rng.IntN(len(c.user.messages))] }

// run sends operations until ctx ends. What began before counting did, or would end after ctx, does not count.
func (c *client) run(ctx context.Context) {
	defer c.hangUp()
	for ctx.Err() == nil {
		i, at := 0, c.rng.IntN(100)
		for ; at >= operations[i].weight; i++ {
			at -= operations[i].weight
		}
		var variables map[string]any
		if f := operations[i].variables; f != nil {
			variables = f(c)
		}
		began := time.Now()
		resp, err := c.ask(ctx, operations[i].query, variables, "application/json")
		if err == nil {
			c.body.Reset()
			_, err = c.body.ReadFrom(resp.Body)
		}
		took := time.Since(began)
		if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		code := "no answer"
		if err != nil {
			c.hangUp()
		} else if code = codeOf(resp, c.body.Bytes()); code == "" {
			c.turnPage()
		}
		if began.After(c.from) && code == "" {
			c.took = append(c.took, took)
		} else if began.After(c.from) {
			c.errors[code]++
		}
		c.rest(ctx, resp)
	}
}

// rest does what Retry-After says.
func (c *client) rest(ctx context.Context, resp *http.Response) {
	if resp == nil {
		return
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		select {
		case <-time.After(time.Duration(seconds) * time.Second):
		case <-ctx.Done():
		}
	}
}

// codeOf is the first error's code, "" of a good answer.
func codeOf(resp *http.Response, body []byte) string {
	if resp.StatusCode == http.StatusOK && !bytes.Contains(body, []byte(`"errors":`)) { // in a text its quotes are escaped
		return ""
	}
	var answer struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return resp.Status
	}
	return answer.Errors[0].Extensions.Code
}

// turnPage goes on after a page that was read, and starts over after the last.
func (c *client) turnPage() {
	if bytes.Contains(c.body.Bytes(), []byte(`"hasNextPage":false`)) {
		c.cursor = nil
	} else if _, rest, found := bytes.Cut(c.body.Bytes(), []byte(`"endCursor":"`)); found {
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		cursor := string(text)
		c.cursor = &cursor
	}
}

// ask sends an operation on the client's connection, on which nothing comes after ctx's deadline.
func (c *client) ask(ctx context.Context, query string, variables map[string]any, accept string) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return nil, err
	}
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.addr); err != nil {
			c.conn = nil
			time.Sleep(100 * time.Millisecond)
			return nil, err
		}
		c.reader = bufio.NewReader(c.conn)
	}
	deadline, _ := ctx.Deadline()
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	request := fmt.Appendf(nil, "POST /graphql HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: %s\r\nContent-Length: %d\r\n\r\n%s",
		c.addr, c.session(), accept, len(body), body)
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.reader, nil)
}

// session is a token good for some more seconds: like Clerk's, one lives a minute.
func (c *client) session() string {
	if time.Since(c.minted) > 45*time.Second {
		claims := clerktest.User(c.user.id)
		if c.analyst {
			claims = clerktest.Analyst(c.user.id)
		}
		c.token, c.minted = clerktest.Token(c.stage.key, claims), time.Now()
	}
	return c.token
}

func (c *client) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// subscribe listens to new messages, and leaves and comes back every few seconds.
func (c *client) subscribe(ctx context.Context) {
	for ctx.Err() == nil {
		visit, leave := context.WithTimeout(ctx, time.Duration(5+c.rng.IntN(10))*time.Second)
		if resp, err := c.ask(visit, `subscription { chatMessageAdded { id content } }`, nil, "text/event-stream"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		c.hangUp()
		leave()
	}
}
