// Package attack is the corpus of requests that have brought GraphQL servers
// down, or nearly so. It is for tests: of the guard, of the HTTP layer and of a
// running gateway. Each attack is generated, so that megabytes stay out of the repository.
package attack

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// Attack is one hostile request.
type Attack struct {
	Name string
	// Document is the GraphQL text; empty when the attack is in the rest of the body.
	Document func() string
	// Body is the whole request body; nil for {"query": Document}.
	Body func() []byte
	// Encoding is the Content-Encoding that Body is in.
	Encoding string
	// Valid attacks pass as honest requests as far as text goes, and are stopped
	// by cost, by their arguments, or not at all because they have become harmless.
	Valid bool
}

// Request is the body to POST as application/json.
func (a Attack) Request() []byte {
	if a.Body != nil {
		return a.Body()
	}
	body, err := json.Marshal(map[string]string{"query": a.Document()})
	if err != nil {
		panic(err) // a map of strings always marshals
	}
	return body
}

// All is the corpus.
func All() []Attack {
	return append(documents(), bodies()...)
}

func documents() []Attack {
	return []Attack{
		text("repeated field, 8,000", func() string { return "{users{" + strings.Repeat("id ", 8_000) + "}}" }),
		valid("repeated field, 3,900", func() string { return "{users{edges{node{" + strings.Repeat("id ", 3_900) + "}}}}" }),
		valid("repeated objects, 550", func() string {
			return "{users{edges{node{" + strings.Repeat("stats{user{id}}", 550) + "}}}}"
		}),
		text("inline fragments 200×100", func() string { return inlineFragments(200, 100) }),
		valid("inline fragments 100×9", func() string { return inlineFragments(100, 9) }),
		text("fragment DAG 500×30", func() string { return dag(500, 30) }),
		valid("fragment DAG 110×15", func() string { return dag(110, 15) }),
		text("fragment chain of 390", func() string { return dag(390, 1) }),
		valid("fragment chain of 300", func() string { return dag(300, 1) }),
		text("fragment cycle", func() string { return "{me{...A}} fragment A on User{...B} fragment B on User{...A}" }),
		text("fragment cycle of 300, every way", func() string { return cycles(300, 2) }),
		text("fragment on itself, nested", func() string {
			return "{me{...A}} fragment A on User{stats{user{...A stats{user{...A}}}}}"
		}),
		valid("fragment doublings 2^30", func() string { return doublings(30, "...F%d ...F%d") }),
		valid("doublings through objects 2^30", func() string { return doublings(30, "stats{user{...F%d}} ...F%d") }),
		text("doublings through aliases 2^24", func() string { return doublings(24, "a:stats{user{...F%d}} b:stats{user{...F%d}}") }),
		valid("doublings through fields 2^12", func() string {
			return fieldDoublings(12)
		}),
		text("subset explosion", func() string { return subsets(22) }),
		text("aliases, 10,000", func() string { return "{" + numbered(10_000, "a%d:__typename ") + "}" }),
		text("aliases, 51", func() string { return "{me{" + numbered(51, "a%d:id ") + "}}" }),
		text("root fields, 21", func() string { return "{" + numbered(21, "a%d:__typename ") + "}" }),
		text("directives, 50,000", func() string { return "{__typename " + strings.Repeat("@a", 50_000) + "}" }),
		text("@skip, 5,000", func() string { return "{__typename " + strings.Repeat("@skip(if:true)", 5_000) + "}" }),
		text("@skip, 5,000 fields", func() string { return "{" + strings.Repeat("__typename @skip(if:true) ", 5_000) + "}" }),
		text("selections 1,000,000 deep", func() string { return strings.Repeat("{a", 1_000_000) }),
		text("selections 340,000 deep, closed", func() string {
			return strings.Repeat("{a", 340_000) + strings.Repeat("}", 340_000)
		}),
		text("lists 1,000,000 deep", func() string { return "{a(b:" + strings.Repeat("[", 1_000_000) }),
		text("brackets 1,000,000 deep", func() string { return strings.Repeat("[", 1_000_000) }),
		text("objects 300,000 deep", func() string { return "{a(b:" + strings.Repeat("{c:", 300_000) }),
		text("types 1,000,000 deep", func() string { return "query($a:" + strings.Repeat("[", 1_000_000) }),
		text("arguments 300,000 deep", func() string { return strings.Repeat("{a(b:", 200_000) }),
		text("selections 400 deep", func() string { return strings.Repeat("{me", 400) + strings.Repeat("}", 400) }),
		text("comment, 10 MB", func() string { return "#" + strings.Repeat("x", 10<<20) + "\n{__typename}" }),
		text("comments, 300,000", func() string { return strings.Repeat("#\n", 300_000) + "{__typename}" }),
		valid("comments, 39,000", func() string { return strings.Repeat("#\n", 39_000) + "{__typename}" }),
		valid("comment, 1 MB", func() string { return "#" + strings.Repeat("é", 1<<19-20) + "\n{__typename}" }),
		text("block string, 5 MB", func() string { return `{user(id:"""` + strings.Repeat("x", 5<<20) + `"""){id}}` }),
		valid("block string, 500,000 line breaks", func() string {
			return `{user(id:"""` + strings.Repeat("\n", 500_000) + `"""){id}}`
		}),
		text("block string of quotes", func() string { return `{user(id:"""` + strings.Repeat(`""`, 1<<17) }),
		text("string, 1 MB, where a number belongs", func() string {
			return `{users(first:"` + strings.Repeat("x", 1<<20-64) + `"){totalCount}}`
		}),
		valid("string, 1 MB, in many places", longArgument),
		text("name, 1 MB", func() string { return "{" + strings.Repeat("x", 1<<20-64) + "}" }),
		text("number, 1 MB", func() string { return "{users(first:" + strings.Repeat("9", 1<<20-64) + "){totalCount}}" }),
		text("unknown fields, 5,000", func() string { return "{" + numbered(5_000, "usr%d ") + "}" }),
		text("unknown fields, 3,900", func() string { return "{me{" + numbered(3_900, "chatMessage%d ") + "}}" }),
		text("unknown long fields in 300 operations", func() string {
			return numbered(300, "query Q%d{me{...F}}") + "fragment F on User{" + numbered(9, "a%d"+strings.Repeat("chatMessages", 20)+" ") + "}"
		}),
		text("unknown arguments, 1,200", func() string { return "{users(" + numbered(1_200, "frst%d:1 ") + "){totalCount}}" }),
		text("unknown types, 600", func() string { return "{" + numbered(600, "...on Usr%d{id}") + "}" }),
		text("unknown enum values, 1,900", func() string {
			return "{chatMessages(filter:{" + strings.Repeat("role:USR ", 1_200) + "}){totalCount}}"
		}),
		valid("variables, 500", func() string {
			return "query(" + numbered(500, "$v%d:ID! ") + "){nodes(ids:[" + numbered(500, "$v%d ") + "]){id}}"
		}),
		text("operations, 300, one fragment", func() string { return operations(300, 1_200) }),
		valid("operations, 120, one fragment", func() string { return operations(120, 800) }),
		text("operations, 200, one argument", func() string {
			return numbered(200, "query Q%d{...F}") + "fragment F on Query{nodes(ids:[" + strings.Repeat("1 ", 2_500) + "]){id}}"
		}),
		text("circular introspection", func() string {
			return "{__schema{types{" + strings.Repeat("fields{type{", 8) + "name" + strings.Repeat("}}", 8) + "}}}"
		}),
		text("circular introspection in fragments", func() string {
			return "{__schema{types{...A}}} fragment A on __Type{fields{type{...B}}} fragment B on __Type{fields{type{...C}}} fragment C on __Type{fields{type{name}}}"
		}),
		text("introspection, aliased 50 times", func() string {
			return "{__schema{" + numbered(50, "a%d:types{fields{args{type{fields{name args{name description}}}}}}") + "}}"
		}),
		valid("first: 99999999", func() string { return "{users(first:99999999){edges{node{id}}}}" }),
		valid("pages of pages", func() string {
			return "{users(first:100){edges{node{chatMessages(first:100){edges{node{feedback(first:100){edges{node{id}}}}}}}}}}"
		}),
		text("integer overflow, 32 bits", func() string { return "{users(first:4294967297){totalCount}}" }),
		text("integer overflow, 64 bits", func() string { return "{users(first:99999999999999999999999){totalCount}}" }),
		text("lone surrogate", func() string { return `{user(id:"\uD800"){id}}` }),
		text("surrogates the wrong way round", func() string { return `{user(id:"\uDC00\uD800"){id}}` }),
		text("NUL", func() string { return "{user\x00}" }),
		text("@defer", func() string { return "{me{...@defer{id}}}" }),
		text("empty", func() string { return "" }),
	}
}

