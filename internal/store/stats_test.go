package store_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

var (
	analyst    = viewer.Key("k")
	everything = store.PageWant{Window: page.Window{Size: 100}, Rows: true, TotalCount: true, Ends: true}
)

func userStats(t *testing.T, pool *pgxpool.Pool, list *store.UserStatsList) []store.UserStats {
	t.Helper()
	c, err := store.New(store.Config{Pool: pool}).UserStats(t.Context(), analyst, list)
	if err != nil {
		t.Fatal(err)
	}
	return c.Rows
}

// deed is one row of the three tables.
type deed struct {
	who   string
	when  store.Time
	kind  string // "m", "l", "u", "d"
	track string
}

// deedsOf reads everything that live users did.
func deedsOf(t *testing.T, pool *pgxpool.Pool) []deed {
	t.Helper()
	rows, err := pool.Query(t.Context(), `select clerk_id, case created_at when 'infinity' then $1 when '-infinity' then $2
		  else (extract(epoch from created_at) * 1000000)::bigint end, kind, track from (
		select clerk_id, created_at, 'm' as kind, '' as track from chat_messages
		union all select clerk_id, created_at, 'l', track_id from track_likes
		union all select clerk_id, created_at, case when rating > 0 then 'u' else 'd' end, '' from message_feedback) x
		where exists (select from neon_auth.users_sync u where u.id = x.clerk_id and deleted_at is null)`, lastTime, firstTime)
	if err != nil {
		t.Fatal(err)
	}
	deeds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d deed, err error) {
		var when int64
		err = row.Scan(&d.who, &when, &d.kind, &d.track)
		d.when = store.Time(when)
		return d, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return deeds
}

// Infinities read as the first and last instants that RFC 3339 can write.
var (
	firstTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()
)

func within(d deed, r *store.TimeRange) bool {
	return r == nil || (r.From == nil || d.when >= *r.From) && (r.To == nil || d.when < *r.To)
}

// ranked is the leaderboard as the contract tells it, computed row by row.
func ranked(deeds []deed, ids []string, r *store.TimeRange, by store.UserStatsOrder) []store.UserStats {
	var all []store.UserStats
	for _, id := range ids {
		s := store.UserStats{User: &store.User{ID: id}}
		for _, d := range deeds {
			if d.who != id || !within(d, r) {
				continue
			}
			switch d.kind {
			case "m":
				s.MessageCount++
			case "l":
				s.LikedTracks++
			case "u":
				s.FeedbackUp++
			case "d":
				s.FeedbackDown++
			}
			when := d.when
			if s.FirstActiveAt == nil || when < *s.FirstActiveAt {
				s.FirstActiveAt = &when
			}
			if s.LastActiveAt == nil || when > *s.LastActiveAt {
				s.LastActiveAt = &when
			}
		}
		all = append(all, s)
	}
	rank := func(s store.UserStats) int64 {
		switch {
		case by == store.ByMessageCount:
			return s.MessageCount
		case by == store.ByLikedTracks:
			return s.LikedTracks
		case s.LastActiveAt == nil:
			return firstTime - 1
		}
		return int64(*s.LastActiveAt)
	}
	slices.SortFunc(all, func(a, b store.UserStats) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a.User.ID, b.User.ID))
	})
	return all
}

var orders = []store.UserStatsOrder{store.ByMessageCount, store.ByLikedTracks, store.ByLastActiveAt}

// statsEqualRecount compares every statistic there is with one that is counted row by row.
func statsEqualRecount(t *testing.T, pool *pgxpool.Pool, r *rand.Rand) {
	t.Helper()
	s := store.New(store.Config{Pool: pool})
	ctx := t.Context()
	deeds := deedsOf(t, pool)
	finite := slices.DeleteFunc(slices.Clone(deeds), func(d deed) bool { return int64(d.when) == firstTime || int64(d.when) == lastTime })
	ranges := []*store.TimeRange{nil, {}, randomRange(r), randomRange(r)}
	for _, in := range ranges {
		of := deeds
		if in != nil {
			of = finite // what happens for ever is in no range with an end
		}
		for _, by := range orders {
			if in != nil && hasInfinite(deeds) && (in.From == nil || in.To == nil) {
				continue
			}
			want := ranked(of, people, in, by)
			got := userStats(t, pool, &store.UserStatsList{Span: true, PageWant: everything, Range: in, OrderBy: by})
			same(t, "userStats by "+string(by), got, want)
			some := people[1:4]
			got = userStats(t, pool, &store.UserStatsList{Span: true, PageWant: everything, UserIDs: some, Range: in, OrderBy: by})
			same(t, "userStats of some by "+string(by), got, ranked(of, some, in, by))
		}
		if in != nil && hasInfinite(deeds) && (in.From == nil || in.To == nil) {
			continue
		}
		for _, one := range ranked(of, people, in, store.ByMessageCount) {
			u, err := s.User(ctx, analyst, one.User.ID, &store.UserWant{Stats: []*store.StatsWant{{Span: true, Range: in}}})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "stats", []store.UserStats{*u.Stats[0]}, []store.UserStats{one})
			break
		}
		tracks, err := s.TopTracks(ctx, analyst, in, 5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(top(of, in, 5), tracks, cmpopts.IgnoreFields(store.TopTrack{}, "Title", "Artist"), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("topTracks: %s", diff)
		}
	}
}

