package gqlhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

// toySource is a schema small enough to be executed by hand below, so that the
// protocol is tested without the database.
const toySource = `
type Query { echo(text: String, input: EchoInput): String, fail(how: String!): String, must(how: String!): String!, wait: String }
type Mutation { write(text: String): String }
type Subscription { count(to: Int!): Int, forever: Int }
input EchoInput { text: String!, kind: Kind, more: EchoInput }
enum Kind { PLAIN FANCY }
`

// toy implements graphql.ExecutableSchema. fail is called by the fields fail and
// must; waiting is told when the field wait has begun to wait for its context.
type toy struct {
	schema  *ast.Schema
	fail    func(how string) error
	waiting chan struct{}
}

func newToy() *toy {
	return &toy{
		schema:  gqlparser.MustLoadSchema(&ast.Source{Name: "toy.graphqls", Input: toySource}),
		waiting: make(chan struct{}, 16),
	}
}

func (t *toy) Schema() *ast.Schema { return t.schema }

func (t *toy) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (t *toy) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if op.Operation.Operation == ast.Subscription {
		return t.subscribe(ctx, op)
	}
	return func(ctx context.Context) *graphql.Response { return t.roots(ctx, op) }
}

func (t *toy) roots(ctx context.Context, op *graphql.OperationContext) *graphql.Response {
	out := []byte{'{'}
	for i, field := range graphql.CollectFields(op, op.Operation.SelectionSet, []string{"Query", "Mutation"}) {
		ctx := graphql.WithFieldContext(ctx, &graphql.FieldContext{Field: field})
		ctx = graphql.WithRootFieldContext(ctx, &graphql.RootFieldContext{Object: field.Name, Field: field})
		value := op.RootResolverMiddleware(ctx, func(ctx context.Context) graphql.Marshaler { return t.root(ctx, op, field) })
		var buf bytes.Buffer
		value.MarshalGQL(&buf)
		if buf.String() == "null" && field.Definition.Type.NonNull {
			return &graphql.Response{Data: []byte("null")}
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, `"`+field.Alias+`":`...), buf.Bytes()...)
	}
	return &graphql.Response{Data: append(out, '}')}
}

func (t *toy) root(ctx context.Context, op *graphql.OperationContext, field graphql.CollectedField) graphql.Marshaler {
	args := field.ArgumentMap(op.Variables)
	text, _ := args["text"].(string)
	switch field.Name {
	case "__typename":
		return graphql.MarshalString(field.ObjectDefinition.Name)
	case "echo", "write":
		return graphql.MarshalString(text)
	case "wait":
		t.waiting <- struct{}{}
		<-ctx.Done()
		graphql.AddError(ctx, ctx.Err())
	case "fail", "must":
		graphql.AddError(ctx, t.fail(args["how"].(string)))
	}
	return graphql.Null
}

func (t *toy) subscribe(ctx context.Context, op *graphql.OperationContext) graphql.ResponseHandler {
	field := op.Operation.SelectionSet[0].(*ast.Field)
	to, n := int64(1), int64(0)
	if field.Name == "count" {
		to, _ = field.ArgumentMap(op.Variables)["to"].(int64)
	}
	return func(context.Context) *graphql.Response {
		if n++; n > min(to, 100) {
			if field.Name == "count" {
				return nil
			}
			t.waiting <- struct{}{}
			<-ctx.Done()
			return nil
		}
		data, _ := json.Marshal(map[string]int64{field.Alias: n})
		return &graphql.Response{Data: data}
	}
}

// toyConfig is a complete Config over a toy; change it before New.
func toyConfig(t *testing.T, es *toy) Config {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	return Config{
		Schema:  es,
		Limits:  limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(logger),
		Logger:  logger,
	}
}

// listen serves a handler over real HTTP as user_a and returns its URL.
func listen(t *testing.T, c Config) string {
	t.Helper()
	return serve(t, New(c))
}

func serve(t *testing.T, h *Handler) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := telemetry.WithRequestID(r.Context(), "request-1")
		if r.Header.Get("X-Test-Viewer") != "nobody" {
			ctx = viewer.NewContext(ctx, viewer.User("user_a", "sess_a", false))
		}
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/graphql"
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// errorAt is the i-th error of the answer.
func (a answer) errorAt(t *testing.T, i int) (e struct {
	Message    string
	Extensions map[string]any
	Path       []any
}) {
	t.Helper()
	var body struct{ Errors []json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || len(body.Errors) <= i {
		t.Fatalf("no error %d in %q", i, a.body)
	}
	if err := json.Unmarshal(body.Errors[i], &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// code is the first error's code, "" without errors.
func (a answer) code(t *testing.T) string {
	t.Helper()
	if !strings.Contains(a.body, `"errors"`) {
		return ""
	}
	code, _ := a.errorAt(t, 0).Extensions["code"].(string)
	return code
}

// send makes a request; headers come in pairs, an empty value removes a default.
func send(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// post sends a GraphQL request as JSON.
func post(t *testing.T, url string, request map[string]any, headers ...string) answer {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, http.MethodPost, url, string(body), headers...)
}

func query(text string) map[string]any { return map[string]any{"query": text} }
