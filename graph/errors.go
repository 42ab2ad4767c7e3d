package graph

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

// Presenter returns the one mapping of Go errors to GraphQL errors, for gqlgen's
// executor. What is not a *fault.Error is a defect: the caller learns
// "internal error" and a request id, the log learns the cause.
func Presenter(logger *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		if err == nil {
			return nil
		}
		return present(ctx, logger, err)
	}
}

func present(ctx context.Context, logger *slog.Logger, err error) *gqlerror.Error {
	outer, _ := errors.AsType[*gqlerror.Error](err)
	argument := badArgument(ctx, outer)
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case ok && argument != "" && f.Code == fault.BadUserInput && f.Field == "":
		f = named(f, argument)
	case ok:
	case outer != nil && coded(outer):
		return outer
	case errors.Is(err, context.DeadlineExceeded):
		f = fault.New(fault.Timeout, "the operation took too long").Retry(time.Second).Because(err)
	case errors.Is(err, context.Canceled):
		// Nobody is left to read the answer; the code only feeds the metrics.
		f = fault.New(fault.Timeout, "the request was cancelled").Because(err)
	case argument != "":
		f = fault.BadInput(argument, "has a value that its type does not allow").Because(err)
	default:
		f = fault.New(fault.Internal, "internal error").Because(err)
	}
	logFault(ctx, logger, f)
	return render(ctx, outer, f)
}

// named adds the name that a scalar, which only sees its value, could not give.
func named(f *fault.Error, argument string) *fault.Error {
	c := *f
	c.Field, c.Message = argument, argument+": "+f.Message
	return &c
}

// coded reports whether the error already went through a mapping: the parser's,
// the validator's and the limits' errors carry a code and a message meant for the caller.
func coded(err *gqlerror.Error) bool {
	code, ok := err.Extensions["code"].(string)
	return ok && code != ""
}

// badArgument names the argument or input field whose value gqlgen could not
// decode, "" for any other error. Such an error's path goes on from the field
// it is about to the argument; a resolver's ends at its field.
func badArgument(ctx context.Context, err *gqlerror.Error) string {
	field := graphql.GetFieldContext(ctx)
	if err == nil || field == nil || len(err.Path) <= len(field.Path()) {
		return ""
	}
	for _, element := range slices.Backward(err.Path[len(field.Path()):]) {
		if name, ok := element.(ast.PathName); ok {
			return string(name)
		}
	}
	return ""
}

// render makes a new error each time: gqlgen writes paths and locations into the one it gets.
func render(ctx context.Context, outer *gqlerror.Error, f *fault.Error) *gqlerror.Error {
	out := &gqlerror.Error{Err: f, Message: f.Message, Extensions: f.Extensions(), Path: graphql.GetPath(ctx)}
	if outer != nil {
		out.Locations = outer.Locations
	}
	if f.Code == fault.Internal {
		out.Extensions["requestId"] = telemetry.RequestID(ctx)
	}
	return out
}

// logFault writes what went wrong on our side. It names the request, the
// operation and the caller, and never a token, a variable's value or an e-mail.
func logFault(ctx context.Context, logger *slog.Logger, f *fault.Error) {
	level := slog.LevelDebug
	switch f.Code {
	case fault.Internal:
		level = slog.LevelError
	case fault.Unavailable, fault.Timeout:
		level = slog.LevelWarn
	}
	if errors.Is(f, context.Canceled) {
		level = slog.LevelDebug
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("code", string(f.Code)),
		slog.String("cause", cause(ctx, f)),
		slog.String("request_id", telemetry.RequestID(ctx)),
		slog.String("caller", viewer.FromContext(ctx).Caller()),
	}
	if graphql.HasOperationContext(ctx) {
		attrs = append(attrs, slog.String("operation", graphql.GetOperationContext(ctx).OperationName))
	}
	if id := telemetry.TraceID(ctx); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	logger.LogAttrs(ctx, level, "operation failed", attrs...)
}

// cause is the text of what went wrong, without what the caller sent: PostgreSQL
// and pgx quote values they cannot use.
func cause(ctx context.Context, f *fault.Error) string {
	err := errors.Unwrap(f)
	if err == nil {
		return ""
	}
	var values []string
	if graphql.HasOperationContext(ctx) {
		for _, v := range graphql.GetOperationContext(ctx).Variables {
			values = appendStrings(values, v)
		}
	}
	return telemetry.Redact(err.Error(), values...)
}

func appendStrings(list []string, v any) []string {
	switch v := v.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, item := range v {
			list = appendStrings(list, item)
		}
	case map[string]any:
		for _, item := range v {
			list = appendStrings(list, item)
		}
	}
	return list
}
