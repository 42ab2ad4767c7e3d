// Package fault is the one error type that may reach a caller: a code of the
// contract (§3), a message written for the caller, and a cause that only the
// log sees. Lower rooms return plain wrapped errors; whoever knows what an
// error means to the caller wraps it here, and the edges (graph for
// extensions.code, gqlhttp for HTTP statuses) map it once.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code is a value of extensions.code.
type Code string

// The codes of the contract, §3.
const (
	ParseFailed               Code = "GRAPHQL_PARSE_FAILED"
	ValidationFailed          Code = "GRAPHQL_VALIDATION_FAILED"
	BadUserInput              Code = "BAD_USER_INPUT"
	Unauthenticated           Code = "UNAUTHENTICATED"
	Forbidden                 Code = "FORBIDDEN"
	NotFound                  Code = "NOT_FOUND"
	Conflict                  Code = "CONFLICT"
	UserNotSynced             Code = "USER_NOT_SYNCED"
	UserDeleted               Code = "USER_DELETED"
	RateLimited               Code = "RATE_LIMITED"
	OperationTooComplex       Code = "OPERATION_TOO_COMPLEX"
	OperationTooDeep          Code = "OPERATION_TOO_DEEP"
	PersistedQueryNotFound    Code = "PERSISTED_QUERY_NOT_FOUND"
	PersistedQueryUnsupported Code = "PERSISTED_QUERY_NOT_SUPPORTED"
	Unavailable               Code = "UNAVAILABLE"
	Timeout                   Code = "TIMEOUT"
	Internal                  Code = "INTERNAL"
)

// Error is what a caller may be told. Message goes out as it is, so it never
// holds SQL, host names or anyone's data; the cause is reached by errors.Is and
// errors.As and by the log alone.
type Error struct {
	Code    Code
	Message string
	// Field names the offending argument or input field of a BadUserInput.
	Field string
	// RetryAfter is how long to wait before asking again; zero when waiting does not help.
	RetryAfter time.Duration

	cause error
}

// New returns an error with a message for the caller.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// BadInput is a BadUserInput about one argument or input field; the message
// the caller reads starts with the field's name.
func BadInput(field, format string, args ...any) *Error {
	return &Error{Code: BadUserInput, Field: field, Message: field + " " + fmt.Sprintf(format, args...)}
}

// Because returns a copy of e that keeps cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Retry returns a copy of e that tells the caller to wait for d.
func (e *Error) Retry(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Error is for the log: the message with its cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Extensions is what GraphQL's errors[].extensions says of e. The map is new each
// time: gqlgen writes into the ones it is given.
func (e *Error) Extensions() map[string]any {
	x := map[string]any{"code": string(e.Code)}
	if e.Field != "" {
		x["field"] = e.Field
	}
	if e.RetryAfter > 0 {
		x["retryAfterMs"] = e.RetryAfter.Milliseconds()
	}
	return x
}

// CodeOf is the code of the first *Error in err's chain, Internal for any other error.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}
