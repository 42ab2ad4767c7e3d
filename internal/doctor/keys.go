package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// link is a foreign key that there must be.
type link struct{ table, column, target string }

var links = []link{
	{"chat_messages", "clerk_id", "neon_auth.users_sync"},
	{"message_feedback", "clerk_id", "neon_auth.users_sync"},
	{"track_likes", "clerk_id", "neon_auth.users_sync"},
	{"message_feedback", "message_id", "public.chat_messages"},
}

// present says whether both ends are there, with types that can be compared.
const present = `
select count(distinct format_type(a.atttypid, null)) = 1 and count(*) = 2 from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where not a.attisdropped and (n.nspname = 'public' and c.relname = $1 and a.attname = $2 or n.nspname || '.' || c.relname = $3 and a.attname = 'id')`

func (l link) comparable(ctx context.Context, tx pgx.Tx) (yes bool, err error) {
	return yes, tx.QueryRow(ctx, present, l.table, l.column, l.target).Scan(&yes)
}

func (d *doctor) foreignKeys(ctx context.Context, tx pgx.Tx) error {
	for _, l := range links {
		if yes, err := l.comparable(ctx, tx); err != nil || !yes {
			if err != nil {
				return err
			}
			continue // adopt's business
		}
		if err := d.foreignKey(ctx, tx, l); err != nil {
			return err
		}
	}
	return nil
}

func (d *doctor) foreignKey(ctx context.Context, tx pgx.Tx, l link) error {
	rows, err := tx.Query(ctx, `
select quote_ident(f.conname), f.confdeltype = 'c', f.convalidated from pg_constraint f
join pg_class c on c.oid = f.conrelid join pg_attribute a on a.attrelid = c.oid and f.conkey = array[a.attnum]
join pg_class t on t.oid = f.confrelid join pg_namespace n on n.oid = t.relnamespace
where f.contype = 'f' and c.relnamespace = 'public'::regnamespace and c.relname = $1 and a.attname = $2 and n.nspname || '.' || t.relname = $3
order by f.confdeltype = 'c' desc, f.convalidated desc limit 1`, l.table, l.column, l.target)
	if err != nil {
		return err
	}
	type key struct {
		Name                string
		Cascades, Validated bool
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return err
	}
	add := fmt.Sprintf("ALTER TABLE public.%[1]s ADD CONSTRAINT %[1]s_%[2]s_segue FOREIGN KEY (%[2]s) REFERENCES %[3]s (id) ON DELETE CASCADE NOT VALID; ALTER TABLE public.%[1]s VALIDATE CONSTRAINT %[1]s_%[2]s_segue;",
		l.table, l.column, l.target)
	name := fmt.Sprintf("public.%s.%s → %s", l.table, l.column, l.target)
	switch {
	case len(keys) == 0:
		d.find("foreign-key-missing", name+" is not kept by the database: rows can refer to nobody, and stay when a user or message is deleted.", add)
	case !keys[0].Cascades:
		d.find("foreign-key-no-cascade", name+": deleting a user or message fails or leaves rows behind.", fmt.Sprintf("ALTER TABLE public.%s DROP CONSTRAINT %s; ", l.table, keys[0].Name)+add)
	case !keys[0].Validated:
		d.find("foreign-key-not-validated", name+" was added NOT VALID: rows from before may refer to nobody.", fmt.Sprintf("ALTER TABLE public.%s VALIDATE CONSTRAINT %s;", l.table, keys[0].Name))
	}
	return nil
}

// orphans counts rows that a foreign key would not have let in.
func (d *doctor) orphans(ctx context.Context, tx pgx.Tx) error {
	var found []string
	for _, l := range links {
		if yes, err := l.comparable(ctx, tx); err != nil || !yes {
			if err != nil {
				return err
			}
			continue
		}
		var n int64
		err := tx.QueryRow(ctx, fmt.Sprintf("select count(*) from public.%s t where t.%[2]s is not null and not exists (select from %[3]s u where u.id = t.%[2]s)", l.table, l.column, l.target)).Scan(&n)
		if err != nil {
			return err
		}
		if n > 0 {
			found = append(found, fmt.Sprintf("%d rows of public.%s have a %s that is not in %s", n, l.table, l.column, l.target))
		}
	}
	if len(found) > 0 {
		d.find("orphans", strings.Join(found, "; ")+".", "segue sync, where the users exist at Clerk; then segue adopt --apply, which sets the rest aside in segue_orphans and completes the foreign keys")
	}
	return nil
}

// indexes are those that reads by person and deletions need.
func (d *doctor) indexes(ctx context.Context, tx pgx.Tx) error {
	for _, want := range []struct{ table, columns, why string }{
		{"chat_messages", "clerk_id", "clerk_id, created_at DESC, id DESC"},
		{"message_feedback", "clerk_id", "clerk_id, created_at DESC, id DESC"},
		{"message_feedback", "message_id", "message_id"},
		{"track_likes", "clerk_id", "clerk_id, created_at DESC, id DESC"},
	} {
		var has bool
		err := tx.QueryRow(ctx, `
select exists (select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = ('public.' || $1)::regclass and i.indisvalid and i.indpred is null and a.attname = $2)`, want.table, want.columns).Scan(&has)
		if err != nil {
			return err
		}
		if !has {
			d.find("index-missing", fmt.Sprintf("public.%s has no index that starts with %s: a person's lists, and deleting a user, read the whole table.", want.table, want.columns),
				fmt.Sprintf("CREATE INDEX CONCURRENTLY ON public.%s (%s);", want.table, want.why))
		}
	}
	return nil
}
