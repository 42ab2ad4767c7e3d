package graph

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// schema executes what gqlgen generated, without gqlgen's executor: that would
// resolve field by field, and run anew for every event and every subscriber of a
// subscription. Here a root field is read and written in one piece (execute.go),
// and an event is read back and written once for all subscribers who see the same.
type schema struct {
	graphql.ExecutableSchema
	resolver *Resolver
}

// Exec runs the operation in ctx.
func (s schema) Exec(ctx context.Context) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription {
		return s.resolver.subscribe(ctx)
	}
	return s.resolver.execute(ctx)
}

var (
	errNoLive  = fault.New(fault.Unavailable, "subscriptions are not served here")
	errNoField = fault.New(fault.ValidationFailed, "a subscription selects exactly one field")

	// errByResolver is what the resolvers that gqlgen wants for subscriptions answer; schema never calls them.
	errByResolver = errors.New("subscriptions are executed by graph.schema")
)

// subscribe opens the operation's one field. Its failures are answers without
// data, as the specification wants of a stream that never was.
func (r *Resolver) subscribe(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"})
	if len(fields) != 1 {
		graphql.AddError(ctx, errNoField)
		return nil
	}
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Subscription", Field: fields[0], IsResolver: true})
	feed, err := r.feed(ctx, fields[0])
	if err != nil {
		graphql.AddError(ctx, err)
		return nil
	}
	subscription, err := r.Live.Subscribe(ctx, feed)
	if err != nil {
		graphql.AddError(ctx, ended(err))
		return nil
	}
	context.AfterFunc(ctx, subscription.Close)
	return pass(subscription, fields[0])
}

// pass hands on what the subscription gives, and last why it ended, if it was not the caller's doing.
func pass(s *live.Subscription, field graphql.CollectedField) graphql.ResponseHandler {
	over := false
	return func(ctx context.Context) *graphql.Response {
		if over {
			return nil
		}
		item, err := s.Next(ctx)
		switch {
		case err == nil:
			return &graphql.Response{Data: item}
		case ctx.Err() != nil:
			return nil
		}
		over = true
		graphql.AddError(graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Subscription", Field: field}), ended(err))
		return &graphql.Response{}
	}
}

// ended is what a subscriber is told when its subscription ends from our side.
// The transports look for the cause.
func ended(err error) error {
	switch {
	case errors.Is(err, live.ErrSlow):
		return fault.New(fault.Unavailable, "events came faster than you read them; subscribe again").Because(err)
	case errors.Is(err, live.ErrGap):
		return fault.New(fault.Unavailable, "the database was away for too long and events were lost; query for them and subscribe again").Because(err)
	case errors.Is(err, live.ErrStopped):
		return fault.New(fault.Unavailable, "the server stops; subscribe again").Because(err)
	case errors.Is(err, live.ErrSessionRevoked):
		return fault.New(fault.Unauthenticated, "the session was revoked").Because(err)
	case errors.Is(err, live.ErrUserDeleted):
		return fault.New(fault.UserDeleted, "this account was deleted").Because(err)
	}
	return err
}

// nobody owns nothing: PostgreSQL's text holds no NUL.
const nobody = "\x00"

// feed plans a subscription's field.
func (r *Resolver) feed(ctx context.Context, field graphql.CollectedField) (live.Feed, error) {
	v := viewer.FromContext(ctx)
	if !v.SignedIn() {
		return live.Feed{}, errSignIn
	}
	if r.Live == nil {
		return live.Feed{}, errNoLive
	}
	p := newPlanner(ctx)
	kind, args, read := r.event(p, v, field)
	if p.err != nil {
		return live.Feed{}, p.err
	}
	feed := live.Feed{Topic: live.Topic{Kind: kind}, Viewer: v, Read: read}
	switch userID := argument[*string](args, "userId"); {
	case userID != nil && (v.Analyst() || *userID == v.UserID()):
		feed.Topic.Owner = *userID
	case userID != nil:
		feed.Topic.Owner = nobody
	case !v.Analyst():
		feed.Topic.Owner = v.UserID()
	}
	key, err := feedKey(p.operation, v)
	feed.Key = key
	return feed, err
}

// feedKey is equal for callers whose events are the same bytes: everything the
// plan was made from, and the caller. Analysts see the same, except where the
// caller's own rating is asked for.
func feedKey(op *graphql.OperationContext, v viewer.Viewer) (string, error) {
	who := v.Caller()
	if v.Analyst() && !strings.Contains(op.RawQuery, "viewerFeedback") {
		who = "analyst"
	}
	key, err := json.Marshal([]any{who, v.Analyst(), op.RawQuery, op.OperationName, op.Variables})
	return string(key), err
}

// event plans the field's selection: what to read of each event, and how to write it.
func (r *Resolver) event(p *planner, v viewer.Viewer, f graphql.CollectedField) (live.Kind, map[string]any, live.Read) {
	switch f.Name {
	case "chatMessageAdded":
		want := &store.ChatMessageWant{}
		s := p.chatMessage(f.Selections, want)
		return live.MessageAdded, p.arguments(f, p.exec.field_Subscription_chatMessageAdded_args), reader(f.Alias,
			func(ctx context.Context, ids []string) (map[string]*store.ChatMessage, error) {
				return r.Store.ChatMessageEvents(ctx, v, ids, want)
			}, func(e *encoder, m *store.ChatMessage) { e.chatMessage(m, s) })
	case "feedbackGiven":
		want := &store.FeedbackWant{}
		s := p.feedback(f.Selections, want)
		return live.FeedbackGiven, p.arguments(f, p.exec.field_Subscription_feedbackGiven_args), reader(f.Alias,
			func(ctx context.Context, ids []string) (map[string]*store.Feedback, error) {
				return r.Store.FeedbackEvents(ctx, v, ids, want)
			}, func(e *encoder, m *store.Feedback) { e.feedback(m, s) })
	case "trackLiked":
		want := &store.TrackLikeWant{}
		s := p.trackLike(f.Selections, want)
		return live.TrackLiked, p.arguments(f, p.exec.field_Subscription_trackLiked_args), reader(f.Alias,
			func(ctx context.Context, ids []string) (map[string]*store.TrackLike, error) {
				return r.Store.TrackLikeEvents(ctx, v, ids, want)
			}, func(e *encoder, m *store.TrackLike) { e.trackLike(m, s) })
	default: // userStatsChanged
		var want *store.UserWant
		s := p.userStats(f.Selections, &want, new(bool))
		return live.StatsChanged, p.arguments(f, p.exec.field_Subscription_userStatsChanged_args), reader(f.Alias,
			func(ctx context.Context, ids []string) (map[string]*store.UserStats, error) {
				return r.Store.UserStatsEvents(ctx, v, ids, want)
			}, func(e *encoder, m *store.UserStats) { e.userStats(m, s) })
	}
}

// reader turns the rows that read gives into responses' data.
func reader[T any](alias string, read func(context.Context, []string) (map[string]*T, error), write func(*encoder, *T)) live.Read {
	return func(ctx context.Context, ids []string) ([][]byte, error) {
		rows, err := read(ctx, ids)
		if err != nil {
			return nil, err
		}
		items := make([][]byte, len(ids))
		for i, id := range ids {
			if row := rows[id]; row != nil {
				e := &encoder{}
				e.raw(`{"` + alias + `":`)
				write(e, row)
				e.raw("}")
				items[i] = e.buf
			}
		}
		return items, nil
	}
}
