package gqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/viewer"
)

// message is what a client sends, whatever its type.
type message struct {
	Type    string
	ID      string
	Payload json.RawMessage
}

//lint:ignore ST1005 it is the reason of a close frame, worded as the reference words it
var errMessage = errors.New("Invalid message received")

func parseMessage(text []byte) (m message, err error) {
	if limits.CheckJSON(text) != nil {
		return m, errMessage
	}
	var raw struct {
		Type    *string         `json:"type"`
		ID      *string         `json:"id"`
		Payload json.RawMessage `json:"payload"`
	}
	if decode(text, &raw) != nil || raw.Type == nil {
		return m, errMessage
	}
	m = message{Type: *raw.Type, Payload: raw.Payload}
	if string(m.Payload) == "null" {
		m.Payload = nil
	}
	if raw.ID != nil {
		m.ID = *raw.ID
	}
	switch m.Type {
	case "connection_init", "ping", "pong":
		if m.Payload != nil && m.Payload[0] != '{' {
			return m, errMessage
		}
	case "subscribe":
		if m.ID == "" || m.Payload == nil {
			return m, errMessage
		}
	case "complete":
		if m.ID == "" {
			return m, errMessage
		}
	default:
		return m, errMessage
	}
	return m, nil
}

// handle does what one message asks for.
func (s *socket) handle(text []byte) {
	m, err := parseMessage(text)
	if err != nil {
		s.close(closeBadRequest, err.Error())
		return
	}
	switch m.Type {
	case "connection_init":
		s.init(m.Payload)
	case "ping":
		s.ping(m.Payload)
	case "subscribe":
		s.subscribe(m)
	case "complete":
		s.complete(m.ID)
	}
}

// authorization is the token in a payload, "" for none. A name in another case
// is the same one: a credential is never overlooked.
func authorization(payload json.RawMessage) (string, error) {
	var members map[string]json.RawMessage
	if payload == nil {
		return "", nil
	}
	if err := json.Unmarshal(payload, &members); err != nil {
		return "", err
	}
	token, found := "", false
	for name, value := range members {
		if !strings.EqualFold(name, "authorization") || string(value) == "null" {
			continue
		}
		if found || json.Unmarshal(value, &token) != nil || token == "" {
			return "", errors.New("the authorization is no text, empty, or given twice")
		}
		found = true
	}
	return token, nil
}

