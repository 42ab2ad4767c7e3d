package doctor_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/doctor"
	"github.com/ai-dj/segue/internal/testdb"
)

var update = flag.Bool("update", false, "rewrite the golden transcripts")

// deployment is a database, a Clerk and settings, good until a test breaks them.
type deployment struct {
	t    *testing.T
	url  string
	env  map[string]string
	keys *clerktest.JWKS
	api  *clerktest.API
	date func(http.Header) // changes what Clerk's answers say
}

func newDeployment(t *testing.T, database string) *deployment {
	t.Helper()
	key := clerktest.NewKey("ins_test")
	d := &deployment{t: t, url: database, keys: clerktest.NewJWKS(key), date: func(http.Header) {}}
	d.api = clerktest.NewAPI(t, clerktest.Person{ID: "user_1", CreatedAt: time.Now()}, clerktest.Person{ID: "user_2", CreatedAt: time.Now()})
	target, err := url.Parse(strings.TrimSuffix(d.api.URL, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.date(w.Header())
		if r.URL.Path == "/v1/jwks" {
			d.keys.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.env = map[string]string{"DATABASE_URL": database, "CLERK_SECRET_KEY": clerktest.SecretKey, "CLERK_JWT_KEY": key.PEM(),
		"CLERK_API_URL": server.URL + "/v1", "CLERK_WEBHOOK_SIGNING_SECRET": clerktest.WebhookSecret}
	return d
}

// good is a deployment in which users come and everything is up to date.
func good(t *testing.T) *deployment {
	t.Helper()
	d := newDeployment(t, testdb.New(t, testdb.Plain))
	d.exec(`insert into neon_auth.users_sync (id, created_at) values ('user_1', now()), ('user_2', now());
insert into public.chat_messages (clerk_id, role, content) select 'user_1', 'user', 'hello' from generate_series(1, 20);
insert into public.message_feedback (clerk_id, message_id, rating) select 'user_2', id, 1 from public.chat_messages;
insert into public.track_likes (clerk_id, track_id) values ('user_2', 'track_1');
insert into segue.webhook_inbox (svix_id, type, instance_id, event_at) values ('msg_1', 'user.created', 'ins_test', now());
update segue.sync_state set completed_at = now()`)
	return d
}

func (d *deployment) exec(sql string) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.url)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(d.t.Context(), sql); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *deployment) examine() doctor.Report {
	d.t.Helper()
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := d.env[name]; return v, ok })
	if err != nil {
		return doctor.BadSetting(err)
	}
	return doctor.Examine(d.t.Context(), doctor.Config{Settings: cfg, Patience: 20 * time.Second})
}

