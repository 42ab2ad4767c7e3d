// Package httpd is the outside of the process: which paths exist, what every
// request goes through on its way to them, whether the process is healthy, and how
// it stops. It knows nothing of GraphQL but the shape of a refusal.
//
// TLS, and HSTS with it, is the job of the proxy or platform in front.
package httpd

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

// Config says what to serve. A nil handler leaves its path a 404.
type Config struct {
	// Listener takes requests; AdminListener metrics and profiles, nil for none.
	Listener, AdminListener net.Listener

	GraphQL http.Handler // /graphql
	Webhook http.Handler // POST /webhooks/clerk
	// Pages are the playground, the dashboard and what they load, by ServeMux pattern ("GET /dashboard").
	Pages map[string]http.Handler
	SDL   string // GET /schema.graphqls; empty: 404

	// Authenticate says who sends a GraphQL request; a *fault.Error refuses it.
	Authenticate func(*http.Request) (viewer.Viewer, error)
	CORSOrigins  []string

	// Ready checks the database once; its error's text is for the log. Activity
	// counts uses of the database (pgxpool's Stat().AcquireCount), so that probes
	// look again only while it is in use anyway.
	Ready    func(context.Context) error
	Activity func() int64

	// WriteTimeout is how long a request may take from its headers to its last byte
	// (1 min when 0). It must be longer than REQUEST_TIMEOUT. Streams set their own.
	WriteTimeout time.Duration
	// Draining is closed when the server begins to stop, so that streams end
	// themselves; New makes it when it is nil.
	Draining chan struct{}
	// DrainTime is how long requests in flight may take to end (20 s when 0).
	DrainTime time.Duration
	// Drain ends what http.Server does not see, hijacked sockets; it returns when
	// they are closed or ctx ends. Nil: there are none.
	Drain func(ctx context.Context)

	Metrics *telemetry.Metrics
	Tracing *telemetry.Tracing
	Logger  *slog.Logger
}

// Server is the public listener and the admin one.
type Server struct {
	Config

	ready  readiness
	public *http.Server
	admin  *http.Server
	cancel context.CancelFunc // ends every request's context
}

// Time-outs against peers that are slow on purpose. The one for writing is set per
// request (bounded, in middleware.go), because streams are long.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 30 * time.Second
	IdleTimeout       = 120 * time.Second
	MaxHeaderBytes    = 32 << 10
)

// New returns a server that Run starts.
func New(c Config) *Server {
	if c.DrainTime == 0 {
		c.DrainTime = 20 * time.Second
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = time.Minute
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Metrics == nil {
		c.Metrics = telemetry.NewMetrics()
	}
	if c.Draining == nil {
		c.Draining = make(chan struct{})
	}
	s := &Server{Config: c}
	s.ready = readiness{check: c.Ready, activity: c.Activity, now: time.Now}
	base, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.public = s.server(s.Handler(), base)
	s.admin = s.server(adminRoutes(c.Metrics), base)
	s.admin.WriteTimeout = 2 * time.Minute // a CPU profile takes its time
	return s
}

func (s *Server) server(h http.Handler, base context.Context) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		IdleTimeout:       IdleTimeout,
		// net/http adds 4 KiB of slop of its own.
		MaxHeaderBytes: MaxHeaderBytes - 4<<10,
		BaseContext:    func(net.Listener) context.Context { return base },
		ErrorLog:       slog.NewLogLogger(s.Logger.Handler(), slog.LevelDebug),
	}
}

// Suspect makes the next readiness probe look at the database, because somebody
// saw it fail.
func (s *Server) Suspect() { s.ready.suspect() }

// Handler is everything the public address serves.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h http.Handler) {
		if h != nil {
			mux.Handle(pattern, h)
		}
	}
	if s.GraphQL != nil {
		mux.Handle("/graphql", s.cors(s.authenticated(s.GraphQL)))
	}
	handle("POST /webhooks/clerk", s.Webhook)
	for pattern, page := range s.Pages {
		handle(pattern, page)
	}
	if s.SDL != "" {
		mux.Handle("GET /schema.graphqls", s.cors(http.HandlerFunc(s.schema)))
	}
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	return s.around(mux)
}

func (s *Server) schema(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/graphql; charset=utf-8")
	_, _ = io.WriteString(w, s.SDL)
}
