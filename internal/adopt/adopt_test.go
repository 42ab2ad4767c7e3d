package adopt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/adopt"
	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

var quiet = slog.New(slog.DiscardHandler)

// Any legacy database: a plan changes nothing and says what Apply then does;
// each row ends where the oracle says, with its values; Segue's migrations go
// on from there; again there is nothing to do.
func TestApply_anyShape(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := newLegacy(t, seed, randomShape(rand.New(rand.NewPCG(seed, 0))), 240)
			t.Logf("%+v", l.shape)
			before := l.snapshot()
			plan, err := adopt.MakePlan(t.Context(), adopt.Config{URL: l.url})
			if err != nil {
				t.Fatal(err)
			}
			if l.snapshot() != before {
				t.Fatal("the plan changed something")
			}
			done := l.adopt(adopt.Config{URL: l.url})
			if planned, did := outcome(plan), outcome(done); planned != did {
				t.Errorf("planned:\n%s\ndone:\n%s", planned, did)
			}
			l.check()
			l.writeAsBefore()
			if err := store.Migrate(t.Context(), l.url, quiet); err != nil {
				t.Errorf("migrate: %v", err)
			}
			again := l.adopt(adopt.Config{URL: l.url})
			if !again.Nothing() {
				t.Errorf("again:\n%s", text(t, again))
			}
		})
	}
}

// adopt applies and expects success.
func (l *legacy) adopt(c adopt.Config) *adopt.Plan {
	l.t.Helper()
	plan, err := adopt.Apply(l.t.Context(), c)
	if err != nil {
		if plan != nil {
			l.t.Log(text(l.t, plan))
		}
		l.t.Fatal(err)
	}
	return plan
}

