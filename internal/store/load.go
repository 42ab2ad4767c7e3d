package store

import (
	"context"

	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/viewer"
)

const (
	usersKind        = page.Users
	chatMessagesKind = page.ChatMessages
	feedbackKind     = page.Feedback
	trackLikesKind   = page.TrackLikes
)

// loader reads what hangs below rows, one level of lists a round trip.
type loader struct {
	viewer viewer.Viewer
	from   *database   // nil: the primary
	level  []statement // of the level being collected
	counts bool        // one of them goes through more than it gives
	err    error       // a want that cannot be asked for
}

// load runs the root statements and then, level by level, everything below
// them: reading a statement's rows queues the statements of the next level.
func (s *Store) load(ctx context.Context, l *loader) error {
	from := l.from
	if from == nil {
		from = &s.primary
	}
	for l.err == nil && len(l.level) > 0 {
		if err := l.run(ctx, from); err != nil {
			return err
		}
	}
	return l.err
}

// run runs the level that was collected, in its turn where it counts.
func (l *loader) run(ctx context.Context, on *database) error {
	stmts, counts := l.level, l.counts
	next := func() { l.level, l.counts = nil, false }
	next()
	if counts {
		done, err := on.counting.take(ctx)
		if err != nil {
			return explain(ctx, err)
		}
		defer done()
	}
	return on.run(ctx, next, stmts)
}

// add queues one page of rows of type T for every parent, or for the root.
// filtered lists may pass over any number of rows to find theirs.
func add[T any](l *loader, src source, ps *parents, w *PageWant, filtered bool, scope func(*query),
	columns func(*query), read func(*record, *T), done func([]Connection[T])) {
	q := newQuery(l.viewer)
	scope(q)
	text, err := listSQL(q, src, ps, w, func() { columns(q) })
	if err != nil {
		if l.err == nil {
			l.err = err
		}
		return
	}
	l.counts = l.counts || w.TotalCount
	l.level = append(l.level, statement{rows: w.bound(ps, filtered), sql: text, args: q.args, read: func(rows resultRows) error {
		connections, err := readList(rows, ps, w, read)
		if err == nil {
			done(connections)
		}
		return err
	}})
}

func (l *loader) chatMessages(list *ChatMessageList, ps *parents, done func([]Connection[ChatMessage])) {
	scope := func(q *query) {
		if ps == nil {
			q.ownOrLive("m", list.Filter.UserIDs)
		} else {
			q.and("m.clerk_id = ", parentID)
			q.own("m")
		}
		q.chatMessageFilter(&list.Filter)
	}
	l.counts = l.counts || list.Filter.sifts()
	add(l, chatMessageSource, ps, &list.PageWant, list.Filter.scans(), scope,
		func(q *query) { q.selectChatMessage("m", &list.Want) },
		func(r *record, m *ChatMessage) { r.chatMessage(&list.Want, m) },
		func(cs []Connection[ChatMessage]) {
			done(cs)
			l.belowChatMessages(&list.Want, rowsOf(cs))
		})
}

// feedback queues ratings: given by the parents, or given to them where ofMessages.
func (l *loader) feedback(list *FeedbackList, ps *parents, ofMessages bool, done func([]Connection[Feedback])) {
	scope := func(q *query) {
		switch {
		case ps == nil:
			q.ownOrLive("f", list.Filter.UserIDs)
		case ofMessages:
			q.and("f.message_id = ", parentID)
			q.ratingsOfMessage("f")
		default:
			q.and("f.clerk_id = ", parentID)
			q.own("f")
		}
		q.ratedMessage("f", &list.Want)
		q.feedbackFilter(&list.Filter)
	}
	l.counts = l.counts || list.Filter.sifts()
	add(l, feedbackSource, ps, &list.PageWant, list.Filter.scans(), scope,
		func(q *query) { q.selectFeedback("f", &list.Want) },
		func(r *record, f *Feedback) { r.feedback(&list.Want, f) },
		func(cs []Connection[Feedback]) {
			done(cs)
			l.belowFeedback(&list.Want, rowsOf(cs))
		})
}

func (l *loader) trackLikes(list *TrackLikeList, ps *parents, done func([]Connection[TrackLike])) {
	scope := func(q *query) {
		if ps == nil {
			q.ownOrLive("l", list.Filter.UserIDs)
		} else {
			q.and("l.clerk_id = ", parentID)
			q.own("l")
		}
		q.trackLikeFilter(&list.Filter)
	}
	add(l, trackLikeSource, ps, &list.PageWant, list.Filter.scans(), scope,
		func(q *query) { q.selectTrackLike("l", &list.Want) },
		func(r *record, t *TrackLike) { r.trackLike(&list.Want, t) },
		func(cs []Connection[TrackLike]) {
			done(cs)
			l.belowTrackLikes(&list.Want, rowsOf(cs))
		})
}

func (l *loader) users(list *UserList, done func([]Connection[User])) {
	scope := func(q *query) {
		q.liveUser("u", list.Filter.IncludeDeleted != nil && *list.Filter.IncludeDeleted)
		q.userFilter(&list.Filter)
	}
	l.counts = l.counts || list.Filter.sifts()
	add(l, userSource, nil, &list.PageWant, true, scope, // Neon's table has no index for it
		func(q *query) { q.selectListedUser(&list.Want) },
		func(r *record, u *User) { r.listedUser(&list.Want, u) },
		func(cs []Connection[User]) {
			done(cs)
			l.belowUsers(&list.Want, rowsOf(cs))
		})
}

// selectListedUser adds a user with its id and the key of its cursor.
func (q *query) selectListedUser(w *UserWant) {
	q.column("u.id")
	listed := *w
	listed.CreatedAt = true
	q.selectUser("u", &listed)
}

