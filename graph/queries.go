package graph

import (
	"context"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// What the root fields of Query do: plan, read, hold. schema.resolvers.go calls these.

// paging is a list field's four arguments.
type paging struct {
	first  *int32
	after  *string
	last   *int32
	before *string
}

func (a paging) window(p *planner, kind page.Kind) page.Window {
	w, err := page.NewWindow(kind, a.first, a.after, a.last, a.before)
	if err != nil {
		p.fail(err)
	}
	return w
}

// errUnknownCaller tells a verified caller whose row is not in users_sync that
// it is not there; provisioned tries to bring it in.
var errUnknownCaller = fault.New(fault.UserNotSynced, "your account is not known here yet; try again in a moment")

func (r *Resolver) me(ctx context.Context) (*store.User, error) {
	v := viewer.FromContext(ctx)
	if v.KeyID() != "" {
		return nil, nil
	}
	p, want := newPlanner(ctx), &store.UserWant{}
	s := p.user(selected(ctx), want)
	if p.err != nil {
		return nil, p.err
	}
	u, err := provisioned(ctx, r, func() (*store.User, error) {
		u, err := r.Store.User(ctx, v, v.UserID(), want)
		if err == nil && u == nil {
			err = errUnknownCaller.Retry(store.SyncRetryAfter)
		}
		return u, err
	})
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.user(u, s) })
	return u, nil
}

func (r *Resolver) user(ctx context.Context, id string) (*store.User, error) {
	p, want := newPlanner(ctx), &store.UserWant{}
	s := p.user(selected(ctx), want)
	if p.err != nil {
		return nil, p.err
	}
	u, err := r.Store.User(ctx, viewer.FromContext(ctx), id, want)
	if u != nil {
		hold(ctx, s, func(e *encoder) { e.user(u, s) })
	}
	return u, err
}

func (r *Resolver) chatMessage(ctx context.Context, id string) (*store.ChatMessage, error) {
	p, want := newPlanner(ctx), &store.ChatMessageWant{}
	s := p.chatMessage(selected(ctx), want)
	if p.err != nil {
		return nil, p.err
	}
	m, err := r.Store.ChatMessage(ctx, viewer.FromContext(ctx), id, want)
	if m != nil {
		hold(ctx, s, func(e *encoder) { e.chatMessage(m, s) })
	}
	return m, err
}

func (r *Resolver) node(ctx context.Context, id string) (model.Node, error) {
	nodes, s, err := r.find(ctx, []string{id})
	if err != nil || nodes[0] == nil {
		return nil, err
	}
	holdNodes(ctx, s, func(e *encoder) { e.node(nodes[0], s) })
	return nodes[0], nil
}

// MaxNodes bounds the ids of one nodes field.
const MaxNodes = 100

func (r *Resolver) nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	if len(ids) > MaxNodes {
		return nil, fault.BadInput("ids", "may list at most %d", MaxNodes)
	}
	nodes, s, err := r.find(ctx, ids)
	if err != nil {
		return nil, err
	}
	holdNodes(ctx, s, func(e *encoder) { e.nodes(nodes, s) })
	return nodes, nil
}

// find reads nodes in the order of their ids, nil where there is none.
func (r *Resolver) find(ctx context.Context, ids []string) ([]model.Node, *nodeSelections, error) {
	p, want := newPlanner(ctx), &store.NodeWant{}
	s := p.node(selected(ctx), want)
	if p.err != nil {
		return nil, nil, p.err
	}
	found, err := r.Store.Nodes(ctx, viewer.FromContext(ctx), ids, want)
	if err != nil {
		return nil, nil, err
	}
	nodes := make([]model.Node, len(ids))
	for i, id := range ids {
		nodes[i] = found[id]
	}
	return nodes, s, nil
}

func (r *Resolver) users(ctx context.Context, a paging, filter *store.UserFilter) (*model.UserConnection, error) {
	p, list := newPlanner(ctx), &store.UserList{}
	list.Window, list.Filter = a.window(p, page.Users), p.userFilter(filter)
	s := p.users(selected(ctx), list)
	if p.err != nil {
		return nil, p.err
	}
	c, err := r.Store.Users(ctx, viewer.FromContext(ctx), list)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { connection(e, c, s, page.Users, userKey, (*encoder).user) })
	return userConnection(c), nil
}

