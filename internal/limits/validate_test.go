package limits_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/ai-dj/segue/internal/limits"
)

// A rule that a later gqlparser adds must not be missed.
func TestRulesetIsComplete(t *testing.T) {
	t.Parallel()
	elsewhere := []string{"NoFragmentCycles", "OverlappingFieldsCanBeMerged"}
	for _, introspection := range []bool{true, false} {
		var ours []string
		for _, rule := range limits.Ruleset(introspection) {
			ours = append(ours, strings.TrimSuffix(rule.Name, "WithoutSuggestions"))
		}
		for name := range rules.NewDefaultRules().GetInner() {
			if !slices.Contains(ours, name) && !slices.Contains(elsewhere, name) {
				t.Errorf("introspection %v: gqlparser's rule %s is missing", introspection, name)
			}
		}
	}
}

// mistakes is a document for every kind of validation error.
var mistakes = []string{
	"{nothing}",
	"{me{usr}}",
	"{me}",
	"{users{edges}}",
	"{me{id{x}}}",
	"{user{id}}",
	"{users(frist:1){totalCount}}",
	"{me{id @skip}}",
	"{me{id @skip(iff:true)}}",
	"{me{id @nothing}}",
	"{me @deprecated{id}}",
	"{me{...on Usr{id}}}",
	"{me{...F}} fragment F on Usr{id}",
	"{me{...F}}",
	"{me{id}} fragment F on User{id}",
	"{me{...on Feedback{id}}}",
	"{me{...F}} fragment F on Feedback{id}",
	"{me{...on DateTime{id}}}",
	"{me{...on ChatRole{id}}}",
	`{users(first:"x"){totalCount}}`,
	`{users(first:[1]){totalCount}}`,
	`{users(filter:{serch:"x"}){totalCount}}`,
	`{users(filter:7){totalCount}}`,
	`{users(filter:{search:7}){totalCount}}`,
	`{users(first:3000000000){totalCount}}`,
	"{chatMessages(filter:{role:USR}){totalCount}}",
	`{chatMessages(filter:{role:"USER"}){totalCount}}`,
	`{userStats(orderBy:X){totalCount}}`,
	`{activity(range:null){start}}`,
	`{activity{start}}`,
	"mutation{sendChatMessage(input:{}){chatMessage{id}}}",
	"mutation{sendChatMessage{chatMessage{id}}}",
	"query($a:Int){users(filter:{search:$a}){totalCount}}",
	"query($a:String){user(id:$a){id}}",
	"query($a:User){user(id:$a){id}}",
	"query($a:Usr){user(id:$a){id}}",
	"query($a:Int){me{id}}",
	"{user(id:$a){id}}",
	"query Q{user(id:$a){id}}",
	"query($a:ID! $a:ID!){user(id:$a){id}}",
	"query($a:Int=true){users(first:$a){totalCount}}",
	"{me{id}} {me{id}}",
	"query A{me{id}} query A{me{id}}",
	"{me{id id:name}}",
	"{node(id:1){...on User{x:createdAt} ...on Feedback{x:comment}}}",
	"{node(id:1){...on User{x:name} ...on ChatMessage{x:feedback{totalCount}}}}",
	"{me{a:chatMessages(first:1){totalCount} a:chatMessages(first:2){totalCount}}}",
	"subscription{chatMessageAdded{id} feedbackGiven{id}}",
	"subscription{__typename}",
	"{__schema{types{name}}}",
	`{__type(name:"User"){nam}}`,
	`{__type{name}}`,
	"{__type(name:\"User\"){fields{type{fields{type{fields{name}}}}}}}",
	"{node(id:1){name}}",
	"{me{id(x:1)}}",
	"{users(first:1 first:2){totalCount}}",
	"{users(filter:{search:\"a\" search:\"b\"}){totalCount}}",
}

// TestMessagesHideTheSchema looks for every name of the schema in every error.
func TestMessagesHideTheSchema(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	secrets := schemaNames(schema)
	word := regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	for _, query := range mistakes {
		known := map[string]bool{}
		for _, name := range word.FindAllString(query, -1) {
			known[name] = true
		}
		_, errs := defaults.Parse(schema, query, false)
		if len(errs) == 0 {
			t.Errorf("%s is accepted", query)
		}
		for _, e := range errs {
			if strings.Contains(strings.ToLower(e.Message), "did you mean") {
				t.Errorf("%s: %s", query, e.Message)
			}
			for _, name := range word.FindAllString(e.Message, -1) {
				if secrets[name] && !known[name] && !english[name] {
					t.Errorf("%s: %q names %q", query, e.Message, name)
				}
			}
			for _, quoted := range regexp.MustCompile(`"[^"]*"`).FindAllString(e.Message, -1) {
				for _, name := range word.FindAllString(quoted, -1) {
					if !known[name] {
						t.Errorf("%s: %q quotes %q", query, e.Message, name)
					}
				}
			}
			// The rule's name is for logs; what a caller reads is the JSON.
			if out, _ := json.Marshal(e); strings.Contains(string(out), "Suggestions") {
				t.Errorf("%s: %s", query, out)
			}
		}
	}
}

// english is what is both a name of the schema and a word of a sentence.
var english = map[string]bool{"name": true, "type": true, "fields": true, "input": true, "range": true, "types": true, "id": true, "first": true, "user": true, "role": true, "start": true, "node": true, "description": true, "args": true, "once": true, "include": true, "to": true, "FIELD": true, "Subscription": true, "locations": true}

func schemaNames(schema *ast.Schema) map[string]bool {
	names := map[string]bool{}
	for _, d := range schema.Types {
		names[d.Name] = true
		for _, f := range d.Fields {
			names[f.Name] = true
			for _, a := range f.Arguments {
				names[a.Name] = true
			}
		}
		for _, v := range d.EnumValues {
			names[v.Name] = true
		}
	}
	return names
}

func TestMessagesHelpWhenIntrospectionIsOn(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"{me{nam}}":                        `Cannot query field "nam" on type "User". Did you mean "name"?`,
		"{users(frst:1){totalCount}}":      `Unknown argument "frst" on field "Query.users". Did you mean "first"`,
		"{me{id id:name}}":                 `Fields "id" conflict because "id" and "name" are different fields.`,
		"{users(first:\"x\"){totalCount}}": "Int cannot represent non-integer value",
	} {
		_, errs := defaults.Parse(segue(t), query, true)
		if len(errs) != 1 || !strings.Contains(errs[0].Message, want) {
			t.Errorf("%s: got %v, want %q", query, errs, want)
		}
	}
}

func TestMessagesAreShort(t *testing.T) {
	t.Parallel()
	schema := segue(t)
	long := strings.Repeat("é", 100_000)
	for _, query := range []string{
		`{users(first:"` + long + `"){totalCount}}`,
		`{"` + long + `"}`,
		`"` + long + `" {me{id}}`,
		"{users(first:" + strings.Repeat("1", 100_000) + "){totalCount}}",
	} {
		for _, introspection := range []bool{true, false} {
			_, errs := defaults.Parse(schema, query, introspection)
			if len(errs) == 0 {
				t.Fatalf("%.40s… is accepted", query)
			}
			for _, e := range errs {
				if len(e.Message) > 500 {
					t.Errorf("%.40s…: a message of %d bytes", query, len(e.Message))
				}
			}
		}
	}
}
