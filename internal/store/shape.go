package store

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// usersTable is what there is to know of users_sync before writing it.
type usersTable struct {
	mode UsersMode
	save string // statement: news of users, see System.save
	bury string // statement: tombstones, see System.bury
	bare string // statement: a tombstone that somebody else made loses its name and e-mail
}

// rowQuerier is a pool, or a transaction that has its connection already.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// usersTable looks at the table once. One that is not there yet will be Segue's.
func (s *System) usersTable(ctx context.Context, q rowQuerier) (*usersTable, error) {
	if table := s.table.Load(); table != nil {
		return table, nil
	}
	// Not to_regclass, which fails for roles that may not look into the schema.
	const look = `
select count(*) > 0, coalesce(bool_or(a.attgenerated <> ''), false),
  coalesce(bool_and(has_table_privilege(c.oid, 'INSERT') and has_table_privilege(c.oid, 'UPDATE')), true)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attname = 'id' and not a.attisdropped
where n.nspname = 'neon_auth' and c.relname = 'users_sync'`
	var exists, generated, writable bool
	if err := q.QueryRow(ctx, look).Scan(&exists, &generated, &writable); err != nil {
		return nil, err
	}
	columns, mode := plainColumns, SegueOwned
	if generated {
		columns = generatedColumns
	}
	if generated || !writable {
		mode = NeonOwned
	}
	if s.mode != "" {
		mode = s.mode
	}
	table := columns.statements(mode)
	if exists {
		s.table.Store(table)
	}
	return table, nil
}

// writeColumns are the parts of the statements that depend on the shape.
type writeColumns struct {
	into   string // columns to insert
	values string // what goes into them, from a row of (id, name, email, created_at, updated_at)
	set    string // assignments that take the inserted values over
	date   string // assignment of h.created_at to u
	bare   string // assignment that forgets name and e-mail of u
}

var plainColumns = writeColumns{
	into:   `id, name, email, created_at, updated_at`,
	values: `id, name, email, created_at, updated_at`,
	set:    `name = excluded.name, email = excluded.email, created_at = excluded.created_at`,
	date:   `created_at = h.created_at`,
	bare:   `name = null, email = null`,
}

// generatedColumns is Neon's table where USERS_SYNC=segue gives it to Segue: the
// columns are generated from raw_json.
var generatedColumns = writeColumns{
	into: `raw_json, updated_at`,
	values: `jsonb_build_object('id', id, 'display_name', name, 'primary_email', email,
    'signed_up_at_millis', (extract(epoch from created_at) * 1000)::bigint), updated_at`,
	set:  `raw_json = u.raw_json || excluded.raw_json`,
	date: `raw_json = u.raw_json || jsonb_build_object('signed_up_at_millis', (extract(epoch from h.created_at) * 1000)::bigint)`,
	bare: `raw_json = jsonb_build_object('id', u.id, 'signed_up_at_millis', u.raw_json -> 'signed_up_at_millis')`,
}

func (c writeColumns) statements(mode UsersMode) *usersTable {
	fill := strings.NewReplacer("{into}", c.into, "{values}", c.values, "{set}", c.set, "{date}", c.date, "{bare}", c.bare).Replace
	return &usersTable{mode: mode, save: fill(saveSQL), bury: fill(burySQL), bare: fill(bareSQL)}
}

// saveSQL applies what was heard of users ($1–$5) at the time $6. News wins over
// what it is newer than by Clerk's updated_at, then by when Clerk said it, then
// by the text itself, so that any order of arrival ends in the same row. Of a
// row that Segue did not write, updated_at says how old it is, unless the news
// is authoritative ($7). A tombstone learns when the user signed up and nothing else.
const saveSQL = `
with heard as (
  select *, coalesce((extract(epoch from updated_at) * 1000)::bigint, -1) as updated_ms
  from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) as h(id, name, email, created_at, updated_at)
), news as (
  select h.* from heard h
  join segue.user_versions v on v.user_id = h.id
  left join neon_auth.users_sync u on u.id = h.id
  where case when u.id is null then v.deleted_at is null
    else u.deleted_at is null and (h.updated_ms, $6::bigint, coalesce(h.name, ''), coalesce(h.email, '')) > (
      case when v.updated_ms >= 0 or $7 then v.updated_ms else coalesce((extract(epoch from u.updated_at) * 1000)::bigint, -1) end,
      v.event_ms, coalesce(u.name, ''), coalesce(u.email, ''))
    end
), versions as (
  update segue.user_versions v set updated_ms = n.updated_ms, event_ms = $6 from news n where v.user_id = n.id
), dated as (
  update neon_auth.users_sync u set {date} from heard h
  where u.id = h.id and u.deleted_at is not null and u.created_at is null and h.created_at is not null
)
insert into neon_auth.users_sync as u ({into}) select {values} from news
on conflict (id) do update set {set}, updated_at = excluded.updated_at
where u.deleted_at is null and (u.name, u.email, u.created_at, u.updated_at)
  is distinct from (excluded.name, excluded.email, excluded.created_at, excluded.updated_at)
returning xmax = 0`

// burySQL makes tombstones of the users $1, deleted at $2. Of several deletions the
// first one counts. A tombstone keeps its id, its time and the time of signing up.
const burySQL = `
with dead as (
  select id, null::text as name, null::text as email, null::timestamptz as created_at, $2::timestamptz as updated_at
  from unnest($1::text[]) id
), versions as (
  update segue.user_versions v set deleted_at = least(v.deleted_at, $2) from dead where v.user_id = dead.id
), before as (
  select u.id from neon_auth.users_sync u join dead using (id) where u.deleted_at is not null
), tombstones as (
  insert into neon_auth.users_sync as u ({into}, deleted_at) select {values}, updated_at from dead
  on conflict (id) do update set {bare}, deleted_at = least(u.deleted_at, excluded.deleted_at), updated_at = least(u.deleted_at, excluded.deleted_at)
  where u.deleted_at is null or u.deleted_at > excluded.deleted_at or u.name is not null or u.email is not null
  returning id
)
select id from tombstones where id not in (select id from before)`

// bareSQL takes what names a person out of $1's row where somebody else made it a tombstone.
const bareSQL = `
update neon_auth.users_sync u set {bare}
where id = $1 and deleted_at is not null and (name is not null or email is not null)`
