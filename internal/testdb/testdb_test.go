package testdb_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/testdb"
)

func TestNew_bothShapesTakeUsersAndTheirRows(t *testing.T) {
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			testdb.AddUser(t, pool, "user_1", "Ada", "")
			testdb.DeleteUser(t, pool, "user_1")
			var name string
			var email *string
			var deleted bool
			err := pool.QueryRow(t.Context(), "select name, email, deleted_at is not null from neon_auth.users_sync where created_at is not null").Scan(&name, &email, &deleted)
			if err != nil || name != "Ada" || email != nil || !deleted {
				t.Errorf("got %q %v deleted=%v, %v", name, email, deleted, err)
			}
		})
	}
}

func TestNew_databasesAreApart(t *testing.T) {
	t.Parallel()
	a, b := testdb.Pool(t, testdb.Plain), testdb.Pool(t, testdb.Plain)
	testdb.AddUser(t, a, "user_1", "", "")
	var n int
	if err := b.QueryRow(t.Context(), "select count(*) from neon_auth.users_sync").Scan(&n); err != nil || n != 0 {
		t.Errorf("the other database has %d users, %v", n, err)
	}
}

func TestRole_seesSixColumnsOnly(t *testing.T) {
	t.Parallel()
	pool := testdb.Connect(t, testdb.Role(t, testdb.New(t, testdb.Neon)))
	if _, err := pool.Exec(t.Context(), "select id, name, email, created_at, updated_at, deleted_at from neon_auth.users_sync"); err != nil {
		t.Error(err)
	}
	if _, err := pool.Exec(t.Context(), "select raw_json from neon_auth.users_sync"); err == nil {
		t.Error("the role reads raw_json")
	}
	if _, err := pool.Exec(t.Context(), "delete from public.chat_messages"); err != nil {
		t.Error(err)
	}
}

func TestServer_keepsDataOverStopAndKill(t *testing.T) {
	t.Parallel()
	server := testdb.Server(t)
	url := server.New(testdb.Plain)
	count := func() (n int) {
		t.Helper()
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if err := conn.QueryRow(context.Background(), "select count(*) from public.chat_messages").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	count()
	server.Stop()
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("a stopped server answers")
	}
	server.Start()
	count()
	server.Kill()
	server.Start()
	count()
}
