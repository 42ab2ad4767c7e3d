// Package graph gives the schema its meaning. A root resolver plans (which rows,
// which columns, which lists below them, from the selection set), asks the
// store once, and holds the result ready to be written; nested resolvers only
// look up what was read. It holds no SQL and no rule of sight: both are the
// store's. generated.go and model/models_gen.go are gqlgen's.
package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

//go:generate go tool gqlgen generate

// Resolver has what the resolvers need.
type Resolver struct {
	// Store reads and writes. Required.
	Store *store.Store
	// Provision brings a verified caller's row into users_sync. Nil: nobody does.
	Provision func(ctx context.Context, userID string) error
	// Live tells what happens. Nil: there are no subscriptions.
	Live *live.Hub
}

// NewSchema is the executable schema on r.
func NewSchema(r *Resolver) graphql.ExecutableSchema {
	return schema{NewExecutableSchema(Config{Resolvers: r}), r}
}

var errSignIn = fault.New(fault.Unauthenticated, "sign in first: send a Clerk session token or an API key as a Bearer token")

// SDL is the schema as schema.graphqls has it.
func SDL() string { return sources[0].Input }

// isRoot reports a field of Query or Mutation that reads or writes data.
func isRoot(fc *graphql.FieldContext) bool {
	return (fc.Object == "Query" || fc.Object == "Mutation") && fc.IsResolver
}

// held is what a root resolver keeps for whoever writes its result.
type held struct {
	tree tree
	// root is the selection of the root field's own value, for nested resolvers.
	root func(typeName string) *selection
}

type heldKey struct{}

// hold keeps a root field's result as a tree, and s for looking nested fields up.
func hold(ctx context.Context, s *selection, t tree) {
	if h, ok := ctx.Value(heldKey{}).(*held); ok {
		h.tree, h.root = t, func(string) *selection { return s }
	}
}

// holdNodes is hold for values whose selection depends on their type.
func holdNodes(ctx context.Context, s *nodeSelections, t tree) {
	if h, ok := ctx.Value(heldKey{}).(*held); ok {
		h.tree, h.root = t, s.of
	}
}

// nested is the planned entry of the field that ctx is resolving.
func nested(ctx context.Context) *field {
	h, _ := ctx.Value(heldKey{}).(*held)
	return entry(graphql.GetFieldContext(ctx), h)
}

func entry(fc *graphql.FieldContext, h *held) *field {
	parent := fc.Parent
	for parent.Field.Field == nil { // an element of a list
		parent = parent.Parent
	}
	if isRoot(parent) {
		return h.root(fc.Object).field(fc.Field.Alias)
	}
	return entry(parent, h).sub.field(fc.Field.Alias)
}

// selected is the selection set of the root field that ctx is resolving.
func selected(ctx context.Context) ast.SelectionSet {
	return graphql.GetFieldContext(ctx).Field.Selections
}

// provisioned does something that needs the caller's row, and once more after
// bringing the row in when it is not there yet.
func provisioned[T any](ctx context.Context, r *Resolver, do func() (T, error)) (T, error) {
	value, err := do()
	if err == nil || fault.CodeOf(err) != fault.UserNotSynced || r.Provision == nil {
		return value, err
	}
	if err := r.Provision(ctx, viewer.FromContext(ctx).UserID()); err != nil {
		var none T
		return none, err
	}
	return do()
}

func userKey(u *store.User) page.Key { return page.Key{Value: int64(u.CreatedAt), ID: u.ID} }
func chatMessageKey(m *store.ChatMessage) page.Key {
	return page.Key{Value: int64(m.CreatedAt), ID: m.ID.String()}
}
func feedbackKey(f *store.Feedback) page.Key {
	return page.Key{Value: int64(f.CreatedAt), ID: f.ID.String()}
}
func trackLikeKey(l *store.TrackLike) page.Key {
	return page.Key{Value: int64(l.CreatedAt), ID: l.ID.String()}
}

// statsOrders are the leaderboard's kinds of cursor and what each sorts by.
var statsOrders = map[store.UserStatsOrder]struct {
	kind page.Kind
	key  func(*store.UserStats) page.Key
}{
	store.ByMessageCount: {page.StatsByMessageCount, func(s *store.UserStats) page.Key {
		return page.Key{Value: s.MessageCount, ID: s.User.ID}
	}},
	store.ByLikedTracks: {page.StatsByLikedTracks, func(s *store.UserStats) page.Key {
		return page.Key{Value: s.LikedTracks, ID: s.User.ID}
	}},
	store.ByLastActiveAt: {page.StatsByLastActive, func(s *store.UserStats) page.Key {
		if s.LastActiveAt == nil {
			return page.Key{Null: true, ID: s.User.ID}
		}
		return page.Key{Value: int64(*s.LastActiveAt), ID: s.User.ID}
	}},
}

func userConnection(c *store.Connection[store.User]) *model.UserConnection {
	return &model.UserConnection{Connection: model.Connection[store.User]{Connection: c, Key: userKey, Kind: page.Users}}
}

func chatMessageConnection(c *store.Connection[store.ChatMessage]) *model.ChatMessageConnection {
	return &model.ChatMessageConnection{Connection: model.Connection[store.ChatMessage]{Connection: c, Key: chatMessageKey, Kind: page.ChatMessages}}
}

func feedbackConnection(c *store.Connection[store.Feedback]) *model.FeedbackConnection {
	return &model.FeedbackConnection{Connection: model.Connection[store.Feedback]{Connection: c, Key: feedbackKey, Kind: page.Feedback}}
}

func trackLikeConnection(c *store.Connection[store.TrackLike]) *model.TrackLikeConnection {
	return &model.TrackLikeConnection{Connection: model.Connection[store.TrackLike]{Connection: c, Key: trackLikeKey, Kind: page.TrackLikes}}
}
