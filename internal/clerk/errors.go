package clerk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	sdk "github.com/clerk/clerk-sdk-go/v2"
)

// ErrNotFound means that Clerk does not have the user.
var ErrNotFound = errors.New("clerk does not have this user")

// RateLimited means that Clerk asked us to wait.
type RateLimited struct{ RetryAfter time.Duration }

func (e *RateLimited) Error() string {
	return fmt.Sprintf("clerk asks to wait %s", e.RetryAfter)
}

// Refused means that Clerk answered and will answer the same again: a wrong
// key, most likely. Code is Clerk's, where it gave one.
type Refused struct {
	Status int
	Code   string
}

func (e *Refused) Error() string { return fmt.Sprintf("clerk refused: status %d %s", e.Status, e.Code) }

// Unreachable means that Clerk gave no usable answer; asking later may help.
type Unreachable struct{ Cause error }

func (e *Unreachable) Error() string { return "clerk is unreachable: " + e.Cause.Error() }

// Unwrap gives the cause.
func (e *Unreachable) Unwrap() error { return e.Cause }

// statusErrors turns every error status into a Go error before the SDK sees it,
// because the SDK drops the status and Retry-After of answers that are not JSON.
type statusErrors struct{ next http.RoundTripper }

// errorBodyLimit bounds what is read of an error page.
const errorBodyLimit = 64 << 10

func (t statusErrors) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	if err != nil || response.StatusCode < 300 {
		return response, err
	}
	defer response.Body.Close()
	failure := &statusError{status: response.StatusCode, retryAfter: retryAfter(response.Header)}
	var body sdk.APIErrorResponse
	if raw, err := io.ReadAll(io.LimitReader(response.Body, errorBodyLimit)); err == nil &&
		json.Unmarshal(raw, &body) == nil && len(body.Errors) > 0 {
		failure.code = body.Errors[0].Code
	}
	return nil, failure
}

type statusError struct {
	status     int
	code       string
	retryAfter time.Duration
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d %s", e.status, e.code) }

func (e *statusError) typed() error {
	switch {
	case e.status == http.StatusNotFound:
		return ErrNotFound
	case e.status == http.StatusTooManyRequests:
		return &RateLimited{RetryAfter: e.retryAfter}
	case e.status >= 500:
		return &Unreachable{Cause: e}
	}
	return &Refused{Status: e.status, Code: e.code}
}

// plain takes the URL out of a transport's error, so that logs do not repeat users' ids.
func plain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// defaultRetryAfter stands in for a 429 that does not say how long.
const defaultRetryAfter = time.Second

// retryAfter reads both forms of the header: seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return defaultRetryAfter
}

// How patient a backfill is: rate limits and short outages pass, a long one
// ends the run, which can be taken up again.
const (
	maxTries    = 8
	maxPatience = 5 * time.Minute
)

// getPatiently repeats get while that may help.
func (c *Client) getPatiently(ctx context.Context, path string, query url.Values, answer sdk.ResponseReader) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, retryable(c.getPage(ctx, path, query, answer))
	}, backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(maxPatience))
	return err
}

func (c *Client) getPage(ctx context.Context, path string, query url.Values, answer sdk.ResponseReader) error {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	return c.get(ctx, path, query, answer)
}

// retryable tells backoff what to do with err. The jitter keeps replicas that
// were told the same second from coming back in the same instant.
func retryable(err error) error {
	if limited, ok := errors.AsType[*RateLimited](err); ok {
		wait := limited.RetryAfter + rand.N(limited.RetryAfter/4+250*time.Millisecond)
		return fmt.Errorf("%w (%w)", err, &backoff.RetryAfterError{Duration: wait})
	}
	if _, ok := errors.AsType[*Unreachable](err); ok || err == nil {
		return err
	}
	return backoff.Permanent(err)
}