func (r *record) listedUser(w *UserWant, u *User) {
	u.ID = r.text()
	listed := *w
	listed.CreatedAt = true
	r.user(&listed, u)
}

// The below methods queue the lists that hang on rows just read, and go on
// through their to-one edges, which came with them.

func (l *loader) belowUsers(w *UserWant, users []*User) {
	if !w.lists() || len(users) == 0 {
		return
	}
	keys, place := distinct(users, func(u *User) string { return u.ID })
	of := make([][]*User, len(keys))
	for i, u := range users {
		of[place[i]] = append(of[place[i]], u)
	}
	rows := func(key int) []*User { return of[key] }
	l.userLists(w, keys, rows)
	l.userNumbers(w, keys, rows)
}

// userLists queues the lists of the users with the given ids. of gives the rows
// of each id by its number; it is asked when the lists have been read, so ids
// that are known beforehand can go out together with the read of the users
// themselves: what a list shows depends on the viewer and the id alone.
func (l *loader) userLists(w *UserWant, keys []string, of func(key int) []*User) {
	ps := &parents{keys: keys, cast: "text[]", n: len(keys)}
	for i, list := range w.ChatMessages {
		l.chatMessages(list, ps, func(cs []Connection[ChatMessage]) {
			attach(cs, of, func(u *User, c *Connection[ChatMessage]) { put(&u.ChatMessages, len(w.ChatMessages), i, c) })
		})
	}
	for i, list := range w.Feedback {
		l.feedback(list, ps, false, func(cs []Connection[Feedback]) {
			attach(cs, of, func(u *User, c *Connection[Feedback]) { put(&u.Feedback, len(w.Feedback), i, c) })
		})
	}
	for i, list := range w.TrackLikes {
		l.trackLikes(list, ps, func(cs []Connection[TrackLike]) {
			attach(cs, of, func(u *User, c *Connection[TrackLike]) { put(&u.TrackLikes, len(w.TrackLikes), i, c) })
		})
	}
}

// userNumbers is userLists for the users' numbers.
func (l *loader) userNumbers(w *UserWant, keys []string, of func(key int) []*User) {
	for i, sw := range w.Stats {
		l.stats(sw, keys, func(stats []UserStats) {
			attach(stats, of, func(u *User, s *UserStats) { put(&u.Stats, len(w.Stats), i, s) })
		})
	}
}

// attach hands each parent's part of what was read to the parent's rows.
func attach[P, T any](parts []T, of func(int) []*P, to func(*P, *T)) {
	for key := range parts {
		for _, row := range of(key) {
			to(row, &parts[key])
		}
	}
}

// put sets element i of a row's lists, n in all.
func put[T any](lists *[]*T, n, i int, v *T) {
	if *lists == nil {
		*lists = make([]*T, n)
	}
	(*lists)[i] = v
}

func (l *loader) belowChatMessages(w *ChatMessageWant, messages []*ChatMessage) {
	if len(messages) == 0 {
		return
	}
	if w.User != nil {
		l.belowUsers(w.User, edges(messages, func(m *ChatMessage) *User { return m.User }))
	}
	if w.ViewerFeedback != nil {
		l.belowFeedback(w.ViewerFeedback, edges(messages, func(m *ChatMessage) *Feedback { return m.ViewerFeedback }))
	}
	if len(w.Feedback) == 0 {
		return
	}
	keys, place := distinct(messages, func(m *ChatMessage) UUID { return m.ID })
	ps := &parents{keys: keys, cast: "uuid[]", n: len(keys)}
	for _, m := range messages {
		m.Feedback = make([]*Connection[Feedback], len(w.Feedback))
	}
	for i, list := range w.Feedback {
		l.feedback(list, ps, true, func(cs []Connection[Feedback]) {
			for j, m := range messages {
				m.Feedback[i] = &cs[place[j]]
			}
		})
	}
}

func (l *loader) belowFeedback(w *FeedbackWant, given []*Feedback) {
	if w.User != nil {
		l.belowUsers(w.User, edges(given, func(f *Feedback) *User { return f.User }))
	}
	if w.Message.row() {
		l.belowChatMessages(w.Message, edges(given, func(f *Feedback) *ChatMessage { return f.Message }))
	}
}

func (l *loader) belowTrackLikes(w *TrackLikeWant, likes []*TrackLike) {
	if w.User != nil {
		l.belowUsers(w.User, edges(likes, func(t *TrackLike) *User { return t.User }))
	}
}

// rowsOf points at the rows of all connections.
func rowsOf[T any](cs []Connection[T]) []*T {
	n := 0
	for i := range cs {
		n += len(cs[i].Rows)
	}
	rows := make([]*T, 0, n)
	for i := range cs {
		for j := range cs[i].Rows {
			rows = append(rows, &cs[i].Rows[j])
		}
	}
	return rows
}

// edges follows a to-one edge, leaving out where it leads nowhere.
func edges[P, T any](rows []*P, edge func(*P) *T) []*T {
	found := make([]*T, 0, len(rows))
	for _, r := range rows {
		if e := edge(r); e != nil {
			found = append(found, e)
		}
	}
	return found
}

// distinct lists the rows' keys without repeats, and for each row the place of its key.
func distinct[T any, K comparable](rows []*T, key func(*T) K) (keys []K, place []int) {
	keys, place = make([]K, 0, len(rows)), make([]int, len(rows))
	seen := make(map[K]int, len(rows))
	for i, r := range rows {
		k := key(r)
		at, ok := seen[k]
		if !ok {
			at = len(keys)
			seen[k] = at
			keys = append(keys, k)
		}
		place[i] = at
	}
	return keys, place
}
