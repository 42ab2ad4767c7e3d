package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
)

// planner walks the selection set of a root field, before any SQL, into the
// wants that the store reads by and the selections that are written from what it
// read. The two are built side by side: a selection's list number is an index
// into its want's lists.
type planner struct {
	ctx       context.Context
	operation *graphql.OperationContext
	exec      *executionContext // for its generated readers of arguments
	err       error             // the first argument that cannot be accepted
}

func newPlanner(ctx context.Context) *planner {
	operation := graphql.GetOperationContext(ctx)
	return &planner{ctx: ctx, operation: operation, exec: newExecutionContext(operation, &executableSchema{}, nil)}
}

func (p *planner) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// arguments reads a nested field's arguments as its resolver would get them.
func (p *planner) arguments(f graphql.CollectedField, read func(context.Context, map[string]any) (map[string]any, error)) map[string]any {
	args, err := read(p.ctx, f.ArgumentMap(p.operation.Variables))
	if err != nil {
		p.fail(err)
	}
	return args
}

// argument is one of them, the zero value where it was not given.
func argument[T any](args map[string]any, name string) T {
	v, _ := args[name].(T)
	return v
}

// window reads a nested list's four paging arguments.
func (p *planner) window(kind page.Kind, args map[string]any) page.Window {
	w, err := page.NewWindow(kind, argument[*int32](args, "first"), argument[*string](args, "after"),
		argument[*int32](args, "last"), argument[*string](args, "before"))
	if err != nil {
		p.fail(err)
	}
	return w
}

func (p *planner) user(set ast.SelectionSet, w *store.UserWant) *selection {
	fields := p.collect(set, userImplementors)
	s := newSelection("User", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "id":
			s.add(f, opID)
		case "name":
			s.add(f, opName)
			w.Columns |= store.Name
		case "email":
			s.add(f, opEmail)
			w.Columns |= store.Email
		case "createdAt":
			s.add(f, opCreatedAt)
			w.CreatedAt = true
		case "updatedAt":
			s.add(f, opUpdatedAt)
			w.Columns |= store.UpdatedAt
		case "deletedAt":
			s.add(f, opDeletedAt)
			w.Columns |= store.DeletedAt
		default:
			p.userList(s, f, w)
		}
	}
	return s
}

func (p *planner) userList(s *selection, f graphql.CollectedField, w *store.UserWant) {
	switch f.Name {
	case "chatMessages":
		args := p.arguments(f, p.exec.field_User_chatMessages_args)
		list := &store.ChatMessageList{Filter: p.chatMessageFilter(argument[*store.ChatMessageFilter](args, "filter"))}
		list.Window = p.window(page.ChatMessages, args)
		e := s.add(f, opChatMessages)
		e.list, e.sub = len(w.ChatMessages), p.chatMessages(f.Selections, list)
		w.ChatMessages = append(w.ChatMessages, list)
	case "feedback":
		args := p.arguments(f, p.exec.field_User_feedback_args)
		list := &store.FeedbackList{Filter: p.feedbackFilter(argument[*store.FeedbackFilter](args, "filter"))}
		list.Window = p.window(page.Feedback, args)
		e := s.add(f, opFeedback)
		e.list, e.sub = len(w.Feedback), p.feedbackList(f.Selections, list)
		w.Feedback = append(w.Feedback, list)
	case "trackLikes":
		args := p.arguments(f, p.exec.field_User_trackLikes_args)
		list := &store.TrackLikeList{Filter: p.trackLikeFilter(argument[*store.TrackLikeFilter](args, "filter"))}
		list.Window = p.window(page.TrackLikes, args)
		e := s.add(f, opTrackLikes)
		e.list, e.sub = len(w.TrackLikes), p.trackLikes(f.Selections, list)
		w.TrackLikes = append(w.TrackLikes, list)
	case "stats":
		args := p.arguments(f, p.exec.field_User_stats_args)
		want := &store.StatsWant{Range: argument[*store.TimeRange](args, "range")}
		e := s.add(f, opStats)
		e.list, e.sub = len(w.Stats), p.userStats(f.Selections, &want.User, &want.Span)
		w.Stats = append(w.Stats, want)
	}
}

// owner plans the user that a row belongs to.
func (p *planner) owner(s *selection, f graphql.CollectedField, w **store.UserWant) {
	if *w == nil {
		*w = &store.UserWant{}
	}
	s.add(f, opUser).sub = p.user(f.Selections, *w)
}

func (p *planner) chatMessage(set ast.SelectionSet, w *store.ChatMessageWant) *selection {
	fields := p.collect(set, chatMessageImplementors)
	s := newSelection("ChatMessage", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "id":
			s.add(f, opID)
		case "user":
			p.owner(s, f, &w.User)
		case "role":
			s.add(f, opRole)
			w.Columns |= store.Role
		case "content":
			s.add(f, opContent)
			w.Columns |= store.Content
		case "sessionId":
			s.add(f, opSessionID)
			w.Columns |= store.SessionID
		case "createdAt":
			s.add(f, opCreatedAt)
			w.CreatedAt = true
		case "viewerFeedback":
			if w.ViewerFeedback == nil {
				w.ViewerFeedback = &store.FeedbackWant{}
			}
			s.add(f, opViewerFeedback).sub = p.feedback(f.Selections, w.ViewerFeedback)
		case "feedback":
			args := p.arguments(f, p.exec.field_ChatMessage_feedback_args)
			list := &store.FeedbackList{}
			list.Window = p.window(page.Feedback, args)
			e := s.add(f, opFeedback)
			e.list, e.sub = len(w.Feedback), p.feedbackList(f.Selections, list)
			w.Feedback = append(w.Feedback, list)
		}
	}
	return s
}

func (p *planner) feedback(set ast.SelectionSet, w *store.FeedbackWant) *selection {
	fields := p.collect(set, feedbackImplementors)
	s := newSelection("Feedback", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "id":
			s.add(f, opID)
		case "user":
			p.owner(s, f, &w.User)
		case "message":
			if w.Message == nil {
				w.Message = &store.ChatMessageWant{}
			}
			s.add(f, opMessage).sub = p.chatMessage(f.Selections, w.Message)
		case "rating":
			s.add(f, opRating)
			w.Columns |= store.Rating
		case "comment":
			s.add(f, opComment)
			w.Columns |= store.Comment
		case "createdAt":
			s.add(f, opCreatedAt)
		}
	}
	return s
}

func (p *planner) trackLike(set ast.SelectionSet, w *store.TrackLikeWant) *selection {
	fields := p.collect(set, trackLikeImplementors)
	s := newSelection("TrackLike", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "id":
			s.add(f, opID)
		case "user":
			p.owner(s, f, &w.User)
		case "trackId":
			s.add(f, opTrackID)
			w.Columns |= store.TrackID
		case "title":
			s.add(f, opTitle)
			w.Columns |= store.Title
		case "artist":
			s.add(f, opArtist)
			w.Columns |= store.Artist
		case "createdAt":
			s.add(f, opCreatedAt)
		}
	}
	return s
}

// userStatsOps are the numbers of UserStats, all read together.
var userStatsOps = map[string]op{
	"__typename": opTypename, "messageCount": opMessageCount, "likedTracks": opLikedTracks, "feedbackUp": opFeedbackUp,
	"feedbackDown": opFeedbackDown, "firstActiveAt": opFirstActiveAt, "lastActiveAt": opLastActiveAt,
}

func (p *planner) userStats(set ast.SelectionSet, w **store.UserWant, span *bool) *selection {
	fields := p.collect(set, userStatsImplementors)
	s := newSelection("UserStats", len(fields))
	for _, f := range fields {
		if f.Name == "user" {
			p.owner(s, f, w)
			continue
		}
		o := userStatsOps[f.Name]
		s.add(f, o)
		*span = *span || o == opFirstActiveAt || o == opLastActiveAt
	}
	return s
}

func (p *planner) chatMessages(set ast.SelectionSet, list *store.ChatMessageList) *selection {
	return p.connection(set, "ChatMessage", &list.PageWant, func(set ast.SelectionSet) *selection { return p.chatMessage(set, &list.Want) })
}

func (p *planner) feedbackList(set ast.SelectionSet, list *store.FeedbackList) *selection {
	return p.connection(set, "Feedback", &list.PageWant, func(set ast.SelectionSet) *selection { return p.feedback(set, &list.Want) })
}

func (p *planner) trackLikes(set ast.SelectionSet, list *store.TrackLikeList) *selection {
	return p.connection(set, "TrackLike", &list.PageWant, func(set ast.SelectionSet) *selection { return p.trackLike(set, &list.Want) })
}

func (p *planner) users(set ast.SelectionSet, list *store.UserList) *selection {
	return p.connection(set, "User", &list.PageWant, func(set ast.SelectionSet) *selection { return p.user(set, &list.Want) })
}

