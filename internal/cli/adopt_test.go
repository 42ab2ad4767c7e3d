package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/doctor"
	"github.com/ai-dj/segue/internal/testdb"
)

// command runs segue on a database and returns its exit code and output.
func command(t *testing.T, url, in string, terminal bool, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := Run(t.Context(), args, Streams{In: strings.NewReader(in), Out: &out, Err: io.Discard, Terminal: terminal, Lookup: func(name string) (string, bool) {
		return url, name == "DATABASE_URL"
	}})
	return code, out.String()
}

func TestAdopt_planApplyAgain(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `create table users (id serial primary key, clerk_id text unique, email text);
create table chat_messages (id serial primary key, user_id integer not null references users (id), role text not null, content text not null, created_at timestamp default now());
insert into users (clerk_id) values ('user_1'), (null);
insert into chat_messages (user_id, role, content) values (1, 'user', 'stays'), (2, 'user', 'goes')`); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args     []string
		in       string
		terminal bool
		code     int
		says     string
	}{
		{args: []string{"doctor"}, code: 1, says: "legacy-tables"},
		{args: []string{"migrate", "up"}, code: 1},
		{args: []string{"adopt"}, says: "2 rows in = 1 kept + 1 set aside"},
		{args: []string{"adopt"}, says: "Nothing was changed"},
		{args: []string{"adopt", "--apply", "--truncate"}, code: 2},
		{args: []string{"adopt", "--apply", "--truncate"}, in: "yes\nyes\n", terminal: true, code: 1},
		{args: []string{"adopt", "--apply"}, says: "set aside in       segue_orphans.chat_messages"},
		{args: []string{"adopt", "--apply"}, says: "Nothing to adopt"},
		{args: []string{"migrate", "up"}},
		{args: []string{"adopt"}, says: "Nothing to adopt"},
	} {
		code, out := command(t, url, step.in, step.terminal, step.args...)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("segue %s: exit %d\n%s", strings.Join(step.args, " "), code, out)
		}
	}
	code, out := command(t, url, "", false, "doctor", "--json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.OK || code != 1 {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	if len(report.Findings) == 0 || report.Findings[0].ID != "clerk-key-unset" || report.Findings[0].Level != doctor.Error {
		t.Errorf("found %+v", report.Findings)
	}
}
