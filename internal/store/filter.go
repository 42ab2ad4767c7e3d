package store

import "strings"

// Filters become conditions. Nil adds none; they only ever narrow what scope.go allows.

func (q *query) chatMessageFilter(f *ChatMessageFilter) {
	q.ids("m.clerk_id", f.UserIDs)
	if f.SessionID != nil {
		q.and("m.session_id = ", q.arg(*f.SessionID))
	}
	if f.Role != nil {
		q.and("m.role = ", q.arg(strings.ToLower(string(*f.Role))))
	}
	q.within("m.created_at", f.Range)
	if f.Search != nil {
		q.and("m.content ILIKE ", q.containing(*f.Search))
	}
}

func (q *query) feedbackFilter(f *FeedbackFilter) {
	q.ids("f.clerk_id", f.UserIDs)
	q.uuids("f.message_id", f.MessageIDs)
	if f.Rating != nil {
		q.and("f.rating = ", q.arg(f.Rating.column()))
	}
	q.within("f.created_at", f.Range)
}

// column is the rating as the table holds it.
func (r FeedbackRating) column() int16 {
	if r == RatingDown {
		return -1
	}
	return 1
}

func (q *query) trackLikeFilter(f *TrackLikeFilter) {
	q.ids("l.clerk_id", f.UserIDs)
	q.ids("l.track_id", f.TrackIDs)
	q.within("l.created_at", f.Range)
}

// userFilter matches e-mail addresses for analysts only: a plain user could
// otherwise spell anyone's out by searching.
func (q *query) userFilter(f *UserFilter) {
	q.ids("u.id", f.IDs)
	if f.Search == nil {
		return
	}
	pattern := q.containing(*f.Search)
	if q.viewer.Analyst() {
		q.and("(u.name ILIKE ", pattern, " OR u.email ILIKE ", pattern, ")")
	} else {
		q.and("u.name ILIKE ", pattern)
	}
}

// The sifts methods report a condition that no index answers: rows are gone
// through, newest first, until the page is full. Those that scans report are not
// bounded by the page either: several people's rows, or a range's, are merged.

func (f *ChatMessageFilter) sifts() bool {
	return f.SessionID != nil || f.Role != nil || f.Search != nil
}
func (f *ChatMessageFilter) scans() bool { return f.sifts() || len(f.UserIDs) > 1 || f.Range != nil }

func (f *FeedbackFilter) sifts() bool { return f.Rating != nil }
func (f *FeedbackFilter) scans() bool {
	return f.sifts() || len(f.UserIDs) > 1 || f.MessageIDs != nil || f.Range != nil
}

func (f *TrackLikeFilter) scans() bool {
	return len(f.UserIDs) > 1 || f.TrackIDs != nil || f.Range != nil
}

func (f *UserFilter) sifts() bool { return f.Search != nil }
