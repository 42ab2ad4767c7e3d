package gqlhttp

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

// Params is one GraphQL request, whatever carried it here.
type Params struct {
	Query         string
	OperationName string
	Variables     map[string]any
	Extensions    map[string]any
	DocumentID    string

	Transport string // for metrics: "http", "sse" or "ws"
	Remote    string // the peer's address; it is billed when nobody is signed in
	// Refuse tells whether the transport can carry this kind of operation; nil: any.
	Refuse func(ast.Operation) *Failure
}

// Operation is a request that may run: it parsed, validated, was priced and paid for.
type Operation struct {
	*graphql.OperationContext

	Cost      int
	Rate      Rate // the zero Rate when there is no limiter
	transport string
}

// Kind is the operation's type.
func (op *Operation) Kind() ast.Operation { return op.Operation.Operation }

// prepare takes a request to the point where it may run. It makes no database
// call. A nil Failure means that the Operation is ready for execute.
func (h *Handler) prepare(ctx context.Context, p Params) (*Operation, *Failure) {
	op, failure := h.resolve(ctx, p)
	if failure == nil {
		return op, nil
	}
	h.Observe(ctx, Outcome{Transport: p.Transport, Code: failure.code()})
	if failure.code() == string(fault.Internal) {
		h.Logger.ErrorContext(ctx, "operation not prepared", "cause", failure.Errors[0].Err, "request_id", telemetry.RequestID(ctx))
	}
	return nil, failure.identified(ctx)
}

func (h *Handler) resolve(ctx context.Context, p Params) (*Operation, *Failure) {
	query, failure := h.documents.text(p)
	if failure != nil {
		return nil, failure
	}
	doc, failure := h.documents.parse(ctx, query)
	if failure != nil {
		return nil, failure
	}
	h.documents.remember(p, query)
	operation, failure := selectOperation(doc, p.OperationName)
	if failure != nil {
		return nil, failure
	}
	if p.Refuse != nil {
		if failure := p.Refuse(operation.Operation); failure != nil {
			return nil, failure
		}
	}
	variables, failure := h.coerce(operation, p.Variables)
	if failure != nil {
		return nil, failure
	}
	op := &Operation{OperationContext: h.operationContext(p, query, doc, operation, variables), transport: p.Transport}
	return op, h.charge(ctx, op, p.Remote)
}

func (h *Handler) operationContext(p Params, query string, doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) *graphql.OperationContext {
	return &graphql.OperationContext{
		RawQuery:               query,
		Variables:              variables,
		OperationName:          op.Name,
		Doc:                    doc,
		Extensions:             p.Extensions,
		Operation:              op,
		DisableIntrospection:   !h.Introspection,
		RecoverFunc:            h.recovered,
		ResolverMiddleware:     func(ctx context.Context, next graphql.Resolver) (any, error) { return next(ctx) },
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}
}

// selectOperation is GetOperation of the GraphQL specification.
func selectOperation(doc *ast.QueryDocument, name string) (*ast.OperationDefinition, *Failure) {
	if name == "" && len(doc.Operations) == 1 {
		return doc.Operations[0], nil
	}
	if name == "" && len(doc.Operations) > 1 {
		return nil, invalid(fault.ValidationFailed, "operationName must be given when a document has several operations")
	}
	if op := doc.Operations.ForName(name); name != "" && op != nil {
		return op, nil
	}
	return nil, invalid(fault.ValidationFailed, "the document has no operation of that name")
}

// charge prices op and takes its cost from the caller's allowance.
func (h *Handler) charge(ctx context.Context, op *Operation, remote string) *Failure {
	cost, err := h.Limits.Cost(h.Schema.Schema(), op.Doc, op.Operation, op.Variables)
	if err != nil {
		return failed(err)
	}
	op.Cost = cost
	if h.Rates == nil {
		return nil
	}
	rate, takeErr := h.Rates.Take(ctx, payer(ctx, remote), cost)
	if takeErr != nil {
		h.Logger.WarnContext(ctx, "rate limiter did not answer, the operation runs", "cause", takeErr)
		return nil
	}
	op.Rate = rate
	if rate.Allowed {
		return nil
	}
	f := failed(fault.New(fault.RateLimited, "too many complexity points in a short time").Retry(rate.RetryAfter))
	f.Rate = rate
	return f
}

// payer is whose allowance an operation is charged to.
func payer(ctx context.Context, remote string) string {
	if caller := viewer.FromContext(ctx).Caller(); caller != "" {
		return caller
	}
	return "address:" + remote
}

// execute runs op. A query or mutation yields one response, within
// RequestTimeout; a subscription one per event until ctx ends. A response is
// valid only until the next one is asked for: its buffer is used again.
func (h *Handler) execute(ctx context.Context, op *Operation) iter.Seq[*graphql.Response] {
	return func(yield func(*graphql.Response) bool) {
		if op.Kind() == ast.Subscription {
			h.stream(ctx, op, yield)
			return
		}
		release, busy := h.enter()
		if busy != nil {
			h.Shed()
			h.Observe(ctx, Outcome{op.transport, string(op.Kind()), string(busy.Code), op.Cost, 0})
			yield(&graphql.Response{Errors: failed(busy).Errors})
			return
		}
		defer release()
		ctx, cancel := context.WithTimeout(ctx, h.RequestTimeout)
		defer cancel()
		h.run(ctx, op, yield)
	}
}

