package store

import (
	"strconv"
	"strings"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
)

// The leaderboard lists every live user in scope by rank, highest first, ties
// by id, bytewise. The rank of somebody who did nothing is the blank one.
//
// Everyone's, over all time, is read from the index of its order: the rollup's
// rows up to the end of the page, the few people with something in the journal,
// and, where those do not fill the page, people without a rank. Any other is
// ranked at the time of reading.

// place is a cursor's place in the list, as SQL.
type place struct{ rank, id string }

// side is the condition that a row lies after the place (ranks "<", ids ">") or
// before it. It is an index range on (rank DESC, id) that ends with a filter on ties.
func (p place) side(rank, id, ranks, ids string) string {
	return rank + " " + ranks + "= " + p.rank + " AND (" + rank + " " + ranks + " " + p.rank +
		" OR " + id + ` COLLATE "C" ` + ids + " " + p.id + ")"
}

// part says which rows of the list are meant: those that hold all conditions,
// given the expressions of a row's rank and id.
type part []func(rank, id string) string

func (p part) conditions(rank, id string) string {
	var text strings.Builder
	for _, condition := range p {
		text.WriteString(" AND ")
		text.WriteString(condition(rank, id))
	}
	return text.String()
}

// board makes the SQL of a leaderboard.
type board struct {
	q    *query
	list *UserStatsList
}

// blank is the rank of those who did nothing.
func (b *board) blank() string {
	if b.list.OrderBy == ByLastActiveAt {
		return "'-infinity'::timestamptz"
	}
	return "0::bigint"
}

// stored is the rollup's column for the rank, each with an index of its own.
func (b *board) stored() string {
	switch b.list.OrderBy {
	case ByLikedTracks:
		return "t.likes"
	case ByLastActiveAt:
		return "t.last_active_at"
	}
	return "t.messages"
}

// order sorts by rank and id, against the list's direction where the window is a last one.
func (b *board) order(rank, id string, backward bool) string {
	if backward {
		return " ORDER BY " + rank + " ASC, " + id + ` COLLATE "C" DESC`
	}
	return " ORDER BY " + rank + " DESC, " + id + ` COLLATE "C" ASC`
}

// at is the place of a cursor.
func (b *board) at(arg string, k *page.Key) (place, error) {
	bad := fault.BadInput(arg, "is not a cursor of this list")
	p := place{id: b.q.arg(k.ID) + "::text"}
	if b.list.OrderBy != ByLastActiveAt {
		if k.Null || k.Value < 0 {
			return p, bad
		}
		p.rank = b.q.arg(k.Value) + "::bigint"
		return p, nil
	}
	t := Time(k.Value)
	switch {
	case k.Null:
		t = always
	case t < minTime || t > maxTime:
		return p, bad
	}
	p.rank = b.q.arg(t) + "::timestamptz"
	return p, nil
}

// people is the FROM and WHERE of the users in scope.
func (b *board) people() (from, where string) {
	sub := &query{viewer: b.q.viewer, args: b.q.args, meArg: b.q.meArg}
	sub.liveUser("u", false)
	sub.numbers("u.id")
	sub.ids("u.id", b.list.UserIDs)
	b.q.args, b.q.meArg = sub.args, sub.meArg
	return " FROM neon_auth.users_sync u", sub.conditions()
}

// rows is a SELECT of the given part's first rows: id, the numbers, and the rank.
func (b *board) rows(p part, backward bool, limit int) string {
	if b.q.viewer.Analyst() && b.list.UserIDs == nil && b.list.Range == nil {
		return b.ranked(p, backward, limit)
	}
	from, where := b.people()
	var n numbers
	if b.q.viewer.Analyst() && b.list.UserIDs == nil {
		n = b.q.numbersOfAll("u.id", b.list.Range, b.list.span())
	} else {
		n = b.q.numbersOf("u.id", "true", b.list.Range, b.list.span())
	}
	rank := n.rank(b.list.OrderBy)
	return "SELECT u.id, " + n.columns() + ", " + rank + " AS rank" + from + n.joins + where + p.conditions(rank, "u.id") +
		b.order("rank", "u.id", backward) + " LIMIT " + strconv.Itoa(limit)
}

