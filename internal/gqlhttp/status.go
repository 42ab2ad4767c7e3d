package gqlhttp

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/telemetry"
)

// Failure is a request that fails as a whole: nothing of it ran.
type Failure struct {
	Errors gqlerror.List
	// Status is the HTTP status when it is the same for every media type; zero
	// where the GraphQL-over-HTTP specification makes it depend on that.
	Status int
	Header http.Header
	Rate   Rate // set when the rate limiter refused
}

func (f *Failure) code() string { return codeOf(f.Errors) }

// failed is a Failure that says err and has err's status.
func failed(err *fault.Error) *Failure {
	return &Failure{
		Status: statusOf(err.Code),
		Errors: gqlerror.List{{Err: err, Message: err.Message, Extensions: err.Extensions()}},
	}
}

// identified ties an INTERNAL failure to the log lines about it.
func (f *Failure) identified(ctx context.Context) *Failure {
	for _, e := range f.Errors {
		if errorCode(e) == fault.Internal {
			e.Extensions["requestId"] = telemetry.RequestID(ctx)
		}
	}
	return f
}

// refusal is a Failure of the request rather than of the document in it.
func refusal(status int, code fault.Code, message string) *Failure {
	f := failed(fault.New(code, "%s", message))
	f.Status = status
	return f
}

// invalid is a Failure of the document or its variables, whose status depends on the media type.
func invalid(code fault.Code, message string) *Failure { return refusal(0, code, message) }

// statusOf is the status of a request that failed as a whole with code: the one
// table of the contract's §3. Codes that are not in it are answers, not failures.
func statusOf(code fault.Code) int {
	switch code {
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden, fault.UserDeleted:
		return http.StatusForbidden
	case fault.OperationTooComplex, fault.OperationTooDeep:
		return http.StatusBadRequest
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Timeout:
		return http.StatusGatewayTimeout
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return 0
}

// status is the HTTP status of a Failure in a media type. The audits of
// graphql-http want 200 for a document that does not parse, validate or coerce
// when the caller asked for application/json by name, and 400 otherwise.
func (f *Failure) status(m media) int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.code() == string(fault.OperationTooComplex), f.code() == string(fault.OperationTooDeep):
		return http.StatusBadRequest
	case m.legacy:
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// responseStatus is the HTTP status of an operation that ran. Partial data is a
// success; without any, the first error on our side or about the caller as such decides.
func responseStatus(resp *graphql.Response) int {
	if len(resp.Errors) == 0 || hasData(resp.Data) {
		return http.StatusOK
	}
	for _, e := range resp.Errors {
		switch code := errorCode(e); code {
		case fault.UserDeleted, fault.RateLimited, fault.Unavailable, fault.Timeout, fault.Internal:
			return statusOf(code)
		}
	}
	return http.StatusOK
}

// hasData reports whether a root field has a value. gqlgen writes data compactly,
// {"a":null,"b":null}, so the nulls can be told without decoding anything.
func hasData(data []byte) bool {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	for rest := data[1:]; ; {
		end := bytes.IndexByte(rest, ':') // response names hold no colon or quote
		if end < 0 {
			return false
		}
		var null bool
		if rest, null = bytes.CutPrefix(rest[end+1:], []byte("null")); !null {
			return true
		}
	}
}

// What an Outcome says where no error code fits.
const (
	codeOK        = "OK"
	codeCancelled = "CANCELLED" // the caller left
)

func codeOf(errs gqlerror.List) string {
	if len(errs) == 0 {
		return codeOK
	}
	return string(errorCode(errs[0]))
}

// errorCode is an error's extensions.code; INTERNAL for an error that has none.
func errorCode(e *gqlerror.Error) fault.Code {
	if code, ok := e.Extensions["code"].(string); ok {
		return fault.Code(code)
	}
	return fault.Internal
}

// retryAfter is the Retry-After header for a list of errors, "" for none: whole
// seconds, rounded up, so that nobody comes back too early.
func retryAfter(errs gqlerror.List) string {
	var longest int64
	for _, e := range errs {
		if ms, ok := e.Extensions["retryAfterMs"].(int64); ok {
			longest = max(longest, ms)
		}
	}
	if longest == 0 {
		return ""
	}
	return strconv.FormatInt(seconds(time.Duration(longest)*time.Millisecond), 10)
}

func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }
