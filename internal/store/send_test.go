package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

var sentWant = &store.ChatMessageWant{Columns: store.Content | store.SessionID, CreatedAt: true,
	User: &store.UserWant{Columns: store.Name | store.Email}, ViewerFeedback: &store.FeedbackWant{}}

// plainWant is sentWant as the insertion sees it.
var plainWant = &store.ChatMessageWant{Columns: sentWant.Columns, CreatedAt: true, User: sentWant.User}

// sends lets people send a message each, all at once; answer is told what each got.
func sends(s *store.Store, people []string, answer func(i int, m *store.ChatMessage, err error)) (wait func()) {
	var all sync.WaitGroup
	for i, id := range people {
		all.Go(func() {
			m, err := s.SendChatMessage(context.Background(), viewer.User(id, "sess", i%2 == 0),
				store.NewChatMessage{Role: store.RoleUser, Content: "of " + id, SessionID: &id}, sentWant)
			answer(i, m, err)
		})
	}
	return all.Wait
}

// own fails unless m is what its sender may expect.
func own(t *testing.T, id string, m *store.ChatMessage, err error) {
	t.Helper()
	if err != nil || m == nil || m.Content != "of "+id || *m.SessionID != id || m.User.ID != id || *m.User.Name != id ||
		*m.User.Email != id+"@example.com" || m.ViewerFeedback != nil || time.Since(m.CreatedAt.Std()) > time.Hour {
		t.Errorf("%s got %+v, %v", id, m, err)
	}
}

func addSenders(t *testing.T, pool *pgxpool.Pool, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = person(i)
		testdb.AddUser(t, pool, ids[i], ids[i], ids[i]+"@example.com")
	}
	return ids
}

// stored counts a person's messages.
func stored(t *testing.T, pool *pgxpool.Pool, id string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select count(*) from chat_messages where clerk_id = $1 and content = 'of ' || $1`, id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMessagesSentTogetherAreTheirSendersOwn has someone deleted and someone unknown among them.
func TestMessagesSentTogetherAreTheirSendersOwn(t *testing.T) {
	t.Parallel()
	for _, shape := range []testdb.Shape{testdb.Plain, testdb.Neon} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			ids := addSenders(t, pool, 8)
			exec(t, pool, `update neon_auth.users_sync set deleted_at = now() where id = $1`, ids[3])
			ids = append(ids, "user_unknown", ids[0])
			s := store.New(store.Config{Pool: pool})
			b := store.OpenBatch(s, plainWant)
			wait := sends(s, ids, func(i int, m *store.ChatMessage, err error) {
				switch {
				case i == 3 && fault.CodeOf(err) != fault.UserDeleted, i == 8 && fault.CodeOf(err) != fault.UserNotSynced:
					t.Errorf("%s got %+v, %v", ids[i], m, err)
				case i != 3 && i != 8:
					own(t, ids[i], m, err)
				}
			})
			b.Wait(len(ids))
			if n := b.Send(); n != len(ids) {
				t.Errorf("%d of %d were answered", n, len(ids))
			}
			b.Close()
			wait()
			for i, want := range []int{2, 1, 1, 0, 1, 1, 1, 1, 0} {
				if n := stored(t, pool, ids[i]); n != want {
					t.Errorf("%s has %d messages, want %d", ids[i], n, want)
				}
			}
			noDrift(t, pool)
		})
	}
}

// TestOneMessageThatIsRefusedFailsAlone has a check of the database's own refuse one of several.
func TestOneMessageThatIsRefusedFailsAlone(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	ids := addSenders(t, pool, 5)
	exec(t, pool, `alter table chat_messages add check (clerk_id <> '`+ids[2]+`')`)
	s := store.New(store.Config{Pool: pool})
	b := store.OpenBatch(s, plainWant)
	wait := sends(s, ids, func(i int, m *store.ChatMessage, err error) {
		if i != 2 {
			own(t, ids[i], m, err)
		} else if err == nil {
			t.Errorf("the refused one got %+v", m)
		}
	})
	b.Wait(len(ids))
	if n := b.Send(); n != 0 {
		t.Errorf("%d were answered by a statement that failed", n)
	}
	b.Close()
	wait()
	for i, id := range ids {
		if n := stored(t, pool, id); i != 2 && n != 1 || i == 2 && n != 0 {
			t.Errorf("%s has %d messages", id, n)
		}
	}
}

// TestASenderBehindALockHoldsNobodyUpForLong lets one wait for its own row, which somebody is about to delete.
func TestASenderBehindALockHoldsNobodyUpForLong(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	ids := addSenders(t, admin, 4)
	pool, err := store.OpenPool(url, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	lock, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), `select from neon_auth.users_sync where id = $1 for update`, ids[0]); err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Config{Pool: pool})
	b := store.OpenBatch(s, plainWant)
	others, blocked := make(chan struct{}, 3), make(chan error, 1)
	wait := sends(s, ids, func(i int, m *store.ChatMessage, err error) {
		if i == 0 {
			blocked <- err
			return
		}
		own(t, ids[i], m, err)
		others <- struct{}{}
	})
	b.Wait(len(ids))
	if n := b.Send(); n != 0 {
		t.Errorf("%d were answered behind a lock", n)
	}
	b.Close()
	for range 3 {
		<-others // while the lock is held
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-blocked; err != nil {
		t.Errorf("the blocked one got %v", err)
	}
	wait()
}

// TestMessagesUnderLoadAreStoredOnce sends as requests do, from many people at once.
func TestMessagesUnderLoadAreStoredOnce(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Neon)
	ids := addSenders(t, pool, 24)
	s := store.New(store.Config{Pool: pool})
	const rounds = 20
	for range rounds {
		sends(s, ids, func(i int, m *store.ChatMessage, err error) { own(t, ids[i], m, err) })()
	}
	for _, id := range ids {
		if n := stored(t, pool, id); n != rounds {
			t.Errorf("%s has %d messages, want %d", id, n, rounds)
		}
	}
	noDrift(t, pool)
}

// TestEvery256thInsertFolds: the gateway looks after the journal that its own inserts fill.
func TestEvery256thInsertFolds(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	id := addSenders(t, admin, 1)[0]
	pool, err := store.OpenPool(url, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := store.New(store.Config{Pool: pool})
	me := viewer.User(id, "sess", false)
	for i := range 128 {
		if _, err := s.SendChatMessage(t.Context(), me, store.NewChatMessage{Role: store.RoleUser, Content: "x"}, &store.ChatMessageWant{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.LikeTrack(t.Context(), me, store.NewTrackLike{TrackID: fmt.Sprint(i)}, &store.TrackLikeWant{}); err != nil {
			t.Fatal(err)
		}
	}
	var left int
	if err := admin.QueryRow(t.Context(), `select count(*) from segue.user_changes`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d changes are not folded, %v", left, err)
	}
	noDrift(t, admin)
}
