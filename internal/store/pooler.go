package store

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// learn makes the pool's connections draw conclusions from PostgreSQL's errors.
//
// A pooler in transaction mode that does not carry prepared statements along
// (PgBouncer before 1.21, or with max_prepared_statements = 0) answers that a
// statement does not exist, or exists already. Nothing else says that it is
// there, so the first such error turns the pool to unnamed statements, which
// every pooler carries: parsed anew each time, described once. The statement
// itself had not run and is tried again (mayRetry).
//
// A connection to a server that only reads is closed: it would refuse every
// write until it expires, when a new one may lead to the new primary.
func learn(cfg *pgxpool.Config) {
	var unnamed atomic.Bool
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if unnamed.Load() {
			c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
		return nil
	}
	cfg.ConnConfig.OnPgError = func(_ *pgconn.PgConn, e *pgconn.PgError) (keep bool) {
		if lostStatement(e.Code) {
			unnamed.Store(true)
			return false
		}
		return e.Code != readOnly && !strings.EqualFold(e.Severity, "FATAL")
	}
}

// lostStatement reports the SQLSTATEs of prepared statements that a pooler mixed
// up: invalid_sql_statement_name, duplicate_prepared_statement.
func lostStatement(code string) bool { return code == "26000" || code == "42P05" }
