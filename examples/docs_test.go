// Package examples_test keeps the examples in the documentation true.
package examples_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/ai-dj/segue/internal/testdb"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// TestSQLOfTheDocumentation runs what docs/dashboards.md gives to people who read the tables themselves.
func TestSQLOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/dashboards.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := sqlBlock.FindAllSubmatch(text, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d blocks of SQL", len(blocks))
	}
	for _, shape := range testdb.Shapes() {
		tx, err := testdb.Pool(t, shape).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks {
			if _, err := tx.Exec(t.Context(), string(block[1])); err != nil {
				t.Errorf("%v: %v\n%s", shape, err, block[1])
			}
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
