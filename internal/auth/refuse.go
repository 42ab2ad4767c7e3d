package auth

import (
	"context"
	"errors"
	"time"

	"github.com/ai-dj/segue/internal/fault"
)

// rejection is why a credential is bad. It is for the log and the metric; the
// caller reads the same sentence whatever the reason.
type rejection struct {
	reason string // a fixed word
	cause  error  // may be nil
}

func refusal(reason string, cause error) error { return &rejection{reason, cause} }

func (r *rejection) Error() string {
	if r.cause == nil {
		return r.reason
	}
	return r.reason + ": " + r.cause.Error()
}

func (r *rejection) Unwrap() error { return r.cause }

// retryAfter is what callers are told while keys or the database are out of reach.
const retryAfter = time.Second

// refuse counts err and returns what the caller may read of it. The reason is in
// the returned error's chain, for whoever logs the request; here it is logged for
// debugging alone.
func (a *Authenticator) refuse(ctx context.Context, err error) error {
	a.logger.DebugContext(ctx, "credential refused", "cause", err)
	if bad, ok := errors.AsType[*rejection](err); ok {
		a.rejected(bad.reason)
		return fault.New(fault.Unauthenticated, "the credential is not valid").Because(err)
	}
	if ctx.Err() != nil { // the caller hung up, or ran out of time
		return fault.New(fault.Timeout, "the request ended before its credential was verified").Because(err)
	}
	return fault.New(fault.Unavailable, "credentials cannot be verified at the moment").Retry(retryAfter).Because(err)
}
