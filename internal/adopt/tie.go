package adopt

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

// relations are the queries that tie rows to people. A plan uses them as common
// table expressions, since it may write nothing; Apply as temporary tables of
// the same names and content.
type relations struct {
	names []string
	sql   map[string]string
	made  bool
}

const (
	peopleName   = "segue_people"    // who has, or will have, a row in users_sync
	oldUsersName = "segue_old_users" // public.users.id to a Clerk id
)

// tied names the relation of a table's rows: at (ctid), clerk_id, rule, reason
// (null: kept), and key, the row's old id as text.
func (t *table) tied() string { return "segue_tied_" + t.name }

func (r *relations) add(name, sql string) {
	if r.sql == nil {
		r.sql = map[string]string{}
	}
	r.names = append(r.names, name)
	r.sql[name] = sql
}

// with precedes a query that uses relations.
func (r *relations) with() string {
	if r.made {
		return ""
	}
	parts := make([]string, len(r.names))
	for i, name := range r.names {
		parts[i] = name + " as materialized (" + r.sql[name] + ")"
	}
	return "with " + strings.Join(parts, ", ") + "\n"
}

// relate derives the relations from the survey.
func (w *work) relate() {
	w.relations = relations{}
	w.add(oldUsersName, w.oldUsersSQL())
	w.add(peopleName, w.peopleSQL())
	for _, t := range w.tables {
		w.add(t.tied(), w.tiedSQL(t))
	}
}

// clerkUsersSetting carries what Clerk said into the queries: a statement that
// makes a table takes no parameters.
const clerkUsersSetting = "segue.adopt_clerk_users"

func (w *work) pass(ctx context.Context, found []clerk.User) error {
	type row struct {
		ID        string     `json:"id"`
		Name      *string    `json:"name"`
		Email     *string    `json:"email"`
		CreatedAt *time.Time `json:"created_at"`
		UpdatedAt *time.Time `json:"updated_at"`
	}
	rows := []row{}
	for _, u := range found {
		r := row{ID: u.ID, Name: u.Name, Email: u.Email}
		if !u.CreatedAt.IsZero() {
			r.CreatedAt = &u.CreatedAt
		}
		if !u.UpdatedAt.IsZero() {
			r.UpdatedAt = &u.UpdatedAt
		}
		rows = append(rows, r)
	}
	encoded, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(ctx, "select set_config($1, $2, true)", clerkUsersSetting, string(encoded))
	return err
}

// idColumn may be asked of no table.
func (t *table) idColumn() (column, bool) {
	if t == nil {
		return column{}, false
	}
	return t.column("id")
}

// oldClerkID is the Clerk id of a row of public.users: its clerk_id, or an id
// that is one.
func (w *work) oldClerkID() string {
	var parts []string
	if w.users.has("clerk_id") {
		parts = append(parts, "nullif(btrim(clerk_id::text), '')")
	}
	if w.users.has("id") {
		parts = append(parts, `case when id::text like 'user\_%' then id::text end`)
	}
	if len(parts) == 0 {
		return "null::text"
	}
	return "coalesce(" + strings.Join(parts, ", ") + ")"
}

func (w *work) oldUsersSQL() string {
	if w.users == nil || !w.users.has("id") {
		return "select null::text as id, null::text as clerk_id, false as ambiguous where false"
	}
	return fmt.Sprintf(`select id, min(clerk_id) as clerk_id, count(distinct clerk_id) > 1 as ambiguous
from (select id::text as id, %s as clerk_id from public.users) u where id is not null group by id`, w.oldClerkID())
}

func (w *work) peopleSQL() string {
	sources := []string{`select null::text as id, 0 as rank, null::text as source, null::text as name, null::text as email, null::timestamptz as created_at, null::timestamptz as updated_at where false`}
	if w.sync.exists {
		sources = append(sources, `select id, 1, 'users_sync', null, null, null, null from neon_auth.users_sync`)
	}
	if w.mode == store.ModeSegue {
		if w.users != nil {
			sources = append(sources, fmt.Sprintf(`select %s, 2, 'public.users', %s, %s, %s, null from public.users`,
				w.oldClerkID(), w.users.firstText("display_name", "name", "full_name", "username"), w.users.firstText("email"), w.users.createdAt()))
		}
		sources = append(sources, `select id, 3, 'Clerk', name, email, created_at, updated_at
from jsonb_to_recordset(current_setting('`+clerkUsersSetting+`')::jsonb) as c(id text, name text, email text, created_at timestamptz, updated_at timestamptz)`)
	}
	buried := "false"
	if w.sync.tombstones {
		buried = "exists (select from segue.user_versions v where v.user_id = p.id and v.deleted_at is not null)"
	}
	return fmt.Sprintf(`select distinct on (id) id, source, name, email, created_at, updated_at from (%s) p
where id is not null and (rank = 1 or not %s) order by id, rank, name nulls last, email nulls last`, strings.Join(sources, "\nunion all "), buried)
}

