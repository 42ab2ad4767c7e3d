package plans

import (
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
	fmt.Fprintf(&b, `# Every statement and its plan

Written by `+"`EXPLAIN_DATABASE_URL=… make explain`"+`, %s, from %s. Each operation ran through the gateway; each statement it sent was then
explained on that database, as prepared (`+"`EXPLAIN (ANALYZE, BUFFERS)`"+`, in a transaction that was rolled back). *generic* is the plan that PostgreSQL keeps for all
arguments, *custom* one that it makes for these. [performance.md](performance.md) says what they cost; %s holds them against rules in CI.
`, time.Now().UTC().Format(time.DateOnly), contents(t, url), "`go test ./test/plans`")
	section := ""
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
			fmt.Fprintf(&b, "\n```sql\n%s\n```\n", p.sql)
			for _, v := range p.variants {
				fmt.Fprintf(&b, "\n```text\n%s: %s\n```\n", v.mode, strings.TrimSpace(v.text))
			}
		}
		b.WriteString("\n</details>\n")
	}
	if err := os.WriteFile(plansPage, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a document
		t.Fatal(err)
	}
	t.Logf("%d operations in %s", len(all), plansPage)
}

// contents is how much the database holds.
func contents(t *testing.T, url string) string {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	var messages, ratings, likes, people int64
	err := conn.QueryRow(t.Context(), `select (select count(*) from public.chat_messages), (select count(*) from public.message_feedback),
		(select count(*) from public.track_likes), (select count(*) from neon_auth.users_sync)`, pgx.QueryExecModeExec).Scan(&messages, &ratings, &likes, &people)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("a database of %d messages, %d ratings and %d likes of %d people", messages, ratings, likes, people)
}
