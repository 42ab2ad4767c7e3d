// Package docs_test writes the pages of docs that are made from the code's own
// numbers, and fails when a page no longer tells the truth:
//
//	go test ./docs -update
package docs_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/httpd"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/ratelimit"
	"github.com/ai-dj/segue/internal/store"
)

var update = flag.Bool("update", false, "rewrite the generated pages")

// limit is a row of docs/limits.md: what is bounded, by how much, which setting
// changes it ("" for none), and what a caller above it gets.
type limit struct {
	what    string
	most    any
	setting string
	answer  string
}

type section struct {
	title, about string
	limits       []limit
}

// sections is the page. A limit that is added anywhere gets a row here.
func sections(c config.Config) []section {
	return []section{
		{
			"Documents", "Counted before anything is parsed or validated.",
			[]limit{
				{"bytes of a request body", c.MaxBodyBytes, "MAX_BODY_BYTES", "HTTP 413"},
				{"bytes of a document", limits.MaxDocumentBytes, "", "OPERATION_TOO_COMPLEX"},
				{"lines", limits.MaxLines, "", "OPERATION_TOO_COMPLEX"},
				{"tokens (comments and commas are none)", limits.MaxTokens, "", "OPERATION_TOO_COMPLEX"},
				{"aliases", limits.MaxAliases, "", "OPERATION_TOO_COMPLEX"},
				{"directives", limits.MaxDirectives, "", "OPERATION_TOO_COMPLEX"},
				{"bytes of a name", limits.MaxNameBytes, "", "OPERATION_TOO_COMPLEX"},
				{"levels of brackets (or twice MAX_DEPTH, if that is more)", limits.MaxNesting, "", "OPERATION_TOO_DEEP"},
				{"different root fields of an operation, through fragments", limits.MaxRootFields, "", "OPERATION_TOO_COMPLEX"},
				{"fields and values that validation comes by, fragments entered anew from each operation and fragment", limits.MaxVisits, "", "OPERATION_TOO_COMPLEX"},
				{"fields laid side by side to see whether they can be merged", limits.MaxComparisons, "", "OPERATION_TOO_COMPLEX"},
				{"errors of a refused document", limits.MaxErrors, "", "the first ones"},
			},
		},
		{
			"Operations", "Priced with their variables before any SQL. Each field costs 1; a connection, `topTracks` and `nodes` multiply what is under them by\n" +
				"their size, `activity` by " + number(limits.ListSize) + ". Fields that are merged when they run cost once, skipped ones nothing.",
			[]limit{
				{"cost", c.MaxComplexity, "MAX_COMPLEXITY", "OPERATION_TOO_COMPLEX"},
				{"fields on a path, fragments flattened, a root field being 1", c.MaxDepth, "MAX_DEPTH", "OPERATION_TOO_DEEP"},
				{"selections that pricing comes by", limits.MaxSelections, "", "OPERATION_TOO_COMPLEX"},
				{"cost of introspection, on its own account", limits.MaxIntrospectionCost, "", "OPERATION_TOO_COMPLEX"},
				{"depth of introspection", limits.MaxIntrospectionDepth, "", "OPERATION_TOO_DEEP"},
				{"time", c.RequestTimeout, "REQUEST_TIMEOUT", "TIMEOUT"},
				{"reads at a time that count or search, half of the connections: `totalCount`, `activity`, a `range` of numbers or `topTracks`, a filter by `search`, `role`, `sessionId` or `rating`",
					store.CountingReads(c.DatabaseMaxConns), "DATABASE_MAX_CONNS", "the others wait"},
				{"of those waiting", store.CountingReads(c.DatabaseMaxConns) * store.WaitingPerCount, "", "UNAVAILABLE"},
			},
		},
		{
			"Callers", "An allowance may be spent at once and grows back evenly. Anonymous callers are told apart by address.",
			[]limit{
				{"points per minute", c.RateLimit, "RATE_LIMIT", "RATE_LIMITED"},
				{"callers remembered in memory, without REDIS_URL", ratelimit.MaxCallers, "", "the one not seen for longest starts afresh"},
			},
		},
		{
			"Connections", "Against peers that are slow, or many, on purpose.",
			[]limit{
				{"for the request's headers to arrive", httpd.ReadHeaderTimeout, "", "closed"},
				{"for the whole request to arrive", httpd.ReadTimeout, "", "closed"},
				{"idle between requests", httpd.IdleTimeout, "", "closed"},
				{"bytes of headers", httpd.MaxHeaderBytes, "", "HTTP 431"},
				{"levels of a body's JSON", limits.MaxJSONNesting, "", "BAD_USER_INPUT"},
				{"sockets of a user", gqlhttp.MaxSocketsOfUser, "", "close code 4429"},
				{"operations at a time on a socket", gqlhttp.MaxOperations, "", "RATE_LIMITED"},
				{"life of a socket or stream since its last proof", c.SocketMaxAge, "SOCKET_MAX_AGE", "close code 4403"},
			},
		},
		{
			"Arguments", "",
			[]limit{
				{"page size", page.MaxSize, "", "BAD_USER_INPUT"},
				{"page size when none is given", page.DefaultSize, "", ""},
				{"ids in a filter", graph.MaxFilterIDs, "", "BAD_USER_INPUT"},
				{"ids of `nodes`", graph.MaxNodes, "", "BAD_USER_INPUT"},
				{"characters of a message", graph.MaxContent, "", "BAD_USER_INPUT"},
				{"characters of a rating's comment", graph.MaxComment, "", "BAD_USER_INPUT"},
				{"characters of a track's title or artist", graph.MaxTitle, "", "BAD_USER_INPUT"},
				{"characters of a track or session id", graph.MaxID, "", "BAD_USER_INPUT"},
			},
		},
	}
}

func TestLimitsPage(t *testing.T) {
	t.Parallel()
	defaults, err := config.Load(func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "limits.md", limitsPage(sections(defaults)))
}

func limitsPage(sections []section) []byte {
	var out bytes.Buffer
	out.WriteString("<!-- Generated from the code's own numbers: go test ./docs -update -->\n\n# Limits\n")
	for _, s := range sections {
		fmt.Fprintf(&out, "\n## %s\n\n", s.title)
		if s.about != "" {
			out.WriteString(s.about + "\n\n")
		}
		out.WriteString("| at most | | setting | above it |\n| ---: | --- | --- | --- |\n")
		for _, l := range s.limits {
			fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", number(l.most), l.what, code(l.setting), code(l.answer))
		}
	}
	return out.Bytes()
}

// number writes 10000 as 10,000 and a minute and a half as 1m30s.
func number(n any) string {
	if d, ok := n.(time.Duration); ok {
		text := d.String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// code marks settings and codes up, which are written in capitals.
func code(s string) string {
	if s == "" || s != strings.ToUpper(s) || strings.ContainsRune(s, ' ') {
		return s
	}
	return "`" + s + "`"
}

func golden(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/%s no longer says what the code does; write it again with: go test ./docs -update", file)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, n := range map[string]any{"7": 7, "999": 999, "1,000": 1_000, "1,048,576": int64(1 << 20), "20s": 20 * time.Second, "1m30s": 90 * time.Second, "10m": 10 * time.Minute, "15m": 15 * time.Minute, "1h": time.Hour} {
		if got := number(n); got != want {
			t.Errorf("%v is written %s, want %s", n, got, want)
		}
	}
}
