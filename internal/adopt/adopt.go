// Package adopt brings the tables of an existing ai-dj database into the form
// that Segue works with (contract §7) without losing a row: what can be tied to
// a Clerk id is kept, the rest is set aside in schema segue_orphans.
//
// A Plan is what Apply would do, read in a read-only transaction. Both take the
// same way: survey the catalog, tie every row to a person in one query per
// table, and derive the statements; Apply then runs them, all in one
// transaction. Nothing of this is a migration: migrations run unattended, and
// somebody should read the plan of this first.
//
// The package speaks SQL itself, because the tables it reads are in no form
// that store knows. Names of tables and columns come from the catalog or are
// constants; values are parameters.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

// Clerk is where users are looked up that the database does not know.
type Clerk interface {
	UsersByID(ctx context.Context, ids []string) ([]clerk.User, error)
}

// Config is what there is to know besides the database.
type Config struct {
	URL   string     // a direct one, of the tables' owner
	Mode  store.Mode // USERS_SYNC; empty: detected
	Clerk Clerk      // nil: nobody is asked

	DropUsers bool // move public.users to segue_orphans too
	Truncate  bool // empty the tables instead of keeping their rows

	LockTimeout time.Duration // 0: 10 s
	// Step hears what Apply is about to do.
	Step func(what string)
}

// ErrBlocked stops Apply at a plan with blockers; nothing was changed.
var ErrBlocked = errors.New("the plan has blockers, nothing was changed")

// MakePlan reads the database and says what Apply would do.
func MakePlan(ctx context.Context, c Config) (*Plan, error) {
	plan, _, err := makePlan(ctx, c)
	return plan, err
}

func makePlan(ctx context.Context, c Config) (*Plan, []clerk.User, error) {
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("adopt: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var found []clerk.User
	var plan *Plan
	read := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, conn, read, func(tx pgx.Tx) error {
		w, err := begin(ctx, tx, c, nil)
		if err != nil {
			return err
		}
		if found, err = w.askClerk(ctx); err != nil {
			return err
		}
		if len(found) > 0 {
			if w, err = begin(ctx, tx, c, found); err != nil {
				return err
			}
		}
		plan, err = w.plan(ctx)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("adopt: %w", err)
	}
	return plan, found, nil
}

// Apply does what the plan says, in one transaction: when it returns an error,
// or is killed, everything is as it was. The plan it returns was made inside
// the transaction, under locks on the tables.
func Apply(ctx context.Context, c Config) (*Plan, error) {
	before, found, err := makePlan(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(before.Blockers) > 0 {
		return before, ErrBlocked
	}
	if before.Nothing() {
		return before, nil
	}
	started := time.Now()
	conn, err := pgx.Connect(ctx, c.URL)
	if err != nil {
		return nil, fmt.Errorf("adopt: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var plan *Plan
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
		plan, err = apply(ctx, tx, c, found)
		return err
	})
	if errors.Is(err, ErrBlocked) {
		return plan, err
	}
	if err != nil {
		return nil, fmt.Errorf("adopt: nothing was changed: %w", explain(err))
	}
	plan.Applied, plan.Took = true, time.Since(started)
	return plan, nil
}

// explain says what PostgreSQL's refusal means for the operator.
func explain(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" { // lock_not_available
		return fmt.Errorf("somebody else uses the tables and did not let go in time; stop the writers, or try again in a quieter moment: %w", err)
	}
	return err
}

// work is one look at the database: the catalog, and the queries that follow from it.
type work struct {
	Config
	tx    pgx.Tx
	mode  store.Mode
	users *table // public.users, nil where there is none
	sync  usersSync
	// tables are those of specs that exist, in that order.
	tables []*table
	relations
}

func begin(ctx context.Context, tx pgx.Tx, c Config, found []clerk.User) (*work, error) {
	w := &work{Config: c, tx: tx}
	// Times without a zone and times as text are read as UTC.
	if _, err := tx.Exec(ctx, "set local timezone = 'UTC'"); err != nil {
		return nil, err
	}
	if err := w.pass(ctx, found); err != nil {
		return nil, err
	}
	if err := w.survey(ctx); err != nil {
		return nil, err
	}
	for _, t := range w.tables {
		if err := w.probe(ctx, t); err != nil {
			return nil, fmt.Errorf("public.%s: %w", t.name, err)
		}
	}
	w.relate()
	return w, nil
}

// firstMigration makes absent tables and indexes; it leaves alone what is there.
func firstMigration() (string, error) {
	text, err := fs.ReadFile(store.Migrations(), "00001_tables.sql")
	return string(text), err
}
