package model

import (
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
)

// Node is anything found by its id.
type Node = store.Node

// Connection is a page of rows as the schema shows it. Its edges are made when
// somebody asks for them.
type Connection[T any] struct {
	*store.Connection[T]
	Key  func(*T) page.Key
	Kind page.Kind
}

// Cursor is the place of row i.
func (c Connection[T]) Cursor(i int) string { return page.Cursor(c.Kind, c.Key(&c.Rows[i])) }

// PageInfo says where the page lies in its list.
func (c Connection[T]) PageInfo() *PageInfo {
	info := &PageInfo{HasNextPage: c.HasNextPage, HasPreviousPage: c.HasPreviousPage}
	if n := len(c.Rows); n > 0 {
		start, end := c.Cursor(0), c.Cursor(n-1)
		info.StartCursor, info.EndCursor = &start, &end
	}
	return info
}

// The connections of the schema.
type (
	UserConnection        struct{ Connection[store.User] }
	ChatMessageConnection struct{ Connection[store.ChatMessage] }
	FeedbackConnection    struct{ Connection[store.Feedback] }
	TrackLikeConnection   struct{ Connection[store.TrackLike] }
	UserStatsConnection   struct{ Connection[store.UserStats] }
)

func edges[T, E any](c Connection[T], edge func(cursor string, node *T) E) []E {
	list := make([]E, len(c.Rows))
	for i := range c.Rows {
		list[i] = edge(c.Cursor(i), &c.Rows[i])
	}
	return list
}

// Edges pairs the rows with their cursors.
func (c UserConnection) Edges() []UserEdge {
	return edges(c.Connection, func(cursor string, n *store.User) UserEdge { return UserEdge{cursor, n} })
}

// Edges pairs the rows with their cursors.
func (c ChatMessageConnection) Edges() []ChatMessageEdge {
	return edges(c.Connection, func(cursor string, n *store.ChatMessage) ChatMessageEdge { return ChatMessageEdge{cursor, n} })
}

// Edges pairs the rows with their cursors.
func (c FeedbackConnection) Edges() []FeedbackEdge {
	return edges(c.Connection, func(cursor string, n *store.Feedback) FeedbackEdge { return FeedbackEdge{cursor, n} })
}

// Edges pairs the rows with their cursors.
func (c TrackLikeConnection) Edges() []TrackLikeEdge {
	return edges(c.Connection, func(cursor string, n *store.TrackLike) TrackLikeEdge { return TrackLikeEdge{cursor, n} })
}

// Edges pairs the rows with their cursors.
func (c UserStatsConnection) Edges() []UserStatsEdge {
	return edges(c.Connection, func(cursor string, n *store.UserStats) UserStatsEdge { return UserStatsEdge{cursor, n} })
}