func hasInfinite(deeds []deed) bool {
	return slices.ContainsFunc(deeds, func(d deed) bool { return int64(d.when) == firstTime || int64(d.when) == lastTime })
}

// randomRange has ends on whole hours, within hours, or none.
func randomRange(r *rand.Rand) *store.TimeRange {
	end := func() *store.Time {
		t := store.Time(1_750_000_000_000_000 + r.Int64N(40_000)*1_000_000*900)
		switch r.IntN(4) {
		case 0:
			return nil
		case 1:
			t += store.Time(r.Int64N(3_600_000_000))
		case 2:
			t -= t % 3_600_000_000
		}
		return &t
	}
	return &store.TimeRange{From: end(), To: end()}
}

func same(t *testing.T, what string, got, want []store.UserStats) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: %s", what, diff)
	}
}

func top(deeds []deed, in *store.TimeRange, n int) []store.TopTrack {
	counts := map[string]int64{}
	for _, d := range deeds {
		if d.kind == "l" && within(d, in) {
			counts[d.track]++
		}
	}
	var tracks []store.TopTrack
	for id, likes := range counts {
		tracks = append(tracks, store.TopTrack{TrackID: id, Likes: likes})
	}
	slices.SortFunc(tracks, func(a, b store.TopTrack) int {
		return cmp.Or(cmp.Compare(b.Likes, a.Likes), strings.Compare(a.TrackID, b.TrackID))
	})
	return tracks[:min(n, len(tracks))]
}

// Pages in both directions join up to the whole list, with exact ends, from the
// folded rollup and from the journal alike.
func TestUserStatsPages(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			var ids []string
			for i := range 30 {
				ids = append(ids, "user_"+string(rune('A'+i)))
				testdb.AddUser(t, pool, ids[i], "", "")
				if i%3 != 0 { // a third of them never did anything
					exec(t, pool, "insert into chat_messages (clerk_id, role, content, created_at) select $1, 'user', 'x', timestamptz '2026-01-01' + $2 * interval '1 hour' from generate_series(1, $2)", ids[i], i%5)
					exec(t, pool, "insert into track_likes (clerk_id, track_id, created_at) select $1, g, '2026-01-02' from generate_series(1, $2) g", ids[i], i%4)
				}
				if i == 15 {
					if err := store.FoldRollups(t.Context(), pool); err != nil {
						t.Fatal(err)
					}
				}
			}
			testdb.DeleteUser(t, pool, ids[7])
			ids = slices.Delete(ids, 7, 8)
			deeds := deedsOf(t, pool)
			from := store.Time(1_700_000_000_000_000)
			for _, in := range []*store.TimeRange{nil, {From: &from}} {
				for _, by := range orders {
					want := ranked(deeds, ids, in, by)
					for _, backward := range []bool{false, true} {
						same(t, string(by), pages(t, pool, by, in, backward, int64(len(ids))), want)
					}
				}
			}
		})
	}
}

var kinds = map[store.UserStatsOrder]func(store.UserStats) page.Key{
	store.ByMessageCount: func(s store.UserStats) page.Key { return page.Key{Value: s.MessageCount, ID: s.User.ID} },
	store.ByLikedTracks:  func(s store.UserStats) page.Key { return page.Key{Value: s.LikedTracks, ID: s.User.ID} },
	store.ByLastActiveAt: func(s store.UserStats) page.Key {
		if s.LastActiveAt == nil {
			return page.Key{Null: true, ID: s.User.ID}
		}
		return page.Key{Value: int64(*s.LastActiveAt), ID: s.User.ID}
	},
}

// pages reads the whole list, a few rows at a time.
func pages(t *testing.T, pool *pgxpool.Pool, by store.UserStatsOrder, in *store.TimeRange, backward bool, total int64) []store.UserStats {
	t.Helper()
	s := store.New(store.Config{Pool: pool})
	list := &store.UserStatsList{Span: true, PageWant: everything, Range: in, OrderBy: by}
	list.Window = page.Window{Size: 4, Backward: backward}
	var all []store.UserStats
	for first := true; ; first = false {
		c, err := s.UserStats(t.Context(), analyst, list)
		if err != nil {
			t.Fatal(err)
		}
		if c.TotalCount != total {
			t.Fatalf("totalCount %d, want %d", c.TotalCount, total)
		}
		more, behind := c.HasNextPage, c.HasPreviousPage
		if backward {
			more, behind = behind, more
		}
		if behind == first {
			t.Fatalf("the first page is %v, yet there is more behind: %v", first, behind)
		}
		if len(c.Rows) == 0 {
			t.Fatal("an empty page")
		}
		if backward {
			all = append(slices.Clone(c.Rows), all...)
			key := kinds[by](c.Rows[0])
			list.Window.Before = &key
		} else {
			all = append(all, c.Rows...)
			key := kinds[by](c.Rows[len(c.Rows)-1])
			list.Window.After = &key
		}
		if !more {
			return all
		}
	}
}