func (p *planner) userStatsList(set ast.SelectionSet, list *store.UserStatsList) *selection {
	return p.connection(set, "UserStats", &list.PageWant, func(set ast.SelectionSet) *selection { return p.userStats(set, &list.User, &list.Span) })
}

// connection plans any of the connections; node plans what is asked of each row.
func (p *planner) connection(set ast.SelectionSet, rows string, w *store.PageWant, node func(ast.SelectionSet) *selection) *selection {
	fields := p.collect(set, []string{rows + "Connection"})
	s := newSelection(rows+"Connection", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "edges":
			w.Rows = true
			s.add(f, opEdges).sub = p.edge(f.Selections, rows+"Edge", node)
		case "pageInfo":
			w.Rows = true
			s.add(f, opPageInfo).sub = p.pageInfo(f.Selections, w)
		case "totalCount":
			w.TotalCount = true
			s.add(f, opTotalCount)
		}
	}
	return s
}

func (p *planner) edge(set ast.SelectionSet, typeName string, node func(ast.SelectionSet) *selection) *selection {
	fields := p.collect(set, []string{typeName})
	s := newSelection(typeName, len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "cursor":
			s.add(f, opCursor)
		case "node":
			s.add(f, opNode).sub = node(f.Selections)
		}
	}
	return s
}

func (p *planner) pageInfo(set ast.SelectionSet, w *store.PageWant) *selection {
	fields := p.collect(set, pageInfoImplementors)
	s := newSelection("PageInfo", len(fields))
	for _, f := range fields {
		switch f.Name {
		case "__typename":
			s.add(f, opTypename)
		case "hasNextPage":
			w.Ends = true
			s.add(f, opHasNextPage)
		case "hasPreviousPage":
			w.Ends = true
			s.add(f, opHasPreviousPage)
		case "startCursor":
			s.add(f, opStartCursor)
		case "endCursor":
			s.add(f, opEndCursor)
		}
	}
	return s
}

// node plans for each type a node may turn out to be.
func (p *planner) node(set ast.SelectionSet, w *store.NodeWant) *nodeSelections {
	return &nodeSelections{
		user:        p.user(set, &w.User),
		chatMessage: p.chatMessage(set, &w.ChatMessage),
		feedback:    p.feedback(set, &w.Feedback),
		trackLike:   p.trackLike(set, &w.TrackLike),
	}
}

// flat plans objects of scalars.
func (p *planner) flat(set ast.SelectionSet, typeName string, ops map[string]op) *selection {
	fields := p.collect(set, []string{typeName})
	s := newSelection(typeName, len(fields))
	for _, f := range fields {
		s.add(f, ops[f.Name])
	}
	return s
}

var activityOps = map[string]op{
	"__typename": opTypename, "start": opStart, "messages": opMessages, "likes": opLikes,
	"feedbackUp": opFeedbackUp, "feedbackDown": opFeedbackDown, "activeUsers": opActiveUsers,
}

var topTrackOps = map[string]op{
	"__typename": opTypename, "trackId": opTrackID, "title": opTitle, "artist": opArtist, "likes": opLikes,
}

// MaxFilterIDs bounds the id lists of filters.
const MaxFilterIDs = 1000

func (p *planner) bounded(name string, n int) {
	if n > MaxFilterIDs {
		p.fail(fault.BadInput(name, "may list at most %d", MaxFilterIDs))
	}
}

func (p *planner) chatMessageFilter(f *store.ChatMessageFilter) store.ChatMessageFilter {
	if f == nil {
		return store.ChatMessageFilter{}
	}
	p.bounded("userIds", len(f.UserIDs))
	return *f
}

func (p *planner) feedbackFilter(f *store.FeedbackFilter) store.FeedbackFilter {
	if f == nil {
		return store.FeedbackFilter{}
	}
	p.bounded("userIds", len(f.UserIDs))
	p.bounded("messageIds", len(f.MessageIDs))
	return *f
}

func (p *planner) trackLikeFilter(f *store.TrackLikeFilter) store.TrackLikeFilter {
	if f == nil {
		return store.TrackLikeFilter{}
	}
	p.bounded("userIds", len(f.UserIDs))
	p.bounded("trackIds", len(f.TrackIDs))
	return *f
}

func (p *planner) userFilter(f *store.UserFilter) store.UserFilter {
	if f == nil {
		return store.UserFilter{}
	}
	p.bounded("ids", len(f.IDs))
	return *f
}
