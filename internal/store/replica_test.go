package store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// TestReplicaAnswersAnalytics stands a database with other people in for a
// replica that lags: the leaderboard's length tells which one was asked. A real
// one is in test/faults.
func TestReplicaAnswersAnalytics(t *testing.T) {
	t.Parallel()
	primary, replica := testdb.Pool(t, testdb.Plain), testdb.Pool(t, testdb.Plain)
	for _, id := range []string{"user_a", "user_b", "user_c"} {
		testdb.AddUser(t, primary, id, "P", "p@example.com")
	}
	testdb.AddUser(t, replica, "user_a", "R", "r@example.com")
	s := store.New(store.Config{Pool: primary, Replica: replica})
	count := func(v viewer.Viewer) int64 {
		t.Helper()
		c, err := s.UserStats(context.Background(), v, &store.UserStatsList{
			PageWant: store.PageWant{Window: page.Window{Size: 10}, TotalCount: true}, OrderBy: store.ByMessageCount,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.TotalCount
	}
	analyst, key, user := viewer.User("user_a", "sess_1", true), viewer.Key("k"), viewer.User("user_b", "sess_2", false)
	if a, k, u := count(analyst), count(key), count(user); a != 1 || k != 1 || u != 1 {
		t.Errorf("analyst %d, key %d, user %d", a, k, u)
	}
	if _, err := s.LikeTrack(context.Background(), analyst, store.NewTrackLike{TrackID: "t"}, &store.TrackLikeWant{}); err != nil {
		t.Fatal(err)
	}
	if n := count(analyst); n != 3 {
		t.Errorf("who wrote must read its own writes from the primary: %d", n)
	}
	if n := count(key); n != 1 {
		t.Errorf("others go on reading from the replica: %d", n)
	}
	replica.Close()
	if n := count(key); n != 3 {
		t.Errorf("without the replica the primary answers: %d", n)
	}
}

func openPool(t *testing.T, url string, conns int) *pgxpool.Pool {
	t.Helper()
	pool, err := store.OpenPool(url, conns, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// After a failover all of the primary's connections must go, also where the
// replica's just went.
func TestReplicaAway_primaryFailsOver(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	testdb.AddUser(t, admin, "user_a", "A", "")
	database := "alter database " + pgx.Identifier{admin.Config().ConnConfig.Database}.Sanitize()
	const conns = 4
	primary := openPool(t, url, conns)
	if _, err := admin.Exec(ctx, database+" set default_transaction_read_only = on"); err != nil {
		t.Fatal(err)
	}
	var old []*pgxpool.Conn
	for range conns {
		c, err := primary.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		old = append(old, c)
	}
	if _, err := admin.Exec(ctx, database+" reset default_transaction_read_only"); err != nil {
		t.Fatal(err)
	}
	for _, c := range old {
		c.Release()
	}

	s := store.New(store.Config{Pool: primary, Replica: openPool(t, "postgres://nobody@127.0.0.1:1/none?sslmode=disable", 1)})
	if _, err := s.TopTracks(ctx, viewer.Key("k"), nil, 10); err != nil {
		t.Errorf("without the replica: %v", err)
	}
	if _, err := s.LikeTrack(ctx, viewer.User("user_a", "sess_1", false), store.NewTrackLike{TrackID: "t"}, &store.TrackLikeWant{}); err != nil {
		t.Errorf("without the old primary: %v", err)
	}
}

// The replica stands for one that breaks off in the middle of its answer. What
// it said until then is not part of the primary's.
func TestReplicaBreaksOff_activity(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	primary, replica := testdb.Pool(t, testdb.Plain), testdb.Pool(t, testdb.Plain)
	testdb.AddUser(t, replica, "user_a", "A", "")
	testdb.AddUser(t, replica, "user_b", "B", "")
	if _, err := replica.Exec(ctx, strings.Join([]string{
		"alter table segue.activity_hourly alter likes type bigint",
		"insert into segue.activity_hourly select 'user_a', h, 0, 1, 0, 0 from generate_series(timestamptz '2026-03-01Z', '2026-03-02Z', '1 h') h",
		// Both together are more than a bigint holds.
		"update segue.activity_hourly set likes = 9e18 where hour = '2026-03-01T12:00:00Z'",
		"insert into segue.activity_hourly values ('user_b', '2026-03-01T12:00:00Z', 0, 9e18, 0, 0)",
	}, ";")); err != nil {
		t.Fatal(err)
	}
	points, err := store.New(store.Config{Pool: primary, Replica: replica}).Activity(ctx, viewer.Key("k"),
		store.ActivityQuery{Range: store.TimeRange{From: when("2026-03-01T00:00:00Z"), To: when("2026-03-02T00:00:00Z")}, Bucket: store.Hour, TimeZone: "UTC"})
	if err != nil || len(points) != 24 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	for _, p := range points {
		if p.Likes != 0 || p.ActiveUsers != 0 {
			t.Errorf("%+v", p)
		}
	}
}
