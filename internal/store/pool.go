package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Times of the pool. A database that scales to zero stays asleep: an idle
// gateway closes its last connection after maxIdle and a health check, well
// under the contract's four minutes.
const (
	maxIdle      = 3 * time.Minute
	maxLifetime  = 30 * time.Minute
	lifeJitter   = 5 * time.Minute
	healthCheck  = 30 * time.Second
	connectLimit = 5 * time.Second
)

// ErrQueryMode is a database URL whose default_query_exec_mode this package
// cannot read: it takes rows in PostgreSQL's binary format.
var ErrQueryMode = errors.New("default_query_exec_mode must be cache_statement or cache_describe")

// OpenPool returns a pool on url that connects when first used. A context that
// ends cancels its statement in PostgreSQL, by a cancel request, which poolers
// pass on; the connection survives.
func OpenPool(url string, maxConns int, tracer pgx.QueryTracer) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the database URL cannot be parsed") // pgx's text repeats parts of it
	}
	if m := cfg.ConnConfig.DefaultQueryExecMode; m != pgx.QueryExecModeCacheStatement && m != pgx.QueryExecModeCacheDescribe {
		return nil, ErrQueryMode
	}
	cfg.MaxConns, cfg.MinConns = int32(maxConns), 0
	cfg.MaxConnIdleTime, cfg.HealthCheckPeriod = maxIdle, healthCheck
	cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter = maxLifetime, lifeJitter
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return doubtful(p) }
	cfg.ConnConfig.ConnectTimeout = connectLimit
	cfg.ConnConfig.Tracer = tracer
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "segue"
	}
	cfg.ConnConfig.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &canceller{conn: c}
	}
	learn(cfg)
	cfg.AfterConnect = expectSolidState
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", err)
	}
	return pool, nil
}

// expectSolidState has PostgreSQL plan for a disk that reads at random about as
// fast as in order, where nobody has told it what the disk is. Its default of 4
// is a turning disk's: wherever people have fewer rows than a page on average, it
// makes collecting and sorting all rows of a person, which is 15,000 for a busy
// one, look cheaper than reading an index up to the end of the page (docs/adr/0015).
//
// Behind a pooler nothing is set: its connections are shared with other programs.
// A pooler shows by the process that answers, which is not the one it announced.
func expectSolidState(ctx context.Context, c *pgx.Conn) error {
	sql := "SELECT set_config('random_page_cost', '1.1', false) WHERE current_setting('random_page_cost') = '4' AND pg_backend_pid() = " +
		strconv.FormatUint(uint64(c.PgConn().PID()), 10)
	if _, err := c.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("set random_page_cost: %w", err)
	}
	return nil
}