// ranked is rows for everyone over all time.
func (b *board) ranked(p part, backward bool, limit int) string {
	n := totalled("c.clerk_id", b.list.span())
	stored := b.stored()
	const folded = "t.messages, t.likes, t.feedback_up, t.feedback_down, t.first_active_at, t.last_active_at"
	size := " LIMIT " + strconv.Itoa(limit)
	blank := b.blank()
	// No rank is below the blank one. Said as > beside a cursor's <=, it makes a
	// range, of which PostgreSQL expects so few rows that it sorts them all.
	above, enough := " > ", ""
	if !backward {
		enough = " AND (SELECT count(*) FROM ranked) < " + strconv.Itoa(limit)
		if len(p) > 0 {
			above = " <> "
		}
	}
	return `WITH changed (id, messages, likes, up, down, first_at, last_at, rank) AS MATERIALIZED (
  SELECT c.clerk_id, ` + n.columns() + `, ` + n.rank(b.list.OrderBy) + `
  FROM (SELECT clerk_id, ` + journal + ` FROM segue.unfolded_users() GROUP BY clerk_id) c LEFT JOIN segue.user_totals t ON t.clerk_id = c.clerk_id
), ranked AS MATERIALIZED (
  (SELECT t.clerk_id AS id, ` + folded + `, ` + stored + ` AS rank FROM segue.user_totals t JOIN neon_auth.users_sync u ON u.id = t.clerk_id
   WHERE u.deleted_at IS NULL AND ` + stored + above + blank + ` AND t.clerk_id NOT IN (SELECT id FROM changed)` + p.conditions(stored, "t.clerk_id") +
		b.order(stored, "t.clerk_id", backward) + size + `)
  UNION ALL
  (SELECT c.* FROM changed c JOIN neon_auth.users_sync u ON u.id = c.id
   WHERE u.deleted_at IS NULL AND c.rank > ` + blank + p.conditions("c.rank", "c.id") + `)
), unranked AS (
  SELECT u.id, coalesce(c.messages, t.messages, 0), coalesce(c.likes, t.likes, 0), coalesce(c.up, t.feedback_up, 0), coalesce(c.down, t.feedback_down, 0),
    CASE WHEN c.id IS NULL THEN t.first_active_at ELSE c.first_at END, CASE WHEN c.id IS NULL THEN t.last_active_at ELSE c.last_at END, ` + blank + `
  FROM neon_auth.users_sync u LEFT JOIN segue.user_totals t ON t.clerk_id = u.id LEFT JOIN changed c ON c.id = u.id
  WHERE u.deleted_at IS NULL AND coalesce(c.rank, ` + stored + `, ` + blank + `) = ` + blank + p.conditions(blank, "u.id") + enough +
		b.order(blank, "u.id", backward) + size + `
) SELECT * FROM (SELECT * FROM ranked UNION ALL SELECT * FROM unranked) r` + b.order("rank", "id", backward) + size
}

// journalRows is about what the journal holds at most (migrations/00003_rollups.sql).
const journalRows = 300

// bound is how many rows the page is made of at most, 0 where nobody can say.
func (l *UserStatsList) bound() int {
	if l.UserIDs != nil || l.Range != nil || l.TotalCount {
		return 0
	}
	return limit(&l.PageWant) + journalRows
}

// userStats queues a page of the leaderboard.
func (l *loader) userStats(list *UserStatsList, done func([]Connection[UserStats])) {
	b := &board{q: newQuery(l.viewer), list: list}
	text, err := b.page()
	if err != nil {
		l.err = err
		return
	}
	l.counts = l.counts || list.TotalCount || list.Range != nil
	l.level = append(l.level, statement{rows: list.bound(), sql: text, args: b.q.args, read: func(rows resultRows) error {
		cs, err := readList(rows, nil, &list.PageWant, func(r *record, s *UserStats) {
			s.User = &User{ID: r.text()}
			if r.stats(s); list.User.row() {
				r.user(list.User, s.User)
			}
		})
		if err != nil {
			return err
		}
		done(cs)
		if list.User != nil {
			l.belowUsers(list.User, edges(rowsOf(cs), func(s *UserStats) *User { return s.User }))
		}
		return nil
	}})
}

// page is the whole statement, in the form that readList reads.
func (b *board) page() (string, error) {
	q, w := b.q, &b.list.PageWant
	columns, from := "p.gone", " FROM "+q.gated()
	var counts []string
	if w.TotalCount {
		people, where := b.people()
		counts = append(counts, "(SELECT count(*)"+people+where+") AS total")
	}
	var in part
	bound := func(arg string, k *page.Key, ranks, ids, othersRanks, othersIDs, flag string) error {
		if k == nil {
			return nil
		}
		at, err := b.at(arg, k)
		if err != nil {
			return err
		}
		in = append(in, func(rank, id string) string { return at.side(rank, id, ranks, ids) })
		if w.Ends {
			outside := part{func(rank, id string) string { return at.side(rank, id, othersRanks, othersIDs) }}
			counts = append(counts, "EXISTS ("+b.rows(outside, false, 1)+") AS "+flag)
		}
		return nil
	}
	if err := bound("after", w.Window.After, "<", ">", ">", "<=", "behind"); err != nil {
		return "", err
	}
	if err := bound("before", w.Window.Before, ">", "<", "<", ">=", "ahead"); err != nil {
		return "", err
	}
	if len(counts) > 0 {
		columns += ", c.*"
		from += " LEFT JOIN LATERAL (SELECT " + strings.Join(counts, ", ") + ") c ON NOT p.gone"
	}
	if !w.Rows {
		return "SELECT " + columns + from, nil
	}
	rows := b.rows(in, w.Window.Backward, limit(w))
	columns += ", r.id, r.messages, r.likes, r.up, r.down, r.first_at, r.last_at"
	from += " LEFT JOIN LATERAL (" + rows + ") r (id, messages, likes, up, down, first_at, last_at, rank) ON NOT p.gone"
	if b.list.User.row() {
		from += " LEFT JOIN neon_auth.users_sync u ON u.id = r.id"
		q.selectUser("u", b.list.User)
		columns += ", " + q.columns.String()
	}
	return "SELECT " + columns + from + b.order("r.rank", "r.id", w.Window.Backward), nil
}
