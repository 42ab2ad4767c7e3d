package store

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/viewer"
)

// query collects the parts of one SELECT for one viewer. Names of tables,
// columns and aliases are this package's own constants; everything that came
// from outside is an argument.
type query struct {
	viewer  viewer.Viewer
	args    []any
	columns strings.Builder
	joins   strings.Builder
	where   strings.Builder
	owners  []string // aliases whose owner is joined already
	callers string   // alias of users_sync rows that are their callers' own
	meArg   string
}

func newQuery(v viewer.Viewer) *query { return &query{viewer: v} }

// arg adds an argument and returns its placeholder.
func (q *query) arg(v any) string {
	switch t := v.(type) {
	case string:
		v = storable(t)
	case []string:
		v = storableAll(t)
	}
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// hidden is an argument as a sub-select, whose value the planner does not see.
// For a busy person's id or a cursor, a plan made for the value looks a little
// cheaper than the general one and is the same; making it at each execution
// costs more than most of these statements do to run (docs/adr/0015).
func (q *query) hidden(v any, cast string) string { return "(SELECT " + q.arg(v) + "::" + cast + ")" }

// storable is s as PostgreSQL can take it. A text column holds neither NUL nor
// broken UTF-8, so what has them matches nothing that was stored.
func storable(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}

func storableAll(list []string) []string {
	clean := make([]string, len(list))
	for i, s := range list {
		clean[i] = storable(s)
	}
	return clean
}

// and adds a condition made of the given parts.
func (q *query) and(parts ...string) {
	if q.where.Len() > 0 {
		q.where.WriteString(" AND ")
	}
	for _, p := range parts {
		q.where.WriteString(p)
	}
}

func (q *query) column(parts ...string) {
	if q.columns.Len() > 0 {
		q.columns.WriteString(", ")
	}
	for _, p := range parts {
		q.columns.WriteString(p)
	}
}

func (q *query) join(parts ...string) {
	for _, p := range parts {
		q.joins.WriteString(p)
	}
}

// joinOwner joins the users_sync row that alias belongs to, once, and returns
// its alias. The join is a left one: rows stay even where the mirror lacks the
// user, as it can where other programs dropped the foreign key.
func (q *query) joinOwner(alias string) string {
	o := alias + "o"
	if !slices.Contains(q.owners, alias) {
		q.owners = append(q.owners, alias)
		q.join(" LEFT JOIN neon_auth.users_sync ", o, " ON ", o, ".id = ", alias, ".clerk_id")
	}
	return o
}

// conditions is the collected WHERE clause, or nothing.
func (q *query) conditions() string {
	if q.where.Len() == 0 {
		return ""
	}
	return " WHERE " + q.where.String()
}

// within adds a range condition on a timestamp column.
func (q *query) within(column string, r *TimeRange) {
	if r == nil {
		return
	}
	if r.From != nil {
		q.and(column, " >= ", q.arg(*r.From))
	}
	if r.To != nil {
		q.and(column, " < ", q.arg(*r.To))
	}
}

// ids adds a condition that a text column is one of the list: nil is no
// condition. A single one is an equality, which an index can return in order.
func (q *query) ids(column string, list []string) {
	switch {
	case list == nil:
	case len(list) == 1:
		q.and(column, " = ", q.hidden(list[0], "text"))
	default:
		q.and(column, " = ANY(", q.arg(list), "::text[])")
	}
}

// uuids is ids for a uuid column. A malformed id is one that does not exist.
func (q *query) uuids(column string, list []string) {
	if list == nil {
		return
	}
	q.and(column, " = ANY(", q.arg(parseUUIDs(list)), "::uuid[])")
}

func parseUUIDs(list []string) []UUID {
	parsed := make([]UUID, 0, len(list))
	for _, s := range list {
		if u, ok := ParseUUID(s); ok {
			parsed = append(parsed, u)
		}
	}
	return parsed
}

// likeEscaper makes a text match itself in a LIKE pattern.
var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// containing is the argument of an ILIKE that finds text anywhere.
func (q *query) containing(text string) string {
	return q.arg("%" + likeEscaper.Replace(text) + "%")
}

// source is one table as a list: where its rows come from and how they are ordered, newest first.
type source struct {
	from string // table and alias
	id   string // column that breaks ties and is never null
	key  string // timestamp that orders
	kind page.Kind
}

// parents are the keys a nested list is read for. A nil *parents is a root list.
type parents struct {
	keys any    // []string or []UUID
	cast string // "text[]" or "uuid[]"
	n    int
}

// parentID is how a list's WHERE refers to the parent's key.
const parentID = "p.id"

// listSQL assembles the statement of one page. The viewer's scope, the filter
// and the link to the parent are in q.where already, and only the joins those
// need are in q.joins. columns then adds what to read of each row.
//
// The first column is the gate of a root list or the parent's number of a
// nested one; then come the counts that were asked for; then the row, whose id is
// null where a parent has none. Every statement so gives at least one row a
// parent. Sizes stand in the text: with LIMIT $1 PostgreSQL plans anew at each
// execution (docs/performance.md).
func listSQL(q *query, src source, ps *parents, w *PageWant, columns func()) (string, error) {
	if !w.Rows && !w.TotalCount { // nothing but __typename: the caller's gate alone
		*q = *newQuery(q.viewer)
	}
	base := " FROM " + src.from + q.joins.String()
	scope := q.conditions()
	var outer, on, first string
	if ps == nil {
		outer, on, first = q.gated(), "NOT p.gone", "p.gone"
	} else {
		outer, on, first = q.parents(ps), "true", "p.ord"
	}
	after, before, err := q.bounds(src, w)
	if err != nil {
		return "", err
	}
	var counts []string
	if w.TotalCount {
		counts = append(counts, "(SELECT count(*)"+base+scope+") AS total")
	}
	if w.Ends && after != "" {
		counts = append(counts, "(SELECT true"+base+both(scope, "("+src.key+", "+src.id+") >= "+after)+nearest(src, " ASC")+") IS TRUE AS behind")
	}
	if w.Ends && before != "" {
		counts = append(counts, "(SELECT true"+base+both(scope, "("+src.key+", "+src.id+") <= "+before)+nearest(src, " DESC")+") IS TRUE AS ahead")
	}
	text := "SELECT " + first
	if len(counts) > 0 {
		text += ", c.*"
	}
	if w.Rows {
		text += ", r.*"
	}
	text += " FROM " + outer
	if len(counts) > 0 {
		text += " LEFT JOIN LATERAL (SELECT " + strings.Join(counts, ", ") + ") c ON " + on
	}
	if !w.Rows {
		return text, nil
	}
	columns()
	if after != "" {
		q.and("(", src.key, ", ", src.id, ") < ", after)
	}
	if before != "" {
		q.and("(", src.key, ", ", src.id, ") > ", before)
	}
	direction := " DESC"
	if w.Window.Backward {
		direction = " ASC"
	}
	return text + " LEFT JOIN LATERAL (SELECT " + q.columns.String() + " FROM " + src.from + q.joins.String() + q.conditions() +
		" ORDER BY " + src.key + direction + ", " + src.id + direction + " LIMIT " + strconv.Itoa(limit(w)) + ") r ON " + on, nil
}

// nearest takes the row next to a cursor, by the list's index. An EXISTS, which
// knows no order, read the table from its oldest row instead: 240 ms to learn
// that there is something newer than a cursor, in a million messages.
func nearest(src source, direction string) string {
	return " ORDER BY " + src.key + direction + ", " + src.id + direction + " LIMIT 1"
}

// parents is the FROM of a nested list.
func (q *query) parents(ps *parents) string {
	return "unnest(" + q.hidden(ps.keys, ps.cast) + ") WITH ORDINALITY AS p(id, ord)"
}

// limit is one row more than the page where it matters whether there is one.
func limit(w *PageWant) int {
	if w.Ends {
		return w.Window.Size + 1
	}
	return w.Window.Size
}

// bound is how many rows of a list are read at most, 0 where nobody can say.
func (w *PageWant) bound(ps *parents, filtered bool) int {
	switch {
	case filtered || w.TotalCount:
		return 0
	case ps == nil:
		return limit(w)
	}
	return ps.n * limit(w)
}

func both(where, condition string) string {
	if where == "" {
		return " WHERE " + condition
	}
	return where + " AND " + condition
}

// bounds are the window's two ends as row constructors, empty where open. They
// are checked also where no rows are wanted, but then nothing may refer to them.
func (q *query) bounds(src source, w *PageWant) (after, before string, err error) {
	if !w.Rows {
		scratch := newQuery(q.viewer)
		if _, err = scratch.bound(src, "after", w.Window.After); err == nil {
			_, err = scratch.bound(src, "before", w.Window.Before)
		}
		return "", "", err
	}
	if after, err = q.bound(src, "after", w.Window.After); err == nil {
		before, err = q.bound(src, "before", w.Window.Before)
	}
	return after, before, err
}

func (q *query) bound(src source, arg string, k *page.Key) (string, error) {
	if k == nil {
		return "", nil
	}
	if t := Time(k.Value); t < minTime || t > maxTime || k.Null {
		return "", fault.BadInput(arg, "is not a cursor of this list")
	}
	at := q.hidden(Time(k.Value), "timestamptz")
	if src.kind == page.Users {
		return "(" + at + ", " + q.hidden(k.ID, "text") + ")", nil
	}
	id, ok := ParseUUID(k.ID)
	if !ok {
		return "", fault.BadInput(arg, "is not a cursor of this list")
	}
	return "(" + at + ", " + q.hidden(id, "uuid") + ")", nil
}

// readList reads the rows of a listSQL statement into one connection a parent,
// or a single one for a root list.
func readList[T any](rows resultRows, ps *parents, w *PageWant, read func(*record, *T)) ([]Connection[T], error) {
	n := 1
	if ps != nil {
		n = ps.n
	}
	connections := make([]Connection[T], n)
	flat := make([]T, 0, expected(ps, w))
	type span struct{ parent, start int }
	spans := make([]span, 0, n)
	var r record
	for rows.Next() {
		r.row(rows)
		parent := 0
		if ps != nil {
			parent = int(r.integer()) - 1
		} else if r.boolean() {
			return nil, errGone
		}
		c := &connections[parent]
		readCounts(&r, w, &c.TotalCount, &c.HasPreviousPage, &c.HasNextPage)
		if len(spans) == 0 || spans[len(spans)-1].parent != parent {
			spans = append(spans, span{parent, len(flat)})
		}
		if !w.Rows || r.null() {
			continue
		}
		flat = append(flat, *new(T))
		read(&r, &flat[len(flat)-1])
	}
	for i, s := range spans {
		end := len(flat)
		if i+1 < len(spans) {
			end = spans[i+1].start
		}
		c := &connections[s.parent]
		c.cut(flat[s.start:end:end], w)
	}
	return connections, nil
}

// expected is room for as many rows as a list most likely has: a root list its
// whole page, a nested one a row a parent.
func expected(ps *parents, w *PageWant) int {
	switch {
	case !w.Rows:
		return 0
	case ps == nil:
		return limit(w)
	}
	return ps.n
}

func readCounts(r *record, w *PageWant, total *int64, behind, ahead *bool) {
	if w.TotalCount {
		*total = r.integer()
	}
	if w.Ends && w.Window.After != nil {
		*behind = r.boolean()
	}
	if w.Ends && w.Window.Before != nil {
		*ahead = r.boolean()
	}
}

// cut makes the rows that were read, at most one too many, into the page.
func (c *Connection[T]) cut(rows []T, w *PageWant) {
	more := len(rows) > w.Window.Size
	if more {
		rows = rows[:w.Window.Size]
	}
	if w.Window.Backward {
		slices.Reverse(rows)
		c.HasPreviousPage = c.HasPreviousPage || more
	} else {
		c.HasNextPage = c.HasNextPage || more
	}
	c.Rows = rows
}
