package graph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// FuzzOperations looks for an operation and rows that Segue writes otherwise
// than gqlgen's own executor does. Each byte of operation is one decision in
// composing it; rows is the seed of what the database answers and of who asks.
//
//	go test -run - -fuzz FuzzOperations ./graph
func FuzzOperations(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		operation := make([]byte, 2*i)
		for j := range operation {
			operation[j] = byte(r.Uint32())
		}
		f.Add(r.Uint64(), operation)
	}
	w := newWriters(f)
	f.Fuzz(func(t *testing.T, rows uint64, operation []byte) {
		if !w.compare(t, rows, &tape{operation, rand.NewPCG(rows, 1)}) {
			t.Skip("not a valid operation")
		}
	})
}

// TestRandomOperations is the fuzz test with random numbers in the place of the
// engine, for a good while. SEGUE_OPERATIONS changes how many it compares.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	n := 75_000 // 30 s of one core
	if raceDetector() {
		n = 25_000 // 40 s
	}
	if v, err := strconv.Atoi(os.Getenv("SEGUE_OPERATIONS")); err == nil {
		n = v
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a fifth of the time went into clearing a few MB again and again
	w := newWriters(t)
	for i := range n {
		w.compare(t, uint64(i), rand.NewPCG(uint64(i), 3))
	}
	t.Logf("%d random operations over random rows, byte for byte: %d kB of data, %d with errors, %d of those with data beside", w.compared, w.bytes>>10, w.refused, w.partial)
	if w.compared < n*9/10 {
		t.Errorf("only %d of %d were valid", w.compared, n)
	}
	if n >= 10_000 {
		w.checkSeen(t)
	}
}

// raceDetector reports whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// writers run operations as Segue does and as gqlgen's own executor does, on the same rows.
type writers struct {
	rows             *rowsource
	schema           *ast.Schema
	segue, reference *executor.Executor
	typename         *ast.QueryDocument

	seen   sync.Map               // *met by fieldOf
	defect atomic.Pointer[string] // beside any difference

	compared, partial, refused, bytes int
}

func newWriters(t testing.TB) *writers {
	t.Helper()
	w := &writers{rows: newRowsource(t)}
	pool, err := store.OpenPool(w.rows.url, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	r := &graph.Resolver{Store: store.New(store.Config{Pool: pool})}
	start := func(schema graphql.ExecutableSchema) *executor.Executor {
		e := executor.New(schema)
		e.SetErrorPresenter(graph.Presenter(slog.New(slog.DiscardHandler)))
		return e
	}
	segue := graph.NewSchema(r)
	w.schema, w.segue = segue.Schema(), start(segue)
	w.reference = start(observed{graph.NewReference(r), w})
	w.typename = gqlparser.MustLoadQueryWithRules(w.schema, "{ __typename }", nil)
	return w
}

// caller is who asks. What each may see is for PostgreSQL to say: rows come to all alike.
func caller(seed uint64) viewer.Viewer {
	switch n := seed % 20; {
	case n == 0:
		return viewer.Viewer{}
	case n < 3:
		return viewer.Key("k")
	default:
		return viewer.User(ada, "s", n < 10)
	}
}

// compare composes an operation, has both sides run it, and wants the same bytes
// of data and the same errors, those in any order. It is false when the operation
// was not valid after all.
func (w *writers) compare(t testing.TB, seed uint64, source rand.Source) bool {
	t.Helper()
	composed := compose(w.schema, source)
	doc, invalid := limits.Limits{}.Parse(w.schema, composed.text, true)
	if len(invalid) > 0 {
		return false
	}
	variables, err := validator.VariableValues(w.schema, doc.Operations[0], composed.variables)
	if err != nil {
		return false
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("rows %d:\n%s\n%v\n%s", seed, composed.text, composed.variables, fmt.Sprintf(format, args...))
	}
	defer func() {
		if p := recover(); p != nil {
			fail("panic: %v\n%s", p, debug.Stack())
		}
	}()
	w.rows.begin(seed, seed%4 == 0)
	ctx := viewer.NewContext(context.Background(), caller(seed/4))
	run := func(e *executor.Executor, doc *ast.QueryDocument) (response *graphql.Response, next func() *graphql.Response) {
		respond, ctx := e.DispatchOperation(ctx, &graphql.OperationContext{
			RawQuery: composed.text, Doc: doc, Operation: doc.Operations[0], Variables: variables, RecoverFunc: w.recovered,
			ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
			RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
		})
		return respond(ctx), func() *graphql.Response { return respond(ctx) }
	}
	// A response is valid until the next one is asked for, whatever is written in between.
	got, next := run(w.segue, doc)
	_, nextBetween := run(w.segue, w.typename)
	want, _ := run(w.reference, doc)
	if defect := w.defect.Load(); defect != nil {
		fail("%s", *defect)
	}
	if unread := w.rows.unread.Load(); unread != nil {
		fail("%s", *unread)
	}
	gotErrors, wantErrors := errorsOf(got), errorsOf(want)
	if !bytes.Equal(got.Data, want.Data) || !slices.Equal(gotErrors, wantErrors) {
		fail(" got %s %s\nwant %s %s", got.Data, gotErrors, want.Data, wantErrors)
	}
	if next() != nil || nextBetween() != nil {
		fail("a second response")
	}
	w.count(want)
	return true
}

func (w *writers) count(r *graphql.Response) {
	w.compared++
	w.bytes += len(r.Data)
	if len(r.Errors) > 0 {
		w.refused++
		if string(r.Data) != "null" {
			w.partial++
		}
	}
}

// errorsOf are a response's errors, sorted: a query's root fields are resolved side by side.
func errorsOf(r *graphql.Response) []string {
	list := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		text, err := json.Marshal(e)
		if err != nil {
			text = []byte(err.Error())
		}
		list[i] = string(text)
	}
	slices.Sort(list)
	return list
}

