package plans

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// node is a node of a plan, as EXPLAIN's JSON has it.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Function string  `json:"Function Name"`
	Rows     float64 `json:"Actual Rows"` // a loop
	Loops    float64 `json:"Actual Loops"`
	Filtered float64 `json:"Rows Removed by Filter"` // a loop
	Recheck  float64 `json:"Rows Removed by Index Recheck"`
	Hit      int     `json:"Shared Hit Blocks"`
	Read     int     `json:"Shared Read Blocks"`
	Plans    []*node
}

// all are the node and those below it.
func (n *node) all() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.walk(yield) }
}

func (n *node) walk(yield func(*node) bool) bool {
	if n == nil {
		return true
	}
	if !yield(n) {
		return false
	}
	for _, child := range n.Plans {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}

// pages are how many pages of a table and its indexes the node itself looked at,
// not those below it. A bitmap is part of its heap scan.
func (n *node) pages() int {
	own := n.Hit + n.Read
	for _, child := range n.Plans {
		if !strings.HasPrefix(child.Type, "Bitmap") {
			own -= child.Hit + child.Read
		}
	}
	return own
}

// read is how many rows the node took in its hands.
func (n *node) read() float64 { return (n.Rows + n.Filtered + n.Recheck) * n.Loops }

// returned is how many rows the statement gave or wrote.
func (n *node) returned() float64 {
	rows := n.Rows * n.Loops
	for x := range n.all() {
		if x.Type == "ModifyTable" {
			for _, child := range x.Plans {
				rows += child.Rows * child.Loops
			}
		}
	}
	return rows
}

// shape is what makes two plans of a statement the same plan.
func (n *node) shape() string {
	var text strings.Builder
	for x := range n.all() {
		fmt.Fprintf(&text, "%s %s %s %d;", x.Type, x.Relation, x.Index, len(x.Plans))
	}
	return text.String()
}

// touches reports a table of ours.
func (n *node) touches() bool {
	for x := range n.all() {
		if slices.Contains(big, x.Relation) || slices.Contains(small, x.Relation) {
			return true
		}
	}
	return false
}

// big are the tables that grow with use. No plan may read one whole.
var big = []string{
	"chat_messages", "message_feedback", "track_likes", "users_sync",
	"user_totals", "activity_hourly", "track_totals", "user_changes", "track_changes",
	"events", "user_versions", "webhook_inbox", "erasures",
}

// journals are those whose rows come and go. What waits for vacuum is looked at
// too, above all what these tests have rolled back.
var journals = []string{"user_changes", "track_changes", "events"}

// small are those of a row, or of at most a thousand.
var small = []string{"folded", "watchers", "sync_state", "api_keys"}

// The rules. A list's page, a person's numbers, a write: each is to cost what it
// gives, however large the tables are.
const (
	noSeqScan = "seq scan" // of a big table
	noSort    = "sort"     // of many more rows than are returned
	noExcess  = "reads"    // of many more rows than are returned, in any other way
	noHunt    = "pages"    // more than finding the rows takes: an index gone through from end to end
)

// enough bounds the rows that may be sorted, or read by one node, for so many
// returned: several lookups a row, and the slack that small numbers need.
func enough(returned float64) float64 { return 4*returned + 250 }

// enoughPages bounds those that finding the rows may take: a way down an index a
// loop, a page or two of the table a row, the map of what is visible.
func enoughPages(n *node) float64 { return 4*n.read() + 10*n.Loops + 250 }

// finding is a plan's breach of a rule.
type finding struct {
	rule string
	on   string  // the table; what is sorted
	rows float64 // or pages
	node *node
	of   float64 // rows returned
}

func (f finding) String() string {
	switch f.rule {
	case noSeqScan:
		return "sequential scan of " + f.on
	case noSort:
		return fmt.Sprintf("sort of %.0f rows, %.0f returned", f.rows, f.of)
	case noHunt:
		return fmt.Sprintf("%.0f pages of %s and its indexes for %.0f rows", f.rows, f.on, f.node.read())
	}
	return fmt.Sprintf("%.0f rows of %s read, %.0f returned", f.rows, f.on, f.of)
}

// findings holds one plan against the rules.
func findings(root *node) []finding {
	var found []finding
	of := root.returned()
	for n := range root.all() {
		switch {
		case n.Loops == 0: // never executed
		case slices.Contains(big, n.Relation) && n.Type == "Seq Scan":
			found = append(found, finding{noSeqScan, n.Relation, n.read(), n, of})
		case slices.Contains(big, n.Relation) && n.Type != "ModifyTable" && n.read() > enough(of):
			found = append(found, finding{noExcess, n.Relation, n.read(), n, of})
		case slices.Contains(big, n.Relation) && !slices.Contains(journals, n.Relation) && n.Type != "ModifyTable" && float64(n.pages()) > enoughPages(n):
			found = append(found, finding{noHunt, n.Relation, float64(n.pages()), n, of})
		case n.Type == "Sort" || n.Type == "Incremental Sort":
			var in float64
			for _, child := range n.Plans {
				in += child.Rows * child.Loops
			}
			if in > enough(of) {
				found = append(found, finding{noSort, "", in, n, of})
			}
		}
	}
	return found
}

// findings are those of all the statement's plans, and of the statements inside.
func (p *plan) findings() []finding {
	var found []finding
	for _, v := range p.variants {
		found = append(found, findings(v.root)...)
		for _, in := range v.inside {
			found = append(found, findings(in.root)...)
		}
	}
	return found
}

// exception is a reason why a plan may break a rule, and where.
type exception struct {
	why   string
	at    []string // beginnings of "section: name"
	rules []string
	on    []string // tables; for sorts it does not matter
	// unordered exceptions hold only where users_sync lacks Segue's own indexes, as Neon's does.
	unordered bool
	// bench exceptions come of the bench's data; the smaller database of CI does not need them.
	bench bool
}

var (
	everyRule = []string{noSeqScan, noSort, noExcess, noHunt}
	content   = []string{"chat_messages", "message_feedback", "track_likes", "users_sync"}
)

// exceptions are all there are. One that excuses nothing any more is an error too.
var exceptions = []exception{
	{
		why:   "`totalCount` counts: one person's rows by their index, everyone's with their people.",
		at:    []string{"chatMessages: totalCount", "feedback: totalCount", "trackLikes: totalCount", "users: totalCount", "userStats: totalCount", "User.trackLikes: totalCount", "User.chatMessages: filtered, with ends and totalCount", "ChatMessage.feedback: with ends and totalCount"},
		rules: []string{noSeqScan, noExcess}, on: content,
	},
	{
		why:   "No index answers `search`, `role`, `sessionId` or `rating`: rows are gone through, newest first, until the page is full.",
		at:    []string{"chatMessages: search", "chatMessages: of a conversation", "chatMessages: of a role", "User.chatMessages: search", "User.chatMessages: filtered", "feedback: thumbs down", "users: search"},
		rules: everyRule, on: content,
	},
	{
		why:   "A range of numbers is counted from its hours: everyone's, or one person's.",
		at:    []string{"activity: ", "userStats: MESSAGE_COUNT, in a month", "userStats: LIKED_TRACKS, in a month", "userStats: LAST_ACTIVE_AT, in a month", "userStats: of twenty people, in a month", "User.stats: in a month"},
		rules: everyRule, on: append([]string{"activity_hourly", "user_changes"}, content...),
	},
	{
		why:   "`topTracks` of a range counts the likes in it.",
		at:    []string{"topTracks: in a month"},
		rules: everyRule, on: []string{"track_likes", "users_sync"},
	},
	{
		why:   "Of several people, or tracks, each has its own index range; what they have is sorted together.",
		at:    []string{"chatMessages: of twenty people", "feedback: by twenty people", "trackLikes: of two tracks"},
		rules: []string{noSort, noExcess}, on: content,
	},
	{
		why:   "The end of the leaderboard is looked for among those who did nothing, and they have no rank.",
		at:    []string{"userStats: the last"},
		rules: everyRule, on: []string{"users_sync", "user_totals"},
	},
	{
		why:   "A backfill counts the live users, and looks for those it did not see.",
		at:    []string{"users: a backfill"},
		rules: []string{noSeqScan, noExcess}, on: []string{"users_sync", "user_versions"},
	},
	{
		why:   "The last to stop listening clears the events away, all of them.",
		at:    []string{"the listening connection: "},
		rules: []string{noSeqScan}, on: []string{"events"},
	},
	{
		why:       "Neon's `users_sync` has no index in the order of signing up, and Segue puts none on a table that is not its own.",
		at:        []string{"users: newest first", "users: after a cursor", "users: the last", "users: deleted ones too"},
		rules:     everyRule,
		on:        []string{"users_sync"},
		unordered: true,
	},
	{
		why:   "A user's messages among many ids are found by the ids and by the person's own index together.",
		at:    []string{"nodes: of all kinds"},
		rules: []string{noHunt}, on: []string{"chat_messages"},
		bench: true,
	},
	{
		why:   "The bench's people rated messages that are not their own, as no user can through Segue: such ratings are gone through.",
		at:    []string{"feedback: newest first, with givers and messages", "User.feedback: the caller's, with the messages"},
		rules: []string{noExcess}, on: []string{"message_feedback", "chat_messages"},
		bench: true,
	},
	{
		why:   "The bench's `users_sync` has no index on `deleted_at`, as Neon's and Segue's own have.",
		at:    []string{"topTracks: over all time"},
		rules: []string{noSeqScan}, on: []string{"users_sync"},
		bench: true,
	},
}

// excuse gives the number of the first exception that covers a finding, -1 where none does.
func excuse(o operation, f finding, ordered bool) int {
	return slices.IndexFunc(exceptions, func(e exception) bool {
		begins := func(at string) bool { return strings.HasPrefix(o.label(), at) }
		return slices.ContainsFunc(e.at, begins) && slices.Contains(e.rules, f.rule) && (f.rule == noSort || slices.Contains(e.on, f.on)) && !(e.unordered && ordered)
	})
}