func text(t testing.TB, p *adopt.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func outcome(p *adopt.Plan) string {
	var b strings.Builder
	for _, t := range p.Tables {
		fmt.Fprintln(&b, t.Name, t.Rows, t.Kept, t.Aside)
	}
	return b.String()
}

// snapshot is all rows and the whole form of the database, as text.
func (l *legacy) snapshot() string {
	l.t.Helper()
	var b strings.Builder
	for _, sql := range []string{`
select format('%s.%s.%s %s %s %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1`,
		`select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint where conrelid <> 0 order by 1`,
		`select indexdef from pg_indexes where schemaname !~ '^pg_' order by 1`,
		`select format('%s %s', tgname, tgenabled) from pg_trigger where not tgisinternal order by 1`,
		`select m::text from public.chat_messages m order by 1`, `select m::text from public.message_feedback m order by 1`, `select m::text from public.track_likes m order by 1`} {
		rows, err := l.conn.Query(context.Background(), sql)
		if err != nil {
			l.t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			l.t.Fatal(err)
		}
		b.WriteString(strings.Join(lines, "\n"))
	}
	return b.String()
}

// check compares every row with the oracle.
func (l *legacy) check() {
	l.t.Helper()
	l.checkTable("chat_messages", l.messages, "role", func(x *row) string { return x.role })
	l.checkTable("message_feedback", l.feedback, "rating::text || (select ' ' || m.mark from public.chat_messages m where m.id = t.message_id)",
		func(x *row) string { return fmt.Sprint(x.rating, " ", x.message.mark) })
	l.checkTable("track_likes", l.likes, "track_id", func(x *row) string { return x.track })
}

func (l *legacy) checkTable(name string, rows []*row, value string, want func(*row) string) {
	l.t.Helper()
	type found struct{ who, value, legacy, at string }
	kept, aside := map[int]found{}, map[int]string{}
	old := "id::text"
	if k := l.shape.rowID; !strings.Contains(k, "uuid") {
		old = "legacy_id::text"
	}
	q, err := l.conn.Query(context.Background(), fmt.Sprintf("select mark, clerk_id, %s, %s, extract(epoch from created_at)::bigint::text from public.%s t", value, old, name))
	if err != nil {
		l.t.Fatal(err)
	}
	var mark int
	var f found
	if _, err := pgx.ForEachRow(q, []any{&mark, &f.who, &f.value, &f.legacy, &f.at}, func() error { kept[mark] = f; return nil }); err != nil {
		l.t.Fatal(err)
	}
	if q, err = l.conn.Query(context.Background(), fmt.Sprintf("select mark, reason from segue_orphans.%s", name)); err == nil {
		var reason string
		_, err = pgx.ForEachRow(q, []any{&mark, &reason}, func() error { aside[mark] = reason; return nil })
	}
	if err != nil && !strings.Contains(err.Error(), "42P01") {
		l.t.Fatal(err)
	}
	if len(kept)+len(aside) != len(rows) {
		l.t.Errorf("%s: %d rows in, %d kept, %d aside", name, len(rows), len(kept), len(aside))
	}
	wrong := 0
	for _, x := range rows {
		at := "0"
		if x.second >= 0 {
			at = fmt.Sprint(1_700_000_000 + x.second)
		}
		wanted := found{x.keeps, want(x), strings.ToLower(strings.Trim(x.id, "'")), at}
		got, ok := kept[x.mark]
		const enough = 3
		if wrong++; wrong > enough {
			return
		}
		switch {
		case x.keeps == "" && aside[x.mark] == "":
			l.t.Errorf("%s %+v is not set aside with a reason", name, *x)
		case x.keeps != "" && (!ok || got != wanted):
			l.t.Errorf("%s %+v became %+v (aside: %q), want %+v", name, *x, got, aside[x.mark], wanted)
		default:
			wrong--
		}
	}
}

// writeAsBefore adds rows the way the old programs do.
func (l *legacy) writeAsBefore() {
	l.t.Helper()
	if ref, clerk := l.ownerOf(); ref != "" {
		var got string
		if err := l.conn.QueryRow(context.Background(), fmt.Sprintf("insert into public.chat_messages (mark, user_id, role, content) values (0, %s, 'user', 'x') returning clerk_id", ref)).Scan(&got); err != nil || got != clerk {
			l.t.Errorf("a row with user_id %s only got clerk_id %q, want %q: %v", ref, got, clerk, err)
		}
	}
	for id := range l.people {
		ref := "null"
		if l.shape.refs == "clerk" {
			ref = "'" + id + "'"
		}
		l.exec(fmt.Sprintf("insert into public.chat_messages (mark, user_id, clerk_id, role, content) values (0, %s, '%s', 'user', 'x')", ref, id))
		l.exec(fmt.Sprintf("insert into public.track_likes (mark, clerk_id, track_id) values (0, '%s', 'written later')", id))
		return
	}
}

// usual is the guide's reader's database.
func usual() shape {
	return shape{usersSync: "none", userID: "serial", rowID: "serial", refs: "same", clerkID: "text", required: true, roles: plainRoles, roleType: "text",
		ratType: "text", ratings: map[int]string{1: "'up'", -1: "'down'", 0: "'meh'"}, created: "timestamp default now()", strict: true, pk: true}
}

// Killed at any step, everything is as it was; the next run does it all.
func TestApply_killedAnywhere(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 1, usual(), 240)
	before := l.snapshot()
	killed := 0
	for at := 0; ; at++ {
		step := 0
		_, err := adopt.Apply(t.Context(), adopt.Config{URL: l.url, Step: func(string) {
			if step++; step-1 == at {
				l.exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'")
			}
		}})
		if err == nil {
			break
		}
		killed++
		if l.snapshot() != before {
			t.Fatalf("killed at step %d, the database changed", at)
		}
	}
	if killed < 8 {
		t.Errorf("only %d places to be killed at", killed)
	}
	l.check()
}

func TestApply_hundredThousandMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("a big database")
	}
	t.Parallel()
	l := newLegacy(t, 7, usual(), 100_000)
	plan := l.adopt(adopt.Config{URL: l.url})
	t.Logf("\n%s", text(t, plan))
	l.check()
	if err := store.Migrate(t.Context(), l.url, quiet); err != nil {
		t.Error(err)
	}
}