// firstText is the first of the columns that exists and says something.
func (t *table) firstText(names ...string) string {
	parts := []string{"null"}
	for i := len(names) - 1; i >= 0; i-- {
		if t.has(names[i]) {
			parts = append([]string{"nullif(btrim(" + ident(names[i]) + "::text), '')"}, parts...)
		}
	}
	return "coalesce(" + strings.Join(parts, ", ") + ")::text"
}

func (t *table) createdAt() string {
	c, _ := t.column("created_at")
	switch c.Kind {
	case "timestamp with time zone", "timestamp without time zone", "date":
		using, _ := momentOf("created_at", c.Kind)
		return "(" + using + ")::timestamptz"
	}
	return "null::timestamptz"
}

// tiedSQL ties each row of t to a person, or says why it cannot be kept. A
// row's own clerk_id comes first: it was written last, by the guide's code. An
// id that leads to nobody is passed over for one that does.
func (w *work) tiedSQL(t *table) string {
	if t.kind != "r" { // it will be a blocker
		return "select null::tid as at, null::text as key, null::text as clerk_id, null::text as rule, null::text as reason where false"
	}
	own, other := "null::text", "null::text"
	if t.has("clerk_id") {
		own = "nullif(btrim(t.clerk_id::text), '')"
	}
	if t.has("user_id") {
		other = "nullif(btrim(t.user_id::text), '')"
	}
	key := "null::text"
	if t.has("id") {
		key = t.key("t.id")
	}
	ref := other
	if c, ok := w.users.idColumn(); ok && c.Kind == "uuid" {
		ref = "lower(" + other + ")" // as uuids are written
	}
	reasons, joins, partition, order := w.ownReasons(t)
	from := fmt.Sprintf(`
select t.ctid as at, %s as key, coalesce(own.id, direct.id, via.id) as clerk_id,
  case when own.id is not null then 'clerk_id' when direct.id is not null then 'user_id, which is the Clerk id'
    when via.id is not null then 'user_id, through public.users' end as rule,
  case when coalesce(own.id, direct.id, via.id) is null then %s%s end as reason,
  %s as part, %s as place
from public.%s t
left join segue_people own on own.id = %s
left join segue_people direct on direct.id = %s
left join segue_old_users u on u.id = %s
left join segue_people via on via.id = u.clerk_id and not u.ambiguous%s`,
		key, w.strangerReason(own, other), reasons, partition, order, ident(t.name), own, other, ref, joins)
	if partition == "null::text" {
		return from
	}
	return fmt.Sprintf(`select at, key, clerk_id, rule, coalesce(reason, case when row_number() over (partition by reason is null, clerk_id, part order by place) > 1
  then %s end) as reason from (%s) r`, quote(duplicateReason(t.name)), from)
}

func duplicateReason(table string) string {
	if table == "track_likes" {
		return "the same person liked the same track before"
	}
	return "the same person rated the same message again later"
}

// key is a row's id as text, comparable with what refers to it.
func (t *table) key(id string) string {
	if t.id == idKept || t.id == idCast {
		return "replace(lower(" + id + "::text), '-', '')"
	}
	return id + "::text"
}

// strangerReason says why nobody was found.
func (w *work) strangerReason(own, other string) string {
	unknown := "is not in neon_auth.users_sync"
	switch {
	case w.mode == store.ModeNeon:
		unknown += ", which Neon Auth fills"
	case w.Clerk != nil:
		unknown += ", and Clerk does not know it"
	default:
		unknown += "; with CLERK_SECRET_KEY set, Clerk is asked"
	}
	nowhere := "its user_id is in no row of public.users"
	if w.users == nil || !w.users.has("id") {
		nowhere = "its user_id leads nowhere: there is no table public.users with ids"
	}
	return fmt.Sprintf(`case
  when %[1]s is null and %[2]s is null then 'it names no user'
  when %[1]s is not null then %[3]s
  when %[2]s like 'user\_%%' then %[4]s
  when u.id is null then %[5]s
  when u.ambiguous then 'its user_id is in several rows of public.users'
  when u.clerk_id is null then 'its user has no Clerk id in public.users'
  else %[6]s end`, own, other, quote("its clerk_id "+unknown), quote("its user_id "+unknown), quote(nowhere), quote("its user's Clerk id "+unknown))
}

