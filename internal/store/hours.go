package store

// The rollups count whole hours of UTC. A range whose ends fall inside an hour
// is answered by the rollup for the hours it holds whole and by the tables for
// the pieces at its ends, so ranges and zones of any kind are counted exactly.

const hour Time = 3_600_000_000

// slice is the part of a bucket that one source answers for: from <= t < to.
type slice struct {
	bucket   int32
	from, to Time
}

// cut is a row of buckets, taken apart by source.
type cut struct {
	whole  []slice // hours for the rollup
	pieces []slice // of hours, for the tables
}

// cutAt takes apart the buckets between the given ascending bounds.
func cutAt(bounds ...Time) cut {
	var c cut
	for i := range len(bounds) - 1 {
		c.add(int32(i), bounds[i], bounds[i+1])
	}
	return c
}

func (c *cut) add(bucket int32, from, to Time) {
	if from >= to {
		return
	}
	first, last := hourAfter(from), hourBefore(to)
	if first >= last {
		c.pieces = append(c.pieces, slice{bucket, from, to})
		return
	}
	if from < first {
		c.pieces = append(c.pieces, slice{bucket, from, first})
	}
	c.whole = append(c.whole, slice{bucket, first, last})
	if last < to {
		c.pieces = append(c.pieces, slice{bucket, last, to})
	}
}

// cut takes a single range apart.
func (r *TimeRange) cut() cut {
	from, to := always, never
	if r.From != nil {
		from = *r.From
	}
	if r.To != nil {
		to = *r.To
	}
	return cutAt(from, to)
}

// hourBefore is the last whole hour at or before t.
func hourBefore(t Time) Time {
	if t == always || t == never {
		return t
	}
	into := t % hour
	if into < 0 {
		into += hour
	}
	return t - into
}

// hourAfter is the first whole hour at or after t.
func hourAfter(t Time) Time {
	if h := hourBefore(t); h != t {
		return h + hour
	}
	return t
}

// deeds is a subquery of what people did in the cut: bucket, clerk_id and the
// four counts, several rows a person. With an owner, an expression, only of that
// person. (OFFSET 0 keeps PostgreSQL at one index range a slice: left to itself it
// read all of a person's hours and compared each with every slice, 60 ms for 4.)
func (q *query) deeds(c cut, owner string) string {
	if len(c.whole)+len(c.pieces) == 0 {
		return "(SELECT 0 AS bucket, NULL::text AS clerk_id, 0 AS messages, 0 AS likes, 0 AS up, 0 AS down WHERE false)"
	}
	of := func(alias string) string {
		if owner == "" {
			return ""
		}
		return " AND " + alias + ".clerk_id = " + owner
	}
	var text string
	union := func(part string) {
		if text != "" {
			text += " UNION ALL "
		}
		text += part
	}
	if len(c.whole) > 0 {
		s := q.slices(c.whole)
		part := func(table, at string) {
			union("SELECT s.bucket, h.* FROM " + s + " CROSS JOIN LATERAL (SELECT clerk_id, messages, likes, feedback_up AS up, feedback_down AS down FROM " +
				table + " h WHERE " + at + " >= s.lo AND " + at + " < s.hi" + of("h") + " OFFSET 0) h")
		}
		journal := "segue.unfolded_users()"
		if owner != "" {
			journal = "segue.user_changes" // by the person's own index
		}
		part("segue.activity_hourly", "hour")
		part(journal, "at")
	}
	if len(c.pieces) > 0 {
		s := q.slices(c.pieces)
		piece := func(counts, table string) {
			union("SELECT s.bucket, x.* FROM " + s + " CROSS JOIN LATERAL (SELECT clerk_id, " + counts + " FROM " + table +
				" x WHERE created_at >= s.lo AND created_at < s.hi" + of("x") + " OFFSET 0) x")
		}
		piece("1 AS messages, 0 AS likes, 0 AS up, 0 AS down", "public.chat_messages")
		piece("0, 1, 0, 0", "public.track_likes")
		piece("0, 0, (rating > 0)::int, (rating < 0)::int", "public.message_feedback")
	}
	return "(" + text + ")"
}

// slices is a table s(bucket, lo, hi) of the given slices.
func (q *query) slices(list []slice) string {
	buckets, lo, hi := make([]int32, len(list)), make([]Time, len(list)), make([]Time, len(list))
	for i, s := range list {
		buckets[i], lo[i], hi[i] = s.bucket, s.from, s.to
	}
	return "unnest(" + q.arg(buckets) + "::int[], " + q.arg(lo) + "::timestamptz[], " + q.arg(hi) + "::timestamptz[]) AS s(bucket, lo, hi)"
}
