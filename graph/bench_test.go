package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ai-dj/segue/graph"
	"github.com/ai-dj/segue/internal/gqlhttp"
	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/viewer"
)

// BenchmarkOperations runs the bench's questions from the handler down, network
// and authentication left out, and reports allocations a request.
//
//	go test -run - -bench Operations -benchmem ./graph
func BenchmarkOperations(b *testing.B) {
	url := testdb.New(b, testdb.Plain)
	g := gatewayOn(b, url, testdb.Connect(b, url))
	crowd(g)
	message := query1[string](g, `SELECT id::text FROM public.chat_messages LIMIT 1`)
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprintf("user_%03d", i)
	}
	pool, err := store.OpenPool(url, 4, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	handler := gqlhttp.New(gqlhttp.Config{
		Schema:  graph.NewSchema(&graph.Resolver{Store: store.New(store.Config{Pool: pool})}),
		Limits:  limits.Limits{MaxDepth: 12, MaxComplexity: 10_000},
		Present: graph.Presenter(slog.New(slog.NewTextHandler(io.Discard, nil))), Logger: slog.New(slog.DiscardHandler),
	})
	for _, q := range []struct {
		name, query string
		variables   map[string]any
	}{
		{"Q1", `query($id: ID!) { message: chatMessage(id: $id) { id content role createdAt user { id name email } } }`, map[string]any{"id": message}},
		{"Q2", `{ feed: chatMessages(first: 50) { edges { node { id content role createdAt user { id name email } feedback(first: 10) { edges { node { rating comment } } } } } } }`, nil},
		{"Q3", `query($ids: [ID!]!) { users: nodes(ids: $ids) { ... on User { id name email messages: chatMessages(first: 10) { edges { node { id content feedback(first: 10) { edges { node { rating } } } } } } likes: trackLikes(first: 10) { edges { node { trackId title } } } } } }`, map[string]any{"ids": ids}},
		{"Q4", `query($id: ID!) { user(id: $id) { userStats: stats { messageCount likedTracks feedbackUp feedbackDown } } }`, map[string]any{"id": ids[3]}},
		{"Q5", `{ leaderboard: userStats(first: 20) { edges { node { user { id name } messageCount likedTracks } } } }`, nil},
		{"Q6", `query($id: ID!) { messages: chatMessages(first: 50, filter: {userIds: [$id]}) { edges { node { id content role createdAt } } } }`, map[string]any{"id": ids[3]}},
	} {
		body, err := json.Marshal(map[string]any{"query": q.query, "variables": q.variables})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
				req.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, req.WithContext(viewer.NewContext(req.Context(), viewer.User(ana, "sess_1", true))))
				if w.Code != http.StatusOK || bytes.Contains(w.Body.Bytes(), []byte(`"errors"`)) {
					b.Fatal(w.Body.String())
				}
			}
		})
	}
}
