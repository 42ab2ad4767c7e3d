// Package app builds a running gateway from a configuration. It is the only
// package that knows all the others, and it does nothing but introduce them.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/httpd"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/ratelimit"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/telemetry"
	"github.com/ai-dj/segue/internal/usersync"
	"github.com/ai-dj/segue/internal/viewer"
	"github.com/ai-dj/segue/internal/web"
)

// App is a gateway that is ready to run. Make one with New.
type App struct {
	cfg     config.Config
	logger  *slog.Logger
	metrics *telemetry.Metrics
	tracing *telemetry.Tracing

	pool    *pgxpool.Pool
	replica *pgxpool.Pool
	auth    *auth.Authenticator
	keys    *store.Keys
	users   *usersync.Service
	hub     *live.Hub

	listener net.Listener
	admin    net.Listener
	server   *httpd.Server
	runs     []func(context.Context) error // what runs for as long as the gateway does
}

// Options are what `segue dev` has and `segue serve` does not.
type Options struct {
	// Development accepts this machine's development key.
	Development bool
	// Version is shown to whoever asks; may be empty.
	Version string
	// DevUsers are offered on the pages, with their tokens.
	DevUsers []web.DevUser
}

// New builds the gateway and binds its listeners. Whatever is wrong with the
// configuration is told here, before anything is served.
func New(ctx context.Context, cfg config.Config, logger *slog.Logger, opts Options) (*App, error) {
	if err := cfg.NeedServe(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, logger: logger, metrics: telemetry.NewMetrics()}
	for _, build := range []func(context.Context, Options) error{a.buildTracing, a.buildPools, a.buildAuth, a.buildLive, a.buildUsers, a.listen, a.buildServer} {
		if err := build(ctx, opts); err != nil {
			a.close()
			return nil, err
		}
	}
	return a, nil
}

func (a *App) buildTracing(ctx context.Context, _ Options) (err error) {
	a.tracing, err = telemetry.NewTracing(ctx, os.LookupEnv)
	return err
}

func (a *App) buildPools(context.Context, Options) (err error) {
	tracer := a.tracing.Database()
	if a.pool, err = store.OpenPool(a.cfg.DatabaseURL, a.cfg.DatabaseMaxConns, tracer); err != nil {
		return &config.Error{Variable: "DATABASE_URL", Must: "be usable: " + err.Error()}
	}
	a.metrics.Pool("primary", a.pool)
	if a.cfg.DatabaseReplicaURL == "" {
		return nil
	}
	if a.replica, err = store.OpenPool(a.cfg.DatabaseReplicaURL, a.cfg.DatabaseMaxConns, tracer); err != nil {
		return &config.Error{Variable: "DATABASE_REPLICA_URL", Must: "be usable: " + err.Error()}
	}
	a.metrics.Pool("replica", a.replica)
	return nil
}

func (a *App) buildAuth(_ context.Context, opts Options) (err error) {
	a.keys = store.NewKeys(a.pool, a.logger)
	a.auth, err = auth.New(auth.Config{
		JWTKey: a.cfg.ClerkJWTKey, SecretKey: a.cfg.ClerkSecretKey, APIURL: a.cfg.ClerkAPIURL,
		Issuer: a.cfg.ClerkIssuer, AuthorizedParties: a.cfg.ClerkAuthorizedParties, AnalystOrgRole: a.cfg.ClerkAnalystOrgRole,
		Keys: a.keys, Development: opts.Development, Logger: a.logger, Rejected: a.metrics.AuthFailure,
	})
	if err != nil {
		return err
	}
	a.runs = append(a.runs, a.auth.Run, a.keys.Run)
	return nil
}

// buildLive makes the hub that hears of what anybody writes, and of sessions and
// people that other replicas learned are gone.
func (a *App) buildLive(context.Context, Options) error {
	a.hub = live.New(live.Config{DirectURL: a.cfg.DatabaseDirectURL, Logger: a.logger, Revoked: a.revoked, Temporary: temporary})
	a.runs = append(a.runs, a.hub.Run)
	return nil
}

