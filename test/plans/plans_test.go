package plans

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/testdb"
)

// explained is an operation with its statements and their plans.
type explained struct {
	operation
	sent  []statement
	plans []*plan
}

// explainAll runs the operations on a copy of the database at url, and explains
// what they sent on the database itself.
func explainAll(t *testing.T, url string, texts bool) (*explainer, []explained) {
	t.Helper()
	s := pick(t, url)
	g := newGateway(t, copied(t, url)) // while nobody is connected to the original
	e := newExplainer(t, url)
	e.texts = texts
	lock := holdFolding(t, url)
	var all []explained
	for _, o := range operations(s) {
		sent := g.record(func() {
			if o.do != nil {
				o.do(g)
			} else {
				g.ask(o.as, o.query, o.variables)
			}
		})
		if o.listening {
			sent = distinct(g.heard.take())
		}
		lock(!o.folds)
		plans, err := e.explain(t.Context(), o.before, sent)
		if err != nil {
			t.Fatalf("%s: %v", o.label(), err)
		}
		if len(plans) == 0 {
			t.Errorf("%s: no statement was seen", o.label())
		}
		all = append(all, explained{o, sent, plans})
	}
	return e, all
}

// holdFolding keeps writes from folding the journal, which they do by chance:
// the lock is taken with true and given back with false.
func holdFolding(t *testing.T, url string) func(bool) {
	t.Helper()
	conn := connect(t, url)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	held := false
	return func(hold bool) {
		if hold == held {
			return
		}
		held = hold
		function := "pg_advisory_unlock"
		if hold {
			function = "pg_advisory_lock"
		}
		if _, err := conn.Exec(t.Context(), "select "+function+"(7330003)"); err != nil {
			t.Fatal(err)
		}
	}
}

// judge holds every plan against the rules and marks the exceptions that were needed.
func judge(t *testing.T, all []explained, ordered bool, needed []bool) {
	t.Helper()
	for _, o := range all {
		for _, p := range o.plans {
			for _, f := range p.findings() {
				i := excuse(o.operation, f, ordered)
				if i < 0 {
					t.Errorf("%s, by %s: %s\n%s", o.label(), o.by, f, p.sql)
				} else {
					needed[i] = true
				}
			}
		}
	}
}

// TestPlans holds the plan of everything that Segue asks PostgreSQL against the
// rules: no sequential scan of a table that grows, no sorting or reading of many
// more rows than are returned, but for the exceptions of rules_test.go.
func TestPlans(t *testing.T) {
	t.Parallel()
	needed := make([]bool, len(exceptions))
	t.Run("shapes", func(t *testing.T) {
		shapes := make([][]bool, len(testdb.Shapes()))
		t.Cleanup(func() {
			for _, some := range shapes {
				for i, n := range some {
					needed[i] = needed[i] || n
				}
			}
		})
		for i, shape := range testdb.Shapes() {
			shapes[i] = make([]bool, len(exceptions))
			t.Run(string(shape), func(t *testing.T) {
				t.Parallel()
				url := generated(t, shape)
				e, all := explainAll(t, url, false)
				judge(t, all, shape == testdb.Plain, shapes[i])
				if shape == testdb.Plain {
					withoutIndexes(t, e, all)
				}
			})
		}
	})
	for i, e := range exceptions {
		if !needed[i] && !e.bench && !t.Failed() {
			t.Errorf("the exception is not needed any more, take it out: %s", e.why)
		}
	}
}

// journalTable is read inside of a function, which only auto_explain sees.
const journalTable = "segue.user_changes"

// withoutIndexes drops an index at a time and expects the rules to notice.
func withoutIndexes(t *testing.T, e *explainer, all []explained) {
	t.Helper()
	for _, c := range []struct {
		table, columns, label string
		by                    caller
	}{
		{"public.chat_messages", "(created_at DESC, id DESC)", "chatMessages: newest first, with their authors", analyst},
		{"public.chat_messages", "(clerk_id, created_at DESC, id DESC)", "User.chatMessages: ten newest of twenty people", analyst},
		{"public.message_feedback", "(message_id, created_at DESC, id DESC)", "three levels: people, their messages, the ratings", analyst},
		{"public.track_likes", "(track_id, created_at DESC, id DESC)", "topTracks: over all time", user},
		{"segue.user_totals", `(messages DESC, clerk_id COLLATE "C")`, "userStats: MESSAGE_COUNT, over all time", analyst},
		{"segue.activity_hourly", "(clerk_id, hour)", "activity: a month by day", user},
		{journalTable, "(xid)", "userStats: LIKED_TRACKS, over all time", analyst},
	} {
		at := slices.IndexFunc(all, func(o explained) bool { return o.label() == c.label && o.by == c.by })
		if at < 0 {
			t.Errorf("there is no %s by %s", c.label, c.by)
			continue
		}
		drop := `do $$ declare name text; begin
			select i.indexrelid::regclass::text into strict name from pg_index i where i.indrelid = '` + c.table + `'::regclass and pg_get_indexdef(i.indexrelid) like '% USING btree ` + c.columns + `';
			if exists (select from pg_constraint where conindid = name::regclass) then
				execute format('alter table ` + c.table + ` drop constraint %s', name);
			else
				execute format('drop index %s', name);
			end if;
		end $$`
		plans, err := e.explain(t.Context(), all[at].before+"; "+drop, all[at].sent)
		if err != nil {
			t.Errorf("without %s %s: %v", c.table, c.columns, err)
			continue
		}
		noticed := false
		for _, p := range plans {
			noticed = noticed || len(p.findings()) > 0
		}
		if !noticed && (e.inside || c.table != journalTable) {
			t.Errorf("%s, by %s: nothing is found wrong without the index %s %s", c.label, c.by, c.table, c.columns)
		}
	}
}

// TestExplain writes docs/plans.md from the database at EXPLAIN_DATABASE_URL,
// which it does not change: make explain.
func TestExplain(t *testing.T) {
	url := os.Getenv("EXPLAIN_DATABASE_URL")
	if url == "" {
		t.Skip("EXPLAIN_DATABASE_URL is not set: make explain")
	}
	_, all := explainAll(t, url, true)
	write(t, url, all)
	slowest(t, all)
}

// slowest logs what took longest, in milliseconds of this machine, of this moment.
func slowest(t *testing.T, all []explained) {
	t.Helper()
	type line struct {
		took time.Duration
		text string
	}
	var lines []line
	for _, o := range all {
		for _, p := range o.plans {
			lines = append(lines, line{p.took, fmt.Sprintf("%s, by %s", o.label(), o.by)})
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(b.took, a.took) })
	for _, l := range lines[:min(40, len(lines))] {
		t.Logf("%7.1f ms  %s", float64(l.took.Microseconds())/1000, l.text)
	}
}
