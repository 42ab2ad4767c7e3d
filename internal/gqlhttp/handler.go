// Package gqlhttp speaks GraphQL over HTTP: plain requests, server-sent events
// and the graphql-transport-ws socket, all through one pipeline (operation.go)
// that resolves a request to a document, prices it and has the schema execute
// it. The transports are Segue's own because gqlgen's read bodies without
// a bound, echo them, and encode every answer twice; docs/adr says more.
//
// It knows the viewer only as something to carry and to bill. Who the viewer is,
// and which routes exist, is decided before it (auth, httpd); what a field means,
// after it (graph).
package gqlhttp

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/ai-dj/segue/internal/fault"
)

// Guard refuses what must not reach the parser or the database. It is limits.Limits.
type Guard interface {
	Parse(schema *ast.Schema, query string, introspection bool) (*ast.QueryDocument, gqlerror.List)
	Cost(schema *ast.Schema, doc *ast.QueryDocument, op *ast.OperationDefinition, variables map[string]any) (int, *fault.Error)
}

// Rate is what a caller has left after an operation was charged.
type Rate struct {
	Limit      int           // points per window
	Remaining  int           // points left now
	Window     time.Duration // the window Limit is about
	Reset      time.Duration // until the allowance is whole again
	RetryAfter time.Duration // when refused: until the same operation would pass
	Allowed    bool
}

// RateLimiter charges a caller points for an operation. An error means that the
// limiter could not tell; the operation then runs.
type RateLimiter interface {
	Take(ctx context.Context, caller string, points int) (Rate, error)
}

// Outcome is one finished operation, for metrics.
type Outcome struct {
	Transport string // "http", "sse" or "ws"
	Type      string // "query", "mutation", "subscription", or "" when it was refused before that was known
	Code      string // the first error's code, "OK", or "CANCELLED" when the caller left
	Cost      int
	Duration  time.Duration
}

// Config is what a Handler is made of. Schema, Limits and Present are required.
type Config struct {
	Schema graphql.ExecutableSchema
	Limits Guard
	// Present maps resolver errors to GraphQL errors; graph.Presenter makes it.
	Present graphql.ErrorPresenterFunc

	Introspection  bool
	MaxBodyBytes   int64         // 1 MiB when 0
	RequestTimeout time.Duration // 15 s when 0; subscriptions have none
	MaxRunning     int           // queries and mutations at one time, the rest are refused; 1,000 when 0
	StreamMaxAge   time.Duration // how long one SSE stream may live; 15 min when 0

	Trusted *TrustedDocuments // nil: any operation may run
	// DocumentCacheBytes bounds the memory of parsed documents (32 MiB when 0),
	// PersistedCacheBytes the texts of automatic persisted queries (8 MiB when 0).
	DocumentCacheBytes, PersistedCacheBytes uint64

	Rates   RateLimiter                    // nil: no limit
	Observe func(context.Context, Outcome) // nil: nobody looks
	Shed    func()                         // called for every operation refused for MaxRunning
	Tracer  trace.Tracer                   // nil: no spans
	Logger  *slog.Logger                   // slog.Default() when nil

	// Sockets is how WebSockets are served; without its Bearer they are not.
	Sockets Sockets

	// Draining is closed when the process begins to stop; streams end then.
	Draining <-chan struct{}
}

// Handler serves /graphql.
type Handler struct {
	Config

	documents *documents
	sockets   *sockets
	running   chan struct{} // a place per operation
}

// New returns a handler that is ready to serve.
func New(c Config) *Handler {
	h := &Handler{Config: withDefaults(c), sockets: newSockets()}
	h.documents = newDocuments(h.Config)
	h.running = make(chan struct{}, h.MaxRunning)
	return h
}

func withDefaults(c Config) Config {
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 1 << 20
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 15 * time.Second
	}
	if c.MaxRunning == 0 {
		c.MaxRunning = 1000
	}
	if c.StreamMaxAge == 0 {
		c.StreamMaxAge = 15 * time.Minute
	}
	if c.DocumentCacheBytes == 0 {
		c.DocumentCacheBytes = 32 << 20
	}
	if c.PersistedCacheBytes == 0 {
		c.PersistedCacheBytes = 8 << 20
	}
	c.Sockets = c.Sockets.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, Outcome) {}
	}
	if c.Shed == nil {
		c.Shed = func() {}
	}
	if c.Tracer == nil {
		c.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return c
}

// ServeHTTP answers one request, in the media type the caller asked for.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) {
		h.serveSocket(w, r)
		return
	}
	w.Header().Add("Vary", "Accept")
	accept, ok := negotiate(r.Header.Values("Accept"))
	if !ok {
		h.refuse(w, r, media{}, refusal(http.StatusNotAcceptable, fault.BadUserInput,
			"nothing in Accept is served here: ask for application/graphql-response+json, application/json or text/event-stream"))
		return
	}
	params, failure := h.read(w, r)
	if failure != nil {
		h.refuse(w, r, accept.media, failure)
		return
	}
	h.serve(w, r, accept, params)
}