// enter takes a place among the operations that run. When all are taken the
// database is behind already: one more would only wait, and time out later.
func (h *Handler) enter() (release func(), busy *fault.Error) {
	select {
	case h.running <- struct{}{}:
		return func() { <-h.running }, nil
	default:
		return nil, fault.New(fault.Unavailable, "too many operations are running, try again shortly").Retry(time.Second)
	}
}

// run is one query or mutation.
func (h *Handler) run(ctx context.Context, op *Operation, yield func(*graphql.Response) bool) {
	start := time.Now()
	ctx, span := h.Tracer.Start(ctx, spanName(op))
	next, ctx := h.dispatch(ctx, op)
	resp := h.next(ctx, next)
	if resp == nil {
		resp = h.whole(ctx, op, context.Cause(ctx))
	}
	resp = finish(resp)
	code := codeOf(resp.Errors)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		code = codeCancelled
	}
	if code != codeOK {
		span.SetStatus(codes.Error, code)
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("graphql.operation.cost", op.Cost))
	}
	span.End()
	h.Observe(ctx, Outcome{op.transport, string(op.Kind()), code, op.Cost, time.Since(start)})
	yield(resp)
	h.next(ctx, next) // resp's buffer may be used again
}

// stream is one subscription. Its events are not timed: they arise when somebody writes.
func (h *Handler) stream(ctx context.Context, op *Operation, yield func(*graphql.Response) bool) {
	start, code := time.Now(), codeOK
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the resolver's channel ends with its context
	next, ctx := h.dispatch(ctx, op)
	for resp := h.next(ctx, next); resp != nil; resp = h.next(ctx, next) {
		resp = finish(resp)
		if len(resp.Errors) > 0 {
			code = codeOf(resp.Errors)
		}
		if !yield(resp) {
			break
		}
	}
	h.Observe(ctx, Outcome{op.transport, string(op.Kind()), code, op.Cost, time.Since(start)})
}

// dispatch has the schema begin with op. A panic on the way is an INTERNAL answer.
func (h *Handler) dispatch(ctx context.Context, op *Operation) (next graphql.ResponseHandler, inner context.Context) {
	inner = graphql.WithResponseContext(graphql.WithOperationContext(ctx, op.OperationContext), h.Present, h.recovered)
	defer func() {
		if p := recover(); p != nil {
			next = graphql.OneShot(h.whole(inner, op, h.recovered(inner, p)))
		}
	}()
	next = h.Schema.Exec(inner)
	if errs := graphql.GetErrors(inner); errs != nil {
		next = graphql.OneShot(&graphql.Response{Errors: errs})
	}
	return next, inner
}

// next is the operation's next response, nil when there are no more or ctx ended.
func (h *Handler) next(ctx context.Context, next graphql.ResponseHandler) (resp *graphql.Response) {
	defer func() {
		if p := recover(); p != nil {
			resp = &graphql.Response{Errors: gqlerror.List{h.Present(ctx, h.recovered(ctx, p))}}
		}
	}()
	if ctx.Err() != nil {
		return nil
	}
	if resp = next(ctx); resp != nil && resp.Errors == nil {
		resp.Errors = graphql.GetErrors(ctx)
	}
	return resp
}

// whole is the answer to an operation that failed as a whole with err.
func (h *Handler) whole(ctx context.Context, op *Operation, err error) *graphql.Response {
	if err == nil {
		err = errors.New("the executor gave no response")
	}
	return &graphql.Response{Errors: gqlerror.List{h.Present(ctx, err)}}
}

// recovered turns a panic into an error whose text no caller sees.
func (h *Handler) recovered(ctx context.Context, p any) error {
	h.Logger.ErrorContext(ctx, "panic in a resolver", slog.String("panic", telemetry.Redact(fmt.Sprint(p))),
		slog.String("stack", string(debug.Stack())), slog.String("request_id", telemetry.RequestID(ctx)))
	return fault.New(fault.Internal, "internal error").Because(fmt.Errorf("panic: %v", p))
}

func spanName(op *Operation) string {
	if op.OperationName == "" {
		return string(op.Kind())
	}
	return string(op.Kind()) + " " + op.OperationName
}

// maxErrors is how many errors one response carries at most (contract, §3).
const maxErrors = 10

// finish makes an executor's response one that may leave: a deleted caller
// learns that and nothing else, and errors are few.
func finish(resp *graphql.Response) *graphql.Response {
	for _, e := range resp.Errors {
		if errorCode(e) == fault.UserDeleted {
			resp.Data, resp.Errors = nil, gqlerror.List{e}
			break
		}
	}
	if len(resp.Errors) > maxErrors {
		resp.Errors = resp.Errors[:maxErrors]
	}
	return resp
}

// noMutations is the Refuse of GET requests.
func noMutations(kind ast.Operation) *Failure {
	if kind != ast.Mutation {
		return nil
	}
	f := refusal(http.StatusMethodNotAllowed, fault.BadUserInput, "mutations are not served over GET: send them by POST")
	f.Header = http.Header{"Allow": {http.MethodPost}}
	return f
}
