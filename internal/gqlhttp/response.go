package gqlhttp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
)

// serve prepares params and answers with one response or a stream of them.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, accept accepted, params Params) {
	params.Transport = "http"
	if accept.only {
		params.Transport = "sse"
	} else if !accept.stream {
		params.Refuse = noSubscriptions(params.Refuse)
	}
	op, failure := h.prepare(r.Context(), params)
	switch {
	case failure != nil && accept.only && failure.Status == 0:
		h.streamFailure(w, r, failure)
	case failure != nil:
		h.refuse(w, r, accept.media, failure)
	case accept.only, op.Kind() == ast.Subscription:
		op.transport = "sse"
		h.serveEvents(w, r, op)
	default:
		h.answer(w, r, accept.media, op)
	}
}

// noSubscriptions is for callers that take no stream of events.
func noSubscriptions(next func(ast.Operation) *Failure) func(ast.Operation) *Failure {
	return func(kind ast.Operation) *Failure {
		if kind == ast.Subscription {
			return refusal(http.StatusNotAcceptable, fault.BadUserInput, "subscriptions are served to Accept: text/event-stream, or over a WebSocket")
		}
		if next == nil {
			return nil
		}
		return next(kind)
	}
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request, m media, op *Operation) {
	for resp := range h.execute(r.Context(), op) {
		op.Rate.writeHeaders(w.Header())
		write(w, m, responseStatus(resp), resp)
	}
}

// refuse answers a request that failed as a whole.
func (h *Handler) refuse(w http.ResponseWriter, _ *http.Request, m media, f *Failure) {
	maps.Copy(w.Header(), f.Header)
	f.Rate.writeHeaders(w.Header())
	write(w, m, f.status(m), &graphql.Response{Errors: f.Errors})
}

// Refuse answers r with err alone, in the media type the caller asked for. It is
// for what happens before /graphql is reached: a bad credential, a full house.
func Refuse(w http.ResponseWriter, r *http.Request, err *fault.Error) {
	accept, _ := negotiate(r.Header.Values("Accept"))
	status := statusOf(err.Code)
	if status == 0 {
		status = http.StatusBadRequest
	}
	write(w, accept.media, status, &graphql.Response{Errors: failed(err).identified(r.Context()).Errors})
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps one huge answer from holding its memory for ever.
const maxPooled = 1 << 20

var noStore = []string{"no-store"}

// write sends resp in one piece, with its length.
func write(w http.ResponseWriter, m media, status int, resp *graphql.Response) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	encode(buf, resp)
	header := w.Header()
	header["Content-Type"] = m.contentType()
	header["Content-Length"] = []string{strconv.Itoa(buf.Len())}
	header["Cache-Control"] = noStore
	if after := retryAfter(resp.Errors); after != "" && status != http.StatusOK {
		header.Set("Retry-After", after)
	}
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the caller may be gone; there is nobody to tell
}

// encode appends resp as JSON. The data is copied as it is: it is JSON already,
// and json.Marshal would scan it again and escape its angle brackets. Failures
// before execution have no data entry, as the specification wants.
func encode(buf *bytes.Buffer, resp *graphql.Response) {
	buf.WriteByte('{')
	if len(resp.Errors) > 0 {
		buf.WriteString(`"errors":`)
		appendJSON(buf, resp.Errors)
	}
	if resp.Data != nil {
		if len(resp.Errors) > 0 {
			buf.WriteByte(',')
		}
		buf.WriteString(`"data":`)
		buf.Write(resp.Data)
	}
	if len(resp.Extensions) > 0 {
		buf.WriteString(`,"extensions":`)
		appendJSON(buf, resp.Extensions)
	}
	buf.WriteByte('}')
}

func appendJSON(buf *bytes.Buffer, v any) {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		buf.WriteString("null")
		return
	}
	buf.Truncate(buf.Len() - 1) // Encode ends with a newline
}

// writeHeaders says what is left of the caller's allowance
// (draft-ietf-httpapi-ratelimit-headers).
func (r Rate) writeHeaders(header http.Header) {
	if r.Limit == 0 {
		return
	}
	header.Set("RateLimit-Policy", fmt.Sprintf(`"points";q=%d;w=%d`, r.Limit, seconds(r.Window)))
	header.Set("RateLimit", fmt.Sprintf(`"points";r=%d;t=%d`, max(r.Remaining, 0), seconds(r.Reset)))
}

// isUpgrade reports whether r asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// extend moves the moment at which a write to a reader that takes nothing fails.
func extend(rc *http.ResponseController, d time.Duration) {
	_ = rc.SetWriteDeadline(time.Now().Add(d)) // a recorder in a test has no deadlines
}
