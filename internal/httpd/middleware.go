package httpd

import (
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/rs/cors"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/viewer"
)

// around is what every request goes through, outermost first: an id, a recover
// that can still answer, the log, a span, headers, compression.
func (s *Server) around(next http.Handler) http.Handler {
	next = compressed(next)
	next = securityHeaders(next)
	next = s.bounded(next)
	next = s.Tracing.HTTP(next)
	next = s.recovering(next)
	next = s.logged(next)
	return identified(next)
}

// bounded ends an answer that its reader does not take. The deadline is set anew
// for each request: on a kept-alive connection the last one's would still hold.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.WriteTimeout)) // a test's recorder has none
		next.ServeHTTP(w, r)
	})
}

// identified takes the caller's X-Request-Id if it is sane, or makes one, and returns it.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := telemetry.PickRequestID(r.Header.Get("X-Request-Id"))
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(telemetry.WithRequestID(r.Context(), id)))
	})
}

// recorder remembers an answer's status. Unwrap keeps flushing, hijacking and
// deadlines within http.ResponseController's reach.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// logged counts requests and logs them: at debug, our own failures at warn. The
// query string is left out, for a GET has variables in it.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		s.Metrics.InFlight(1)
		defer func() {
			s.Metrics.InFlight(-1)
			s.Metrics.Request(route(r), strconv.Itoa(rec.status))
			level := slog.LevelDebug
			if rec.status >= 500 {
				level = slog.LevelWarn
			}
			if !s.Logger.Enabled(r.Context(), level) {
				return
			}
			s.Logger.LogAttrs(r.Context(), level, "request",
				slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", rec.status),
				slog.Duration("took", time.Since(start)), slog.String("request_id", telemetry.RequestID(r.Context())))
		}()
		next.ServeHTTP(rec, r)
	})
}

// route is the path for a metric's label: one of ours, or "other".
func route(r *http.Request) string {
	switch r.URL.Path {
	case "/graphql", "/webhooks/clerk", "/healthz", "/readyz", "/schema.graphqls", "/dashboard", "/":
		return r.URL.Path
	}
	return "other"
}

// recovering answers a panic with INTERNAL, unless the answer had begun.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it the same way
				panic(p)
			}
			s.Logger.ErrorContext(r.Context(), "panic in a handler", "panic", p,
				"stack", string(debug.Stack()), "request_id", telemetry.RequestID(r.Context()))
			if rec, ok := w.(*recorder); ok && rec.status != 0 {
				panic(http.ErrAbortHandler) // cut the half-written answer off
			}
			gqlhttp.Refuse(w, r, fault.New(fault.Internal, "internal error"))
		}()
		next.ServeHTTP(w, r)
	})
}

// securityHeaders are the strictest that fit an API; pages replace the policy by their own.
func securityHeaders(next http.Handler) http.Handler {
	strict := http.Header{
		"X-Content-Type-Options":  {"nosniff"},
		"Referrer-Policy":         {"no-referrer"},
		"X-Frame-Options":         {"DENY"},
		"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), strict) // a later Set puts another slice in place of these
		next.ServeHTTP(w, r)
	})
}

// compressible is worth compressing; an event stream is not, it must not be buffered.
var compressible = []string{
	"application/json", "application/graphql-response+json", "application/graphql",
	"text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml",
}

// compressed answers with zstd or gzip where the caller takes it. Over loopback
// the bytes are free and the CPU is not. The jitter hides exact lengths from
// whoever could inject text into an answer (BREACH).
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ContentTypes(compressible), gzhttp.RandomJitter(32, 0, false))
	if err != nil {
		panic(err) // the options above are constants
	}
	compressing := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if loopback(r.RemoteAddr) || r.Header.Get("Upgrade") != "" || strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			next.ServeHTTP(w, r)
			return
		}
		compressing.ServeHTTP(w, r)
	})
}

func loopback(remoteAddr string) bool {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// cors lets pages of the listed origins call us, with credentials.
func (s *Server) cors(next http.Handler) http.Handler {
	if len(s.CORSOrigins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		// A function, because rs/cors would read a * in the list as a wildcard.
		AllowOriginFunc:  func(origin string) bool { return slices.Contains(s.CORSOrigins, strings.ToLower(origin)) },
		AllowedMethods:   []string{http.MethodGet, http.MethodPost},
		AllowedHeaders:   allowedHeaders,
		ExposedHeaders:   []string{"RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"},
		AllowCredentials: true,
		MaxAge:           7200, // Chromium's maximum
	}).Handler(next)
}

var allowedHeaders = []string{
	"Accept", "Authorization", "Content-Type", "X-Request-Id", "Traceparent", "Tracestate",
	"GraphQL-Require-Preflight", "Apollo-Require-Preflight",
	"Apollographql-Client-Name", "Apollographql-Client-Version", "X-Apollo-Operation-Name", "X-Apollo-Operation-Type", "X-Apollo-Operation-Id",
}

// authenticated puts the viewer into the request's context, or refuses a bad
// credential before anything of the request is read.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if upgrade(r) {
			// Any site can open a socket with the visitor's cookies; the token of
			// a socket comes in connection_init.
			r.Header.Del("Cookie")
		}
		who, err := s.Authenticate(r)
		if err != nil {
			s.refuseCredential(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(viewer.NewContext(r.Context(), who)))
	})
}

func (s *Server) refuseCredential(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		f = fault.New(fault.Internal, "internal error").Because(err)
	}
	level := slog.LevelWarn
	switch f.Code {
	case fault.Unauthenticated:
		level = slog.LevelInfo
	case fault.Internal:
		level = slog.LevelError
	}
	s.Logger.LogAttrs(r.Context(), level, "credential refused",
		slog.String("cause", telemetry.Redact(err.Error())), slog.String("request_id", telemetry.RequestID(r.Context())))
	if f.Code == fault.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	gqlhttp.Refuse(w, r, f)
}

func upgrade(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }
