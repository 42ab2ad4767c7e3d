package plans

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/testdb"
)

// generated makes a database with 20,000 messages, as skewed as people are: the
// busiest person wrote a tenth of them, and one message has 300 ratings. Every
// value is a hash of the row's number.
func generated(t testing.TB, shape testdb.Shape) string {
	t.Helper()
	url := testdb.New(t, shape)
	users := `insert into neon_auth.users_sync (id, name, email, created_at, updated_at, deleted_at)
		select id, name, email, '2025-01-01'::timestamptz + i * interval '25 minutes', '2025-12-01', deleted_at`
	if shape == testdb.Neon {
		users = `insert into neon_auth.users_sync (raw_json, updated_at, deleted_at)
			select jsonb_build_object('id', id, 'display_name', name, 'primary_email', email, 'signed_up_at_millis', 1735689600000 + i * 1500000), '2025-12-01', deleted_at`
	}
	begin(t, url,
		`create function u(i bigint, s bigint) returns float8 language sql immutable as
			$$ select (hashint8extended(i, s) & 9007199254740991)::float8 / 9007199254740992.0 $$`,
		`create function person(i bigint, s bigint, skew float8) returns text language sql immutable as
			$$ select 'user_' || lpad(floor(1000 * power(u(i, s), skew))::int::text, 4, '0') $$`,
		users+` from (select i, 'user_' || lpad(i::text, 4, '0') as id, 'Name ' || i as name, 'user' || i || '@example.com' as email,
			case when i % 50 = 49 then '2026-01-01'::timestamptz end as deleted_at from generate_series(0, 999) i) x`,
		`insert into public.chat_messages (id, clerk_id, session_id, role, content, created_at)
			select md5('m' || i)::uuid, person(i, 1, 3), 's' || i / 20, case when i % 2 = 0 then 'user' else 'assistant' end,
				'Message ' || i || ': fade into ' || case when i % 5 = 0 then 'techno' else 'house' end || ' over ten minutes - ' || md5('c' || i),
				'2025-01-01'::timestamptz + i * interval '25 minutes' from generate_series(1, 20000) i`,
		`insert into public.message_feedback (id, clerk_id, message_id, rating, comment, created_at)
			select md5('f' || i)::uuid, person(i, 11, 2), md5('m' || 1 + floor(20000 * u(i, 12)))::uuid, case when u(i, 13) < 0.7 then 1 else -1 end, 'comment ' || i,
				'2025-06-01'::timestamptz + i * interval '1 hour' from generate_series(1, 4000) i on conflict do nothing`,
		`insert into public.message_feedback (id, clerk_id, message_id, rating, created_at)
			select md5('h' || i)::uuid, 'user_' || lpad(i::text, 4, '0'), md5('m20000')::uuid, 1, '2025-12-20'::timestamptz + i * interval '1 minute'
			from generate_series(100, 399) i on conflict do nothing`,
		`insert into public.track_likes (id, clerk_id, track_id, title, artist, created_at)
			select md5('l' || i)::uuid, person(i, 21, 1.5), 'track_' || floor(2000 * power(u(i, 22), 1.5)), 'Title', 'Artist',
				'2025-01-01'::timestamptz + i * interval '50 minutes' from generate_series(1, 10000) i on conflict do nothing`,
		`insert into segue.user_versions (user_id, updated_ms, event_ms, seen_run) select id, 1, 1, 0 from neon_auth.users_sync`,
		`insert into segue.webhook_inbox (svix_id, type, event_at, received_at)
			select 'msg_' || i, 'user.updated', now() - i * interval '20 minutes', now() - i * interval '20 minutes' from generate_series(1, 3000) i`,
		`insert into segue.erasures (user_id, cause, finished_at) select 'gone_' || i, 'sweep', now() from generate_series(1, 500) i`,
		`drop function person, u`,
		// Of the journal and the events, which are mostly empty, the planner knows nothing in production either.
		`vacuum (analyze) neon_auth.users_sync, public.chat_messages, public.message_feedback, public.track_likes,
			segue.user_totals, segue.activity_hourly, segue.track_totals, segue.user_versions, segue.webhook_inbox, segue.erasures`,
		// The planner is told fifty times as many: it shall plan as for a million messages.
		`update pg_class set reltuples = reltuples * 50 where reltuples > 0 and relnamespace in ('public'::regnamespace, 'neon_auth'::regnamespace, 'segue'::regnamespace)`,
	)
	return url
}

