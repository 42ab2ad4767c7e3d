package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/internal/app"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/devkey"
	"github.com/ai-dj/segue/internal/pglocal"
	"github.com/ai-dj/segue/internal/sample"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/web"
)

type devCmd struct {
	Fresh bool `help:"Throw the data of earlier runs away and start over."`
}

// Help says what dev promises and what it does not.
func (devCmd) Help() string {
	return "Data are kept between runs. It listens on the loopback interface only, accepts only this machine's own development tokens, and is not for production."
}

// devTokenLife is how long the printed tokens are good.
const devTokenLife = 30 * 24 * time.Hour

// Run starts PostgreSQL and the gateway, prints how to use them, and serves.
func (c devCmd) Run(ctx context.Context, s Streams) error {
	dir, err := pglocal.DefaultDir()
	if err != nil {
		return fmt.Errorf("find a directory for the data: %w", err)
	}
	step := func(text string) { _, _ = fmt.Fprintln(s.Err, "· "+text) }
	pg, err := pglocal.Start(ctx, pglocal.Config{Dir: dir, Fresh: c.Fresh, Progress: step})
	if err != nil {
		return err
	}
	defer func() { _ = pg.Stop() }()
	key, err := devkey.LoadOrCreate(dir) // after PostgreSQL, which makes dir so that its account can enter
	if err != nil {
		return err
	}
	url, err := pg.Database(ctx, "segue")
	if err != nil {
		return err
	}
	cfg, err := config.Load(s.devLookup(url, key))
	if err != nil {
		return err
	}
	if err := prepare(ctx, cfg, step); err != nil {
		return err
	}
	users, err := devUsers(key)
	if err != nil {
		return err
	}
	gateway, err := newOnFreePort(ctx, cfg, s.logger(cfg), users)
	if err != nil {
		return err
	}
	if err := s.welcome(gateway.Addr(), url, users); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	behind, stop := context.WithCancel(context.WithoutCancel(ctx)) // the gateway drains with its database
	defer stop()
	group.Go(func() error {
		defer stop()
		return gateway.Run(ctx)
	})
	group.Go(func() error { return watch(behind, pg) })
	return group.Wait()
}

// devLookup is the environment with what dev decides itself: where the data are,
// which key is trusted, and that nobody but this machine may connect.
func (s Streams) devLookup(url string, key *devkey.Key) func(string) (string, bool) {
	fixed := map[string]string{
		"DATABASE_URL": url, "DATABASE_DIRECT_URL": url, "DATABASE_REPLICA_URL": "", "CLERK_JWT_KEY": key.PublicPEM(), "CLERK_SECRET_KEY": "",
		"CLERK_ISSUER": "", "CLERK_AUTHORIZED_PARTIES": "", "USERS_SYNC": "",
	}
	usual := map[string]string{"ADDR": "127.0.0.1:8080", "ADMIN_ADDR": "", "PLAYGROUND": "true", "INTROSPECTION": "true", "LOG_FORMAT": "text", "LOG_LEVEL": "warn"}
	return func(name string) (string, bool) {
		if v, ok := fixed[name]; ok {
			return v, true
		}
		if v, ok := s.Lookup(name); ok && v != "" {
			return v, true
		}
		v, ok := usual[name]
		return v, ok
	}
}

// prepare brings the schema up to date and loads the sample data into an empty database.
func prepare(ctx context.Context, cfg config.Config, step func(string)) error {
	step("bringing the schema up to date")
	if err := store.Migrate(ctx, cfg.DatabaseDirectURL, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	step("loading sample data")
	pool, err := store.OpenPool(cfg.DatabaseURL, 2, nil)
	if err != nil {
		return err
	}
	defer pool.Close()
	return sample.Load(ctx, pool, time.Now())
}

// newOnFreePort builds the gateway on the wanted port of the loopback interface,
// or on another one where that is taken.
func newOnFreePort(ctx context.Context, cfg config.Config, logger *slog.Logger, users []web.DevUser) (*app.App, error) {
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, &config.Error{Variable: "ADDR", Must: "be a loopback address such as 127.0.0.1:8080: segue dev serves this machine only"}
	}
	opts := app.Options{Development: true, Version: version(), DevUsers: users}
	for _, p := range []string{port, "0"} {
		cfg.Addr = net.JoinHostPort(host, p)
		gateway, err := app.New(ctx, cfg, logger, opts)
		if err == nil || p == "0" || !portTaken(err) {
			return gateway, err
		}
	}
	return nil, errors.New("unreachable")
}

// watch ends when PostgreSQL does, or with ctx.
func watch(ctx context.Context, pg *pglocal.Server) error {
	if err := pg.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("PostgreSQL stopped: %w", err)
	}
	return nil
}

const firstQuery = `{ me { name chatMessages(first: 3) { edges { node { role content } } } stats { messageCount likedTracks } } }`

// devUsers are the sample user and an analyst, with tokens to paste and for the pages.
func devUsers(key *devkey.Key) ([]web.DevUser, error) {
	user, err := key.Mint(sample.User, false, devTokenLife)
	if err != nil {
		return nil, err
	}
	analyst, err := key.Mint(sample.Analyst, true, devTokenLife)
	if err != nil {
		return nil, err
	}
	return []web.DevUser{
		{Name: sample.Name(sample.User), Role: "user", Token: user},
		{Name: sample.Name(sample.Analyst), Role: "analyst", Token: analyst},
	}, nil
}

// welcome prints what a newcomer pastes first.
func (s Streams) welcome(addr net.Addr, url string, users []web.DevUser) error {
	base := "http://" + addr.String()
	return s.print(`
Segue is running. Ctrl-C stops it; the data stay for next time.

  GraphQL     %[1]s/graphql
  Playground  %[1]s/
  Dashboard   %[1]s/dashboard
  PostgreSQL  %[2]s

Token of a sample user:
%[3]s

Token of an analyst, who sees everyone:
%[4]s

Paste this:
curl -s %[1]s/graphql -H 'Content-Type: application/json' -H 'Authorization: Bearer %[3]s' -d %[5]s

`, base, url, users[0].Token, users[1].Token, "'"+`{"query":`+strconv.Quote(firstQuery)+`}'`)
}

type tokenCmd struct {
	User    string        `default:"${sampleUser}" help:"Whose token, a Clerk user id (default: the sample user)."`
	Analyst bool          `help:"With the analyst's role."`
	TTL     time.Duration `default:"24h" help:"How long it is good."`
}

// Run mints a token with this machine's development key.
func (c tokenCmd) Run(s Streams) error {
	dir, err := pglocal.DefaultDir()
	if err != nil {
		return err
	}
	key, err := devkey.Load(dir)
	if err != nil {
		return fmt.Errorf("there is no development key yet, run segue dev once: %w", err)
	}
	token, err := key.Mint(c.User, c.Analyst, c.TTL)
	if errors.Is(err, devkey.ErrUser) {
		return usage("--user: %w", err)
	}
	if err != nil {
		return err
	}
	return s.print("%s\n", token)
}