// Whom the old database does not know, Clerk is asked for.
func TestApply_asksClerk(t *testing.T) {
	t.Parallel()
	s := usual()
	s.userID, s.refs, s.strict = "", "clerk", false
	l := newLegacy(t, 3, s, 120)
	api := clerktest.NewAPI(t, clerktest.Person{ID: "user_0", FirstName: "Ada", Email: "ada@example.com"}, clerktest.Person{ID: "user_1"})
	c := adopt.Config{URL: l.url, Clerk: clerk.New(clerk.Config{SecretKey: clerktest.SecretKey, URL: api.URL})}
	l.people = map[string]bool{"user_0": true, "user_1": true}
	l.judge()
	l.adopt(c)
	l.check()
	var name, email string
	if err := l.conn.QueryRow(t.Context(), "select name, email from neon_auth.users_sync where id = 'user_0'").Scan(&name, &email); err != nil || name != "Ada" || email != "ada@example.com" {
		t.Errorf("%q %q %v", name, email, err)
	}
}

func TestApply_provisionsFromTheOldUsers(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 4, usual(), 60)
	l.adopt(adopt.Config{URL: l.url})
	var name, email string
	if err := l.conn.QueryRow(t.Context(), "select name, email from neon_auth.users_sync where id = 'user_2'").Scan(&name, &email); err != nil || name != "Name 2" || email != "u2@example.com" {
		t.Errorf("%q %q %v", name, email, err)
	}
	if err := l.conn.QueryRow(t.Context(), "select display_name from public.users where clerk_id = 'user_2'").Scan(&name); err != nil {
		t.Errorf("the old table is not as it was: %v", err)
	}
}

func TestApply_dropUsers(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 5, usual(), 60)
	l.exec("create table public.playlists (owner integer references public.users (id))")
	plan, err := adopt.Apply(t.Context(), adopt.Config{URL: l.url, DropUsers: true})
	if !errors.Is(err, adopt.ErrBlocked) || !strings.Contains(strings.Join(plan.Blockers, " "), "playlists") {
		t.Fatalf("got %v, %+v", err, plan)
	}
	l.exec("drop table public.playlists")
	l.adopt(adopt.Config{URL: l.url, DropUsers: true})
	l.check()
	var n int
	if err := l.conn.QueryRow(t.Context(), "select count(*) from segue_orphans.users").Scan(&n); err != nil || n != len(l.oldUser) {
		t.Errorf("%d old users, %v", n, err)
	}
	if again := l.adopt(adopt.Config{URL: l.url, DropUsers: true}); !again.Nothing() {
		t.Error(text(t, again))
	}
}

func TestApply_truncate(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 6, usual(), 60)
	l.adopt(adopt.Config{URL: l.url, Truncate: true})
	var n int
	if err := l.conn.QueryRow(t.Context(), "select count(*) from (select id from public.chat_messages union all select id from public.track_likes) x").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows left, %v", n, err)
	}
	if err := store.Migrate(t.Context(), l.url, quiet); err != nil {
		t.Error(err)
	}
	l.writeAsBefore()
	if again := l.adopt(adopt.Config{URL: l.url, Truncate: true}); !again.Nothing() {
		t.Errorf("a good database was emptied:\n%s", text(t, again))
	}
}

// What doctor calls orphans: keys were dropped from a good database and rows
// came in that refer to nobody. The statistics follow the rows that go.
func TestApply_completesKeysOfAGoodDatabase(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			url := testdb.New(t, shape)
			pool := testdb.Connect(t, url)
			testdb.AddUser(t, pool, "user_1", "Ada", "")
			for _, sql := range []string{
				`alter table public.chat_messages drop constraint chat_messages_clerk_id_fkey`,
				`alter table public.message_feedback drop constraint message_feedback_message_id_fkey, add constraint odd foreign key (message_id) references public.chat_messages not valid`,
				`insert into public.chat_messages (clerk_id, role, content) values ('user_1', 'user', 'stays'), ('user_2', 'user', 'goes'), ('user_2', 'user', 'goes too')`,
				`insert into public.message_feedback (clerk_id, message_id, rating) select 'user_1', id, 1 from public.chat_messages`,
			} {
				if _, err := pool.Exec(t.Context(), sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			plan, err := adopt.Apply(t.Context(), adopt.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			var messages, ratings, aside int
			if err := pool.QueryRow(t.Context(), `select (select count(*) from public.chat_messages), (select count(*) from public.message_feedback),
  (select count(*) from segue_orphans.chat_messages) + (select count(*) from segue_orphans.message_feedback)`).Scan(&messages, &ratings, &aside); err != nil {
				t.Fatal(err)
			}
			if messages != 1 || ratings != 1 || aside != 4 {
				t.Errorf("%d messages, %d ratings, %d aside:\n%s", messages, ratings, aside, text(t, plan))
			}
			if drift, err := store.CheckRollups(t.Context(), pool, 10); err != nil || len(drift) > 0 {
				t.Errorf("statistics: %v, %v", drift, err)
			}
			if again, err := adopt.Apply(t.Context(), adopt.Config{URL: url}); err != nil || !again.Nothing() {
				t.Errorf("again: %v\n%s", err, text(t, again))
			}
		})
	}
}

