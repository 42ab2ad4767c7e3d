package adopt

import (
	"fmt"
	"strings"
)

// spec is the contract's form of a table, as far as adopting needs it.
type spec struct {
	table   string
	columns []want   // besides id, clerk_id and message_id
	unique  []string // besides id
}

// want is a column that holds values of the row's own.
type want struct {
	name string
	is   meaning
	must bool // a row cannot do without
	room int  // the fewest characters it has to hold
}

type meaning string

const (
	text   meaning = "text"
	moment meaning = "timestamptz"
	role   meaning = "role"
	rating meaning = "rating"
)

// In this order ids are converted before what refers to them.
var specs = []spec{
	{"chat_messages", []want{
		{"session_id", text, false, 255}, {"role", role, true, 9}, {"content", text, true, 32768}, {"created_at", moment, true, 0}}, nil},
	{"message_feedback", []want{
		{"rating", rating, true, 0}, {"comment", text, false, 4096}, {"created_at", moment, true, 0}}, []string{"clerk_id", "message_id"}},
	{"track_likes", []want{
		{"track_id", text, true, 255}, {"title", text, false, 512}, {"artist", text, false, 512}, {"created_at", moment, true, 0}}, []string{"clerk_id", "track_id"}},
}

// sqlType is the column's type in the contract.
func (m meaning) sqlType() string {
	switch m {
	case moment:
		return "timestamptz"
	case rating:
		return "smallint"
	}
	return "text"
}

// conversion is how the values of a column become what the contract wants.
type conversion struct {
	using string // over the column's old values
	say   string
}

// convert is nil where the column is good as it is.
func (t *table) convert(w want) *conversion {
	c, _ := t.column(w.name)
	value := ident(w.name)
	switch w.is {
	case role:
		return t.convertWords(w, c, roleOf(value), "text")
	case rating:
		return t.convertWords(w, c, ratingOf(value, t.zeroIsDown), "smallint")
	case moment:
		return t.convertMoment(w, c)
	}
	fits := c.Kind == "text" || c.Kind == "character varying" && (c.Room == 0 || c.Room >= w.room)
	nulls := t.nulls[w.name]
	switch {
	case w.must && nulls > 0:
		return &conversion{fmt.Sprintf("coalesce(%s::text, '')", value), fmt.Sprintf("%d null ones become the empty text", nulls)}
	case fits:
		return nil
	case c.Kind == "character varying":
		return &conversion{value + "::text", fmt.Sprintf("varchar(%d) → text: callers may send up to %d characters", c.Room, w.room)}
	}
	return &conversion{value + "::text", c.Kind + " → text"}
}

// convertWords is for columns whose values are a few words.
func (t *table) convertWords(w want, c column, using, to string) *conversion {
	var mapped []string
	for _, v := range t.values[w.name] {
		if v.Became != nil && *v.Became != v.Was {
			mapped = append(mapped, fmt.Sprintf("%q → %s (%d)", v.Was, *v.Became, v.Rows))
		}
	}
	good := c.Kind == to || to == "text" && c.Kind == "character varying" && (c.Room == 0 || c.Room >= w.room) ||
		to == "smallint" && (c.Kind == "integer" || c.Kind == "bigint")
	if good && len(mapped) == 0 {
		return nil
	}
	var say []string
	if !good {
		say = append(say, c.Kind+" → "+to)
	}
	const enough = 12
	if n := len(mapped); n > enough {
		mapped = append(mapped[:enough], fmt.Sprintf("and %d more", n-enough))
	}
	return &conversion{"(" + using + ")::" + to, strings.Join(append(say, mapped...), ", ")}
}

func (t *table) convertMoment(w want, c column) *conversion {
	value, nulls := ident(w.name), ""
	if n := t.nulls[w.name]; n > 0 {
		nulls = fmt.Sprintf("; %d null ones become 1970-01-01", n)
	}
	if c.Kind == "timestamp with time zone" {
		if nulls == "" {
			return nil
		}
		return &conversion{fmt.Sprintf("coalesce(%s, 'epoch')", value), strings.TrimPrefix(nulls, "; ")}
	}
	using, how := momentOf(value, c.Kind)
	return &conversion{fmt.Sprintf("coalesce(%s, 'epoch')", using), c.Kind + " → timestamptz" + how + nulls}
}

// momentOf reads any kind of time as a timestamptz. A time without a zone is
// taken as UTC, which is what PostgreSQL's own clock and most servers write.
func momentOf(value, kind string) (using, how string) {
	switch kind {
	case "timestamp with time zone":
		return value, ""
	case "timestamp without time zone", "date":
		return value + "::timestamp at time zone 'UTC'", ", read as UTC"
	case "smallint", "integer", "bigint", "numeric", "real", "double precision":
		return fmt.Sprintf("to_timestamp(case when abs(%[1]s) > 100000000000 then %[1]s / 1000.0 else %[1]s end)", value),
			", read as seconds or milliseconds since 1970"
	}
	return fmt.Sprintf("nullif(btrim(%s::text), '')::timestamptz", value), ", read as UTC where it names no zone"
}

// oneWord maps spellings to values; anything else is null.
func oneWord(value string, spellings [][]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "case lower(btrim(%s::text))", value)
	for _, s := range spellings {
		for _, word := range s[1:] {
			fmt.Fprintf(&b, " when '%s' then %s", word, s[0])
		}
	}
	b.WriteString(" end")
	return b.String()
}

func roleOf(value string) string {
	return oneWord(value, [][]string{
		{"'user'", "user", "human", "u", "customer", "listener", "me", "client"},
		{"'assistant'", "assistant", "ai", "bot", "dj", "ai_dj", "ai-dj", "model", "agent", "a", "gpt", "llm", "tool", "function"},
		{"'system'", "system", "developer", "sys"},
	})
}

// ratingOf takes 0 for a thumb down where it is the opposite of 1, not where -1 is.
func ratingOf(value string, zeroIsDown bool) string {
	down := []string{"-1", "-1", "-1.0", "down", "dislike", "disliked", "thumbs_down", "thumbs-down", "thumbsdown", "thumb_down", "negative", "bad", "false", "f", "no", "n", "👎"}
	if zeroIsDown {
		down = append(down, "0", "0.0")
	}
	return oneWord(value, [][]string{
		{"1", "1", "+1", "1.0", "up", "like", "liked", "love", "thumbs_up", "thumbs-up", "thumbsup", "thumb_up", "positive", "good", "true", "t", "yes", "y", "👍"},
		down,
	})
}

// newDefault is a column's default after a conversion, empty for none.
func (t *table) newDefault(w want, c column) string {
	switch {
	case w.is == moment:
		return "now()"
	case c.Default == "":
		return ""
	case w.is == text:
		return "(" + c.Default + ")::text"
	}
	return t.defaults[w.name]
}