// broken are deployments with something wrong, and the findings of it.
var broken = map[string]struct {
	make func(t *testing.T) *deployment
	want []string
}{
	"not-enabled": {func(t *testing.T) *deployment {
		d := newDeployment(t, testdb.Empty(t))
		d.exec(`create table public.chat_messages (id serial primary key, user_id integer not null, role text, content text, created_at timestamp)`)
		return d
	}, []string{"users-sync-missing", "legacy-tables", "migrations-pending"}},
	"other-database": {func(t *testing.T) *deployment {
		testdb.Empty(t) // the other one
		return newDeployment(t, testdb.Empty(t))
	},
		[]string{"users-sync-other-database", "migrations-pending"}},
	"neon-branch": {func(t *testing.T) *deployment {
		testdb.Empty(t) // the other one
		d := newDeployment(t, testdb.Empty(t))
		d.env["USERS_SYNC"] = "neon"
		return d
	}, []string{"users-sync-other-database", "migrations-pending"}},
	"new-neon-auth": {func(t *testing.T) *deployment {
		d := newDeployment(t, testdb.Empty(t))
		d.exec(`create schema neon_auth; create table neon_auth."user" (id text primary key, "emailVerified" boolean)`)
		return d
	}, []string{"users-sync-new-neon-auth", "migrations-pending"}},
	"no-grant": {func(t *testing.T) *deployment {
		d := good(t)
		d.env["DATABASE_URL"] = testdb.Role(t, d.url)
		role := mustParse(t, d.env["DATABASE_URL"]).User.Username()
		d.exec("revoke usage on schema neon_auth from " + role)
		return d
	}, []string{"users-sync-no-grant"}},
	"odd-users-sync": {func(t *testing.T) *deployment {
		d := newDeployment(t, testdb.Empty(t))
		d.exec(`create schema neon_auth; create table neon_auth.users_sync (id uuid primary key, email text)`)
		return d
	}, []string{"users-sync-shape", "migrations-pending"}},
	"foreign-keys": {func(t *testing.T) *deployment {
		d := good(t)
		d.exec(`alter table public.chat_messages drop constraint chat_messages_clerk_id_fkey;
alter table public.message_feedback drop constraint message_feedback_clerk_id_fkey, add constraint plain foreign key (clerk_id) references neon_auth.users_sync;
alter table public.track_likes drop constraint track_likes_clerk_id_fkey;
insert into public.chat_messages (clerk_id, role, content) values ('user_gone', 'user', 'anybody?');
insert into public.track_likes (clerk_id, track_id) values ('user_gone', 'track_1');
alter table public.track_likes add constraint later foreign key (clerk_id) references neon_auth.users_sync on delete cascade not valid;
alter table public.track_likes drop constraint track_likes_clerk_id_track_id_key;
drop index public.track_likes_clerk_id_created_at_id_idx`)
		return d
	}, []string{"legacy-tables", "foreign-key-missing", "foreign-key-no-cascade", "orphans", "foreign-key-not-validated", "index-missing", "users-sync-mode"}},
	"not-syncing": {func(t *testing.T) *deployment {
		d := good(t)
		d.exec(`update segue.webhook_inbox set instance_id = 'ins_live', received_at = event_at + interval '3 hours';
update segue.sync_state set completed_at = '2026-01-01', failure = 'clerk refused: status 403';
insert into neon_auth.users_sync (id) select 'user_x' || n from generate_series(1, 40) n`)
		d.env["CLERK_PUBLISHABLE_KEY"] = "pk_live_" + base64.StdEncoding.EncodeToString([]byte("clerk.example.com$"))
		d.env["CLERK_JWT_KEY"] = clerktest.NewKey("ins_live").PEM()
		return d
	}, []string{"clerk-keys-mixed", "jwt-key-other-instance", "webhook-other-instance", "webhooks-late", "sync-stale", "sync-failed", "users-count-differs", "users-sync-mode"}},
	"never-synced": {func(t *testing.T) *deployment {
		d := good(t)
		d.exec(`delete from segue.webhook_inbox; update segue.sync_state set completed_at = null`)
		return d
	}, []string{"webhooks-never", "sync-never", "users-sync-mode"}},
	"statistics": {func(t *testing.T) *deployment {
		d := good(t)
		d.exec(`select segue.fold(); update segue.user_totals set messages = messages + 3 where clerk_id = 'user_1'; insert into segue.migrations (version_id, is_applied) values (99999, true)`)
		return d
	}, []string{"rollups-drift", "users-sync-mode", "migrations-newer"}},
	"erasing": {func(t *testing.T) *deployment {
		d := good(t)
		d.exec(`update neon_auth.users_sync set deleted_at = now() - interval '60 days' where id = 'user_1'`)
		d.env["USERS_SYNC"] = "neon"
		return d
	}, []string{"mode-overridden", "erase-backlog", "users-sync-mode"}},
	"clerk-refuses": {func(t *testing.T) *deployment {
		d := good(t)
		d.keys.Fail(http.StatusUnauthorized)
		d.date = func(h http.Header) { h.Set("Date", "Sun, 01 Nov 2026 00:00:00 GMT") }
		return d
	}, []string{"clerk-key-refused", "clock-skew", "users-sync-mode"}},
	"clerk-down": {func(t *testing.T) *deployment {
		d := good(t)
		d.env["CLERK_API_URL"] = "http://127.0.0.1:1/v1"
		return d
	}, []string{"clerk-unreachable", "users-sync-mode"}},
	"clerk-without-keys": {func(t *testing.T) *deployment {
		d := good(t)
		d.keys.PublishJWKs()
		return d
	}, []string{"jwks-empty", "users-sync-mode"}},
	"little-rights": {func(t *testing.T) *deployment {
		d := good(t)
		d.env["DATABASE_URL"] = testdb.Role(t, d.url)
		d.env["USERS_SYNC"] = "segue"
		d.exec("revoke insert on public.track_likes from " + mustParse(t, d.env["DATABASE_URL"]).User.Username())
		return d
	}, []string{"grants-missing", "mode-overridden", "users-sync-mode"}},
	"settings": {func(t *testing.T) *deployment {
		d := newDeployment(t, "")
		d.env = map[string]string{"DATABASE_URL": "postgres://app:hunter2hunter2@127.0.0.1:1/app", "DATABASE_REPLICA_URL": "postgres://app:hunter2hunter2@db.example.com/app?sslmode=require",
			"DATABASE_DIRECT_URL": "postgres://app:hunter2hunter2@127.0.0.1:6432/app"}
		return d
	}, []string{"clerk-key-unset", "database-unreachable", "database-direct-pooled", "sslmode-weak", "clerk-unasked"}},
	"nothing-set": {func(t *testing.T) *deployment {
		d := newDeployment(t, "")
		d.env = nil
		return d
	}, []string{"database-url-unset", "clerk-key-unset", "clerk-unasked"}},
	"bad-setting": {func(t *testing.T) *deployment {
		d := newDeployment(t, "")
		d.env["CLERK_SECRET_KEY"] = "hunter2hunter2"
		return d
	}, []string{"setting-invalid"}},
	"read-only": {func(t *testing.T) *deployment {
		d := good(t)
		d.env["DATABASE_DIRECT_URL"] = "postgres://app@127.0.0.1:1/app"
		d.env["CLERK_WEBHOOK_SIGNING_SECRET"] = ""
		d.exec("do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$")
		return d
	}, []string{"database-direct-unreachable", "database-read-only", "webhook-secret-unset", "users-sync-mode"}},
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestExamine_good(t *testing.T) {
	t.Parallel()
	d := good(t)
	r := d.examine()
	if !r.OK {
		t.Error("not OK")
	}
	golden(t, "good", r, d)
	for _, f := range r.Findings {
		if f.Level != doctor.Info {
			t.Errorf("%+v", f)
		}
	}
}

func TestExamine_broken(t *testing.T) {
	t.Parallel()
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := c.make(t)
			r := d.examine()
			var got []string
			for _, f := range r.Findings {
				if !slices.Contains(got, f.ID) {
					got = append(got, f.ID)
				}
			}
			want := slices.Sorted(slices.Values(c.want))
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("found %v, want %v", got, want)
			}
			if r.OK != !slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.Level == doctor.Error }) {
				t.Errorf("OK is %v", r.OK)
			}
			golden(t, name, r, d)
		})
	}
}