// begin runs statements, each on its own.
func begin(t testing.TB, url string, texts ...string) {
	t.Helper()
	conn := connect(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, text := range texts {
		if _, err := conn.Exec(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// sample is what the operations name of a database.
type sample struct {
	busy     string   // the person who wrote most
	quiet    string   // one who did as much as most
	people   []string // twenty, from the busiest to the quietest
	message  string   // the busiest person's
	content  string   // the message's
	session  string   // its conversation
	doomed   string   // another of theirs, with ratings
	messages []string // twenty messages
	hot      string   // the message with most ratings
	owner    string   // whose that is
	rated    string   // a message that the busiest person rated
	unrated  string   // one of their own that they did not
	rating   string   // a rating's id
	like     string   // a like's id
	track    string   // the track that most like
	liked    string   // one that the busiest person likes
	rare     string   // a text that only the oldest message has
	mine     string   // a text that only the busiest person's oldest has
	from, to time.Time
}

// common is a text that every fifth message has, absent one that none has.
const (
	common = "techno"
	absent = "nobody ever said this"
)

// pick samples a database. Everything is the same each time.
func pick(t testing.TB, url string) sample {
	t.Helper()
	conn := connect(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	var s sample
	one := func(into any, sql string, args ...any) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	const live = ` join neon_auth.users_sync u on u.id = t.clerk_id and u.deleted_at is null `
	one(&s.people, `select array_agg(clerk_id order by r) from (
		select t.clerk_id, row_number() over w as r, count(*) over () / 20 as step from segue.user_totals t`+live+`window w as (order by t.messages desc, t.clerk_id collate "C")
	) x where r % step = 1 and r / step < 20`)
	s.busy, s.quiet = s.people[0], s.people[10]
	const mine = ` from public.chat_messages where clerk_id = $1 order by created_at, id `
	one(&s.message, `select id::text`+mine+`offset 100 limit 1`, s.busy)
	one(&s.content, `select content from public.chat_messages where id = $1`, s.message)
	one(&s.session, `select session_id from public.chat_messages where id = $1`, s.message)
	one(&s.doomed, `select m.id::text from public.chat_messages m join public.message_feedback f on f.message_id = m.id where m.clerk_id = $1 order by f.created_at, f.id limit 1`, s.busy)
	one(&s.mine, `select right(content, 18)`+mine+`limit 1`, s.busy)
	one(&s.rare, `select right(content, 18) from public.chat_messages order by created_at, id limit 1`)
	one(&s.messages, `select array_agg(id::text) from (select id from public.chat_messages order by created_at desc, id desc limit 20) x`)
	one(&s.hot, `select message_id::text from public.message_feedback group by message_id order by count(*) desc, message_id limit 1`)
	one(&s.owner, `select clerk_id from public.chat_messages where id = $1`, s.hot)
	one(&s.rated, `select message_id::text from public.message_feedback where clerk_id = $1 order by created_at, id limit 1`, s.busy)
	one(&s.unrated, `select id::text from public.chat_messages m where clerk_id = $1 and not exists (
		select from public.message_feedback where message_id = m.id and clerk_id = $1) order by created_at, id limit 1`, s.busy)
	one(&s.rating, `select id::text from public.message_feedback where clerk_id = $1 order by created_at, id limit 1`, s.busy)
	one(&s.like, `select id::text from public.track_likes where clerk_id = $1 order by created_at, id limit 1`, s.busy)
	one(&s.track, `select track_id from segue.track_totals order by likes desc, track_id collate "C" limit 1`)
	one(&s.liked, `select track_id from public.track_likes where clerk_id = $1 order by created_at, id limit 1`, s.busy)
	one(&s.to, `select date_trunc('hour', least((select max(created_at) from public.chat_messages), (select max(created_at) from public.message_feedback),
		(select max(created_at) from public.track_likes))) - interval '13 minutes'`) // inside an hour
	s.from = s.to.Add(-30 * 24 * time.Hour)
	return s
}

// copied makes a copy of a database, to be dropped with the test, and gives its URL.
func copied(t testing.TB, url string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal("the URL cannot be parsed")
	}
	name := fmt.Sprintf("%s_plans_%d", cfg.Database, time.Now().UnixNano())
	admin := inDatabase(t, url, "postgres")
	begin(t, admin, "create database "+pgx.Identifier{name}.Sanitize()+" template "+pgx.Identifier{cfg.Database}.Sanitize()+" strategy file_copy")
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), admin)
		if err == nil {
			_, err = conn.Exec(context.Background(), "drop database "+pgx.Identifier{name}.Sanitize()+" with (force)")
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Errorf("the copy %s is left: %v", name, err)
		}
	})
	return inDatabase(t, url, name)
}

// inDatabase is the URL of another database of the same server.
func inDatabase(t testing.TB, url, name string) string {
	t.Helper()
	rest, query, _ := strings.Cut(url, "?")
	at := strings.LastIndex(rest, "/")
	if !strings.Contains(rest, "://") || at < strings.Index(rest, "://")+3 {
		t.Fatal("give the database as a URL: postgres://user@host:port/database")
	}
	if query != "" {
		query = "?" + query
	}
	return rest[:at+1] + name + query
}
