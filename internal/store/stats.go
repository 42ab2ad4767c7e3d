package store

import (
	"context"

	"github.com/ai-dj/segue/internal/viewer"
)

// UserStatsList is a page of the leaderboard with what to read of each user.
type UserStatsList struct {
	PageWant
	UserIDs []string
	Range   *TimeRange
	OrderBy UserStatsOrder
	Span    bool      // the first and last deed too
	User    *UserWant // nil: nothing of the user
}

// span reports whether the first and last deed are needed, to show or to sort by.
func (l *UserStatsList) span() bool { return l.Span || l.OrderBy == ByLastActiveAt }

// UserStats is a page of people's numbers: everyone's for an analyst, the caller's own otherwise.
func (s *Store) UserStats(ctx context.Context, v viewer.Viewer, list *UserStatsList) (*Connection[UserStats], error) {
	var page *Connection[UserStats]
	err := s.analyse(ctx, v, func(l *loader) {
		l.userStats(list, func(cs []Connection[UserStats]) { page = &cs[0] })
	})
	return page, err
}

// numbers is how one person's numbers are found from an id: joins to add to a
// FROM, and the expressions to select. A total is its row and what the journal
// still holds of it (migrations/00003_rollups.sql); both are read in one snapshot.
type numbers struct {
	joins                     string
	messages, likes, up, down string
	first, last               string
}

// columns are the expressions in the order that record.stats reads them.
func (n *numbers) columns() string {
	return n.messages + ", " + n.likes + ", " + n.up + ", " + n.down + ", " + n.first + ", " + n.last
}

// rank is the expression that an order sorts by, never null.
func (n *numbers) rank(by UserStatsOrder) string {
	switch by {
	case ByLikedTracks:
		return n.likes
	case ByLastActiveAt:
		return "coalesce(" + n.last + ", '-infinity')"
	}
	return n.messages
}

// journal is a person's changes that are not folded yet, added up. Where one of
// them took something away, the first and last deed are not to be had from it.
const journal = "coalesce(sum(messages), 0) AS messages, coalesce(sum(likes), 0) AS likes, coalesce(sum(feedback_up), 0) AS up, " +
	"coalesce(sum(feedback_down), 0) AS down, min(at) AS lo, max(at) AS hi, " +
	"coalesce(bool_or(least(messages, likes, feedback_up, feedback_down) < 0), false) AS removed"

// noSpan stands for a first or last deed that nobody wants: planning and running
// the sub-selects behind them costs more than all the rest.
const noSpan = "NULL::timestamptz"

// totalled are the expressions over a user_totals row t and its journal c, of
// the person with the given id; the first and last deed only for a span.
func totalled(id string, span bool) numbers {
	active := func(column, end, stored string) string {
		return "CASE WHEN c.removed THEN (SELECT " + column + " FROM segue.active_span(" + id + ")) ELSE " + end + "(t." + stored + ", c."
	}
	n := numbers{
		messages: "coalesce(t.messages, 0) + c.messages", likes: "coalesce(t.likes, 0) + c.likes",
		up: "coalesce(t.feedback_up, 0) + c.up", down: "coalesce(t.feedback_down, 0) + c.down",
		first: noSpan, last: noSpan,
	}
	if span {
		n.first = active("first_at", "least", "first_active_at") + "lo) END"
		n.last = active("last_at", "greatest", "last_active_at") + "hi) END"
	}
	return n
}

// numbersOf finds the numbers of the person whose id is the expression id,
// where the condition mine holds; everything is zero where it does not.
func (q *query) numbersOf(id, mine string, r *TimeRange, span bool) numbers {
	if r != nil {
		return q.numbersWithin(id, mine, r, span, " CROSS JOIN LATERAL (SELECT "+sums+" FROM "+q.deeds(r.cut(), id)+" d WHERE "+mine+") n")
	}
	n := totalled(id, span)
	n.joins = " LEFT JOIN segue.user_totals t ON t.clerk_id = " + id + " AND " + mine +
		" CROSS JOIN LATERAL (SELECT " + journal + " FROM segue.user_changes WHERE clerk_id = " + id + " AND " + mine + ") c"
	return n
}