// Shapes that the generator does not make. Each is adopted, migrated, and done.
func TestApply_oddShapes(t *testing.T) {
	t.Parallel()
	const users = "create table users (id serial primary key, clerk_id text unique); insert into users (clerk_id) values ('user_1'), ('user_2');"
	for name, c := range map[string]struct{ sql, look, want string }{
		"nothing":    {"select 1", "select count(*)::text from public.chat_messages", "0"},
		"only users": {users, "select string_agg(id, ' ' order by id) from neon_auth.users_sync", "user_1 user_2"},
		"only ratings": {users + "create table message_feedback (id serial primary key, user_id int, message_id int, rating int); insert into message_feedback (user_id, message_id, rating) values (1, 1, 1)",
			"select reason from segue_orphans.message_feedback", "its message does not exist"},
		"a primary key of two": {users + "create table track_likes (user_id int references users, track_id text, primary key (user_id, track_id)); insert into track_likes values (1, 'a'), (2, 'a')",
			"select string_agg(clerk_id || track_id, ' ' order by clerk_id) from public.track_likes", "user_1a user_2a"},
		"enum and default": {users + "create type speaker as enum ('Human', 'DJ'); create table chat_messages (id uuid primary key, user_id int, role speaker not null default 'DJ', content text); insert into chat_messages (id, user_id, content) values (gen_random_uuid(), 1, null)",
			"with new as (insert into public.chat_messages (clerk_id, content) values ('user_1', '') returning role, content) select string_agg(role || content || created_at::date, ' ') from (select role, content, '1970-01-01'::date created_at from new union all select role, content, created_at from public.chat_messages) x", "assistant1970-01-01 assistant1970-01-01"},
		"rules about old values": {users + "create table chat_messages (id serial primary key, user_id int, role text check (role in ('USER', 'BOT')), content text, created_at date); insert into chat_messages (user_id, role, created_at) values (1, 'BOT', '2026-01-02')",
			"select role || (created_at at time zone 'UTC')::text from public.chat_messages", "assistant2026-01-02 00:00:00"},
		"empty, with little": {"create table chat_messages (id serial primary key); create table message_feedback (id serial); create table track_likes (user_id int)",
			"select count(*)::text from public.message_feedback", "0"},
		"Clerk ids as ids of users": {"create table users (id text primary key, name text); insert into users values ('user_9', 'Nina'); create table track_likes (id serial primary key, user_id text references users, track_id int); insert into track_likes (user_id, track_id) values ('user_9', 7)",
			"select u.name || l.track_id from public.track_likes l join neon_auth.users_sync u on u.id = l.clerk_id", "Nina7"},
		"clerk_id refers to users": {users + "create table track_likes (id serial primary key, clerk_id text references users (clerk_id), track_id text); insert into track_likes (clerk_id, track_id) values ('user_1', 'a')",
			"with new as (insert into neon_auth.users_sync (id) values ('user_new')) select string_agg(clerk_id, ' ') from public.track_likes", "user_1"},
		"ids twice": {users + "create table chat_messages (id int, user_id int, role text, content text); insert into chat_messages values (1, 1, 'user', 'a'), (1, 2, 'user', 'b'); create table message_feedback (id int, user_id int, message_id int, rating int); insert into message_feedback values (1, 1, 1, 1)",
			"select count(*) || (select reason from segue_orphans.message_feedback) from public.chat_messages", "2its message_id is that of several messages"},
		"somebody's clerk_id twice": {"create table users (id int, clerk_id text); insert into users values (1, 'user_1'), (1, 'user_2'); create table track_likes (id serial primary key, user_id int, track_id text); insert into track_likes (user_id, track_id) values (1, 'a')",
			"select reason from segue_orphans.track_likes", "its user_id is in several rows of public.users"},
		"a column named reason": {users + "create table track_likes (id serial primary key, user_id int, track_id text, reason text); insert into track_likes (user_id, track_id, reason) values (9, 'a', 'catchy')",
			"select reason || segue_reason from segue_orphans.track_likes", "catchyits user_id is in no row of public.users"},
		"uuid clerk ids": {users + "create table track_likes (id serial primary key, user_id int, clerk_id uuid, track_id text); insert into track_likes (user_id, clerk_id, track_id) values (2, gen_random_uuid(), 'a')",
			"select clerk_id from public.track_likes", "user_2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &legacy{t: t, url: testdb.Empty(t)}
			conn, err := pgx.Connect(t.Context(), l.url)
			if err != nil {
				t.Fatal(err)
			}
			l.conn = conn
			t.Cleanup(func() { conn.Close(context.Background()) })
			l.exec(c.sql)
			l.adopt(adopt.Config{URL: l.url})
			if err := store.Migrate(t.Context(), l.url, quiet); err != nil {
				t.Error(err)
			}
			var got string
			if err := conn.QueryRow(t.Context(), c.look).Scan(&got); err != nil || got != c.want {
				t.Errorf("got %q, want %q: %v", got, c.want, err)
			}
			if again := l.adopt(adopt.Config{URL: l.url}); !again.Nothing() {
				t.Error(text(t, again))
			}
		})
	}
}

