package telemetry

import (
	"context"
	"math/rand/v2"

	"github.com/google/uuid"
)

type requestIDKey struct{}

// WithRequestID returns ctx carrying the id that ties a request's answer to its log lines.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id that WithRequestID put into ctx, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// maxRequestID bounds what a caller may put into our logs and answer headers.
const maxRequestID = 128

// PickRequestID keeps a caller's id when it is safe to repeat in a header and a
// log line (letters, digits and -_.:/+=@, at most 128), and makes a new one otherwise.
func PickRequestID(offered string) string {
	if offered == "" || len(offered) > maxRequestID {
		return newRequestID()
	}
	for i := range len(offered) {
		if !sane(offered[i]) {
			return newRequestID()
		}
	}
	return offered
}

func sane(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '-', '_', '.', ':', '/', '+', '=', '@':
		return true
	}
	return false
}

// newRequestID is a UUIDv7, so that ids sort by time in a log search. It guards
// nothing, so the runtime's own generator will do and no system call is made.
func newRequestID() string { return uuid.Must(uuid.NewV7FromReader(unsecret{})).String() }

type unsecret struct{}

func (unsecret) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(rand.Uint32()) //nolint:gosec // not a secret
	}
	return len(p), nil
}