func (r *Resolver) chatMessages(ctx context.Context, a paging, filter *store.ChatMessageFilter) (*model.ChatMessageConnection, error) {
	p, list := newPlanner(ctx), &store.ChatMessageList{}
	list.Window, list.Filter = a.window(p, page.ChatMessages), p.chatMessageFilter(filter)
	s := p.chatMessages(selected(ctx), list)
	if p.err != nil {
		return nil, p.err
	}
	c, err := r.Store.ChatMessages(ctx, viewer.FromContext(ctx), list)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) {
		connection(e, c, s, page.ChatMessages, chatMessageKey, (*encoder).chatMessage)
	})
	return chatMessageConnection(c), nil
}

func (r *Resolver) feedback(ctx context.Context, a paging, filter *store.FeedbackFilter) (*model.FeedbackConnection, error) {
	p, list := newPlanner(ctx), &store.FeedbackList{}
	list.Window, list.Filter = a.window(p, page.Feedback), p.feedbackFilter(filter)
	s := p.feedbackList(selected(ctx), list)
	if p.err != nil {
		return nil, p.err
	}
	c, err := r.Store.Feedback(ctx, viewer.FromContext(ctx), list)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { connection(e, c, s, page.Feedback, feedbackKey, (*encoder).feedback) })
	return feedbackConnection(c), nil
}

func (r *Resolver) trackLikes(ctx context.Context, a paging, filter *store.TrackLikeFilter) (*model.TrackLikeConnection, error) {
	p, list := newPlanner(ctx), &store.TrackLikeList{}
	list.Window, list.Filter = a.window(p, page.TrackLikes), p.trackLikeFilter(filter)
	s := p.trackLikes(selected(ctx), list)
	if p.err != nil {
		return nil, p.err
	}
	c, err := r.Store.TrackLikes(ctx, viewer.FromContext(ctx), list)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { connection(e, c, s, page.TrackLikes, trackLikeKey, (*encoder).trackLike) })
	return trackLikeConnection(c), nil
}

func (r *Resolver) userStats(ctx context.Context, a paging, ids []string, in *store.TimeRange, orderBy *store.UserStatsOrder) (*model.UserStatsConnection, error) {
	list := &store.UserStatsList{UserIDs: ids, Range: in, OrderBy: store.ByMessageCount}
	if orderBy != nil {
		list.OrderBy = *orderBy
	}
	order := statsOrders[list.OrderBy]
	p := newPlanner(ctx)
	p.bounded("userIds", len(ids))
	list.Window = a.window(p, order.kind)
	s := p.userStatsList(selected(ctx), list)
	if p.err != nil {
		return nil, p.err
	}
	c, err := r.Store.UserStats(ctx, viewer.FromContext(ctx), list)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { connection(e, c, s, order.kind, order.key, (*encoder).userStats) })
	return &model.UserStatsConnection{Connection: model.Connection[store.UserStats]{Connection: c, Key: order.key, Kind: order.kind}}, nil
}

func (r *Resolver) activity(ctx context.Context, q store.ActivityQuery) ([]store.ActivityPoint, error) {
	s := newPlanner(ctx).flat(selected(ctx), "ActivityPoint", activityOps)
	points, err := r.Store.Activity(ctx, viewer.FromContext(ctx), q)
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.activity(points, s) })
	return points, nil
}

func (r *Resolver) topTracks(ctx context.Context, in *store.TimeRange, n int32) ([]store.TopTrack, error) {
	if n < 1 || n > page.MaxSize {
		return nil, fault.BadInput("first", "must be between 1 and %d", page.MaxSize)
	}
	s := newPlanner(ctx).flat(selected(ctx), "TopTrack", topTrackOps)
	tracks, err := r.Store.TopTracks(ctx, viewer.FromContext(ctx), in, int(n))
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.topTracks(tracks, s) })
	return tracks, nil
}