func TestMakePlan_blockers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, says string }{
		"a view":          {"create view newest as select id, role from public.chat_messages", "newest"},
		"another table":   {"create table notes (about integer references public.chat_messages (id))", "notes"},
		"legacy_id taken": {"alter table public.chat_messages add legacy_id text", "legacy_id already"},
		"no content":      {"alter table public.chat_messages rename column content to body", "no column content"},
		"a view instead":  {"alter table public.track_likes rename to likes; create view public.track_likes as select * from likes", "not a plain table"},
		"times of no use": {"alter table public.track_likes alter created_at drop default, alter created_at type text using 'yesterday-ish'", "no times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLegacy(t, 8, usual(), 60)
			l.exec(c.sql)
			plan, err := adopt.Apply(t.Context(), adopt.Config{URL: l.url})
			if !errors.Is(err, adopt.ErrBlocked) || !strings.Contains(strings.Join(plan.Blockers, "\n"), c.says) {
				t.Errorf("got %v, %+v", err, plan)
			}
		})
	}
}

// A trigger of the app's own does not fire, and is on again afterwards; a
// column of unknown purpose and its values stay.
func TestApply_leavesTheRestAlone(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 9, usual(), 60)
	l.exec(`create function fired() returns trigger language plpgsql as $$ begin raise exception 'fired'; end $$;
create trigger app before update or delete on public.chat_messages for each row execute function fired()`)
	l.adopt(adopt.Config{URL: l.url})
	l.check()
	if _, err := l.conn.Exec(t.Context(), "update public.chat_messages set mark = mark"); err == nil || !strings.Contains(err.Error(), "fired") {
		t.Errorf("the app's trigger is off: %v", err)
	}
}

// A writer that holds a table makes it give up, not wait with everybody behind it.
func TestApply_givesUpOnALock(t *testing.T) {
	t.Parallel()
	l := newLegacy(t, 10, usual(), 60)
	tx, err := l.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "update public.chat_messages set content = 'x'"); err != nil {
		t.Fatal(err)
	}
	if _, err = adopt.Apply(t.Context(), adopt.Config{URL: l.url, LockTimeout: time.Millisecond}); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Clerk being away stops the plan: its people's rows must not be set aside for that.
func TestMakePlan_clerkAway(t *testing.T) {
	t.Parallel()
	s := usual()
	s.userID, s.refs, s.strict = "", "clerk", false
	l := newLegacy(t, 11, s, 60)
	api := clerktest.NewAPI(t)
	c := adopt.Config{URL: l.url, Clerk: clerk.New(clerk.Config{SecretKey: "sk_test_wrong", URL: api.URL})}
	if _, err := adopt.Apply(t.Context(), c); err == nil || !strings.Contains(err.Error(), "CLERK_SECRET_KEY") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}
