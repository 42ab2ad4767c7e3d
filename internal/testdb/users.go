package testdb

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// NeonAuth is what Neon Auth makes in a database, taken from dumps of live ones.
const NeonAuth = `
create schema neon_auth;
create table neon_auth.users_sync (
  raw_json   jsonb not null,
  id         text generated always as (raw_json ->> 'id') stored not null,
  name       text generated always as (raw_json ->> 'display_name') stored,
  email      text generated always as (raw_json ->> 'primary_email') stored,
  created_at timestamptz generated always as (to_timestamp(trunc(((raw_json ->> 'signed_up_at_millis')::bigint)::double precision) / 1000::double precision)) stored,
  updated_at timestamptz,
  deleted_at timestamptz
);
alter table only neon_auth.users_sync add constraint users_sync_pkey primary key (id);
create index users_sync_deleted_at_idx on neon_auth.users_sync using btree (deleted_at);`

// AddUser makes a live user, in either shape of users_sync. An empty name or
// e-mail is null.
func AddUser(t testing.TB, pool *pgxpool.Pool, id, name, email string) {
	t.Helper()
	AddUserAt(t, pool, id, name, email, time.Now())
}

// AddUserAt is AddUser with the time of signing up; Neon's table keeps milliseconds of it.
func AddUserAt(t testing.TB, pool *pgxpool.Pool, id, name, email string, at time.Time) {
	t.Helper()
	ctx := context.Background()
	var generated bool
	if err := pool.QueryRow(ctx, `select attgenerated <> '' from pg_attribute
		where attrelid = 'neon_auth.users_sync'::regclass and attname = 'id'`).Scan(&generated); err != nil {
		t.Fatalf("testdb: users_sync: %v", err)
	}
	insert := `insert into neon_auth.users_sync (id, name, email, created_at, updated_at)
		values ($1, nullif($2, ''), nullif($3, ''), $4, $4)`
	if generated {
		insert = `insert into neon_auth.users_sync (raw_json, updated_at) values (jsonb_build_object('id', $1::text,
			'display_name', nullif($2, ''), 'primary_email', nullif($3, ''),
			'signed_up_at_millis', floor(extract(epoch from $4::timestamptz) * 1000)::bigint), $4)`
	}
	if _, err := pool.Exec(ctx, insert, id, name, email, at); err != nil {
		t.Fatalf("testdb: add user %s: %v", id, err)
	}
}

// DeleteUser marks the user as deleted, as Neon and Clerk's webhook do.
func DeleteUser(t testing.TB, pool *pgxpool.Pool, id string) {
	t.Helper()
	tag, err := pool.Exec(context.Background(), "update neon_auth.users_sync set deleted_at = now() where id = $1", id)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("testdb: delete user %s: %d rows, %v", id, tag.RowsAffected(), err)
	}
}

// Role makes a role with the least that serving needs and gives the URL of the
// same database as that role: SELECT on the six columns of users_sync, never on
// raw_json; reading and writing the three tables and Segue's own.
func Role(t testing.TB, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	role, password := "r_"+strings.ToLower(rand.Text()), rand.Text()
	grants := []string{
		"create role " + role + " login password '" + password + "'",
		"grant usage on schema neon_auth, segue to " + role,
		"grant select (id, name, email, created_at, updated_at, deleted_at) on neon_auth.users_sync to " + role,
		"grant select, insert, update, delete on public.chat_messages, public.message_feedback, public.track_likes to " + role,
		"grant select, insert, update, delete on all tables in schema segue to " + role,
		"grant usage on all sequences in schema segue to " + role,
	}
	if err := run(context.Background(), database, grants...); err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(func() {
		// Before the database goes; a role that owns grants cannot be dropped.
		if err := run(context.Background(), database, "drop owned by "+role, "drop role "+role); err != nil {
			t.Logf("testdb: %v", err)
		}
	})
	u.User = url.UserPassword(role, password)
	return u.String()
}