// Who may see whose numbers (contract §1).
func TestStatsScope(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			s := store.New(store.Config{Pool: pool})
			ctx := t.Context()
			for i, id := range []string{"user_me", "user_other", "user_gone"} {
				testdb.AddUser(t, pool, id, "", "")
				exec(t, pool, "insert into chat_messages (clerk_id, role, content, created_at) select $1, 'user', 'x', '2026-03-01T10:15:00Z' from generate_series(1, $2)", id, i+1)
				exec(t, pool, "insert into track_likes (clerk_id, track_id, title, created_at) values ($1, 'shared', $1, $2)", id, time.Date(2026, 3, 1, 10, i, 0, 0, time.UTC))
			}
			exec(t, pool, "insert into track_likes (clerk_id, track_id) values ('user_gone', 'alone')")
			testdb.DeleteUser(t, pool, "user_gone")
			me := viewer.User("user_me", "sess_1", false)
			march := store.TimeRange{From: when("2026-03-01T00:00:00Z"), To: when("2026-03-02T00:00:00Z")}
			for _, in := range []*store.TimeRange{nil, &march} {
				if got := statIDs(t, s, me, &store.UserStatsList{Span: true, PageWant: everything, Range: in}); !slices.Equal(got, []string{"user_me"}) {
					t.Errorf("a user's leaderboard: %v", got)
				}
				if got := statIDs(t, s, me, &store.UserStatsList{Span: true, PageWant: everything, Range: in, UserIDs: []string{"user_other"}}); len(got) != 0 {
					t.Errorf("a user's leaderboard of another: %v", got)
				}
				if got := statIDs(t, s, analyst, &store.UserStatsList{Span: true, PageWant: everything, Range: in}); !slices.Equal(got, []string{"user_other", "user_me"}) {
					t.Errorf("an analyst's leaderboard: %v", got)
				}
				if got := statIDs(t, s, analyst, &store.UserStatsList{Span: true, PageWant: everything, Range: in, UserIDs: []string{}}); len(got) != 0 {
					t.Errorf("a leaderboard of nobody: %v", got)
				}
				for _, c := range []struct {
					v    viewer.Viewer
					id   string
					want int64
				}{{me, "user_me", 1}, {me, "user_other", 0}, {analyst, "user_other", 2}, {analyst, "user_gone", 3}} {
					u, err := s.User(ctx, c.v, c.id, &store.UserWant{Stats: []*store.StatsWant{{Span: true, Range: in}}})
					if err != nil {
						t.Fatal(err)
					}
					if got := u.Stats[0]; got.MessageCount != c.want || (got.FirstActiveAt == nil) != (c.want == 0) {
						t.Errorf("stats of %s: %+v, want %d messages", c.id, got, c.want)
					}
				}
				tracks, err := s.TopTracks(ctx, me, in, 10)
				if err != nil || len(tracks) != 1 || tracks[0].Likes != 2 || *tracks[0].Title != "user_other" {
					t.Errorf("topTracks: %+v, %v", tracks, err)
				}
			}
			activity := store.ActivityQuery{Range: march, Bucket: store.Day, TimeZone: "UTC"}
			other, gone := "user_other", "user_gone"
			for _, c := range []struct {
				name             string
				v                viewer.Viewer
				id               *string
				messages, active int64
			}{{"own", me, nil, 1, 1}, {"always own", me, &other, 1, 1}, {"everyone's", analyst, nil, 3, 2}, {"one's", analyst, &other, 2, 1}, {"a deleted one's", analyst, &gone, 0, 0}} {
				activity.UserID = c.id
				points, err := s.Activity(ctx, c.v, activity)
				if err != nil || len(points) != 1 || points[0].Messages != c.messages || points[0].ActiveUsers != c.active {
					t.Errorf("%s activity: %+v, %v", c.name, points, err)
				}
			}
			for name, v := range map[string]viewer.Viewer{"anonymous": {}, "deleted": viewer.User("user_gone", "sess_2", false), "deleted analyst": viewer.User("user_gone", "sess_2", true)} {
				want := fault.UserDeleted
				if name == "anonymous" {
					want = fault.Unauthenticated
				}
				_, stats := s.UserStats(ctx, v, &store.UserStatsList{Span: true, PageWant: everything})
				_, tracks := s.TopTracks(ctx, v, nil, 10)
				_, points := s.Activity(ctx, v, activity)
				for _, err := range []error{stats, tracks, points} {
					if fault.CodeOf(err) != want {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
}

func statIDs(t *testing.T, s *store.Store, v viewer.Viewer, list *store.UserStatsList) []string {
	t.Helper()
	c, err := s.UserStats(context.WithoutCancel(t.Context()), v, list)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range c.Rows {
		ids = append(ids, row.User.ID)
	}
	if c.TotalCount != int64(len(ids)) {
		t.Errorf("totalCount %d of %d rows", c.TotalCount, len(ids))
	}
	return ids
}

func when(s string) *store.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	at := store.TimeOf(t)
	return &at
}
