package store

import (
	"iter"
	"time"
)

// bucketStarts gives the starts of buckets in a zone without end: the one that
// from lies in, and all after it.
func bucketStarts(from time.Time, b Bucket, zone *time.Location) iter.Seq[time.Time] {
	from = from.In(zone)
	if b == Hour {
		return hourStarts(from)
	}
	y, m, d := from.Date()
	step := func() { d++ }
	switch b {
	case Week:
		d -= (int(from.Weekday()) + 6) % 7 // days since Monday
		step = func() { d += 7 }
	case Month:
		d = 1
		step = func() { m++ }
	}
	return func(yield func(time.Time) bool) {
		var last time.Time
		for first := true; ; step() {
			start := dayStart(y, m, d, zone)
			// A zone that changes sides of the date line leaves out a day.
			if !first && !start.After(last) {
				continue
			}
			if !yield(start) {
				return
			}
			first, last = false, start
		}
	}
}

// dayStart is the first instant of a day, which is midnight unless the clocks change then.
func dayStart(y int, m time.Month, d int, zone *time.Location) time.Time {
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC) // normalises d
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	changed, changes := t.ZoneBounds()
	if before(t, day) {
		return changes // midnight was skipped
	}
	if !changed.IsZero() {
		_, now := t.Zone()
		_, was := changed.Add(-1).Zone()
		if earlier := t.Add(time.Duration(now-was) * time.Second); earlier.Before(changed) && was > now {
			return earlier // midnight came twice
		}
	}
	return t
}

// before reports whether t's clock shows an earlier date than day.
func before(t, day time.Time) bool {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(day)
}

// hourStarts are the starts of real hours, which begin when the clock shows a
// full one. Where it is put forward or back by less than an hour, a short one leads to the next.
func hourStarts(from time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		t := from.Add(-intoHour(from))
		if changed, _ := from.ZoneBounds(); t.Before(changed) && intoHour(t) != 0 {
			t = changed
		}
		for yield(t) {
			t = t.Add(time.Hour - intoHour(t))
		}
	}
}

// intoHour is how far t's clock is past the full hour.
func intoHour(t time.Time) time.Duration {
	_, m, s := t.Clock()
	return time.Duration(m)*time.Minute + time.Duration(s)*time.Second + time.Duration(t.Nanosecond())
}
