package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/viewer"
)

// UserStatsList is a page of the leaderboard with what to read of each user.
type UserStatsList struct {
	PageWant
	UserIDs []string
	Range   *TimeRange
	OrderBy UserStatsOrder
	User    *UserWant // nil: nothing of the user
}

// ActivityQuery asks for one point per bucket of a range.
type ActivityQuery struct {
	Range    TimeRange // both ends set
	Bucket   Bucket
	TimeZone string
	UserID   *string
}

// UserStats is a page of people's numbers: everyone's for an analyst, the caller's own otherwise.
func (s *Store) UserStats(ctx context.Context, v viewer.Viewer, list *UserStatsList) (*Connection[UserStats], error) {
	panic("helper rollups writes this")
}

// Activity counts what happened in each bucket of the range.
func (s *Store) Activity(ctx context.Context, v viewer.Viewer, a ActivityQuery) ([]ActivityPoint, error) {
	panic("helper rollups writes this")
}

// TopTracks are the most liked tracks, first of them at most.
func (s *Store) TopTracks(ctx context.Context, v viewer.Viewer, r *TimeRange, first int) ([]TopTrack, error) {
	panic("helper rollups writes this")
}

// stats queues the numbers of the given users, in their order: zeros and nulls where there is nothing to see.
func (l *loader) stats(w *StatsWant, users []string, done func([]UserStats)) {
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
		sub.within("x.created_at", w.Range)
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
			stats[i].User = &User{ID: users[i]}
		}
		done(stats)
		return nil
	}})
}
