package adopt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/store"
)

// table is what the catalog says of a table in schema public.
type table struct {
	spec
	name        string
	kind        string // pg_class.relkind
	mine        bool   // the connection's role may alter it
	inherits    bool
	rows        int64
	columns     []column
	constraints []constraint
	referrers   []string // foreign keys of tables that are not ours
	unique      [][]string
	triggers    []string // of others than Segue
	filled      bool     // has the trigger that fills clerk_id
	views       []string

	probed
}

type column struct {
	Name      string
	Kind      string // without its length
	Room      int    // characters; 0: no limit
	NotNull   bool
	Identity  bool
	Generated bool
	Default   string
}

type constraint struct {
	Name      string
	Kind      string // p, u, f, c
	Columns   []string
	Target    string // of a foreign key, schema.table
	OnDelete  string
	Validated bool
}

// usersSync is what matters here of neon_auth.users_sync.
type usersSync struct{ exists, generated, writable, tombstones bool }

func (t *table) column(name string) (column, bool) {
	i := slices.IndexFunc(t.columns, func(c column) bool { return c.Name == name })
	if i < 0 {
		return column{}, false
	}
	return t.columns[i], true
}

func (t *table) has(name string) bool { _, ok := t.column(name); return ok }

func (t *table) isUnique(columns ...string) bool {
	columns = slices.Sorted(slices.Values(columns))
	return slices.ContainsFunc(t.unique, func(u []string) bool { return slices.Equal(u, columns) })
}

func (w *work) survey(ctx context.Context) error {
	if err := w.surveyUsersSync(ctx); err != nil {
		return err
	}
	w.tables = nil
	for _, s := range specs {
		t, err := w.surveyTable(ctx, s.table)
		if err != nil {
			return fmt.Errorf("public.%s: %w", s.table, err)
		}
		if t != nil {
			t.spec = s
			w.tables = append(w.tables, t)
		}
	}
	var err error
	w.users, err = w.surveyTable(ctx, "users")
	return err
}

func (w *work) surveyUsersSync(ctx context.Context) error {
	detected, err := store.DetectUsersSync(ctx, w.tx)
	if err != nil && !errors.Is(err, store.ErrNoUsersSync) {
		return err
	}
	w.mode = store.ModeSegue
	if w.sync.exists = err == nil; w.sync.exists {
		if err := store.CheckReferable(ctx, w.tx); err != nil {
			return err
		}
		err = w.tx.QueryRow(ctx, `select has_table_privilege('neon_auth.users_sync', 'insert')`).Scan(&w.sync.writable)
		if err != nil {
			return err
		}
		w.sync.generated = detected == store.ModeNeon
		if w.sync.generated || !w.sync.writable {
			w.mode = store.ModeNeon
		}
	}
	if w.Mode != "" {
		w.mode = w.Mode
	}
	return w.tx.QueryRow(ctx, `select exists (select from pg_class where relname = 'user_versions'
  and relnamespace = to_regnamespace('segue'))`).Scan(&w.sync.tombstones)
}

// surveyTable is nil for a table that does not exist.
func (w *work) surveyTable(ctx context.Context, name string) (*table, error) {
	t := &table{name: name}
	var oid uint32
	err := w.tx.QueryRow(ctx, `
select oid, relkind::text, pg_has_role(relowner, 'usage'), exists (select from pg_inherits where oid in (inhrelid, inhparent))
from pg_class where relnamespace = to_regnamespace('public') and relname = $1 and relkind in ('r', 'p', 'v', 'm', 'f')`,
		name).Scan(&oid, &t.kind, &t.mine, &t.inherits)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := w.tx.QueryRow(ctx, "select count(*) from public."+ident(name)).Scan(&t.rows); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		into any
		sql  string
	}{{&t.columns, columnsSQL}, {&t.constraints, constraintsSQL}, {&t.unique, uniqueSQL},
		{&t.referrers, referrersSQL}, {&t.triggers, triggersSQL}, {&t.views, viewsSQL}} {
		if err := collect(ctx, w.tx, part.into, part.sql, oid); err != nil {
			return nil, err
		}
	}
	err = w.tx.QueryRow(ctx, "select exists (select from pg_trigger where tgrelid = $1 and tgname = $2)", oid, fillTrigger).Scan(&t.filled)
	return t, err
}

const columnsSQL = `
select a.attname::text, format_type(a.atttypid, null),
  case when a.atttypmod > 4 and a.atttypid in ('varchar'::regtype, 'bpchar'::regtype) then a.atttypmod - 4 else 0 end,
  a.attnotnull, a.attidentity <> '', a.attgenerated <> '', coalesce(pg_get_expr(d.adbin, d.adrelid), '')
from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`

const constraintsSQL = `
select k.conname::text, k.contype::text,
  array(select a.attname::text from unnest(k.conkey) with ordinality c(n, o) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.n order by o),
  coalesce(n.nspname || '.' || t.relname, ''), k.confdeltype::text, k.convalidated
from pg_constraint k left join pg_class t on t.oid = k.confrelid left join pg_namespace n on n.oid = t.relnamespace
where k.conrelid = $1 and k.contype in ('p', 'u', 'f', 'c') order by k.conname`

const uniqueSQL = `
select array_agg(a.attname::text order by a.attname) from pg_index i
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey[0 : i.indnkeyatts - 1])
where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
group by i.indexrelid`

// The adopted tables may refer to each other and to the old users.
const referrersSQL = `
select format('%s (%s)', k.conrelid::regclass, k.conname) from pg_constraint k join pg_class c on c.oid = k.conrelid
where k.confrelid = $1 and k.contype = 'f'
  and not (c.relnamespace = to_regnamespace('public') and c.relname in ('chat_messages', 'message_feedback', 'track_likes')
    and (select bool_or(a.attname in ('user_id', 'clerk_id', 'message_id')) from pg_attribute a where a.attrelid = k.conrelid and a.attnum = any (k.conkey)))
order by 1`

const triggersSQL = `
select g.tgname::text from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_namespace n on n.oid = p.pronamespace
where g.tgrelid = $1 and not g.tgisinternal and g.tgenabled = 'O' and n.nspname <> 'segue' order by 1`

const viewsSQL = `
select distinct r.ev_class::regclass::text from pg_depend d join pg_rewrite r on r.oid = d.objid
where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1 and r.ev_class <> $1 order by 1`

// collect fills a slice: of structs by position, or of a query's only column.
func collect(ctx context.Context, tx pgx.Tx, into any, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	switch list := into.(type) {
	case *[]column:
		*list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	case *[]constraint:
		*list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[constraint])
	case *[]count:
		*list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[count])
	case *[]string:
		*list, err = pgx.CollectRows(rows, pgx.RowTo[string])
	case *[][]string:
		*list, err = pgx.CollectRows(rows, pgx.RowTo[[]string])
	default:
		rows.Close()
		err = fmt.Errorf("cannot collect into %T", into)
	}
	return err
}

// count is a number of rows of one kind.
type count struct {
	What string
	Rows int64
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