func (a *App) revoked(kind, id string) {
	if kind == "user" {
		a.auth.RevokeUser(id)
	} else {
		a.auth.Revoke(id)
	}
}

// temporary tells a failure that will pass from one that will come again.
func temporary(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Unavailable, fault.Timeout:
		return true
	}
	return false
}

// buildUsers makes what keeps users_sync in step with Clerk.
func (a *App) buildUsers(context.Context, Options) (err error) {
	var client *clerk.Client
	if a.cfg.ClerkSecretKey != "" {
		client = clerk.New(clerk.Config{SecretKey: a.cfg.ClerkSecretKey, URL: a.cfg.ClerkAPIURL})
	}
	a.users, err = usersync.New(usersync.Config{
		System: store.NewSystem(a.pool, store.UsersMode(a.cfg.UsersSync)), Clerk: client, WebhookSecrets: a.cfg.ClerkWebhookSecrets,
		EraseAfter: &a.cfg.EraseAfter, SyncEvery: a.cfg.SyncEvery, SessionOver: a.auth.Revoke, UserDeleted: a.auth.RevokeUser, Log: a.logger,
	})
	if err != nil {
		return &config.Error{Variable: "CLERK_WEBHOOK_SIGNING_SECRET", Must: err.Error()}
	}
	a.runs = append(a.runs, a.users.Run)
	return nil
}