// ownReasons are what else keeps a row out: clauses for reason, the joins that
// they need, and by what and in which order duplicates are found.
func (w *work) ownReasons(t *table) (clauses, joins, partition, order string) {
	created := "'epoch'::timestamptz"
	if c, ok := t.column("created_at"); ok {
		if _, bad := t.unreadable["created_at"]; !bad {
			using, _ := momentOf("t.created_at", c.Kind)
			created = "coalesce(" + using + ", 'epoch')"
		}
	}
	age := fmt.Sprintf("extract(epoch from %s)", created)
	partition, order = "null::text", "null::text"
	switch t.name {
	case "chat_messages":
		if t.has("role") {
			clauses = " when " + roleOf("t.role") + " is null then 'its role is none of user, assistant and system'"
		}
	case "track_likes":
		if t.has("track_id") {
			clauses = " when t.track_id is null then 'it names no track'"
			partition, order = "t.track_id::text", fmt.Sprintf("(%s, %s)", age, t.tieBreak(""))
		}
	case "message_feedback":
		if t.has("rating") {
			clauses = " when " + ratingOf("t.rating", t.zeroIsDown) + " is null then 'its rating is neither up nor down'"
		}
		if t.has("message_id") {
			clauses = w.messageReasons() + clauses
			joins = w.messageJoin()
			partition, order = "m.key", fmt.Sprintf("(-%s, %s)", age, t.tieBreak("-"))
		}
	}
	return clauses, joins, partition, order
}

// tieBreak decides between rows of the same time: by id where that is a
// number, else by the order in which they lie.
func (t *table) tieBreak(sign string) string {
	if c, ok := t.column("id"); ok && (c.Kind == "integer" || c.Kind == "bigint" || c.Kind == "smallint" || c.Kind == "numeric") {
		return sign + "t.id"
	}
	return sign + "((t.ctid::text::point)[0] * 1000 + (t.ctid::text::point)[1])"
}

func (w *work) messages() *table {
	if len(w.tables) > 0 && w.tables[0].name == "chat_messages" {
		return w.tables[0]
	}
	return nil
}

func (w *work) messageReasons() string {
	return ` when t.message_id is null then 'it names no message'
  when m.key is null then 'its message does not exist'
  when m.several then 'its message_id is that of several messages'
  when not m.kept then 'its message is set aside'`
}

func (w *work) messageJoin() string {
	messages := w.messages()
	if messages == nil {
		return "\nleft join (select null::text as key, false as several, false as kept where false) m on true"
	}
	return fmt.Sprintf(`
left join (select key, count(*) > 1 as several, bool_and(reason is null) as kept from %s where key is not null group by key) m on m.key = %s`,
		messages.tied(), messages.key("t.message_id"))
}

// askClerk looks up the ids on rows that look like Clerk's and lead to nobody.
func (w *work) askClerk(ctx context.Context) ([]clerk.User, error) {
	if w.Clerk == nil || w.mode != store.ModeSegue {
		return nil, nil
	}
	var ids []string
	for _, t := range w.tables {
		for _, name := range []string{"clerk_id", "user_id"} {
			if !t.has(name) {
				continue
			}
			var some []string
			err := collect(ctx, w.tx, &some, fmt.Sprintf(`%s select distinct btrim(t.%[2]s::text) from public.%[3]s t
where btrim(t.%[2]s::text) like 'user\_%%' and not exists (select from segue_people p where p.id = btrim(t.%[2]s::text)) order by 1`,
				w.with(), name, ident(t.name)))
			if err != nil {
				return nil, err
			}
			ids = append(ids, some...)
		}
	}
	var found []clerk.User
	for _, batch := range batches(ids, clerk.BatchSize) {
		users, err := w.Clerk.UsersByID(ctx, batch)
		if err != nil {
			return nil, fmt.Errorf("ask Clerk for users that the database does not know (unset CLERK_SECRET_KEY to set their rows aside instead): %w", err)
		}
		found = append(found, users...)
	}
	return found, nil
}

// batches are the distinct ids, at most size together.
func batches(ids []string, size int) [][]string {
	seen := map[string]bool{}
	var all [][]string
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if n := len(all); n == 0 || len(all[n-1]) == size {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], id)
	}
	return all
}

// quote makes a literal of a text of our own.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
