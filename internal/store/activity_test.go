package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

// Buckets start where the contract says, whatever the zone's clocks do.
func TestActivityBuckets(t *testing.T) {
	t.Parallel()
	s := store.New(store.Config{Pool: testdb.Pool(t, testdb.Plain)})
	for _, c := range []struct {
		name, zone, from, to string
		bucket               store.Bucket
		points               int
		first, second        string
	}{
		{"days", "UTC", "2026-03-01T10:00:00Z", "2026-03-03T00:00:00Z", store.Day, 2, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"},
		{"short day", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z", store.Day, 2, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"25 hours", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", store.Hour, 25, "2026-10-24T22:00:00Z", "2026-10-24T23:00:00Z"},
		{"23 hours", "America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", store.Hour, 23, "2026-03-08T05:00:00Z", "2026-03-08T06:00:00Z"},
		{"half-hour zone", "Asia/Kolkata", "2026-01-01T00:10:00Z", "2026-01-01T02:00:00Z", store.Hour, 3, "2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z"},
		{"quarter-hour zone", "Asia/Kathmandu", "2026-01-01T00:10:00Z", "2026-01-03T00:00:00Z", store.Day, 3, "2025-12-31T18:15:00Z", "2026-01-01T18:15:00Z"},
		{"half an hour back", "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T17:00:00Z", store.Hour, 4, "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z"},
		{"no midnight", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-24T12:00:00Z", store.Day, 2, "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z"},
		{"two midnights", "America/Havana", "2026-10-31T12:00:00Z", "2026-11-01T12:00:00Z", store.Day, 2, "2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z"},
		{"no 30 December", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z", store.Day, 3, "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		{"weeks start on Monday", "UTC", "2026-03-01T10:00:00Z", "2026-03-03T00:00:00Z", store.Week, 2, "2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"},
		{"months", "America/Los_Angeles", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", store.Month, 2, "2026-02-01T08:00:00Z", "2026-03-01T08:00:00Z"},
		{"before 1970", "UTC", "1969-12-31T23:30:00Z", "1970-01-01T00:30:00Z", store.Hour, 2, "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z"},
		{"the most there are", "UTC", "2026-01-01T00:00:00Z", "2026-02-11T16:00:00Z", store.Hour, 1000, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			points, err := s.Activity(t.Context(), analyst, store.ActivityQuery{
				Range: store.TimeRange{From: when(c.from), To: when(c.to)}, Bucket: c.bucket, TimeZone: c.zone})
			if err != nil {
				t.Fatal(err)
			}
			if len(points) != c.points || points[0].Start != *when(c.first) || points[1].Start != *when(c.second) {
				t.Errorf("%d points from %s, %s; want %d from %s, %s", len(points), points[0].Start.Std(), points[1].Start.Std(), c.points, c.first, c.second)
			}
		})
	}
}

func TestActivityRefusesBadInput(t *testing.T) {
	t.Parallel()
	s := store.New(store.Config{Pool: testdb.Pool(t, testdb.Plain)})
	from, to := when("2026-01-01T00:00:00Z"), when("2026-02-11T16:00:01Z")
	for _, c := range []struct {
		name, zone, field string
		in                store.TimeRange
	}{
		{"no from", "UTC", "range", store.TimeRange{To: to}},
		{"no to", "UTC", "range", store.TimeRange{From: from}},
		{"1,001 points", "UTC", "range", store.TimeRange{From: from, To: to}},
		{"unknown zone", "Mars/Olympus", "timeZone", store.TimeRange{From: from, To: from}},
		{"the server's zone", "Local", "timeZone", store.TimeRange{From: from, To: from}},
		{"no zone", "", "timeZone", store.TimeRange{From: from, To: from}},
		{"a path", "../../etc/passwd", "timeZone", store.TimeRange{From: from, To: from}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Activity(t.Context(), analyst, store.ActivityQuery{Range: c.in, Bucket: store.Hour, TimeZone: c.zone})
			f, ok := err.(*fault.Error)
			if !ok || f.Code != fault.BadUserInput || f.Field != c.field {
				t.Errorf("%v", err)
			}
		})
	}
}

// Every point counts exactly the rows between its start and the next one's, in
// range, in zones of all kinds, folded or not.
func TestActivityEqualsRecount(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Neon)
	s := store.New(store.Config{Pool: pool})
	addPeople(t, pool)
	r := rand.New(rand.NewPCG(9, 10))
	for range 150 {
		if err := write(t.Context(), r, pool); err != nil && !contended(err) {
			t.Fatal(err)
		}
	}
	deeds := deedsOf(t, pool)
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham"}
	for range 150 {
		a := store.ActivityQuery{Bucket: pick(r, []store.Bucket{store.Hour, store.Day, store.Week, store.Month}), TimeZone: pick(r, zones)}
		from := store.Time(1_750_000_000_000_000 + r.Int64N(600*24)*3_600_000_000/8 + r.Int64N(3)*r.Int64N(3_600_000_000))
		to := from + store.Time(1+r.Int64N(900)*3_600_000_000+r.Int64N(2)*r.Int64N(3_600_000_000))
		a.Range = store.TimeRange{From: &from, To: &to}
		if r.IntN(3) == 0 {
			id := pick(r, people)
			a.UserID = &id
		}
		points, err := s.Activity(t.Context(), analyst, a)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(counted(deeds, points, a), points); diff != "" {
			t.Fatalf("%s in %s from %s to %s: %s", a.Bucket, a.TimeZone, from.Std(), to.Std(), diff)
		}
	}
	// The last week of the random rows, by the hour and in its own time: something was counted at all.
	from, to := store.Time(1_750_000_000_000_000), store.Time(1_750_000_000_000_000+900*3_600_000_000)
	points, err := s.Activity(t.Context(), analyst, store.ActivityQuery{Range: store.TimeRange{From: &from, To: &to}, Bucket: store.Day, TimeZone: "UTC"})
	if err != nil || !slices.ContainsFunc(points, func(p store.ActivityPoint) bool { return p.Messages > 0 && p.ActiveUsers > 0 }) {
		t.Errorf("nothing was counted: %v, %v", points, err)
	}
}

// counted fills the same points from single rows.
func counted(deeds []deed, points []store.ActivityPoint, a store.ActivityQuery) []store.ActivityPoint {
	want := make([]store.ActivityPoint, len(points))
	for i := range points {
		end := *a.Range.To
		if i+1 < len(points) {
			end = points[i+1].Start
		}
		want[i].Start = points[i].Start
		active := map[string]bool{}
		for _, d := range deeds {
			if d.when < max(points[i].Start, *a.Range.From) || d.when >= end || a.UserID != nil && d.who != *a.UserID {
				continue
			}
			active[d.who] = true
			switch d.kind {
			case "m":
				want[i].Messages++
			case "l":
				want[i].Likes++
			case "u":
				want[i].FeedbackUp++
			case "d":
				want[i].FeedbackDown++
			}
		}
		want[i].ActiveUsers = int64(len(active))
	}
	return want
}