// recovered is for panics in resolvers: no operation may cause one on either side.
func (w *writers) recovered(_ context.Context, p any) error {
	w.found("panic: %v\n%s", p, debug.Stack())
	return fmt.Errorf("panic: %v", p)
}

func (w *writers) found(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.defect.Store(&text)
}

// fieldOf is a field of a type.
type fieldOf struct{ object, name string }

// met is what a field was seen with.
type met struct{ value, null atomic.Bool }

// observed is the reference with a second look at every field. Both sides read
// what the planner wants and find a list by the planner's number for it, so a
// mistake of the planner's would be the same on both: here is kept in mind what
// there was, for checkSeen, and each list is held against its own arguments.
type observed struct {
	graphql.ExecutableSchema
	w *writers
}

// Exec implements graphql.ExecutableSchema.
func (s observed) Exec(ctx context.Context) graphql.ResponseHandler {
	respond := s.ExecutableSchema.Exec(ctx)
	operation := graphql.GetOperationContext(ctx)
	inner := operation.ResolverMiddleware
	operation.ResolverMiddleware = func(ctx context.Context, next graphql.Resolver) (any, error) {
		value, err := inner(ctx, next)
		if err == nil {
			s.w.look(graphql.GetFieldContext(ctx), value)
		}
		return value, err
	}
	return respond
}

func (w *writers) look(field *graphql.FieldContext, value any) {
	w.note(fieldOf{field.Object, field.Field.Name}, value)
	if rows, most := rowsOf(value), mostOf(field.Args); rows > most {
		w.found("%s.%s has %d rows, its arguments ask for %d at most", field.Object, field.Field.Name, rows, most)
	}
}

func (w *writers) note(f fieldOf, value any) {
	entry, known := w.seen.Load(f)
	if !known {
		entry, _ = w.seen.LoadOrStore(f, &met{})
	}
	if v := reflect.ValueOf(value); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		entry.(*met).null.Store(true)
	} else {
		entry.(*met).value.Store(true)
	}
}

// rowsOf is the length of a page.
func rowsOf(value any) int {
	switch c := value.(type) {
	case *model.ChatMessageConnection:
		return len(c.Rows)
	case *model.FeedbackConnection:
		return len(c.Rows)
	case *model.TrackLikeConnection:
		return len(c.Rows)
	}
	return 0
}

// mostOf is the size of a page that arguments ask for.
func mostOf(args map[string]any) int {
	for _, name := range []string{"first", "last"} {
		if n, ok := args[name].(*int32); ok && n != nil {
			return int(*n)
		}
	}
	return page.DefaultSize
}

// checkSeen wants every field of the schema to have been met with a value and,
// where it can be null, without: a column that the planner forgets is never read.
func (w *writers) checkSeen(t *testing.T) {
	t.Helper()
	for _, def := range w.schema.Types {
		if def.Kind != ast.Object || def.BuiltIn || def == w.schema.Subscription {
			continue
		}
		for _, f := range def.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			entry, _ := w.seen.LoadOrStore(fieldOf{def.Name, f.Name}, &met{})
			if !entry.(*met).value.Load() {
				t.Errorf("%s.%s never had a value", def.Name, f.Name)
			}
			if !f.Type.NonNull && !entry.(*met).null.Load() {
				t.Errorf("%s.%s was never null", def.Name, f.Name)
			}
		}
	}
}
