package usersync_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/usersync"
)

// fixture is a service on a database of its own, and a Clerk.
type fixture struct {
	*usersync.Service
	t    *testing.T
	pool *pgxpool.Pool
	api  *clerktest.API

	mu    sync.Mutex
	told  []string // what the hooks heard
	lives int      // see play
}

// start makes a fixture on a database of the shape, in the mode that its shape
// is detected as unless change says otherwise.
func start(t *testing.T, shape testdb.Shape, change ...func(*usersync.Config)) *fixture {
	t.Helper()
	return on(t, testdb.Pool(t, shape), "", clerktest.NewAPI(t), change...)
}

// neon reports whether Neon is taken to own the table.
func (f *fixture) neon() bool {
	f.t.Helper()
	mode, err := f.System.Mode(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return mode == store.NeonOwned
}

// on makes a fixture, as another replica would, on a pool and a Clerk that are there.
func on(t *testing.T, pool *pgxpool.Pool, mode store.UsersMode, api *clerktest.API, change ...func(*usersync.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, pool: pool, api: api}
	config := usersync.Config{
		System:         store.NewSystem(pool, mode),
		Clerk:          clerk.New(clerk.Config{SecretKey: clerktest.SecretKey, URL: api.URL}),
		WebhookSecrets: []string{clerktest.WebhookSecret},
		EraseAfter:     new(month),
		SessionOver:    func(id string) { f.tell("session " + id) },
		UserDeleted:    func(id string) { f.tell("user " + id) },
		Log:            slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&config)
	}
	service, err := usersync.New(config)
	if err != nil {
		t.Fatal(err)
	}
	f.Service = service
	return f
}

func (f *fixture) tell(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, what)
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.pool.Exec(context.Background(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) number(sql string, args ...any) (n int) {
	f.t.Helper()
	if err := f.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// row is a user's row as text, "" when there is none.
func (f *fixture) row(id string) string {
	f.t.Helper()
	var text string
	err := f.pool.QueryRow(context.Background(), `
select concat_ws(' ', id, 'name=' || coalesce(name, '-'), 'email=' || coalesce(email, '-'),
  'created=' || coalesce((extract(epoch from created_at) * 1000)::bigint::text, '-'),
  'updated=' || coalesce((extract(epoch from updated_at) * 1000)::bigint::text, '-'),
  'deleted=' || coalesce((extract(epoch from deleted_at) * 1000)::bigint::text, '-'))
from neon_auth.users_sync where id = $1`, id).Scan(&text)
	if err != nil && err != pgx.ErrNoRows {
		f.t.Fatal(err)
	}
	return text
}

func (f *fixture) wantRow(id, want string) {
	f.t.Helper()
	if got := f.row(id); got != want {
		f.t.Errorf("row of %s\n got %s\nwant %s", id, got, want)
	}
}

// at is a moment that many seconds into the tests' history.
func at(seconds int) time.Time { return time.UnixMilli(1_750_000_000_000 + int64(seconds)*1000).UTC() }

// ada is a user as she was at a second of her history.
func ada(seconds int, first string) clerktest.Person {
	return clerktest.Person{ID: "user_ada", FirstName: first, LastName: "Lovelace", Email: first + "@example.com", CreatedAt: at(0), UpdatedAt: at(seconds)}
}

// crowd is n users who signed up a second apart.
func crowd(n int) []clerktest.Person {
	users := make([]clerktest.Person, n)
	for i := range users {
		id := fmt.Sprintf("user_%05d", i)
		users[i] = clerktest.Person{ID: id, FirstName: "First", Email: id + "@example.com", CreatedAt: at(i), UpdatedAt: at(i)}
	}
	return users
}

// write gives a user rows of every kind: n messages, a rating of each, n likes.
func (f *fixture) write(id string, n int) {
	f.t.Helper()
	f.exec(`with m as (
  insert into public.chat_messages (clerk_id, role, content) select $1, 'user', 'hello ' || i from generate_series(1, $2::int) i returning id
) insert into public.message_feedback (clerk_id, message_id, rating) select $1, id, 1 from m`, id, n)
	f.exec(`insert into public.track_likes (clerk_id, track_id) select $1, 'track ' || i from generate_series(1, $2::int) i`, id, n)
}

// rows is how many rows a user has in the three tables.
func (f *fixture) rows(id string) int {
	f.t.Helper()
	return f.number(`select (select count(*) from public.chat_messages where clerk_id = $1) +
  (select count(*) from public.message_feedback where clerk_id = $1) + (select count(*) from public.track_likes where clerk_id = $1)`, id)
}

// bothShapes runs a test with a service that fills a table of either shape, as
// USERS_SYNC=segue makes it do with Neon's.
func bothShapes(t *testing.T, test func(t *testing.T, f *fixture)) {
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			test(t, on(t, testdb.Pool(t, shape), store.SegueOwned, clerktest.NewAPI(t)))
		})
	}
}
