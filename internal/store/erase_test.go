package store_test

import (
	"testing"

	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// What a caller erases is audited like what an operator or the sweep erases.
func TestEraseMyDataIsAudited(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			testdb.AddUser(t, pool, "user_ada", "Ada", "")
			if _, err := pool.Exec(t.Context(), `insert into public.track_likes (clerk_id, track_id) values ('user_ada', '1'), ('user_ada', '2')`); err != nil {
				t.Fatal(err)
			}
			erased, err := store.New(store.Config{Pool: pool}).EraseMyData(t.Context(), viewer.User("user_ada", "sess_1", false))
			if err != nil || erased != (store.Erased{Likes: 2}) {
				t.Errorf("erased %+v, %v", erased, err)
			}
			var audited int
			if err := pool.QueryRow(t.Context(), `select count(*) from segue.erasures where user_id = 'user_ada' and cause = 'self'
				and (messages, feedback, likes) = (0, 0, 2) and finished_at is not null`).Scan(&audited); err != nil || audited != 1 {
				t.Errorf("%d audit rows, %v", audited, err)
			}
		})
	}
}
