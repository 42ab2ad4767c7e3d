package limits_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
)

func TestCost(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	variables := map[string]any{"n": json.Number("7"), "i": int64(5), "f": 3.0, "yes": true, "no": false, "ids": []any{"a", "b", "c"}, "null": nil}
	tests := []struct {
		name, query string
		want        int
	}{
		{"fields", "{me{id name}}", 3},
		{"a connection of the default size", "{users{edges{node{id}}}}", 1 + 20*3},
		{"first", "{users(first:50){edges{node{id name}} totalCount}}", 1 + 50*5},
		{"last", "{users(last:3){totalCount}}", 1 + 3},
		{"null is the default", "{users(first:null){totalCount}}", 1 + 20},
		{"a variable", "query($n:Int){users(first:$n){totalCount}}", 1 + 7},
		{"a variable as int64", "query($i:Int){users(first:$i){totalCount}}", 1 + 5},
		{"a variable as float64", "query($f:Int){users(first:$f){totalCount}}", 1 + 3},
		{"a variable that is null", "query($null:Int){users(first:$null){totalCount}}", 1 + 20},
		{"a variable that is absent", "query($x:Int){users(first:$x){totalCount}}", 1 + 20},
		{"a variable's default", "query($x:Int=9){users(first:$x){totalCount}}", 1 + 9},
		{"a size too large", "{users(first:2000000000){totalCount}}", 1 + 100},
		{"a size too small", "{users(first:-5){totalCount}}", 1 + 1},
		{"both sizes", "{users(first:5 last:8){totalCount}}", 1 + 8},
		{"pages of pages", "{users(first:10){edges{node{chatMessages(first:10){edges{node{id}}}}}}}", 1 + 10*(2+1+10*3)},
		{"a plain list with first", "{topTracks(first:30){title}}", 1 + 30},
		{"a plain list with first's default", "{topTracks{title}}", 1 + 10},
		{"a first that a variable leaves out", "query($x:Int!=4){topTracks(first:$x){title}}", 1 + 4},
		{"ids", `{nodes(ids:["a" "b"]){id}}`, 1 + 2},
		{"ids by variable", "query($ids:[ID!]!){nodes(ids:$ids){id}}", 1 + 3},
		{"one id", `{nodes(ids:"a"){id}}`, 1 + 1},
		{"ids in a filter are no size", `{users(filter:{ids:["a"]}){totalCount}}`, 1 + 20},
		{"a list without size", `{activity(range:{from:1 to:2}){start messages}}`, 1 + limits.ListSize*2},
		{"skipped", "{me{id name @skip(if:true) stats @include(if:false){messageCount}}}", 2},
		{"not skipped", "{me{id name @skip(if:false) stats @include(if:true){messageCount}}}", 5},
		{"skipped by variable", "query($yes:Boolean!){me{id ...@skip(if:$yes){name} ...F@skip(if:$yes)}} fragment F on User{name}", 2},
		{"included by variable", "query($no:Boolean!){me{id ...@skip(if:$no){name}}}", 3},
		{"skipped by default", "query($x:Boolean!=true){me{id name@skip(if:$x)}}", 2},
		{"merged fields", "{me{id id id} me{id name}}", 3},
		{"merged fragments", "{me{...A ...B}} fragment A on User{id chatMessages{totalCount}} fragment B on User{id chatMessages{totalCount}}", 1 + 1 + 1 + 20},
		{"aliases", "{me{a:id b:id}}", 3},
		{"a fragment twice", "{me{stats{user{...F}} chatMessages(first:2){edges{node{user{...F}}}}}} fragment F on User{id name}", 1 + (2 + 2) + 1 + 2*(3+2)},
		{"the larger of two types' sizes", "{node(id:1){...on User{x:feedback(first:9){totalCount}} ...on ChatMessage{x:feedback(first:4){totalCount}}}}", 2 + 9},
		{"introspection", `{__type(name:"User"){name fields{name}} me{id}}`, 3},
		{"a subscription", "subscription{chatMessageAdded{id}}", 2},
		{"a mutation", `mutation{likeTrack(input:{trackId:"x"}){trackLike{id}}}`, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc, errs := defaults.Parse(schema, tt.query, true)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			got, err := defaults.Cost(schema, doc, doc.Operations[0], variables)
			if err != nil || got != tt.want {
				t.Errorf("costs %d (%v), want %d", got, err, tt.want)
			}
		})
	}
}

