// Package doctor looks at a deployment and says what is wrong with it, why that
// matters and what to do: settings, database, users_sync, tables, Clerk. It
// reads only. Every check is bounded in time; what cannot be reached is a
// finding, and no finding holds a secret.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/store"
)

// Level says how bad a finding is. Only errors make a report not OK.
type Level string

// The levels.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Info    Level = "info"
)

// Finding is one thing to know. Its id is stable; docs/doctor.md lists all.
type Finding struct {
	ID     string `json:"id"`
	Level  Level  `json:"level"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

// Report is the outcome.
type Report struct {
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// patience bounds one check.
const patience = 5 * time.Second

// Config is what there is to look at.
type Config struct {
	Settings  config.Config
	Transport http.RoundTripper // to Clerk; nil: http.DefaultTransport
	Patience  time.Duration     // of one check; 0: 5 s
}

// BadSetting is the report on settings that cannot be read.
func BadSetting(err error) Report {
	d := &doctor{}
	d.find("setting-invalid", err.Error(), "correct the variable; README.md lists every setting")
	return d.report()
}

// Examine runs all checks.
func Examine(ctx context.Context, c Config) Report {
	d := &doctor{Config: c, cfg: c.Settings}
	if d.Patience == 0 {
		d.Patience = patience
	}
	if d.Transport == nil {
		d.Transport = http.DefaultTransport
	}
	d.settings()
	clerk := d.askClerk(ctx)
	if d.cfg.DatabaseURL != "" {
		d.database(ctx, clerk)
	}
	return d.report()
}

// doctor collects findings.
type doctor struct {
	Config
	cfg  config.Config
	pool *pgxpool.Pool
	mode store.Mode // empty: unknown

	mu    sync.Mutex
	found []Finding
}

// find adds a finding; its level and title come from the catalogue.
func (d *doctor) find(id, detail, fix string) {
	entry, ok := entryOf(id)
	if !ok {
		panic("doctor: no such finding: " + id) // a mistake in this package
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, Finding{ID: id, Level: entry.level, Title: entry.title, Detail: detail, Fix: fix})
}

// report orders findings as the catalogue does, worst first.
func (d *doctor) report() Report {
	r := Report{OK: true, Findings: []Finding{}}
	for _, level := range []Level{Error, Warning, Info} {
		for _, e := range catalogue {
			for _, f := range d.found {
				if f.ID == e.id && f.Level == level {
					r.Findings = append(r.Findings, f)
					r.OK = r.OK && level != Error
				}
			}
		}
	}
	return r
}

// check runs one look at the database in a read-only transaction. What it could
// not see, because it took too long or may not, is a finding too.
func (d *doctor) check(ctx context.Context, what string, look func(context.Context, pgx.Tx) error) {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, d.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error { return look(ctx, tx) })
	d.incomplete(what, err)
}

func (d *doctor) incomplete(what string, err error) {
	if err == nil {
		return
	}
	fix := "run segue doctor again; if it stays, look at the database's load"
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" { // insufficient_privilege
		fix = "run segue doctor with DATABASE_URL of a role that may read everything, or grant this one SELECT"
	}
	d.find("check-incomplete", what+": "+d.plain(err), fix)
}

// plain is an error in one short line, without what a person should not paste elsewhere.
func (d *doctor) plain(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", d.Patience)
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, secret := range []string{d.cfg.ClerkSecretKey, password(d.cfg.DatabaseURL), password(d.cfg.DatabaseDirectURL)} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	const enough = 300
	if len(text) > enough {
		text = text[:enough] + "…"
	}
	return text
}
