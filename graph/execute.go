package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// execution is one query or mutation. gqlgen's executor would do the same for
// some fifty allocations a root field; what it would answer, this answers, to
// the byte (TestEncoderWritesWhatGqlgenWrites, FuzzOperations).
type execution struct {
	resolver  *Resolver
	operation *graphql.OperationContext
	exec      *executionContext // gqlgen's readers of arguments, and introspection
	object    string            // Query or Mutation
	fields    []graphql.CollectedField
	trees     []tree // of each field's value; nil is null
}

// execute runs the operation in ctx when it is first called, and takes its
// buffer back when it is called again.
func (r *Resolver) execute(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	x := &execution{resolver: r, operation: operation, exec: newExecutionContext(operation, &executableSchema{}, nil), object: "Query"}
	if operation.Operation.Operation == ast.Mutation {
		x.object = "Mutation"
	}
	x.fields = collect(operation, operation.Operation.SelectionSet, []string{x.object})
	x.trees = make([]tree, len(x.fields))
	var e *encoder
	asked := false
	return func(ctx context.Context) *graphql.Response {
		if asked {
			if e != nil {
				e.release()
				e = nil // a second release would give one buffer to two responses
			}
			return nil
		}
		asked = true
		x.resolve(ctx)
		e = newEncoder()
		x.write(e)
		return &graphql.Response{Data: e.buf}
	}
}

// resolve runs a mutation's fields one after another, a query's side by side.
func (x *execution) resolve(ctx context.Context) {
	if x.object == "Mutation" || len(x.fields) == 1 {
		for i := range x.fields {
			x.trees[i] = x.field(ctx, x.fields[i])
		}
		return
	}
	var all sync.WaitGroup
	for i := range x.fields {
		all.Go(func() { x.trees[i] = x.field(ctx, x.fields[i]) })
	}
	all.Wait()
}

// field resolves one root field. What goes wrong is added to ctx's errors.
func (x *execution) field(ctx context.Context, f graphql.CollectedField) (t tree) {
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(ctx, graphql.Recover(ctx, p))
			t = nil
		}
	}()
	switch f.Name {
	case "__typename":
		return func(e *encoder) { e.name(x.object) }
	case "__schema":
		return marshaled(x.exec._Query___schema(ctx, f))
	case "__type":
		if x.operation.DisableIntrospection {
			return nil // gqlgen would make an error of it; the validator refused __schema
		}
		return marshaled(x.exec._Query___type(ctx, f))
	}
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: x.object, Field: f, IsMethod: true, IsResolver: true})
	root := rootFields[x.object+"."+f.Name]
	var args map[string]any
	if root.arguments != nil {
		var err error
		if args, err = root.arguments(x.exec, ctx, f.ArgumentMap(x.operation.Variables)); err != nil {
			graphql.AddError(ctx, err)
			return nil
		}
	}
	t, err := x.call(ctx, root, args)
	if err != nil {
		graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, err))
		return nil
	}
	return t
}

// call resolves a root field for callers who are signed in.
func (x *execution) call(ctx context.Context, root rootField, args map[string]any) (tree, error) {
	if !viewer.FromContext(ctx).SignedIn() {
		return nil, errSignIn
	}
	held := &held{}
	err := root.resolve(context.WithValue(ctx, heldKey{}, held), x.resolver, args)
	return held.tree, err
}

func marshaled(m graphql.Marshaler) tree { return func(e *encoder) { m.MarshalGQL(e) } }

// write writes the data. A null that its field's type rules out makes all of it null.
func (x *execution) write(e *encoder) {
	for i, f := range x.fields {
		if x.trees[i] == nil && f.Definition.Type.NonNull {
			e.null()
			return
		}
	}
	for i, f := range x.fields {
		e.open(i, &field{key: f.Alias})
		if x.trees[i] == nil {
			e.null()
		} else {
			x.trees[i](e)
		}
	}
	e.close(len(x.fields))
}