func (a *App) listen(ctx context.Context, _ Options) (err error) {
	var lc net.ListenConfig
	if a.listener, err = lc.Listen(ctx, "tcp", a.cfg.Addr); err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	if a.cfg.AdminAddr == "" {
		return nil
	}
	a.admin, err = lc.Listen(ctx, "tcp", a.cfg.AdminAddr)
	switch {
	case err == nil:
	case a.cfg.AdminAddr == config.DefaultAdminAddr && errors.Is(err, syscall.EADDRINUSE):
		// Nobody asked for this very port, and a second gateway on a machine should start.
		a.logger.Warn("no metrics: the default ADMIN_ADDR is taken", "addr", a.cfg.AdminAddr)
	default:
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	return nil
}

func (a *App) buildServer(_ context.Context, opts Options) error {
	draining := make(chan struct{})
	handler, err := a.graphQL(draining)
	if err != nil {
		return err
	}
	pages, err := web.Pages(web.Config{
		Version: opts.Version, Playground: a.cfg.Playground, ClerkPublishableKey: a.cfg.ClerkPublishableKey, DevUsers: opts.DevUsers,
	})
	if err != nil {
		return &config.Error{Variable: "CLERK_PUBLISHABLE_KEY", Must: "be usable: " + err.Error()}
	}
	c := httpd.Config{
		Listener: a.listener, AdminListener: a.admin, GraphQL: handler, Webhook: a.users.Webhook(), Pages: pages,
		Authenticate: a.auth.Request, CORSOrigins: a.cfg.CORSOrigins,
		// A request may use its time before it is cut off, and before it is cancelled by a stop.
		WriteTimeout: max(time.Minute, a.cfg.RequestTimeout+15*time.Second), DrainTime: a.cfg.RequestTimeout + 5*time.Second,
		Ready:    func(ctx context.Context) error { return store.CheckSchema(ctx, a.pool) },
		Activity: func() int64 { return a.pool.Stat().AcquireCount() },
		Drain: func(ctx context.Context) {
			close(draining)
			handler.Drain(ctx)
		},
		Metrics: a.metrics, Tracing: a.tracing, Logger: a.logger,
	}
	if a.cfg.Introspection {
		c.SDL = graph.SDL()
	}
	a.server = httpd.New(c)
	return nil
}

// graphQL is the handler of /graphql.
func (a *App) graphQL(draining <-chan struct{}) (*gqlhttp.Handler, error) {
	trusted, err := trustedDocuments(a.cfg.TrustedDocuments)
	if err != nil {
		return nil, err
	}
	rates, err := a.rates()
	if err != nil {
		return nil, err
	}
	resolver := &graph.Resolver{
		Store: store.New(store.Config{Pool: a.pool, Replica: a.replica, Logger: a.logger}), Provision: a.users.Provision, Live: a.hub,
	}
	return gqlhttp.New(gqlhttp.Config{
		Schema: graph.NewSchema(resolver), Present: graph.Presenter(a.logger),
		Limits:        limits.Limits{MaxDepth: a.cfg.MaxDepth, MaxComplexity: a.cfg.MaxComplexity},
		Introspection: a.cfg.Introspection, MaxBodyBytes: a.cfg.MaxBodyBytes, RequestTimeout: a.cfg.RequestTimeout,
		StreamMaxAge: a.cfg.SocketMaxAge, Trusted: trusted, Rates: rates, Observe: a.observe, Shed: a.metrics.Shed,
		Sockets:  gqlhttp.Sockets{Bearer: a.auth.Bearer, Join: a.join, MaxAge: a.cfg.SocketMaxAge, Origins: a.cfg.CORSOrigins},
		Draining: draining, Tracer: a.tracing.Tracer(), Logger: a.logger,
	}), nil
}

// join keeps an open socket among the hub's members.
func (a *App) join(who viewer.Viewer, end func(error)) (leave func()) {
	return a.hub.Join(who, end).Leave
}

// observe counts an operation, and lets housekeeping use the database while it is awake anyway.
func (a *App) observe(_ context.Context, o gqlhttp.Outcome) {
	a.metrics.Operation(o.Transport, o.Type, o.Code, o.Cost, o.Duration)
	if o.Code == "OK" {
		a.users.Awake()
	}
	if o.Code == string(fault.Unavailable) && a.server != nil {
		a.server.Suspect()
	}
}

// rates is the limiter, nil when RATE_LIMIT is 0.
func (a *App) rates() (gqlhttp.RateLimiter, error) {
	if a.cfg.RateLimit == 0 {
		return nil, nil
	}
	limiter, err := ratelimit.New(ratelimit.Config{PointsPerMinute: a.cfg.RateLimit, RedisURL: a.cfg.RedisURL, Logger: a.logger})
	if err != nil {
		return nil, &config.Error{Variable: "REDIS_URL", Must: "be usable: " + err.Error()}
	}
	return takes{limiter}, nil
}

// takes is a ratelimit.Limiter as gqlhttp wants one.
type takes struct{ *ratelimit.Limiter }

func (t takes) Take(ctx context.Context, caller string, points int) (gqlhttp.Rate, error) {
	r, err := t.Limiter.Take(ctx, caller, points)
	return gqlhttp.Rate(r), err
}

// trustedDocuments is the allow-list, nil when any operation may run.
func trustedDocuments(path string) (*gqlhttp.TrustedDocuments, error) {
	if path == "" {
		return nil, nil
	}
	return gqlhttp.LoadTrustedDocuments(path)
}

// Addr is where the gateway listens.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Run serves until ctx ends and everything has stopped.
func (a *App) Run(ctx context.Context) error {
	defer a.close()
	a.logger.Info("serving", "addr", a.Addr().String())
	group, ctx := errgroup.WithContext(ctx)
	// What requests and sockets lean on goes on until they have drained: without
	// the hub all subscriptions would end in one instant.
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group.Go(func() error {
		defer stop()
		return a.server.Run(ctx)
	})
	for _, run := range a.runs {
		group.Go(func() error { return run(behind) })
	}
	err := group.Wait()
	a.logger.Info("stopped")
	return err
}

func (a *App) close() {
	for _, l := range []net.Listener{a.listener, a.admin} {
		if l != nil {
			_ = l.Close() // closed already after a run
		}
	}
	for _, pool := range []*pgxpool.Pool{a.pool, a.replica} {
		if pool != nil {
			pool.Close()
		}
	}
	if a.tracing != nil {
		_ = a.tracing.Shutdown(context.Background())
	}
}
