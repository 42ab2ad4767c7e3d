package graph_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/testdb"
)

// marker stands in everything that Ada must never see.
const marker = "LEAK"

// planted fills the database with rows of hers, of others' and of a deleted
// user's, and returns the ids of all. Whatever is private to anybody else
// carries the marker.
func planted(g *gateway) (ids, users []string) {
	setPerson(g, ben, "Ben", "ben-LEAK@example.com")
	setPerson(g, gone, "Gone LEAK", "gone-LEAK@example.com")
	g.exec(`UPDATE neon_auth.users_sync SET updated_at = '2001-01-01T01:01:01.123321Z' WHERE id = $1`, ben)
	for i := range 6 {
		mine := g.message(ada, "mine "+strconv.Itoa(i), i)
		hers := g.message(ben, marker+" of ben", i)
		dead := g.message(gone, marker+" of gone", i)
		ids = append(ids, mine, hers, dead)
		ids = append(ids, g.rate(ada, mine, 1, "my own"), g.rate(ada, hers, -1, "mine on ben's"), g.rate(ben, mine, 1, "ben's on mine"),
			g.rate(ben, hers, 1, marker), g.rate(gone, mine, 1, marker), g.rate(gone, hers, 1, marker), g.rate(ben, dead, 1, marker))
		ids = append(ids, g.like(ada, "t"+strconv.Itoa(i)), g.like(ben, "t"+strconv.Itoa(i)), g.like(gone, "t"+strconv.Itoa(i)))
	}
	g.exec(`UPDATE public.chat_messages SET session_id = 'LEAK' WHERE clerk_id <> $1`, ada)
	users = []string{ada, ben, gone, ana, "user_none", ""}
	return append(ids, users...), users
}

// setPerson changes a user's name and e-mail in either shape.
func setPerson(g *gateway, id, name, email string) {
	g.t.Helper()
	if query1[bool](g, `SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = 'neon_auth.users_sync'::regclass AND attname = 'raw_json')`) {
		g.exec(`UPDATE neon_auth.users_sync SET raw_json = raw_json || jsonb_build_object('display_name', $2::text, 'primary_email', $3::text) WHERE id = $1`, id, name, email)
		return
	}
	g.exec(`UPDATE neon_auth.users_sync SET name = $2, email = $3 WHERE id = $1`, id, name, email)
}

// iterations is how many random operations a test makes; SEGUE_CRAWL changes it.
func iterations(n int) int {
	if v, err := strconv.Atoi(os.Getenv("SEGUE_CRAWL")); err == nil {
		return v
	}
	return n
}

// TestCrawlFindsNoLeak asks thousands of random operations as one user and
// looks for what others own in the answers.
func TestCrawlFindsNoLeak(t *testing.T) {
	t.Parallel()
	for i, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, shape)
			ids, users := planted(g)
			gen := newGenerator(uint64(i), ids, users)
			n := iterations(3000)
			answered := 0
			for j := range n {
				query := gen.query()
				if j%20 == 19 {
					query = gen.mutation()
				}
				a := g.ask(ada, query)
				if strings.Contains(a.raw, marker) || strings.Contains(a.raw, "01:01:01.123321") {
					t.Fatalf("a leak to %s:\n%s\n%s", ada, query, a.raw)
				}
				checkCodes(t, query, a)
				if a.code() == "" {
					answered++
				}
			}
			t.Logf("%d operations, %d answered without an error, no leak", n, answered)
			if answered < n/2 {
				t.Errorf("only %d of %d operations were answered: the crawl looks at nothing", answered, n)
			}
		})
	}
}

func checkCodes(t *testing.T, query string, a *answer) {
	t.Helper()
	for _, e := range a.Errors {
		switch code := fmt.Sprint(e.Extensions["code"]); code {
		case "BAD_USER_INPUT", "NOT_FOUND", "CONFLICT":
		default:
			t.Fatalf("%s:\n%s\n%s", code, query, a.raw)
		}
	}
}

// TestEncoderWritesWhatGqlgenWrites compares the encoder with gqlgen's own
// executor, byte for byte.
func TestEncoderWritesWhatGqlgenWrites(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, url)
	g := gatewayOn(t, url, pool)
	reference := gatewayOn(t, url, pool, func(r *graph.Resolver, c *gqlhttp.Config) { c.Schema = graph.NewReference(r) })
	ids, users := planted(g)
	g.message(ada, "\x01\t\n\r\"\\/<>& \u2028 ünïcödé \U0001F3A7 \x7f", 99)
	gen := newGenerator(42, ids, users)
	n := iterations(2000)
	for range n {
		query := gen.query()
		for _, who := range []string{ada, ana} {
			got, want := g.ask(who, query), reference.ask(who, query)
			if got.raw != want.raw {
				t.Fatalf("%s as %s:\n got %s\nwant %s", query, who, got.raw, want.raw)
			}
		}
	}
	t.Logf("%d operations, each as a user and as an analyst, byte for byte", n)
}
