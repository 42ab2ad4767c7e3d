package store

import (
	"context"
	"strconv"

	"github.com/ai-dj/segue/internal/viewer"
)

// TopTracks are the tracks that most live users like, first of them at most: of
// everyone and for any signed-in caller.
func (s *Store) TopTracks(ctx context.Context, v viewer.Viewer, r *TimeRange, first int) ([]TopTrack, error) {
	var tracks []TopTrack
	err := s.analyse(ctx, v, func(l *loader) {
		l.topTracks(r, first, func(found []TopTrack) { tracks = found })
	})
	return tracks, err
}

func (l *loader) topTracks(r *TimeRange, first int, done func([]TopTrack)) {
	q := newQuery(l.viewer)
	size := ` LIMIT ` + strconv.Itoa(first)
	top := topOfAllTime(size)
	if r != nil {
		top = q.topWithin(r, size)
	}
	newest := newQuery(l.viewer)
	newest.live("l")
	newest.and("l.track_id = top.track_id")
	text := "SELECT p.gone, top.track_id, l.title, l.artist, top.likes FROM " + q.gated() +
		" LEFT JOIN LATERAL (" + top + ") top ON NOT p.gone" +
		" LEFT JOIN LATERAL (SELECT l.title, l.artist FROM public.track_likes l" + newest.joins.String() + newest.conditions() +
		" ORDER BY l.created_at DESC, l.id DESC LIMIT 1) l ON true" +
		` ORDER BY top.likes DESC, top.track_id COLLATE "C"`
	l.counts = l.counts || r != nil
	l.level = append(l.level, statement{sql: text, args: q.args, read: func(rows resultRows) error {
		tracks := make([]TopTrack, 0, first)
		var r record
		for rows.Next() {
			r.row(rows)
			if r.boolean() {
				return errGone
			}
			if !r.null() {
				tracks = append(tracks, TopTrack{TrackID: r.text(), Title: r.textOrNull(), Artist: r.textOrNull(), Likes: r.integer()})
			}
		}
		done(tracks)
		return nil
	}})
}

// topOfAllTime reads the rollup's index. It counts everyone's likes; what the
// journal holds, and what deleted people who are not erased yet had liked, is
// few, and comes off here.
func topOfAllTime(size string) string {
	const order = ` ORDER BY likes DESC, track_id COLLATE "C"`
	return `WITH touched AS MATERIALIZED (SELECT c.track_id, coalesce(t.likes, 0) + c.likes AS likes
  FROM (SELECT track_id, sum(likes) AS likes FROM (
      SELECT track_id, likes FROM segue.unfolded_tracks()
      UNION ALL
      SELECT l.track_id, -1 FROM neon_auth.users_sync d JOIN public.track_likes l ON l.clerk_id = d.id WHERE d.deleted_at IS NOT NULL
    ) x GROUP BY track_id) c LEFT JOIN segue.track_totals t ON t.track_id = c.track_id
) SELECT track_id, likes FROM (
  (SELECT track_id, likes FROM segue.track_totals WHERE likes > 0 AND track_id NOT IN (SELECT track_id FROM touched)` + order + size + `)
  UNION ALL
  SELECT track_id, likes FROM touched WHERE likes > 0
) x` + order + size
}

// topWithin counts the likes of a range, from the table.
func (q *query) topWithin(r *TimeRange, size string) string {
	sub := &query{viewer: q.viewer, args: q.args, meArg: q.meArg}
	sub.live("l")
	sub.within("l.created_at", r)
	q.args = sub.args
	return "SELECT l.track_id, count(*) AS likes FROM public.track_likes l" + sub.joins.String() + sub.conditions() +
		` GROUP BY l.track_id ORDER BY likes DESC, l.track_id COLLATE "C"` + size
}
