// Package grafana_test runs every query of the ready dashboard as Grafana would:
// with an API key, over HTTP, against the sample data.
package grafana_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/app"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/sample"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

type dashboard struct {
	Panels []struct {
		Title   string
		Targets []target
	}
}

type target struct {
	Type       string
	URL        string
	Root       string `json:"root_selector"`
	URLOptions struct {
		Method    string
		BodyType  string `json:"body_type"`
		Query     string `json:"body_graphql_query"`
		Variables string `json:"body_graphql_variables"`
	} `json:"url_options"`
	Columns []struct{ Selector, Type string }
}

func TestEveryPanelHasAnAnswer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("segue.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) < 9 {
		t.Fatalf("%d panels", len(d.Panels))
	}
	base, key := serve(t)
	for _, panel := range d.Panels {
		t.Run(panel.Title, func(t *testing.T) {
			for _, target := range panel.Targets {
				if target.Type != "graphql" || target.URLOptions.Method != "POST" || target.URLOptions.BodyType != "graphql" {
					t.Fatalf("not a GraphQL POST: %+v", target)
				}
				rows := selected(t, ask(t, base+target.URL, key, target), target.Root)
				for _, column := range target.Columns {
					checkColumn(t, rows, column.Selector, column.Type)
				}
			}
		})
	}
}

// serve runs a gateway on the sample data and returns its address and an API key.
func serve(t *testing.T) (base, key string) {
	t.Helper()
	url := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, url)
	if err := sample.Load(t.Context(), pool, time.Now()); err != nil {
		t.Fatal(err)
	}
	key, _, err := store.CreateKey(t.Context(), pool, "grafana", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{"DATABASE_URL": url, "ADDR": "127.0.0.1:0", "ADMIN_ADDR": "", "CLERK_JWT_KEY": clerktest.NewKey("grafana").PEM()}
	cfg, err := config.Load(func(name string) (string, bool) { v, ok := settings[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := app.New(t.Context(), cfg, slog.New(slog.DiscardHandler), app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- gateway.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the gateway ended: %v", err)
		}
	})
	return "http://" + gateway.Addr().String(), key
}

// ask sends what Grafana sends: the macros and variables filled in.
func ask(t *testing.T, url, key string, target target) any {
	t.Helper()
	now := time.Now().UTC()
	fill := strings.NewReplacer(
		"${__from:date:iso}", now.AddDate(0, 0, -30).Format("2006-01-02T15:04:05.000Z"),
		"${__to:date:iso}", now.Format("2006-01-02T15:04:05.000Z"),
		"$bucket", "DAY", "$timezone", "Europe/Berlin",
	)
	variables := fill.Replace(target.URLOptions.Variables)
	if strings.Contains(variables, "$") {
		t.Fatalf("a variable that this test does not know: %s", variables)
	}
	body, err := json.Marshal(map[string]any{"query": target.URLOptions.Query, "variables": json.RawMessage(variables)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil || answer.StatusCode != http.StatusOK || value["errors"] != nil {
		t.Fatalf("%s\n%s", answer.Status, text)
	}
	return value
}

// selected follows a dotted path to a list that must have something in it.
func selected(t *testing.T, value any, path string) []any {
	t.Helper()
	rows, ok := follow(value, path).([]any)
	if !ok || len(rows) == 0 {
		t.Fatalf("%s selects no rows", path)
	}
	return rows
}

func follow(value any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// checkColumn wants a value of the column's type in at least one row: some people have no name, some tracks no title.
func checkColumn(t *testing.T, rows []any, selector, kind string) {
	t.Helper()
	for _, row := range rows {
		switch value := follow(row, selector).(type) {
		case float64:
			if kind == "number" {
				return
			}
		case string:
			_, err := time.Parse(time.RFC3339Nano, value)
			if kind == "string" || kind == "timestamp" && err == nil {
				return
			}
		}
	}
	t.Errorf("column %s: no row has a %s", selector, kind)
}