func TestCostLimits(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	deep := func(n int) string { // n is odd
		return "{me{" + strings.Repeat("stats{user{", (n-1)/2-1) + "stats{messageCount" + strings.Repeat("}}", (n-1)/2-1) + "}}}"
	}
	tests := []struct {
		name, query string
		limits      limits.Limits
		want        fault.Code
		message     string
	}{
		{"cost at the limit", "{users{totalCount}}", limits.Limits{MaxDepth: 12, MaxComplexity: 21}, "", ""},
		{"cost over the limit", "{users{totalCount}}", limits.Limits{MaxDepth: 12, MaxComplexity: 20}, fault.OperationTooComplex, "costs 21, the limit is 20"},
		{"depth at the limit", deep(11), limits.Limits{MaxDepth: 11, MaxComplexity: 100}, "", ""},
		{"depth over the limit", deep(13), defaults, fault.OperationTooDeep, "is 13 fields deep, the limit is 12"},
		{
			"depth through fragments", "{me{...A}} fragment A on User{stats{user{...B}}} fragment B on User{...on Node{id}}",
			limits.Limits{MaxDepth: 3, MaxComplexity: 100}, fault.OperationTooDeep, "is 4 fields deep",
		},
		{
			"a cost beyond counting", "{users(first:100){edges{node{" + strings.Repeat("chatMessages(first:100){edges{node{user{", 8) + "id" + strings.Repeat("}}}}", 8) + "}}}}",
			limits.Limits{MaxDepth: 100, MaxComplexity: 10_000}, fault.OperationTooComplex, "costs 1000000000, the limit is 10000",
		},
		{
			"introspection multiplied", "{__schema{" + times(40, "a%d:types{fields{args{name type{name fields{name}}}}}") + "}}",
			defaults, fault.OperationTooComplex, "introspection",
		},
		{
			"introspection too deep", "{__schema{queryType{" + strings.Repeat("ofType{", 25) + "name" + strings.Repeat("}", 25) + "}}}",
			defaults, fault.OperationTooDeep, "introspection",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			doc, errs := tt.limits.Parse(schema, tt.query, true)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			_, err := tt.limits.Cost(schema, doc, doc.Operations[0], nil)
			if tt.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || err.Code != tt.want || !strings.Contains(err.Message, tt.message) {
				t.Errorf("got %v, want %s with %q", err, tt.want, tt.message)
			}
		})
	}
}

// A shared fragment takes its sizes from the operation that runs, not from the
// one that was validated last.
func TestCostTakesTheOperationsOwnDefaults(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	doc, errs := defaults.Parse(schema, `query A($n:Int=2){...F} query B($n:Int=50){...F} fragment F on Query{users(first:$n){totalCount}}`, false)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, want := range map[string]int{"A": 3, "B": 51} {
		if got, err := defaults.Cost(schema, doc, doc.Operations.ForName(name), nil); got != want || err != nil {
			t.Errorf("%s costs %d (%v), want %d", name, got, err, want)
		}
	}
}

// Pricing happens for every request, also where the document is remembered.
var priced = map[string]struct {
	query       string
	allocations float64
}{
	"small": {"{me{id name email}}", 8},
	"usual": {"query($n:Int){users(first:$n){totalCount pageInfo{hasNextPage endCursor} edges{cursor node{id name createdAt chatMessages(first:5){edges{node{id content role feedback(first:2){edges{node{id rating}}}}}}}}}}", 30},
}

func TestPricingIsCheap(t *testing.T) {
	schema := segue(t)
	for name, p := range priced {
		doc, errs := defaults.Parse(schema, p.query, false)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		variables := map[string]any{"n": int64(10)}
		got := testing.AllocsPerRun(100, func() {
			if _, err := defaults.Cost(schema, doc, doc.Operations[0], variables); err != nil {
				t.Error(err)
			}
		})
		if got > p.allocations {
			t.Errorf("%s: %v allocations, want at most %v", name, got, p.allocations)
		}
	}
}

func BenchmarkCost(b *testing.B) {
	schema := segue(b)
	for name, p := range priced {
		b.Run(name, func(b *testing.B) {
			doc, errs := defaults.Parse(schema, p.query, false)
			if len(errs) > 0 {
				b.Fatal(errs)
			}
			variables := map[string]any{"n": int64(10)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := defaults.Cost(schema, doc, doc.Operations[0], variables); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