// numbersOfAll is numbersOf within a range for so many people that counting everyone is cheaper.
func (q *query) numbersOfAll(id string, r *TimeRange, span bool) numbers {
	return q.numbersWithin(id, "true", r, span,
		" LEFT JOIN (SELECT clerk_id, "+sums+" FROM "+q.deeds(r.cut(), "")+" d GROUP BY clerk_id) n ON n.clerk_id = "+id)
}

// sums adds up deeds.
const sums = "sum(messages) AS messages, sum(likes) AS likes, sum(up) AS up, sum(down) AS down"

func (q *query) numbersWithin(id, mine string, r *TimeRange, span bool, joins string) numbers {
	end := func(outer, inner string) string {
		if !span {
			return noSpan
		}
		text := outer + "("
		for i, table := range []string{"public.chat_messages", "public.track_likes", "public.message_feedback"} {
			sub := &query{viewer: q.viewer, args: q.args, meArg: q.meArg}
			sub.and("x.clerk_id = ", id)
			sub.and(mine)
			sub.within("x.created_at", r)
			q.args = sub.args
			if i > 0 {
				text += ", "
			}
			text += "(SELECT " + inner + "(x.created_at) FROM " + table + " x" + sub.conditions() + ")"
		}
		return text + ")"
	}
	return numbers{
		joins:    joins,
		messages: "coalesce(n.messages, 0)", likes: "coalesce(n.likes, 0)", up: "coalesce(n.up, 0)", down: "coalesce(n.down, 0)",
		first: end("least", "min"), last: end("greatest", "max"),
	}
}

// stats reads the columns of numbers.
func (r *record) stats(s *UserStats) {
	s.MessageCount, s.LikedTracks, s.FeedbackUp, s.FeedbackDown = r.integer(), r.integer(), r.integer(), r.integer()
	s.FirstActiveAt, s.LastActiveAt = r.timeOrNull(), r.timeOrNull()
}

// numbers reads the columns of numbers that stand beside the user's own.
func (r *record) numbers(w *UserWant, u *User) {
	n := &UserStats{User: &User{ID: u.ID}}
	r.stats(n)
	for i := range w.Stats {
		put(&u.Stats, len(w.Stats), i, n)
	}
}

// stats queues the numbers of the given users, in their order: zeros and nulls where there is nothing to see.
func (l *loader) stats(w *StatsWant, users []string, done func([]UserStats)) {
	q := newQuery(l.viewer)
	outer := q.parents(&parents{keys: users, cast: "text[]"})
	n := q.numbersOf("p.id", q.mine("p.id"), w.Range, w.Span)
	q.column("p.ord, ", n.columns())
	if w.User.row() {
		n.joins += " LEFT JOIN neon_auth.users_sync u ON u.id = p.id"
		q.selectUser("u", w.User)
	}
	text := "SELECT " + q.columns.String() + " FROM " + outer + n.joins
	rows := len(users)
	if w.Range != nil {
		rows = 0 // as many as they did in it
	}
	l.counts = l.counts || w.Range != nil
	l.level = append(l.level, statement{rows: rows, sql: text, args: q.args, read: func(rows resultRows) error {
		stats := make([]UserStats, len(users))
		for i := range stats {
			stats[i].User = &User{ID: users[i]}
		}
		var r record
		for rows.Next() {
			r.row(rows)
			s := &stats[r.integer()-1]
			if r.stats(s); w.User.row() {
				r.user(w.User, s.User)
			}
		}
		done(stats)
		if w.User != nil {
			l.belowUsers(w.User, edges(pointers(stats), func(s *UserStats) *User { return s.User }))
		}
		return nil
	}})
}

func pointers[T any](rows []T) []*T {
	list := make([]*T, len(rows))
	for i := range rows {
		list[i] = &rows[i]
	}
	return list
}