// rootField is how a field of Query or Mutation is answered: arguments reads its
// arguments (nil where it has none), resolve holds its value as a tree.
type rootField struct {
	arguments func(*executionContext, context.Context, map[string]any) (map[string]any, error)
	resolve   func(ctx context.Context, r *Resolver, args map[string]any) error
}

var rootFields = map[string]rootField{
	"Query.me": {nil, func(ctx context.Context, r *Resolver, _ map[string]any) error {
		return outcome(r.me(ctx))
	}},
	"Query.node": {(*executionContext).field_Query_node_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.node(ctx, argument[string](a, "id")))
	}},
	"Query.nodes": {(*executionContext).field_Query_nodes_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.nodes(ctx, argument[[]string](a, "ids")))
	}},
	"Query.user": {(*executionContext).field_Query_user_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.user(ctx, argument[string](a, "id")))
	}},
	"Query.users": {(*executionContext).field_Query_users_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.users(ctx, pagingOf(a), argument[*store.UserFilter](a, "filter")))
	}},
	"Query.chatMessage": {(*executionContext).field_Query_chatMessage_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.chatMessage(ctx, argument[string](a, "id")))
	}},
	"Query.chatMessages": {(*executionContext).field_Query_chatMessages_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.chatMessages(ctx, pagingOf(a), argument[*store.ChatMessageFilter](a, "filter")))
	}},
	"Query.feedback": {(*executionContext).field_Query_feedback_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.feedback(ctx, pagingOf(a), argument[*store.FeedbackFilter](a, "filter")))
	}},
	"Query.trackLikes": {(*executionContext).field_Query_trackLikes_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.trackLikes(ctx, pagingOf(a), argument[*store.TrackLikeFilter](a, "filter")))
	}},
	"Query.userStats": {(*executionContext).field_Query_userStats_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.userStats(ctx, pagingOf(a), argument[[]string](a, "userIds"), argument[*store.TimeRange](a, "range"),
			argument[*store.UserStatsOrder](a, "orderBy")))
	}},
	"Query.activity": {(*executionContext).field_Query_activity_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.activity(ctx, store.ActivityQuery{Range: argument[store.TimeRange](a, "range"), Bucket: argument[store.Bucket](a, "bucket"),
			TimeZone: argument[string](a, "timeZone"), UserID: argument[*string](a, "userId")}))
	}},
	"Query.topTracks": {(*executionContext).field_Query_topTracks_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.topTracks(ctx, argument[*store.TimeRange](a, "range"), argument[int32](a, "first")))
	}},
	"Mutation.sendChatMessage": {(*executionContext).field_Mutation_sendChatMessage_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.sendChatMessage(ctx, argument[model.SendChatMessageInput](a, "input")))
	}},
	"Mutation.deleteChatMessage": {(*executionContext).field_Mutation_deleteChatMessage_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.deleteChatMessage(ctx, argument[string](a, "id")))
	}},
	"Mutation.giveFeedback": {(*executionContext).field_Mutation_giveFeedback_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.giveFeedback(ctx, argument[model.GiveFeedbackInput](a, "input")))
	}},
	"Mutation.withdrawFeedback": {(*executionContext).field_Mutation_withdrawFeedback_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.withdrawFeedback(ctx, argument[string](a, "messageId")))
	}},
	"Mutation.likeTrack": {(*executionContext).field_Mutation_likeTrack_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.likeTrack(ctx, argument[model.LikeTrackInput](a, "input")))
	}},
	"Mutation.unlikeTrack": {(*executionContext).field_Mutation_unlikeTrack_args, func(ctx context.Context, r *Resolver, a map[string]any) error {
		return outcome(r.unlikeTrack(ctx, argument[string](a, "trackId")))
	}},
	"Mutation.eraseMyData": {nil, func(ctx context.Context, r *Resolver, _ map[string]any) error {
		return outcome(r.eraseMyData(ctx))
	}},
}

// outcome drops the value that gqlgen's executor would write: it is held as a tree.
func outcome[T any](_ T, err error) error { return err }

func pagingOf(a map[string]any) paging {
	return paging{argument[*int32](a, "first"), argument[*string](a, "after"), argument[*int32](a, "last"), argument[*string](a, "before")}
}