// init is connection_init. Without a token the socket is nobody's.
func (s *socket) init(payload json.RawMessage) {
	s.mu.Lock()
	again := s.received
	s.received = true
	s.deadline.Stop()
	s.mu.Unlock()
	if again {
		s.close(closeTooMany, "Too many initialisation requests")
		return
	}
	token, err := authorization(payload)
	if err == nil {
		err = s.prove(token)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	s.mu.Lock()
	s.ready = true
	s.mu.Unlock()
	s.write([]byte(`{"type":"connection_ack"}`))
}

var (
	// errOther refuses a renewal by somebody else, and by the same person with other
	// rights: what runs was opened with the old ones.
	errOther   = errors.New("the token is not of the socket's user, or of another role")
	errSockets = errors.New("the user has too many sockets")
)

// refuse closes a socket whose proof was not accepted. Why is for the log.
func (s *socket) refuse(err error) {
	s.h.Logger.InfoContext(s.ctx, "socket refused", "cause", err)
	switch {
	case errors.Is(err, errSockets):
		s.close(closeTooMany, "Too many sockets of one user")
	case fault.CodeOf(err) == fault.Unavailable:
		s.close(closeTryAgain, "the token cannot be checked at the moment")
	default:
		s.close(closeForbidden, "Forbidden: the token was refused")
	}
}

// prove takes a token as the caller's proof, the first or a later one; the
// first may be none.
func (s *socket) prove(token string) error {
	var who viewer.Viewer
	var err error
	if token != "" {
		who, err = s.h.Sockets.Bearer(s.ctx, token)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready && (who.Caller() != s.who.Caller() || who.Analyst() != s.who.Analyst()) {
		return errOther
	}
	if !s.ready && !s.h.sockets.claim(who.Caller(), s) {
		return errSockets
	}
	if who != s.who && s.h.Sockets.Join != nil {
		s.leave()
		s.leave = s.h.Sockets.Join(who, s.revoked)
	}
	s.who = who
	s.deadline.Stop()
	s.deadline = time.AfterFunc(s.h.Sockets.MaxAge, func() { s.close(closeForbidden, "Forbidden: no fresh token came in time") })
	return nil
}

// ping answers. With a token it renews the socket; any other payload comes back as it was.
func (s *socket) ping(payload json.RawMessage) {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	token, err := authorization(payload)
	if err == nil && token != "" && ready {
		err = s.prove(token)
	}
	switch {
	case payload == nil:
		s.write([]byte(`{"type":"pong"}`))
	case err != nil && ready:
		s.refuse(err)
	case token == "" || !ready:
		s.write(fmt.Appendf(nil, `{"type":"pong","payload":%s}`, payload))
	default:
		expires := time.Now().Add(s.h.Sockets.MaxAge).UTC().Format(time.RFC3339)
		s.write(fmt.Appendf(nil, `{"type":"pong","payload":{"expiresAt":%q}}`, expires))
	}
}

// subscribe starts an operation, of any kind.
func (s *socket) subscribe(m message) {
	s.mu.Lock()
	ready, who := s.ready, s.who
	_, taken := s.ops[m.ID]
	busy := len(s.ops) >= MaxOperations
	s.mu.Unlock()
	switch {
	case !ready:
		s.close(closeUnready, "Unauthorized")
		return
	case taken:
		s.close(closeDuplicate, reason("Subscriber for "+m.ID+" already exists", "Subscriber already exists"))
		return
	case busy:
		s.fail(m.ID, failed(fault.New(fault.RateLimited, "a socket runs at most %d operations at a time", MaxOperations)))
		return
	}
	params, failure := readJSON(m.Payload)
	if failure == nil && params.Query == "" && params.DocumentID == "" && params.Extensions["persistedQuery"] == nil {
		failure = badRequest("query must be given")
	}
	if failure != nil {
		s.close(closeBadRequest, errMessage.Error())
		return
	}
	params.Transport, params.Remote = "ws", s.remote
	ctx, cancel := context.WithCancel(viewer.NewContext(s.ctx, who))
	op := &running{cancel}
	s.mu.Lock()
	if s.ops == nil {
		s.ops = map[string]*running{}
	}
	s.ops[m.ID] = op
	s.mu.Unlock()
	s.running.Go(func() {
		defer s.finish(m.ID, op)
		s.run(ctx, m.ID, op, params)
	})
}

// run executes an operation and sends what it yields.
func (s *socket) run(ctx context.Context, id string, op *running, params Params) {
	prepared, failure := s.h.prepare(ctx, params)
	if failure != nil {
		if s.finish(id, op) {
			s.fail(id, failure)
		}
		return
	}
	for resp := range s.h.execute(ctx, prepared) {
		if s.fatal(resp.Errors) || ctx.Err() != nil {
			return
		}
		s.next(id, resp)
		if resp.Data == nil && prepared.Kind() == ast.Subscription {
			break // it failed for good
		}
	}
	if s.finish(id, op) {
		s.write(frame("complete", id, nil))
	}
}

// finish forgets an operation and reports whether it was still the client's:
// it hears no more of one that it completed itself.
func (s *socket) finish(id string, op *running) bool {
	op.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ops[id] != op {
		return false
	}
	delete(s.ops, id)
	return s.ctx.Err() == nil
}

// complete is the client's: it wants no more of the operation.
func (s *socket) complete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if op := s.ops[id]; op != nil {
		op.cancel()
		delete(s.ops, id)
	}
}

// next sends one response.
func (s *socket) next(id string, resp *graphql.Response) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	buf.WriteString(`{"type":"next","id":`)
	appendJSON(buf, id)
	buf.WriteString(`,"payload":`)
	encode(buf, resp)
	buf.WriteByte('}')
	s.write(buf.Bytes())
}

// fail sends what kept an operation from running.
func (s *socket) fail(id string, f *Failure) {
	var errs bytes.Buffer
	appendJSON(&errs, f.Errors)
	s.write(frame("error", id, errs.Bytes()))
}

func frame(kind, id string, payload []byte) []byte {
	var buf bytes.Buffer
	buf.WriteString(`{"type":"` + kind + `","id":`)
	appendJSON(&buf, id)
	if payload != nil {
		buf.WriteString(`,"payload":`)
		buf.Write(payload)
	}
	buf.WriteByte('}')
	return buf.Bytes()
}

// maxReason is what a close frame holds.
const maxReason = 123

func reason(text, whenTooLong string) string {
	if len(text) > maxReason {
		return whenTooLong
	}
	return text
}
