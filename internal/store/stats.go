package store

import "github.com/jackc/pgx/v5"

// UserStats is what one user did, in numbers.
type UserStats struct {
	UserID        string
	User          *User
	MessageCount  int64
	LikedTracks   int64
	FeedbackUp    int64
	FeedbackDown  int64
	FirstActiveAt *Time
	LastActiveAt  *Time
}

// stats queues the numbers of the given users, in their order: zeros and nulls where there is nothing to see.
func (l *loader) stats(r *TimeRange, users []string, done func([]UserStats)) {
	q := newQuery(l.viewer)
	keys := q.arg(users)
	mine := "true"
	if !l.viewer.Analyst() {
		mine = "p.id = " + q.me()
	}
	part := func(table, extra string) string {
		sub := newQuery(l.viewer)
		sub.args = q.args
		sub.and("x.clerk_id = p.id AND ", mine)
		sub.within("x.created_at", r)
		text := "(SELECT count(*) AS n" + extra + ", min(x.created_at) AS lo, max(x.created_at) AS hi FROM " + table + " x" + sub.conditions() + ")"
		q.args = sub.args
		return text
	}
	text := "SELECT p.ord, m.n, l.n, f.up, f.n - f.up, least(m.lo, l.lo, f.lo), greatest(m.hi, l.hi, f.hi) FROM unnest(" + keys +
		"::text[]) WITH ORDINALITY AS p(id, ord), LATERAL " + part("public.chat_messages", "") + " m, LATERAL " +
		part("public.track_likes", "") + " l, LATERAL " + part("public.message_feedback", ", count(*) FILTER (WHERE x.rating > 0) AS up") + " f"
	l.level = append(l.level, statement{text, q.args, func(rows pgx.Rows) error {
		stats := make([]UserStats, len(users))
		for rows.Next() {
			r := record{values: rows.RawValues()}
			s := &stats[r.integer()-1]
			s.MessageCount, s.LikedTracks, s.FeedbackUp, s.FeedbackDown = r.integer(), r.integer(), r.integer(), r.integer()
			s.FirstActiveAt, s.LastActiveAt = r.timeOrNull(), r.timeOrNull()
		}
		for i := range stats {
			stats[i].UserID = users[i]
		}
		done(stats)
		return nil
	}})
}
