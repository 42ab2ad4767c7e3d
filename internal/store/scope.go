package store

// The rules of sight (contract §1), all of them. Every statement of this
// package that reads for a viewer gets its WHERE from here:
//
//   - a plain user sees its own messages, likes and given ratings, what others
//     gave on its own messages, and id, name and sign-up time of live users;
//   - an analyst sees everything, but lists that are not reached through a
//     deleted user leave deleted users' rows out;
//   - a deleted caller sees nothing: the gate of its root statement says so.
//
// A rating is its giver's own. What it was given to may be somebody else's, so
// for a plain user asking for the message's contents narrows a list of ratings
// to those whose message it can see.

// me is the viewer's own id. API keys have none and own nothing.
func (q *query) me() string {
	if q.meArg == "" {
		q.meArg = q.hidden(q.viewer.UserID(), "text")
	}
	return q.meArg
}

// gate is an expression that is true when the caller was deleted.
func (q *query) gate() string {
	if q.viewer.UserID() == "" {
		return "false"
	}
	return "EXISTS (SELECT 1 FROM neon_auth.users_sync WHERE id = " + q.me() + " AND deleted_at IS NOT NULL)"
}

// gated is a row p of one column, gone, that a root statement joins its rows to.
// OFFSET 0 keeps the planner from putting the gate wherever gone is named, once
// to be shown and once to be held, which looks the caller up twice.
func (q *query) gated() string { return "(SELECT " + q.gate() + " AS gone OFFSET 0) p" }

// ownOrLive is the scope of a root list of rows that have an owner, narrowed to
// the given owners' rows unless nil.
func (q *query) ownOrLive(alias string, owners []string) {
	switch {
	case !q.viewer.Analyst():
		q.own(alias)
	case len(owners) == 1: // looked up once, not for every row
		q.and("NOT EXISTS (SELECT 1 FROM neon_auth.users_sync WHERE id = ", q.hidden(owners[0], "text"), " AND deleted_at IS NOT NULL)")
	default:
		q.live(alias)
	}
}

// own is the scope of rows reached through a user or by id: an analyst's are all.
func (q *query) own(alias string) {
	if !q.viewer.Analyst() {
		q.and(alias, ".clerk_id = ", q.me())
	}
}

// live leaves out rows whose owner was deleted.
func (q *query) live(alias string) {
	q.and(q.joinOwner(alias), ".deleted_at IS NULL")
}

// ratingsOfMessage is the scope of the ratings on a message that is itself in
// sight: live givers', and a deleted owner's own, which only an analyst who
// asked for that message by id can reach.
func (q *query) ratingsOfMessage(alias string) {
	o := q.joinOwner(alias)
	if q.viewer.Analyst() {
		q.and("(", o, ".deleted_at IS NULL OR EXISTS (SELECT 1 FROM public.chat_messages x WHERE x.id = ",
			alias, ".message_id AND x.clerk_id = ", alias, ".clerk_id))")
		return
	}
	q.and(o, ".deleted_at IS NULL")
}

// ratingByID is the scope of a single rating: one's own, or a live user's on one's own message.
func (q *query) ratingByID(alias string) {
	if q.viewer.Analyst() {
		return
	}
	o := q.joinOwner(alias)
	q.and("(", alias, ".clerk_id = ", q.me(), " OR ", o, ".deleted_at IS NULL AND ", q.ownMessage(alias), ")")
}

// ratedMessage narrows ratings to those whose message is in sight, where its contents are wanted.
func (q *query) ratedMessage(alias string, w *FeedbackWant) {
	if w.Message.row() && !q.viewer.Analyst() {
		q.and(q.ownMessage(alias))
	}
}

// ownMessage looks the message up by its id. (An EXISTS becomes a join, which
// read all messages of the viewer's own, 46,000, to show ten ratings.)
func (q *query) ownMessage(alias string) string {
	return "(SELECT x.clerk_id FROM public.chat_messages x WHERE x.id = " + alias + ".message_id) = " + q.me()
}

// liveUser is the scope of users themselves.
func (q *query) liveUser(alias string, deletedToo bool) {
	if !deletedToo || !q.viewer.Analyst() {
		q.and(alias, ".deleted_at IS NULL")
	}
}

// numbers is the scope of people's numbers: one's own, or for an analyst everyone's.
func (q *query) numbers(idColumn string) {
	if !q.viewer.Analyst() {
		q.and(idColumn, " = ", q.me())
	}
}

// mine is a condition that the person with the given id is one whose numbers are in sight.
func (q *query) mine(id string) string {
	if q.viewer.Analyst() {
		return "true"
	}
	return id + " = " + q.me()
}

// private is a column of users_sync that only its user and analysts may read.
func (q *query) private(alias, column string) string {
	if q.viewer.Analyst() || alias == q.callers {
		return alias + "." + column
	}
	return "CASE WHEN " + alias + ".id = " + q.me() + " THEN " + alias + "." + column + " END"
}