func bodies() []Attack {
	return []Attack{
		{Name: "JSON variables 100,000 deep", Body: func() []byte {
			return []byte(`{"query":"{__typename}","variables":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}}")
		}},
		{Name: "JSON objects 100,000 deep", Body: func() []byte {
			return []byte(strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000))
		}},
		{Name: "JSON array of 10,000 requests", Body: func() []byte {
			return []byte("[" + strings.Repeat(`{"query":"{__typename}"},`, 10_000) + `{"query":"{__typename}"}]`)
		}},
		{Name: "UTF-16 body", Body: func() []byte { return utf16Bytes(`{"query":"{__typename}"}`) }},
		{Name: "invalid UTF-8 body", Body: func() []byte { return []byte("{\"query\":\"{a(b:\\\"\xff\xfe\\\")}\"}") }},
		{Name: "gzip bomb, 64 MB", Encoding: "gzip", Body: gzipBomb},
		{Name: "body cut short", Body: func() []byte { return []byte(`{"query":"{__typename`) }},
	}
}

func text(name string, document func() string) Attack { return Attack{Name: name, Document: document} }

func valid(name string, document func() string) Attack {
	return Attack{Name: name, Document: document, Valid: true}
}

func numbered(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
}

// inlineFragments nests and repeats "... on User": gqlparser collects every level's fields again.
func inlineFragments(depth, width int) string {
	level := strings.Repeat("id ", width)
	return "{me{" + strings.Repeat(level+"...on User{", depth) + "id" + strings.Repeat("}", depth) + "}}"
}

// dag is fragments that each spread the next few.
func dag(fragments, width int) string {
	var out strings.Builder
	out.WriteString("{me{...F0}}")
	for i := range fragments {
		fmt.Fprintf(&out, "fragment F%d on User{id", i)
		for j := i + 1; j <= i+width && j < fragments; j++ {
			fmt.Fprintf(&out, " ...F%d", j)
		}
		out.WriteString("}")
	}
	return out.String()
}

// cycles is fragments that spread the next one and some before it.
func cycles(fragments, back int) string {
	var out strings.Builder
	out.WriteString("{me{...F0}}")
	for i := range fragments {
		fmt.Fprintf(&out, "fragment F%d on User{...F%d", i, (i+1)%fragments)
		for j := range back {
			fmt.Fprintf(&out, " ...F%d", max(0, i-j-1))
		}
		out.WriteString("}")
	}
	return out.String()
}

// doublings is n fragments that each lead to the next one twice.
func doublings(n int, body string) string {
	var out strings.Builder
	out.WriteString("{me{...F0}}")
	for i := range n {
		fmt.Fprintf(&out, "fragment F%d on User{"+body+"}", i, i+1, i+1)
	}
	fmt.Fprintf(&out, "fragment F%d on User{id}", n)
	return out.String()
}

// fieldDoublings doubles through two different fields, which nothing merges.
func fieldDoublings(n int) string {
	var out strings.Builder
	out.WriteString("{me{...F0}}")
	for i := range n {
		fmt.Fprintf(&out, "fragment F%d on User{chatMessages{edges{node{user{...F%d}}}} stats{user{...F%d}}}", i, i+1, i+1)
	}
	fmt.Fprintf(&out, "fragment F%d on User{id}", n)
	return out.String()
}

// subsets is a nondeterministic automaton written in fragments: after n steps it
// is in one of 2^n sets of states, so a merger that remembers sets of fields
// remembers nothing twice.
func subsets(n int) string {
	var out strings.Builder
	out.WriteString("{me{...S0}}")
	for i := range n {
		fmt.Fprintf(&out, "fragment S%d on User{stats{user{...S%d}} trackLikes{edges{node{user{...S%d ...N0}}}}}", i, i+1, i+1)
		fmt.Fprintf(&out, "fragment N%d on User{stats{user{...N%d}} trackLikes{edges{node{user{...N%d}}}}}", i, i+1, i+1)
	}
	fmt.Fprintf(&out, "fragment S%d on User{id} fragment N%d on User{id}", n, n)
	return out.String()
}

// operations is many operations that all spread one fragment.
func operations(n, fields int) string {
	return numbered(n, "query Q%d{me{...F}}") + "fragment F on User{" + strings.Repeat("id ", fields) + "}"
}

// longArgument meets one huge argument in many different places.
func longArgument() string {
	huge := `x:chatMessages(filter:{search:"` + strings.Repeat("x", 1<<19-4_000) + `"}){totalCount}`
	var out strings.Builder
	out.WriteString("{me{" + numbered(40, "a%d:stats{user{...F}}") + "}}")
	out.WriteString("fragment F on User{" + huge + huge + "}")
	return out.String()
}

func utf16Bytes(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(s)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func gzipBomb() []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range 64 {
		_, _ = w.Write(chunk) // a bytes.Buffer takes everything
	}
	_ = w.Close()
	return out.Bytes()
}
