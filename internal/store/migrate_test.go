package store_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

//go:embed testdata/good.sql
var goodSchema string

//go:embed testdata/legacy.sql
var legacySchema string

var quiet = slog.New(slog.DiscardHandler)

// connect opens one connection and, on it, runs sql.
func connect(t *testing.T, url string, sql ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	for _, one := range sql {
		if _, err := conn.Exec(t.Context(), one); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	return conn
}

// column collects a query's only column.
func column(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// publicSchema describes tables, columns, constraints and indexes outside schema segue.
const publicSchema = `
select format('%s.%s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'neon_auth'::regnamespace)
union all select format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
where connamespace in ('public'::regnamespace, 'neon_auth'::regnamespace)
union all select indexdef from pg_indexes where schemaname in ('public', 'neon_auth')
order by 1`

func TestMigrate_fromNothingByFiveAtOnce(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	var applied bytes.Buffer
	log := slog.New(slog.NewTextHandler(&applied, nil)) // a handler locks its writer
	group, ctx := errgroup.WithContext(t.Context())
	for range 5 {
		group.Go(func() error { return store.Migrate(ctx, url, log) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(applied.String(), "00001_tables.sql"); n != 1 {
		t.Errorf("the first migration was applied %d times", n)
	}
	conn := connect(t, url)
	if err := store.CheckSchema(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if mode, err := store.DetectUsersSync(t.Context(), conn); mode != store.ModeSegue || err != nil {
		t.Errorf("mode %q, %v", mode, err)
	}
	if found, err := store.FindLegacy(t.Context(), conn); len(found) > 0 || err != nil {
		t.Errorf("its own tables look like legacy ones: %v, %v", found, err)
	}
}

func TestMigrate_leavesAGoodDatabaseAlone(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	conn := connect(t, url, goodSchema)
	before := column(t, conn, publicSchema)
	if err := store.Migrate(t.Context(), url, quiet); err != nil {
		t.Fatal(err)
	}
	after := column(t, conn, publicSchema)
	missing := []string{
		"CREATE INDEX message_feedback_created_at_id_idx ON public.message_feedback USING btree (created_at DESC, id DESC)",
		"CREATE INDEX track_likes_created_at_id_idx ON public.track_likes USING btree (created_at DESC, id DESC)",
		"CREATE INDEX track_likes_track_id_created_at_id_idx ON public.track_likes USING btree (track_id, created_at DESC, id DESC)",
	}
	var added []string
	for _, line := range after {
		if !slices.Contains(before, line) {
			added = append(added, line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for _, index := range missing {
		if !slices.Contains(added, index) {
			t.Errorf("not added: %s", index)
		}
	}
	for _, line := range added {
		if strings.Contains(line, " INDEX chat_messages") {
			t.Errorf("added although there is one: %s", line)
		}
	}
	if mode, err := store.DetectUsersSync(t.Context(), conn); mode != store.ModeNeon || err != nil {
		t.Errorf("mode %q, %v", mode, err)
	}
}

func TestMigrate_stopsAtLegacyTablesBeforeWriting(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	conn := connect(t, url, legacySchema)
	err := store.Migrate(t.Context(), url, quiet)
	legacy, ok := errors.AsType[*store.LegacyError](err)
	if !ok {
		t.Fatalf("got %v, not a LegacyError", err)
	}
	if text := err.Error(); !strings.Contains(text, "segue adopt") || strings.Contains(text, "\n") {
		t.Errorf("the message is %q", text)
	}
	var all []string
	for _, l := range legacy.Findings {
		all = append(all, l.String())
	}
	for _, want := range []string{
		"public.chat_messages.id is integer, not uuid",
		"public.chat_messages.clerk_id may be null",
		"public.chat_messages.user_id must be filled, and Segue does not know it",
		"public.chat_messages.created_at is timestamp without time zone, not timestamptz",
		"public.chat_messages.clerk_id has no foreign key to neon_auth.users_sync",
		"public.message_feedback.clerk_id is missing",
		"public.message_feedback.rating is text, not smallint",
		"public.track_likes has no unique key on (clerk_id, track_id)",
	} {
		if !slices.Contains(all, want) {
			t.Errorf("not found: %s", want)
		}
	}
	if made := column(t, conn, "select nspname::text from pg_namespace where nspname in ('segue', 'neon_auth')"); len(made) > 0 {
		t.Errorf("made schemas %v before stopping", made)
	}
}

// Each case changes one thing in a good schema.
func TestFindLegacy_tellsEachDifference(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, finding string }{
		"a further nullable column is fine":   {"alter table chat_messages add user_id integer", ""},
		"a further column that must be given": {"alter table chat_messages add user_id integer not null", "public.chat_messages.user_id must be filled, and Segue does not know it"},
		"a further column with a default":     {"alter table track_likes add legacy_id bigint not null generated by default as identity", ""},
		"varchar will do":                     {"alter table track_likes alter track_id type varchar(255)", ""},
		"clerk_id nullable":                   {"alter table track_likes alter clerk_id drop not null", "public.track_likes.clerk_id may be null"},
		"no cascade": {"alter table track_likes drop constraint track_likes_clerk_id_fkey, add foreign key (clerk_id) references neon_auth.users_sync",
			"public.track_likes.clerk_id has a foreign key to neon_auth.users_sync that does not delete with it"},
		"no unique key": {"alter table track_likes drop constraint track_likes_clerk_id_track_id_key", "public.track_likes has no unique key on (clerk_id, track_id)"},
		"a partial unique key is none": {"alter table track_likes drop constraint track_likes_clerk_id_track_id_key; create unique index on track_likes (clerk_id, track_id) where title is null",
			"public.track_likes has no unique key on (clerk_id, track_id)"},
		"no reference to the message": {"alter table message_feedback drop constraint message_feedback_message_id_fkey", "public.message_feedback.message_id has no foreign key to public.chat_messages"},
		"an absent table is fine":     {"drop table track_likes", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, testdb.New(t, testdb.Plain), c.change)
			found, err := store.FindLegacy(t.Context(), conn)
			if err != nil {
				t.Fatal(err)
			}
			if c.finding == "" && len(found) > 0 || c.finding != "" && (len(found) != 1 || found[0].String() != c.finding) {
				t.Errorf("found %v, want %q", found, c.finding)
			}
		})
	}
}

func TestMigrate_tellsWhatIsWrongWithUsersSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ users, says string }{
		"old Neon without updated_at": {"create table neon_auth.users_sync (id text primary key, email text, name text, created_at timestamptz, deleted_at timestamptz)", "add the missing ones"},
		"uuid ids":                    {"create table neon_auth.users_sync (id uuid primary key, email text, name text, created_at timestamptz, updated_at timestamptz, deleted_at timestamptz)", "id is uuid"},
		"no key":                      {"create table neon_auth.users_sync (id text, email text, name text, created_at timestamptz, updated_at timestamptz, deleted_at timestamptz)", "add a primary key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testdb.Empty(t)
			connect(t, url, "create schema neon_auth", c.users)
			if err := store.Migrate(t.Context(), url, quiet); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestGrants_areToldApartFromAbsence(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Neon)
	role := testdb.Role(t, url)
	owner := connect(t, url)
	conn := connect(t, role)
	if err := store.CheckSchema(t.Context(), conn); err != nil {
		t.Fatalf("the least role does not do: %v", err)
	}
	for _, revoke := range []string{"revoke select (email) on neon_auth.users_sync from ", "revoke usage on schema neon_auth from "} {
		if _, err := owner.Exec(t.Context(), revoke+conn.Config().User); err != nil {
			t.Fatal(err)
		}
		_, err := store.DetectUsersSync(t.Context(), conn)
		if grant, ok := errors.AsType[*store.GrantError](err); !ok || !strings.Contains(grant.SQL, "GRANT USAGE ON SCHEMA neon_auth") {
			t.Errorf("after %s…: %v", revoke, err)
		}
	}
	if err := store.Migrate(t.Context(), role, quiet); !errors.As(err, new(*store.GrantError)) {
		t.Errorf("migrate as the least role: %v", err)
	}
	empty := connect(t, testdb.Empty(t))
	if _, err := store.DetectUsersSync(t.Context(), empty); !errors.Is(err, store.ErrNoUsersSync) {
		t.Errorf("an empty database: %v", err)
	}
}

func TestMigrationStatus_writesNothing(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	conn := connect(t, url)
	pending, err := store.MigrationStatus(t.Context(), url)
	if err != nil || len(pending) == 0 || pending[0].File != "00001_tables.sql" || !pending[0].Applied.IsZero() {
		t.Errorf("on an empty database: %+v, %v", pending, err)
	}
	if made := column(t, conn, "select nspname::text from pg_namespace where nspname = 'segue'"); len(made) > 0 {
		t.Error("it made the schema")
	}
	if err := store.CheckSchema(t.Context(), conn); !errors.Is(err, store.ErrBehind) {
		t.Errorf("an empty database is ready: %v", err)
	}
}

func TestCheckSchema_acceptsANewerDatabase(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	conn := connect(t, url, "insert into segue.migrations (version_id, is_applied) values (99999, true)")
	if err := store.CheckSchema(t.Context(), conn); err != nil {
		t.Error(err)
	}
	if err := store.Migrate(t.Context(), url, quiet); err != nil {
		t.Error(err)
	}
	list, err := store.MigrationStatus(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Applied.IsZero() || (m.File == "") != (m.Version == 99999) {
			t.Errorf("%+v", m)
		}
	}
	if _, err := conn.Exec(t.Context(), "delete from segue.migrations where version_id = 1"); err != nil {
		t.Fatal(err)
	}
	if err := store.CheckSchema(t.Context(), conn); !errors.Is(err, store.ErrBehind) {
		t.Errorf("without the first migration: %v", err)
	}
}
