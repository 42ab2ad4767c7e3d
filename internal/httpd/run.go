package httpd

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/internal/telemetry"
)

// Run serves until ctx ends, then stops in order: it tells probes that it is not
// ready, takes no new connections, ends streams and sockets, waits for the
// requests in flight up to DrainTime, and cancels what is left.
func (s *Server) Run(ctx context.Context) error {
	defer s.cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(s.public, s.Listener) })
	if s.AdminListener != nil {
		group.Go(func() error { return serve(s.admin, s.AdminListener) })
	}
	group.Go(func() error {
		<-ctx.Done()
		s.stop()
		return nil
	})
	return group.Wait()
}

func serve(server *http.Server, l net.Listener) error {
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) stop() {
	close(s.Draining)
	s.Logger.Info("draining", "for_at_most", s.DrainTime)
	ctx, cancel := context.WithTimeout(context.Background(), s.DrainTime)
	defer cancel()
	var ending sync.WaitGroup
	if s.Drain != nil {
		ending.Go(func() { s.Drain(ctx) })
	}
	if err := s.public.Shutdown(ctx); err != nil {
		s.Logger.Warn("requests were still running and are cancelled", "cause", err)
		s.cancel()
		_ = s.public.Close()
	}
	ending.Wait()
	s.stopAdmin()
}

// stopAdmin comes last, so that the drain can be watched.
func (s *Server) stopAdmin() {
	if s.AdminListener == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.admin.Shutdown(ctx) != nil {
		_ = s.admin.Close()
	}
}

// adminRoutes are for the operator's own network.
func adminRoutes(m *telemetry.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
