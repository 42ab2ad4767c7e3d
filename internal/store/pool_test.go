package store_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/testdb"
)

// What an operator has said about the disk counts; PostgreSQL's default does not.
func TestPoolExpectsSolidState(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := testdb.New(t, testdb.Plain)
	admin := testdb.Connect(t, url)
	database := "alter database " + pgx.Identifier{admin.Config().ConnConfig.Database}.Sanitize()
	for _, c := range []struct{ set, want string }{{"set random_page_cost = 4", "1.1"}, {"set random_page_cost = 2.5", "2.5"}} {
		if _, err := admin.Exec(ctx, database+" "+c.set); err != nil {
			t.Fatal(err)
		}
		var cost string
		if err := openPool(t, url, 1).QueryRow(ctx, "show random_page_cost").Scan(&cost); err != nil {
			t.Fatal(err)
		}
		if cost != c.want {
			t.Errorf("%s: %s", c.set, cost)
		}
	}
}
