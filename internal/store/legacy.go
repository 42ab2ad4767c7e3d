package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Legacy is one thing about an existing table that Segue cannot work with.
type Legacy struct {
	Table   string // without its schema, which is public
	Column  string // empty when it is the table's own
	Problem string // completes "public.table.column …"
}

func (l Legacy) String() string {
	name := "public." + l.Table
	if l.Column != "" {
		name += "." + l.Column
	}
	return name + " " + l.Problem
}

// LegacyError stops Migrate on tables in another form than the contract's (§7).
type LegacyError struct{ Findings []Legacy }

func (e *LegacyError) Error() string {
	more := ""
	if n := len(e.Findings) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("the tables are in an older form, %s%s: run segue adopt to see how to bring them over", e.Findings[0], more)
}

// neededTable is what Segue needs of a table: no more, so that a table with further
// columns, which its other writers fill, is fine.
type neededTable struct {
	table   string
	columns []neededColumn
	unique  []string // column lists
	refers  []neededKey
}

type neededColumn struct {
	name     string
	fits     func(kind string) bool
	kind     string // for people
	nullable bool
}

type neededKey struct{ column, target string }

var theUser = neededKey{"clerk_id", "neon_auth.users_sync"}

func neededTables() []neededTable {
	id := neededColumn{"id", isUUID, "uuid", false}
	clerkID := neededColumn{"clerk_id", isText, "text", false}
	createdAt := neededColumn{"created_at", isTime, "timestamptz", false}
	text := func(name string, nullable bool) neededColumn { return neededColumn{name, isText, "text", nullable} }
	return []neededTable{{
		table:   "chat_messages",
		columns: []neededColumn{id, clerkID, text("session_id", true), text("role", false), text("content", false), createdAt},
		unique:  []string{"id"},
		refers:  []neededKey{theUser},
	}, {
		table: "message_feedback",
		columns: []neededColumn{id, clerkID, {"message_id", isUUID, "uuid", false},
			{"rating", isInteger, "smallint", false}, text("comment", true), createdAt},
		unique: []string{"id", "clerk_id,message_id"},
		refers: []neededKey{theUser, {"message_id", "public.chat_messages"}},
	}, {
		table:   "track_likes",
		columns: []neededColumn{id, clerkID, text("track_id", false), text("title", true), text("artist", true), createdAt},
		unique:  []string{"id", "clerk_id,track_id"},
		refers:  []neededKey{theUser},
	}}
}

// FindLegacy lists what keeps Segue from working with the tables that exist;
// absent tables are fine. It reads the catalog only.
func FindLegacy(ctx context.Context, q Querier) ([]Legacy, error) {
	var findings []Legacy
	for _, want := range neededTables() {
		has, err := inspect(ctx, q, want.table)
		if err != nil {
			return nil, fmt.Errorf("inspect public.%s: %w", want.table, err)
		}
		if has.exists {
			findings = append(findings, has.compare(want)...)
		}
	}
	return findings, nil
}

// foundTable is what the catalog says about a table.
type foundTable struct {
	exists  bool
	columns []foundColumn
	unique  []string          // column lists of whole unique indexes
	foreign map[string]string // "column→table" to the action on delete
}

type foundColumn struct {
	name, kind        string
	notNull, fillable bool // fillable: something is put in when an INSERT leaves it out
}

func inspect(ctx context.Context, q Querier, table string) (foundTable, error) {
	p := foundTable{foreign: map[string]string{}}
	const exists = `select exists (select from pg_class where relnamespace = 'public'::regnamespace and relname = $1)`
	if err := q.QueryRow(ctx, exists, table).Scan(&p.exists); err != nil || !p.exists {
		return p, err
	}
	rows, err := q.Query(ctx, `
select a.attname, format_type(a.atttypid, null), a.attnotnull,
  not a.attnotnull or a.atthasdef or a.attidentity <> ''
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relname = $1 order by a.attnum`, table)
	if err != nil {
		return p, err
	}
	p.columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c foundColumn, err error) {
		return c, row.Scan(&c.name, &c.kind, &c.notNull, &c.fillable)
	})
	if err != nil {
		return p, err
	}
	return p, p.inspectKeys(ctx, q, table)
}

// inspectKeys reads unique indexes (a primary key has one) and foreign keys.
func (p *foundTable) inspectKeys(ctx context.Context, q Querier, table string) error {
	rows, err := q.Query(ctx, `
select 'unique', string_agg(a.attname, ',' order by a.attname), ''
from pg_class c
join pg_index i on i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey[0 : i.indnkeyatts - 1])
where c.relnamespace = 'public'::regnamespace and c.relname = $1
group by i.indexrelid
union all
select 'foreign', a.attname || '→' || n.nspname || '.' || target.relname, f.confdeltype
from pg_class c
join pg_constraint f on f.conrelid = c.oid and f.contype = 'f' and cardinality(f.conkey) = 1
join pg_attribute a on a.attrelid = c.oid and a.attnum = f.conkey[1]
join pg_class target on target.oid = f.confrelid
join pg_namespace n on n.oid = target.relnamespace
where c.relnamespace = 'public'::regnamespace and c.relname = $1`, table)
	if err != nil {
		return err
	}
	var kind, what, onDelete string
	_, err = pgx.ForEachRow(rows, []any{&kind, &what, &onDelete}, func() error {
		if kind == "unique" {
			p.unique = append(p.unique, what)
		} else {
			p.foreign[what] = onDelete
		}
		return nil
	})
	return err
}

func (p foundTable) compare(want neededTable) []Legacy {
	var found []Legacy
	add := func(column, format string, args ...any) {
		found = append(found, Legacy{want.table, column, fmt.Sprintf(format, args...)})
	}
	known := map[string]bool{}
	for _, n := range want.columns {
		known[n.name] = true
		i := slices.IndexFunc(p.columns, func(c foundColumn) bool { return c.name == n.name })
		switch {
		case i < 0:
			add(n.name, "is missing")
		case !n.fits(p.columns[i].kind):
			add(n.name, "is %s, not %s", p.columns[i].kind, n.kind)
		case !n.nullable && !p.columns[i].notNull:
			add(n.name, "may be null")
		}
	}
	for _, c := range p.columns {
		if !known[c.name] && !c.fillable {
			add(c.name, "must be filled, and Segue does not know it")
		}
	}
	for _, u := range want.unique {
		if !slices.Contains(p.unique, u) {
			add("", "has no unique key on (%s)", strings.ReplaceAll(u, ",", ", "))
		}
	}
	for _, r := range want.refers {
		switch onDelete, ok := p.foreign[r.column+"→"+r.target]; {
		case !ok:
			add(r.column, "has no foreign key to %s", r.target)
		case onDelete != "c":
			add(r.column, "has a foreign key to %s that does not delete with it", r.target)
		}
	}
	return found
}
