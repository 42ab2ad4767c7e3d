package telemetry

import (
	"context"

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

// newRequestID is a UUIDv7, so that ids sort by time in a log search.
func newRequestID() string {
	if id, err := uuid.NewV7(); err == nil {
		return id.String()
	}
	return uuid.NewString()
}
