package store

// What each table's rows are made of: for every row type a select method that
// adds its wanted columns and joins, and a read method that takes them in the
// same order.

var (
	chatMessageSource = source{from: "public.chat_messages m", id: "m.id", key: "m.created_at", kind: chatMessagesKind}
	feedbackSource    = source{from: "public.message_feedback f", id: "f.id", key: "f.created_at", kind: feedbackKind}
	trackLikeSource   = source{from: "public.track_likes l", id: "l.id", key: "l.created_at", kind: trackLikesKind}
	userSource        = source{from: "neon_auth.users_sync u", id: "u.id", key: userKey, kind: usersKind}
)

// userKey orders users: a null created_at sorts and reads as 1970.
const userKey = "coalesce(u.created_at, 'epoch'::timestamptz)"

// selectUser adds the wanted columns of the users_sync row under alias, without its id.
func (q *query) selectUser(alias string, w *UserWant) {
	if w.CreatedAt {
		q.column(alias, ".created_at")
	}
	if w.Columns.Has(Name) {
		q.column(alias, ".name")
	}
	if w.Columns.Has(Email) {
		q.column(q.private(alias, "email"))
	}
	if w.Columns.Has(UpdatedAt) {
		q.column(q.private(alias, "updated_at"))
	}
	if w.Columns.Has(DeletedAt) {
		q.column(q.private(alias, "deleted_at"))
	}
}

func (r *record) user(w *UserWant, u *User) {
	if w.CreatedAt {
		u.CreatedAt = r.time()
	}
	if w.Columns.Has(Name) {
		u.Name = r.textOrNull()
	}
	if w.Columns.Has(Email) {
		u.Email = r.textOrNull()
	}
	if w.Columns.Has(UpdatedAt) {
		u.UpdatedAt = r.timeOrNull()
	}
	if w.Columns.Has(DeletedAt) {
		u.DeletedAt = r.timeOrNull()
	}
}

// selectOwner adds the user a row belongs to: the id from the row itself, the
// rest, if wanted, by a join.
func (q *query) selectOwner(alias string, w *UserWant) {
	if w == nil {
		return
	}
	q.column(alias, ".clerk_id")
	if w.row() {
		q.selectUser(q.joinOwner(alias), w)
	}
}

func (r *record) owner(w *UserWant) *User {
	if w == nil {
		return nil
	}
	u := r.people.new()
	u.ID = r.text()
	if w.row() {
		r.user(w, u)
	}
	return u
}

func (q *query) selectChatMessage(alias string, w *ChatMessageWant) {
	q.column(alias, ".id, ", alias, ".created_at")
	if w.Columns.Has(Role) {
		q.column(alias, ".role")
	}
	if w.Columns.Has(Content) {
		q.column(alias, ".content")
	}
	if w.Columns.Has(SessionID) {
		q.column(alias, ".session_id")
	}
	q.selectOwner(alias, w.User)
	if w.ViewerFeedback != nil {
		v := alias + "v"
		mine := "false"
		if q.viewer.UserID() != "" {
			mine = "v.clerk_id = " + q.me()
		}
		// OFFSET 0 keeps it at one look a message: joined, all the viewer's ratings were read for one page.
		q.join(" LEFT JOIN LATERAL (SELECT v.id, v.clerk_id, v.message_id, v.rating, v.comment, v.created_at FROM public.message_feedback v WHERE v.message_id = ",
			alias, ".id AND ", mine, " OFFSET 0) ", v, " ON true")
		q.selectFeedback(v, w.ViewerFeedback)
	}
}

func (r *record) chatMessage(w *ChatMessageWant, m *ChatMessage) {
	m.ID, m.CreatedAt = r.uuid(), r.time()
	if w.Columns.Has(Role) {
		m.Role = roleOf(r.take())
	}
	if w.Columns.Has(Content) {
		m.Content = r.text()
	}
	if w.Columns.Has(SessionID) {
		m.SessionID = r.textOrNull()
	}
	m.User = r.owner(w.User)
	if w.ViewerFeedback != nil {
		given := !r.null()
		f := &Feedback{}
		if r.feedback(w.ViewerFeedback, f); given {
			m.ViewerFeedback = f
		}
	}
}

func (q *query) selectFeedback(alias string, w *FeedbackWant) {
	q.column(alias, ".id, ", alias, ".created_at")
	if w.Columns.Has(Rating) {
		q.column(alias, ".rating")
	}
	if w.Columns.Has(Comment) {
		q.column(alias, ".comment")
	}
	q.selectOwner(alias, w.User)
	if w.Message == nil {
		return
	}
	if !w.Message.row() {
		q.column(alias, ".message_id")
		return
	}
	m := alias + "m"
	q.join(" LEFT JOIN public.chat_messages ", m, " ON ", m, ".id = ", alias, ".message_id")
	q.selectChatMessage(m, w.Message)
}

func (r *record) feedback(w *FeedbackWant, f *Feedback) {
	f.ID, f.CreatedAt = r.uuid(), r.time()
	if w.Columns.Has(Rating) {
		f.Rating = RatingUp
		if r.integer() < 0 {
			f.Rating = RatingDown
		}
	}
	if w.Columns.Has(Comment) {
		f.Comment = r.textOrNull()
	}
	f.User = r.owner(w.User)
	if w.Message == nil {
		return
	}
	f.Message = &ChatMessage{}
	if !w.Message.row() {
		f.Message.ID = r.uuid()
		return
	}
	r.chatMessage(w.Message, f.Message)
}

func (q *query) selectTrackLike(alias string, w *TrackLikeWant) {
	q.column(alias, ".id, ", alias, ".created_at")
	if w.Columns.Has(TrackID) {
		q.column(alias, ".track_id")
	}
	if w.Columns.Has(Title) {
		q.column(alias, ".title")
	}
	if w.Columns.Has(Artist) {
		q.column(alias, ".artist")
	}
	q.selectOwner(alias, w.User)
}

func (r *record) trackLike(w *TrackLikeWant, l *TrackLike) {
	l.ID, l.CreatedAt = r.uuid(), r.time()
	if w.Columns.Has(TrackID) {
		l.TrackID = r.text()
	}
	if w.Columns.Has(Title) {
		l.Title = r.textOrNull()
	}
	if w.Columns.Has(Artist) {
		l.Artist = r.textOrNull()
	}
	l.User = r.owner(w.User)
}

// roleOf reads the role column. Other programs may have written it in any case.
func roleOf(v []byte) ChatRole {
	switch {
	case len(v) == 0:
		return RoleUser
	case v[0]|0x20 == 'a':
		return RoleAssistant
	case v[0]|0x20 == 's':
		return RoleSystem
	}
	return RoleUser
}
