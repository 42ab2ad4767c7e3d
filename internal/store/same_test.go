package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// statements counts what is sent to PostgreSQL.
type statements struct{ n atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	s.n.Add(int64(data.Batch.Len()))
	return ctx
}
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TestWhatSeveralAskInTheSameWordsIsAskedOnce: four viewers of one dashboard, two
// tabs of one person's, and two of somebody deleted.
func TestWhatSeveralAskInTheSameWordsIsAskedOnce(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	ids := addSenders(t, admin, 3)
	for _, id := range ids {
		exec(t, admin, `insert into chat_messages (clerk_id, role, content, session_id) select $1, 'user', 'of ' || $1, nullif('', '') from generate_series(1, 3)`, id)
	}
	exec(t, admin, `update neon_auth.users_sync set deleted_at = now() where id = $1`, ids[2])
	sent := &statements{}
	pool, err := store.OpenPool(url, 2, sent)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := store.New(store.Config{Pool: pool})
	list := &store.ChatMessageList{PageWant: store.PageWant{Window: page.Window{Size: 10}, Rows: true, Ends: true},
		Want: store.ChatMessageWant{Columns: store.Content | store.SessionID, User: &store.UserWant{Columns: store.Name}}}
	read := func(v viewer.Viewer, want int) {
		c, err := s.ChatMessages(context.Background(), v, list)
		switch {
		case want < 0 && fault.CodeOf(err) != fault.UserDeleted:
			t.Errorf("a deleted caller got %v, %v", c, err)
		case want < 0:
		case err != nil || len(c.Rows) != want:
			t.Errorf("%s got %v, %v, want %d", v.UserID(), c, err, want)
		default:
			for _, m := range c.Rows {
				if m.Content != "of "+m.User.ID || *m.User.Name != m.User.ID || m.SessionID != nil || v.UserID() != "" && m.User.ID != v.UserID() {
					t.Errorf("%s got %+v", v.UserID(), m)
				}
			}
		}
	}
	trip := store.OpenTrip(s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { read(analyst, 6) })
	}
	for range 2 {
		all.Go(func() { read(viewer.User(ids[0], "sess", false), 3) })
		all.Go(func() { read(viewer.User(ids[2], "sess", false), -1) })
	}
	trip.Wait(8)
	if n := trip.Travel(); n != 8 {
		t.Errorf("%d of 8 were answered", n)
	}
	trip.Close()
	all.Wait()
	if n := sent.n.Load(); n != 3 {
		t.Errorf("%d statements were sent, want 3", n)
	}
}
