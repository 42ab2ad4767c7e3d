package adopt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

// apply plans again under locks and does it.
func apply(ctx context.Context, tx pgx.Tx, c Config, found []clerk.User) (*Plan, error) {
	if err := setLimits(ctx, tx, c.LockTimeout); err != nil {
		return nil, err
	}
	c.step("locking the tables")
	if err := lock(ctx, tx); err != nil {
		return nil, err
	}
	w, err := begin(ctx, tx, c, found)
	if err != nil {
		return nil, err
	}
	c.step("tying rows to Clerk ids")
	if err := w.materialise(ctx); err != nil {
		return nil, err
	}
	p, err := w.plan(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.Blockers) > 0 {
		return p, ErrBlocked
	}
	for _, do := range []func(context.Context, *Plan) error{
		w.loosen, w.moveRows, w.bringOver, w.complete, w.dropUsers, w.verify,
	} {
		if err := do(ctx, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (c Config) step(format string, args ...any) {
	if c.Step != nil {
		c.Step(fmt.Sprintf(format, args...))
	}
}

// setLimits lets the transaction take its time, but not wait for locks for long:
// whoever comes after it waits behind it.
func setLimits(ctx context.Context, tx pgx.Tx, lockTimeout time.Duration) error {
	timeout := fmt.Sprintf("%dms", cmp.Or(lockTimeout, 10*time.Second).Milliseconds())
	// Deferred checks would leave the tables unalterable after rows have moved.
	if _, err := tx.Exec(ctx, "set constraints all immediate"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `select set_config('lock_timeout', $1, true), set_config('statement_timeout', '0', true),
  set_config('idle_in_transaction_session_timeout', '0', true)`, timeout)
	return err
}

// lock keeps everybody out of the tables that exist, in one order.
func lock(ctx context.Context, tx pgx.Tx) error {
	for _, name := range []string{"users", "chat_messages", "message_feedback", "track_likes"} {
		var plain bool
		err := tx.QueryRow(ctx, `select exists (select from pg_class where relnamespace = to_regnamespace('public') and relname = $1 and relkind in ('r', 'p'))`, name).Scan(&plain)
		if err == nil && plain {
			_, err = tx.Exec(ctx, "lock table public."+ident(name)+" in access exclusive mode")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// materialise makes temporary tables of the relations, which live as long as the transaction.
func (w *work) materialise(ctx context.Context) error {
	for _, name := range w.names {
		if _, err := w.tx.Exec(ctx, "create temporary table "+name+" on commit drop as "+w.sql[name]); err != nil {
			return err
		}
		if _, err := w.tx.Exec(ctx, "analyze "+name); err != nil {
			return err
		}
	}
	w.made = true
	return nil
}

// run does the steps of a phase, table by table.
func (w *work) run(ctx context.Context, p *Plan, ph phase) error {
	tables := slices.Clone(p.Tables)
	if ph == loosen {
		slices.Reverse(tables) // what refers to a key goes before it
	}
	for _, t := range tables {
		for _, s := range t.design.steps {
			if s.phase != ph {
				continue
			}
			if _, err := w.tx.Exec(ctx, s.sql); err != nil {
				return fmt.Errorf("%s: %w", s.sql, err)
			}
		}
	}
	return nil
}

func (w *work) loosen(ctx context.Context, p *Plan) error {
	w.step("dropping constraints that are in the way")
	return w.run(ctx, p, loosen)
}

// moveRows empties the tables, or moves out the rows that cannot stay. The rows
// that refer to others go first.
func (w *work) moveRows(ctx context.Context, p *Plan) error {
	if w.Truncate && slices.ContainsFunc(p.Tables, func(t TablePlan) bool { return t.Emptied }) {
		w.step("emptying the tables")
		names := make([]string, len(p.Tables))
		for i, t := range p.Tables {
			names[i] = "public." + ident(t.Name)
		}
		_, err := w.tx.Exec(ctx, "truncate "+strings.Join(names, ", "))
		return err
	}
	for i := range slices.Backward(p.Tables) {
		if err := w.setAside(ctx, &p.Tables[i]); err != nil {
			return fmt.Errorf("set rows of public.%s aside: %w", p.Tables[i].Name, err)
		}
	}
	return nil
}

func (w *work) setAside(ctx context.Context, t *TablePlan) error {
	if len(t.Aside) == 0 {
		return nil
	}
	w.step("setting %d rows of %s aside", total(t.Aside), t.Name)
	source, tied := "public."+ident(t.Name), t.design.tied()
	if _, err := w.tx.Exec(ctx, "create schema if not exists segue_orphans"); err != nil {
		return err
	}
	orphans, err := w.orphans(ctx, t.design.table)
	if err != nil {
		return err
	}
	t.Orphans = strings.ReplaceAll(orphans, `"`, "")
	copied, err := w.tx.Exec(ctx, fmt.Sprintf("insert into %s select t.*, a.reason, now() from %s t join %s a on a.at = t.ctid where a.reason is not null", orphans, source, tied))
	if err != nil {
		return err
	}
	deleted, err := w.tx.Exec(ctx, fmt.Sprintf("delete from %s t using %s a where a.at = t.ctid and a.reason is not null", source, tied))
	if err != nil {
		return err
	}
	if copied.RowsAffected() != total(t.Aside) || deleted.RowsAffected() != total(t.Aside) {
		return fmt.Errorf("%d were to move, %d were copied and %d deleted", total(t.Aside), copied.RowsAffected(), deleted.RowsAffected())
	}
	return nil
}

// orphans finds or makes the table in segue_orphans: the columns of t as they
// are, the reason, and when. Where an earlier run left one of another form, the next name is taken.
func (w *work) orphans(ctx context.Context, t *table) (string, error) {
	reason := "reason"
	for t.has(reason) {
		reason = "segue_" + reason
	}
	for n := 1; ; n++ {
		name := t.name
		if n > 1 {
			name = fmt.Sprintf("%s_%d", t.name, n)
		}
		qualified := "segue_orphans." + ident(name)
		var columns []string
		err := collect(ctx, w.tx, &columns, `
select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = to_regnamespace('segue_orphans') and c.relname = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`, name)
		if err != nil {
			return "", err
		}
		if len(columns) == 0 {
			_, err := w.tx.Exec(ctx, fmt.Sprintf("create table %s as select t.*, null::text as %s, null::timestamptz as set_aside_at from public.%s t where false",
				qualified, ident(reason), ident(t.name)))
			return qualified, err
		}
		var same []string
		err = collect(ctx, w.tx, &same, `
select a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = to_regnamespace('public') and c.relname = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`, t.name)
		if err != nil {
			return "", err
		}
		if slices.Equal(columns, append(same, reason+" text", "set_aside_at timestamp with time zone")) {
			return qualified, nil
		}
	}
}

// bringOver fills clerk_id and changes columns and keys.
func (w *work) bringOver(ctx context.Context, p *Plan) error {
	w.step("filling clerk_id")
	if err := w.run(ctx, p, fill); err != nil {
		return err
	}
	for _, t := range p.Tables {
		if t.Emptied || !t.changes() {
			continue
		}
		_, err := w.tx.Exec(ctx, fmt.Sprintf("update public.%s t set clerk_id = a.clerk_id from %s a where a.at = t.ctid and t.clerk_id is distinct from a.clerk_id",
			ident(t.Name), t.design.tied()))
		if err != nil {
			return fmt.Errorf("fill clerk_id of public.%s: %w", t.Name, err)
		}
	}
	w.step("converting ids and columns")
	for _, ph := range []phase{rekey, follow, reshape, keys} {
		if err := w.run(ctx, p, ph); err != nil {
			return err
		}
	}
	return nil
}

// complete adds what is missing around the rows: tables, indexes, people, and
// the foreign keys that lean on them.
func (w *work) complete(ctx context.Context, p *Plan) error {
	w.step("adding indexes")
	sql, err := firstMigration()
	if err != nil {
		return err
	}
	if _, err := w.tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("add indexes: %w", err)
	}
	if _, err := w.tx.Exec(ctx, "drop function pg_temp.ensure_index(regclass, text)"); err != nil {
		return err
	}
	if w.mode == store.ModeSegue {
		w.step("adding people to users_sync")
		insert := `insert into neon_auth.users_sync (id, name, email, created_at, updated_at)
select id, name, email, created_at, updated_at from segue_people where source <> 'users_sync'`
		if w.sync.generated {
			insert = `insert into neon_auth.users_sync (raw_json, updated_at) select jsonb_build_object('id', id, 'display_name', name, 'primary_email', email,
  'signed_up_at_millis', (extract(epoch from created_at) * 1000)::bigint), updated_at from segue_people where source <> 'users_sync'`
		}
		if _, err := w.tx.Exec(ctx, insert); err != nil {
			return fmt.Errorf("add people: %w", err)
		}
	}
	w.step("adding foreign keys")
	if err := w.run(ctx, p, refer); err != nil {
		return err
	}
	return w.run(ctx, p, fasten)
}

func (w *work) dropUsers(ctx context.Context, p *Plan) error {
	if p.Users != movesUsers {
		return nil
	}
	w.step("moving public.users to segue_orphans")
	if _, err := w.tx.Exec(ctx, "create schema if not exists segue_orphans"); err != nil {
		return err
	}
	for _, t := range w.tables {
		if !t.filled {
			continue
		}
		if _, err := w.tx.Exec(ctx, fmt.Sprintf("drop trigger %s on public.%s; drop function segue.%s", fillTrigger, ident(t.name), ident("clerk_id_for_"+t.name)), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	_, err := w.tx.Exec(ctx, "alter table public.users set schema segue_orphans")
	return err
}

// verify is the last word before the commit: no row got lost, and Segue can
// work with what there is now.
func (w *work) verify(ctx context.Context, p *Plan) error {
	w.step("checking the result")
	for _, t := range p.Tables {
		var left int64
		if err := w.tx.QueryRow(ctx, "select count(*) from public."+ident(t.Name)).Scan(&left); err != nil {
			return err
		}
		if want := t.Rows - total(t.Aside); !t.Emptied && left != want || t.Emptied && left != 0 {
			return fmt.Errorf("public.%s: of %d rows %d were set aside and %d are left", t.Name, t.Rows, total(t.Aside), left)
		}
	}
	legacy, err := store.FindLegacy(ctx, w.tx)
	if err == nil && len(legacy) > 0 {
		err = &store.LegacyError{Findings: legacy}
	}
	return err
}
