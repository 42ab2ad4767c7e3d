package store

import (
	"context"
	"time"
	_ "time/tzdata" // zones everywhere, and the same ones

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// ActivityQuery asks for one point per bucket of a range.
type ActivityQuery struct {
	Range    TimeRange // both ends set
	Bucket   Bucket
	TimeZone string
	UserID   *string
}

// maxPoints is the most points of one answer.
const maxPoints = 1000

// Activity counts what happened in each bucket of the range: what the caller
// did, or for an analyst everyone, or the user it names.
func (s *Store) Activity(ctx context.Context, v viewer.Viewer, a ActivityQuery) ([]ActivityPoint, error) {
	if !v.SignedIn() {
		return nil, errAnonymous
	}
	starts, err := a.starts()
	if err != nil {
		return nil, err
	}
	points := make([]ActivityPoint, len(starts))
	for i := range starts {
		points[i].Start = starts[i]
	}
	err = s.analyse(ctx, v, func(l *loader) { l.activity(a, points) })
	return points, err
}

// starts are the buckets' starts, the first at or before the range's own.
func (a ActivityQuery) starts() ([]Time, error) {
	if a.Range.From == nil || a.Range.To == nil {
		return nil, fault.BadInput("range", "needs both from and to")
	}
	zone, err := zoneOf(a.TimeZone)
	if err != nil {
		return nil, err
	}
	starts := []Time{}
	for t := range bucketStarts(a.Range.From.Std(), a.Bucket, zone) {
		if TimeOf(t) >= *a.Range.To || *a.Range.From >= *a.Range.To {
			break
		}
		if len(starts) == maxPoints {
			return nil, fault.BadInput("range", "has more than %d points; ask for a shorter one or a wider bucket", maxPoints)
		}
		starts = append(starts, TimeOf(t))
	}
	return starts, nil
}

// zoneOf finds an IANA zone. The names that Go or the machine keep for the
// server's own zone are not any.
func zoneOf(name string) (*time.Location, error) {
	bad := fault.BadInput("timeZone", "is not an IANA time zone; one looks like Europe/Berlin")
	switch name {
	case "", "Local", "localtime", "posixrules":
		return nil, bad
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, bad
	}
	return zone, nil
}

// activity queues the counts of all points, which know their starts.
func (l *loader) activity(a ActivityQuery, points []ActivityPoint) {
	if len(points) == 0 {
		return
	}
	q := newQuery(l.viewer)
	owner := ""
	switch {
	case !l.viewer.Analyst():
		owner = q.me()
	case a.UserID != nil:
		owner = q.arg(*a.UserID) + "::text"
	}
	bounds := make([]Time, 0, len(points)+1)
	for _, p := range points {
		bounds = append(bounds, p.Start)
	}
	bounds[0] = *a.Range.From
	persons := "(SELECT bucket, clerk_id, " + sums + " FROM " + q.deeds(cutAt(append(bounds, *a.Range.To)...), owner) + " d GROUP BY bucket, clerk_id) x"
	q.ownOrLive("x", nil)
	text := "SELECT p.gone, r.* FROM " + q.gated() + " LEFT JOIN LATERAL (SELECT x.bucket, sum(x.messages)::bigint," +
		" sum(x.likes)::bigint, sum(x.up)::bigint, sum(x.down)::bigint, count(*) FILTER (WHERE x.messages + x.likes + x.up + x.down > 0) FROM " +
		persons + q.joins.String() + q.conditions() + " GROUP BY x.bucket) r ON NOT p.gone"
	l.counts = true
	l.level = append(l.level, statement{sql: text, args: q.args, read: func(rows resultRows) error {
		for i := range points {
			points[i] = ActivityPoint{Start: points[i].Start} // without what an earlier try had read when it broke
		}
		var r record
		for rows.Next() {
			r.row(rows)
			if r.boolean() {
				return errGone
			}
			if r.null() {
				continue
			}
			p := &points[r.integer()]
			p.Messages, p.Likes, p.FeedbackUp, p.FeedbackDown, p.ActiveUsers = r.integer(), r.integer(), r.integer(), r.integer(), r.integer()
		}
		return nil
	}})
}
