package gqlhttp

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

// FuzzRequest sends anything down the whole request path and wants a GraphQL
// answer with a known code and without an INTERNAL one: of a toy schema that can
// be executed, or of Segue's own, starting from the corpus of attacks.
//
//	go test -fuzz FuzzRequest ./internal/gqlhttp
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{__typename}"}`,
		`{"query":"query($v: EchoInput){echo(input:$v)}","variables":{"v":{"text":"x","kind":"PLAIN"}}}`,
		`{"query":"mutation M{write(text:\"x\")}","operationName":"M","extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}`,
		`{"query":"{a:echo b:echo(text:\"\\u{1F3C3}\") ...F} fragment F on Query{echo __type(name:\"Query\"){name}}"}`,
		`{"query":"subscription{count(to:3)}"}`,
		`{"query":"{echo ...F} fragment F on Query{...F}"}`,
		`{"query":"` + strings.Repeat("{echo", 50) + `"}`,
		`{"query":"{__typename}","variables":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
		`{"documentId":"x"}`, `[]`, `null`, `{`, "\xff\xfe", `{"query":"\ud800"}`,
		`query=%7B__typename%7D`, `query={echo(text:$x)}&variables={"x":1}`,
	} {
		for kind := range byte(4) {
			f.Add(kind, []byte(seed))
		}
	}
	for _, a := range attack.All() {
		if body := a.Request(); len(body) < 4_000 { // the engine works best on small inputs
			f.Add(byte(4), body)
		}
	}
	segue := attacked()
	es := newToy()
	es.fail = func(string) error { return nil }
	h := New(Config{
		Schema: es, Limits: limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(slog.New(slog.DiscardHandler)), Logger: slog.New(slog.DiscardHandler),
	})
	f.Fuzz(func(t *testing.T, kind byte, input []byte) {
		if bytes.Contains(input, []byte("wait")) || bytes.Contains(input, []byte("forever")) {
			t.Skip("these wait on purpose")
		}
		w := httptest.NewRecorder()
		if kind&4 != 0 {
			segue.ServeHTTP(w, fuzzRequest(kind, input))
		} else {
			h.ServeHTTP(w, fuzzRequest(kind, input))
		}
		checkFuzzAnswer(t, w)
	})
}

// fuzzRequest makes a GET or POST, for JSON or events, of input.
func fuzzRequest(kind byte, input []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(input))
	r.Header.Set("Content-Type", "application/json")
	if kind&1 != 0 {
		r = httptest.NewRequest(http.MethodGet, "/graphql", nil)
		r.URL.RawQuery = string(input)
	}
	if kind&2 != 0 {
		r.Header.Set("Accept", "text/event-stream")
	}
	return r
}

func checkFuzzAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if !utf8.Valid(w.Body.Bytes()) {
		t.Fatal("the answer is not UTF-8")
	}
	if strings.HasPrefix(w.Header().Get("Content-Type"), typeEvents) {
		if !strings.HasSuffix(w.Body.String(), "event: complete\ndata:\n\n") {
			t.Fatalf("the stream does not end: %s", w.Body)
		}
		return
	}
	var body struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if body.Data == nil && len(body.Errors) == 0 || len(body.Errors) > maxErrors {
		t.Fatalf("neither data nor errors, or too many: %s", w.Body)
	}
	for _, e := range body.Errors {
		if e.Message == "" || e.Extensions.Code == "" || e.Extensions.Code == "INTERNAL" {
			t.Fatalf("an error without a message or a code of the caller's: %s", w.Body)
		}
	}
}
