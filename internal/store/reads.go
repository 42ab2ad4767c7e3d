package store

import (
	"context"
	"slices"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// errAnonymous answers callers who have not proved who they are.
var errAnonymous = fault.New(fault.Unauthenticated, "sign in first: send a Clerk session token or an API key as a Bearer token")

// read loads what root queues, for a signed-in viewer only.
func (s *Store) read(ctx context.Context, v viewer.Viewer, root func(*loader)) error {
	if !v.SignedIn() {
		return errAnonymous
	}
	l := &loader{viewer: v}
	root(l)
	return s.load(ctx, l)
}

// ChatMessages is a page of the messages v may list: its own, or for an analyst
// those of all live users.
func (s *Store) ChatMessages(ctx context.Context, v viewer.Viewer, list *ChatMessageList) (*Connection[ChatMessage], error) {
	var page *Connection[ChatMessage]
	err := s.read(ctx, v, func(l *loader) {
		l.chatMessages(list, nil, func(cs []Connection[ChatMessage]) { page = &cs[0] })
	})
	return page, err
}

// Feedback is a page of the ratings v may list: those it gave, or for an
// analyst those that live users gave.
func (s *Store) Feedback(ctx context.Context, v viewer.Viewer, list *FeedbackList) (*Connection[Feedback], error) {
	var page *Connection[Feedback]
	err := s.read(ctx, v, func(l *loader) {
		l.feedback(list, nil, false, func(cs []Connection[Feedback]) { page = &cs[0] })
	})
	return page, err
}

// TrackLikes is a page of the likes v may list: its own, or for an analyst
// those of all live users.
func (s *Store) TrackLikes(ctx context.Context, v viewer.Viewer, list *TrackLikeList) (*Connection[TrackLike], error) {
	var page *Connection[TrackLike]
	err := s.read(ctx, v, func(l *loader) {
		l.trackLikes(list, nil, func(cs []Connection[TrackLike]) { page = &cs[0] })
	})
	return page, err
}

// Users is a page of live users; an analyst may ask for deleted ones too.
func (s *Store) Users(ctx context.Context, v viewer.Viewer, list *UserList) (*Connection[User], error) {
	var page *Connection[User]
	err := s.read(ctx, v, func(l *loader) {
		l.users(list, func(cs []Connection[User]) { page = &cs[0] })
	})
	return page, err
}

// User is one user by id, nil when v sees no such user: deleted ones are seen by analysts only.
func (s *Store) User(ctx context.Context, v viewer.Viewer, id string, w *UserWant) (*User, error) {
	var found *User
	err := s.read(ctx, v, func(l *loader) {
		l.usersByID([]string{id}, w, func(u *User) { found = u })
	})
	return found, err
}

// ChatMessage is one message by id, nil when v sees no such message.
func (s *Store) ChatMessage(ctx context.Context, v viewer.Viewer, id string, w *ChatMessageWant) (*ChatMessage, error) {
	var found *ChatMessage
	err := s.read(ctx, v, func(l *loader) {
		l.chatMessagesByID(parseUUIDs([]string{id}), w, func(m *ChatMessage) { found = m })
	})
	return found, err
}

// NodeWant is what to read of a node, by what it turns out to be.
type NodeWant struct {
	User        UserWant
	ChatMessage ChatMessageWant
	Feedback    FeedbackWant
	TrackLike   TrackLikeWant
}

// Node is a *User, *ChatMessage, *Feedback or *TrackLike.
type Node interface{ IsNode() }

// Nodes finds rows of any kind by their ids. Ids that v sees nothing under are
// not in the map.
func (s *Store) Nodes(ctx context.Context, v viewer.Viewer, ids []string, w *NodeWant) (map[string]Node, error) {
	found := make(map[string]Node, len(ids))
	uuids := parseUUIDs(ids)
	// A caller may write a UUID in upper case; it reads back as it was asked for.
	spelled := make(map[UUID][]string, len(uuids))
	for _, id := range ids {
		if u, ok := ParseUUID(id); ok {
			spelled[u] = append(spelled[u], id)
		}
	}
	put := func(id UUID, node Node) {
		for _, s := range spelled[id] {
			found[s] = node
		}
	}
	err := s.read(ctx, v, func(l *loader) {
		l.usersByID(ids, &w.User, func(u *User) { found[u.ID] = u })
		if len(uuids) == 0 {
			return
		}
		l.chatMessagesByID(uuids, &w.ChatMessage, func(m *ChatMessage) { put(m.ID, m) })
		l.feedbackByID(uuids, &w.Feedback, func(f *Feedback) { put(f.ID, f) })
		l.trackLikesByID(uuids, &w.TrackLike, func(t *TrackLike) { put(t.ID, t) })
	})
	return found, err
}

// usersByID queues users and, in the same round trip, what hangs below them.
func (l *loader) usersByID(ids []string, w *UserWant, found func(*User)) {
	ids = storableAll(ids) // as the rows are found, so that what hangs below finds them too
	byID := make(map[string]*User, len(ids))
	numbered, span := w.beside()
	scope := func(q *query) {
		q.ids("u.id", ids)
		q.liveUser("u", true)
	}
	columns := func(q *query) {
		q.selectListedUser(w)
		if numbered {
			n := q.numbersOf("u.id", q.mine("u.id"), nil, span)
			q.join(n.joins)
			q.column(n.columns())
		}
	}
	read := func(r *record, u *User) {
		r.listedUser(w, u)
		if numbered {
			r.numbers(w, u)
		}
	}
	one(l, len(ids), userSource, scope, columns, read, func(u *User) {
		byID[u.ID] = u
		found(u)
	}, func([]*User) {})
	if !w.lists() {
		return
	}
	keys := slices.Compact(slices.Sorted(slices.Values(ids)))
	of := func(key int) []*User {
		if u := byID[keys[key]]; u != nil {
			return []*User{u}
		}
		return nil
	}
	l.userLists(w, keys, of)
	if !numbered {
		l.userNumbers(w, keys, of)
	}
}

func (l *loader) chatMessagesByID(ids []UUID, w *ChatMessageWant, found func(*ChatMessage)) {
	scope := func(q *query) {
		q.keys("m.id", ids)
		q.own("m")
	}
	one(l, len(ids), chatMessageSource, scope, func(q *query) { q.selectChatMessage("m", w) },
		func(r *record, m *ChatMessage) { r.chatMessage(w, m) }, found,
		func(ms []*ChatMessage) { l.belowChatMessages(w, ms) })
}

func (l *loader) feedbackByID(ids []UUID, w *FeedbackWant, found func(*Feedback)) {
	scope := func(q *query) {
		q.keys("f.id", ids)
		q.ratingByID("f")
		q.ratedMessage("f", w)
	}
	one(l, len(ids), feedbackSource, scope, func(q *query) { q.selectFeedback("f", w) },
		func(r *record, f *Feedback) { r.feedback(w, f) }, found,
		func(fs []*Feedback) { l.belowFeedback(w, fs) })
}

func (l *loader) trackLikesByID(ids []UUID, w *TrackLikeWant, found func(*TrackLike)) {
	scope := func(q *query) {
		q.keys("l.id", ids)
		q.own("l")
	}
	one(l, len(ids), trackLikeSource, scope, func(q *query) { q.selectTrackLike("l", w) },
		func(r *record, t *TrackLike) { r.trackLike(w, t) }, found,
		func(ts []*TrackLike) { l.belowTrackLikes(w, ts) })
}

// keys adds a condition that a uuid column is one of the list.
func (q *query) keys(column string, ids []UUID) {
	if len(ids) == 1 {
		q.and(column, " = ", q.arg(ids[0]), "::uuid")
		return
	}
	q.and(column, " = ANY(", q.arg(ids), "::uuid[])")
}

// one queues a read by n keys at most: behind the caller's gate, without order or limit.
func one[T any](l *loader, n int, src source, scope, columns func(*query), read func(*record, *T), found func(*T), below func([]*T)) {
	q := newQuery(l.viewer)
	scope(q)
	columns(q)
	text := "SELECT p.gone, r.* FROM " + q.gated() + " LEFT JOIN LATERAL (SELECT " + q.columns.String() +
		" FROM " + src.from + q.joins.String() + q.conditions() + ") r ON NOT p.gone"
	l.level = append(l.level, statement{rows: n, sql: text, args: q.args, read: func(rows resultRows) error {
		var all []*T
		var r record
		for rows.Next() {
			r.row(rows)
			if r.boolean() {
				return errGone
			}
			if r.null() {
				continue
			}
			row := new(T)
			read(&r, row)
			found(row)
			all = append(all, row)
		}
		below(all)
		return nil
	}})
}
