package plans

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const plansPage = "../../docs/plans.md"

// write makes docs/plans.md of what was explained.
func write(t *testing.T, url string, all []explained) {
	t.Helper()
	var b strings.Builder
	contents, ordered := about(t, url)
	fmt.Fprintf(&b, `# Every statement and its plan

Written by `+"`EXPLAIN_DATABASE_URL=… make explain`"+`, %s, from %s. Each operation ran through the gateway, on a copy;
each statement that it sent was then explained on that database, as prepared (`+"`EXPLAIN (ANALYZE, BUFFERS)`"+`, in a transaction that was rolled back). *generic* is
the plan that PostgreSQL keeps for all arguments; *custom* one that it makes for these at each execution, because that looked cheaper: the generic one follows where it is another. *Inside* are statements
of functions, triggers and foreign keys, each shown where it first ran. A statement that was shown already, with about as many pages, is only named. [performance.md](performance.md) says what all this
costs; `+"`go test ./test/plans`"+` holds the plans against rules in CI.
`, time.Now().UTC().Format(time.DateOnly), contents)
	writeFindings(&b, all, ordered)
	section, shown := "", map[string]place{}
	for _, o := range all {
		if o.section != section {
			section = o.section
			fmt.Fprintf(&b, "\n## %s\n", section)
		}
		fmt.Fprintf(&b, "\n<details><summary>%s, by %s</summary>\n", o.name, o.by)
		if o.query != "" {
			fmt.Fprintf(&b, "\n```graphql\n%s\n```\n", strings.TrimSpace(o.query))
		}
		for _, p := range o.plans {
			writePlan(&b, o, p, shown)
		}
		b.WriteString("\n</details>\n")
	}
	if err := os.WriteFile(plansPage, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a document
		t.Fatal(err)
	}
	t.Logf("%d operations in %s", len(all), plansPage)
}

// place is where a statement was shown, and how many pages it looked at there.
type place struct {
	where string
	pages int
}

func (p place) about(pages int) bool { return pages <= 4*p.pages && p.pages <= 4*pages }

func writePlan(b *strings.Builder, o explained, p *plan, shown map[string]place) {
	key := string(p.mode) + p.sql
	pages := p.variants[0].root.Hit + p.variants[0].root.Read
	if earlier, known := shown[key]; known && earlier.about(pages) {
		fmt.Fprintf(b, "\nA statement of *%s*, %d pages.\n", earlier.where, pages)
		return
	}
	shown[key] = place{fmt.Sprintf("%s, by %s", o.label(), o.by), pages}
	fmt.Fprintf(b, "\n```sql\n%s\n```\n", strings.TrimSpace(p.sql))
	if len(p.literals) > 0 {
		b.WriteString("\n```text\n")
		for i, literal := range p.literals {
			fmt.Fprintf(b, "$%d = %s\n", i+1, short(literal))
		}
		b.WriteString("```\n")
	}
	for i, v := range p.variants {
		if i > 0 && v.root.shape() == p.variants[0].root.shape() {
			continue
		}
		fmt.Fprintf(b, "\n```text\n%s: %s\n", v.mode, strings.TrimSpace(v.text))
		for _, in := range v.inside {
			text := strings.Join(strings.Fields(in.sql), " ")
			if _, known := shown[text]; !known {
				shown[text] = place{}
				fmt.Fprintf(b, "\ninside, %d ×: %s\n%s\n", in.times, text, in.text)
			}
		}
		b.WriteString("```\n")
	}
}

// short keeps the beginning of a long argument.
func short(literal string) string {
	const most = 100
	if runes := []rune(literal); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return literal
}

// writeFindings lists the plans that break a rule, with the exception that lets them.
func writeFindings(b *strings.Builder, all []explained, ordered bool) {
	b.WriteString("\n## What costs more than it gives\n\nThe plans that break a rule of `test/plans/rules_test.go`, by the reason why they may.\n")
	lines := map[int][]string{}
	for _, o := range all {
		for _, p := range o.plans {
			for _, f := range p.findings() {
				i := excuse(o.operation, f, ordered)
				lines[i] = append(lines[i], fmt.Sprintf("- %s, by %s: %s\n", o.label(), o.by, f))
			}
		}
	}
	for i, e := range exceptions {
		if len(lines[i]) > 0 {
			fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n%s\n</details>\n", e.why, distinctLines(lines[i]))
		}
	}
	if len(lines[-1]) > 0 {
		fmt.Fprintf(b, "\n<details><summary>For no reason that is written down</summary>\n\n%s\n</details>\n", distinctLines(lines[-1]))
	}
}

func distinctLines(lines []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, line := range lines {
		if !seen[line] {
			seen[line] = true
			b.WriteString(line)
		}
	}
	return b.String()
}

// about says how much the database holds, on what, and whether users_sync has an
// index in the order of signing up.
func about(t *testing.T, url string) (contents string, ordered bool) {
	t.Helper()
	conn := connect(t, url)
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), likeTheGateway); err != nil {
		t.Fatal(err)
	}
	var version, cost, memory string
	var messages, ratings, likes, people int64
	err := conn.QueryRow(t.Context(), `select (select count(*) from public.chat_messages), (select count(*) from public.message_feedback),
		(select count(*) from public.track_likes), (select count(*) from neon_auth.users_sync), current_setting('server_version'),
		current_setting('random_page_cost'), current_setting('work_mem'), exists (select from pg_index
			where indrelid = 'neon_auth.users_sync'::regclass and indisvalid and pg_get_indexdef(indexrelid) ilike '%coalesce(created_at%')`,
		pgx.QueryExecModeExec).Scan(&messages, &ratings, &likes, &people, &version, &cost, &memory, &ordered)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("a database of %d messages, %d ratings and %d likes of %d people\n(PostgreSQL %s, `random_page_cost` %s, `work_mem` %s)",
		messages, ratings, likes, people, version, cost, memory), ordered
}