// golden compares what a person reads, and checks that nothing secret is in it.
func golden(t *testing.T, name string, r doctor.Report, d *deployment) {
	t.Helper()
	var text, machine bytes.Buffer
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.JSON(&machine); err != nil {
		t.Fatal(err)
	}
	var back doctor.Report
	if err := json.Unmarshal(machine.Bytes(), &back); err != nil || back.OK != r.OK || !slices.Equal(back.Findings, r.Findings) {
		t.Errorf("the JSON says something else: %v\n%s", err, machine.String())
	}
	for _, secret := range []string{clerktest.SecretKey, clerktest.WebhookSecret, "hunter2"} {
		if strings.Contains(machine.String(), secret) {
			t.Errorf("a secret is shown: %s", machine.String())
		}
	}
	for _, f := range r.Findings {
		if f.Title == "" || f.Detail == "" || f.Fix == "" {
			t.Errorf("incomplete: %+v", f)
		}
	}
	// Before lines are wrapped, because names differ in length.
	steady := make([]doctor.Finding, len(r.Findings))
	for i, f := range r.Findings {
		f.Detail, f.Fix = steadily(f.Detail), steadily(f.Fix)
		steady[i] = f
	}
	text.Reset()
	if err := (doctor.Report{OK: r.OK, Findings: steady}).Print(&text); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	if text.String() != string(want) {
		t.Errorf("%s differs:\n%s", file, text.String())
	}
}

func steadily(s string) string {
	for _, r := range []struct{ pattern, with string }{
		{`\bt_[a-z0-9]{20,}`, "the_database"}, {`\br_[a-z0-9]{20,}`, "the_role"}, {`This server also has: [^.]*\.`, "This server also has: other_database."},
		{`127\.0\.0\.1:\d{2,}`, "127.0.0.1:PORT"}, {`It is -?[0-9hms]+ off`, "It is 500h off"}, {`\d{4}-\d\d-\d\dT[0-9:]+Z`, "2026-01-01T00:00:00Z"},
		{`00001_tables\.sql(, \d+_\w+\.sql)*`, "00001_tables.sql, …"}, {`failed to connect.*`, "failed to connect"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.with)
	}
	return s
}

// A server that takes connections and says nothing costs no more than the patience of a check.
func TestExamine_neverHangs(t *testing.T) {
	t.Parallel()
	silent := httptest.NewUnstartedServer(nil) // listens; nobody accepts
	t.Cleanup(func() { _ = silent.Listener.Close() })
	address := silent.Listener.Addr().String()
	cfg, err := config.Load(func(name string) (string, bool) {
		v, ok := map[string]string{"DATABASE_URL": "postgres://app@" + address + "/app", "CLERK_SECRET_KEY": "sk_test_x", "CLERK_API_URL": "http://" + address}[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	r := doctor.Examine(t.Context(), doctor.Config{Settings: cfg, Patience: 50 * time.Millisecond})
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.ID)
	}
	if !slices.Equal(ids, []string{"database-unreachable", "clerk-unreachable"}) {
		t.Errorf("found %v", ids)
	}
}

// docs/doctor.md lists every finding, and no other; the tests make all but a few.
func TestDocs_listAll(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` ").FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	if ids := doctor.IDs(); !slices.Equal(listed, ids) {
		t.Errorf("docs/doctor.md lists\n%v\nthere are\n%v", listed, ids)
	}
	for _, name := range []string{"good", "not-syncing"} {
		transcript, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil || !strings.Contains(string(text), string(transcript)) {
			t.Errorf("docs/doctor.md does not show testdata/%s.txt as it is: %v", name, err)
		}
	}
	made := []string{"database-version", "check-incomplete"} // what takes another server
	for _, c := range broken {
		made = append(made, c.want...)
	}
	for _, id := range doctor.IDs() {
		if !slices.Contains(made, id) {
			t.Errorf("no test makes %s", id)
		}
	}
}
