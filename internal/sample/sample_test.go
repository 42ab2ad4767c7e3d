package sample_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/sample"
	"github.com/ai-dj/segue/internal/testdb"
)

var now = time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)

func load(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := testdb.Pool(t, testdb.Plain)
	for range 2 { // the second time does nothing
		if err := sample.Load(t.Context(), pool, now); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

func one[T any](t *testing.T, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestLoad_hasWhatDevPromises(t *testing.T) {
	t.Parallel()
	pool := load(t)
	for _, c := range []struct {
		what, sql string
		low, high int
	}{
		{"users", "select count(*) from neon_auth.users_sync", 40, 40},
		{"messages", "select count(*) from chat_messages", 5000, 5000},
		{"ratings", "select count(*) from message_feedback", 500, 900},
		{"ratings with a comment", "select count(*) from message_feedback where comment <> ''", 100, 300},
		{"thumbs down", "select count(*) from message_feedback where rating < 0", 80, 250},
		{"likes", "select count(*) from track_likes", 800, 1000},
		{"liked tracks", "select count(distinct track_id) from track_likes", 100, 200},
		{"deleted users with messages", "select count(distinct u.id) from neon_auth.users_sync u join chat_messages m on m.clerk_id = u.id where deleted_at is not null", 1, 1},
		{"users who never wrote", "select count(*) from neon_auth.users_sync u where not exists (select from chat_messages m where m.clerk_id = u.id)", 3, 6},
		{"messages of the sample user", "select count(*) from chat_messages where clerk_id = '" + sample.User + "'", 200, 800},
		{"messages of the analyst", "select count(*) from chat_messages where clerk_id = '" + sample.Analyst + "'", 50, 800},
		{"days with messages", "select count(distinct created_at::date) from chat_messages", 85, 92},
		{"different things listeners say", "select count(distinct content) from chat_messages where role = 'user'", 700, 2500},
		{"different answers", "select count(distinct content) from chat_messages where role = 'assistant'", 1200, 2500},
		{"templates left unfilled", "select count(*) from chat_messages where content ~ '[{}]' or content like '%“”%'", 0, 0},
		{"times outside the 90 days", fmt.Sprintf(`select count(*) from (select created_at from chat_messages union all select created_at from message_feedback
			union all select created_at from track_likes) t where created_at not between '%[1]s'::timestamptz - interval '91 days' and '%[1]s'`, now.Format(time.RFC3339)), 0, 0},
		{"messages after their writer's deletion", "select count(*) from chat_messages m join neon_auth.users_sync u on u.id = m.clerk_id where m.created_at > u.deleted_at", 0, 0},
		{"messages before their writer signed up", "select count(*) from chat_messages m join neon_auth.users_sync u on u.id = m.clerk_id where m.created_at < u.created_at", 0, 0},
		{"ratings of what a listener said", "select count(*) from message_feedback f join chat_messages m on m.id = f.message_id where m.role <> 'assistant' or f.created_at < m.created_at", 0, 0},
		{"turns out of turn", `select count(*) from (select role, lag(role, 1, 'assistant') over (partition by session_id order by created_at) before
			from chat_messages) t where role = before`, 0, 0},
	} {
		if n := one[int](t, pool, c.sql); n < c.low || n > c.high {
			t.Errorf("%s: %d, want %d to %d", c.what, n, c.low, c.high)
		}
	}
}

func TestLoad_isTheSameEachTime(t *testing.T) {
	t.Parallel()
	const text = `select md5(string_agg(line, e'\n' order by line)) from (select concat(id, clerk_id, content, extract(epoch from created_at)) line from chat_messages
		union all select concat(id, track_id, extract(epoch from created_at)) from track_likes union all select concat(id, message_id, rating, comment) from message_feedback
		union all select concat(id, name, email, extract(epoch from created_at)) from neon_auth.users_sync) x`
	if a, b := one[string](t, load(t), text), one[string](t, load(t), text); a != b {
		t.Error("two loads differ")
	}
}

func TestLoad_leavesAUsedDatabaseAlone(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	testdb.AddUser(t, pool, "user_1", "Ada", "")
	if err := sample.Load(t.Context(), pool, now); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, pool, "select count(*) from chat_messages"); n != 0 {
		t.Errorf("it wrote %d messages", n)
	}
}
