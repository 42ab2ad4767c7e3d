package graph

import (
	"context"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/viewer"
)

// What the fields of Mutation do: check the input, plan, write as the caller, hold.

// payload plans a payload of one object: plan is called with what is asked of that.
func (p *planner) payload(set ast.SelectionSet, typeName string, plan func(ast.SelectionSet) *selection) *selection {
	s := &selection{typeName: typeName}
	for _, f := range p.collect(set, []string{typeName}) {
		if f.Name == "__typename" {
			s.add(f, opTypename)
		} else {
			s.add(f, opNode).sub = plan(f.Selections)
		}
	}
	return s
}

// payload writes one; object writes what it holds.
func (e *encoder) payload(s *selection, object func(*selection)) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		if f.op == opTypename {
			e.name(s.typeName)
		} else {
			object(f.sub)
		}
	}
	e.close(len(s.fields))
}

func (r *Resolver) sendChatMessage(ctx context.Context, in model.SendChatMessageInput) (*model.SendChatMessagePayload, error) {
	m, err := newChatMessage(in)
	if err != nil {
		return nil, err
	}
	p, want := newPlanner(ctx), &store.ChatMessageWant{}
	s := p.payload(selected(ctx), "SendChatMessagePayload", func(set ast.SelectionSet) *selection { return p.chatMessage(set, want) })
	if p.err != nil {
		return nil, p.err
	}
	sent, err := provisioned(ctx, r, func() (*store.ChatMessage, error) {
		return r.Store.SendChatMessage(ctx, viewer.FromContext(ctx), m, want)
	})
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.payload(s, func(s *selection) { e.chatMessage(sent, s) }) })
	return &model.SendChatMessagePayload{ChatMessage: sent}, nil
}

func (r *Resolver) deleteChatMessage(ctx context.Context, id string) (*model.DeleteChatMessagePayload, error) {
	message, err := existing(id)
	if err != nil {
		return nil, err
	}
	if err := r.Store.DeleteChatMessage(ctx, viewer.FromContext(ctx), message); err != nil {
		return nil, err
	}
	deleted := message.String()
	holdDeleted(ctx, "DeleteChatMessagePayload", &deleted)
	return &model.DeleteChatMessagePayload{DeletedID: deleted}, nil
}

// existing reads a message's id; a malformed one is one that does not exist.
func existing(id string) (store.UUID, error) {
	u, ok := store.ParseUUID(id)
	if !ok {
		return u, fault.New(fault.NotFound, "there is no such message")
	}
	return u, nil
}

func (r *Resolver) giveFeedback(ctx context.Context, in model.GiveFeedbackInput) (*model.GiveFeedbackPayload, error) {
	message, err := existing(in.MessageID)
	if bad := optional("comment", in.Comment, 0, MaxComment); bad != nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	p, want := newPlanner(ctx), &store.FeedbackWant{}
	s := p.payload(selected(ctx), "GiveFeedbackPayload", func(set ast.SelectionSet) *selection { return p.feedback(set, want) })
	if p.err != nil {
		return nil, p.err
	}
	given, err := provisioned(ctx, r, func() (*store.Feedback, error) {
		return r.Store.GiveFeedback(ctx, viewer.FromContext(ctx), message, in.Rating, in.Comment, want)
	})
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.payload(s, func(s *selection) { e.feedback(given, s) }) })
	return &model.GiveFeedbackPayload{Feedback: given}, nil
}

func (r *Resolver) withdrawFeedback(ctx context.Context, id string) (*model.WithdrawFeedbackPayload, error) {
	var withdrawn *store.UUID
	if message, ok := store.ParseUUID(id); ok {
		var err error
		if withdrawn, err = r.Store.WithdrawFeedback(ctx, viewer.FromContext(ctx), message); err != nil {
			return nil, err
		}
	}
	payload := &model.WithdrawFeedbackPayload{DeletedID: idOrNull(withdrawn)}
	holdDeleted(ctx, "WithdrawFeedbackPayload", payload.DeletedID)
	return payload, nil
}

var deletedOps = map[string]op{"__typename": opTypename, "deletedId": opID}

// holdDeleted keeps a payload that tells what was deleted, if anything was.
func holdDeleted(ctx context.Context, typeName string, id *string) {
	s := newPlanner(ctx).flat(selected(ctx), typeName, deletedOps)
	hold(ctx, s, func(e *encoder) {
		for i := range s.fields {
			e.open(i, &s.fields[i])
			if s.fields[i].op == opTypename {
				e.name(typeName)
			} else {
				e.stringOr(id)
			}
		}
		e.close(len(s.fields))
	})
}

func idOrNull(u *store.UUID) *string {
	if u == nil {
		return nil
	}
	s := u.String()
	return &s
}

func (r *Resolver) likeTrack(ctx context.Context, in model.LikeTrackInput) (*model.LikeTrackPayload, error) {
	t, err := newTrackLike(in)
	if err != nil {
		return nil, err
	}
	p, want := newPlanner(ctx), &store.TrackLikeWant{}
	s := p.payload(selected(ctx), "LikeTrackPayload", func(set ast.SelectionSet) *selection { return p.trackLike(set, want) })
	if p.err != nil {
		return nil, p.err
	}
	liked, err := provisioned(ctx, r, func() (*store.TrackLike, error) {
		return r.Store.LikeTrack(ctx, viewer.FromContext(ctx), t, want)
	})
	if err != nil {
		return nil, err
	}
	hold(ctx, s, func(e *encoder) { e.payload(s, func(s *selection) { e.trackLike(liked, s) }) })
	return &model.LikeTrackPayload{TrackLike: liked}, nil
}

func (r *Resolver) unlikeTrack(ctx context.Context, track string) (*model.UnlikeTrackPayload, error) {
	removed, err := r.Store.UnlikeTrack(ctx, viewer.FromContext(ctx), track)
	if err != nil {
		return nil, err
	}
	payload := &model.UnlikeTrackPayload{DeletedID: idOrNull(removed)}
	holdDeleted(ctx, "UnlikeTrackPayload", payload.DeletedID)
	return payload, nil
}

func (r *Resolver) eraseMyData(ctx context.Context) (*store.Erased, error) {
	erased, err := r.Store.EraseMyData(ctx, viewer.FromContext(ctx))
	if err != nil {
		return nil, err
	}
	s := newPlanner(ctx).flat(selected(ctx), "EraseMyDataPayload", erasedOps)
	hold(ctx, s, func(e *encoder) {
		for i := range s.fields {
			e.open(i, &s.fields[i])
			switch s.fields[i].op {
			case opTypename:
				e.name(s.typeName)
			case opMessages:
				e.count(erased.Messages)
			case opFeedback:
				e.count(erased.Feedback)
			case opLikes:
				e.count(erased.Likes)
			}
		}
		e.close(len(s.fields))
	})
	return &erased, nil
}

var erasedOps = map[string]op{"__typename": opTypename, "messages": opMessages, "feedback": opFeedback, "likes": opLikes}
