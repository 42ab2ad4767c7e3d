package store_test

import (
	"context"
	"testing"

	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// TestReplicaAnswersAnalytics stands a database with other people in for a
// replica that lags: the leaderboard's length tells which one was asked.
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
