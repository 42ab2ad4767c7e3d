package store

import (
	"context"

	"github.com/ai-dj/segue/internal/viewer"
)

// The reads behind subscriptions: rows by the ids that live events named, under
// the scope of the lists they would be new in. So they leave out what a by-id
// read gives an analyst beyond that, deleted users' rows. Ids that v sees nothing
// under, or whose row is gone again, are not in the map.

// ChatMessageEvents are messages that were added.
func (s *Store) ChatMessageEvents(ctx context.Context, v viewer.Viewer, ids []string, w *ChatMessageWant) (map[string]*ChatMessage, error) {
	found := make(map[string]*ChatMessage, len(ids))
	err := s.read(ctx, v, func(l *loader) {
		one(l, len(ids), chatMessageSource, func(q *query) {
			q.keys("m.id", parseUUIDs(ids))
			q.ownOrLive("m", nil)
		},
			func(q *query) { q.selectChatMessage("m", w) },
			func(r *record, m *ChatMessage) { r.chatMessage(w, m) },
			func(m *ChatMessage) { found[m.ID.String()] = m },
			func(ms []*ChatMessage) { l.belowChatMessages(w, ms) })
	})
	return found, err
}

// FeedbackEvents are ratings that were given or replaced.
func (s *Store) FeedbackEvents(ctx context.Context, v viewer.Viewer, ids []string, w *FeedbackWant) (map[string]*Feedback, error) {
	found := make(map[string]*Feedback, len(ids))
	err := s.read(ctx, v, func(l *loader) {
		one(l, len(ids), feedbackSource, func(q *query) {
			q.keys("f.id", parseUUIDs(ids))
			q.ownOrLive("f", nil)
			q.ratedMessage("f", w)
		},
			func(q *query) { q.selectFeedback("f", w) },
			func(r *record, f *Feedback) { r.feedback(w, f) },
			func(f *Feedback) { found[f.ID.String()] = f },
			func(fs []*Feedback) { l.belowFeedback(w, fs) })
	})
	return found, err
}

// TrackLikeEvents are likes that were added.
func (s *Store) TrackLikeEvents(ctx context.Context, v viewer.Viewer, ids []string, w *TrackLikeWant) (map[string]*TrackLike, error) {
	found := make(map[string]*TrackLike, len(ids))
	err := s.read(ctx, v, func(l *loader) {
		one(l, len(ids), trackLikeSource, func(q *query) {
			q.keys("l.id", parseUUIDs(ids))
			q.ownOrLive("l", nil)
		},
			func(q *query) { q.selectTrackLike("l", w) },
			func(r *record, t *TrackLike) { r.trackLike(w, t) },
			func(t *TrackLike) { found[t.ID.String()] = t },
			func(ts []*TrackLike) { l.belowTrackLikes(w, ts) })
	})
	return found, err
}

// UserStatsEvents are the numbers of live people whose numbers moved, by their ids.
func (s *Store) UserStatsEvents(ctx context.Context, v viewer.Viewer, ids []string, w *UserWant) (map[string]*UserStats, error) {
	found := make(map[string]*UserStats, len(ids))
	want := &UserWant{Stats: []*StatsWant{{Span: true, User: w}}}
	var users []*User
	err := s.read(ctx, v, func(l *loader) {
		one(l, len(ids), userSource, func(q *query) {
			q.ids("u.id", ids)
			q.liveUser("u", false)
		},
			func(q *query) { q.selectListedUser(want) },
			func(r *record, u *User) { r.listedUser(want, u) },
			func(u *User) { users = append(users, u) },
			func(us []*User) { l.belowUsers(want, us) })
	})
	for _, u := range users {
		if len(u.Stats) > 0 {
			found[u.ID] = u.Stats[0]
		}
	}
	return found, err
}
