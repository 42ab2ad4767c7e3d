package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/trace"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// Messages are what is written most. Those that are ready at the same moment
// (gather.go) are inserted by one statement, which costs half as much a message:
// one round trip, one transaction, triggers once (docs/adr/0014). Each has its
// own sender beside it, the verified one of the request that brought it.

// NewChatMessage is a message to send. Its fields were checked by the caller.
type NewChatMessage struct {
	ID        *UUID // the client's own, nil to have one made
	Role      ChatRole
	Content   string
	SessionID *string
}

// SendChatMessage stores m as v's own and returns it as w wants it. With an id
// of the client's it may be repeated: the same caller, id and content gives the
// stored message, anything else CONFLICT.
func (s *Store) SendChatMessage(ctx context.Context, v viewer.Viewer, m NewChatMessage, w *ChatMessageWant) (*ChatMessage, error) {
	if _, err := s.write(v); err != nil {
		return nil, err
	}
	id, err := idOf(m.ID)
	if err != nil {
		return nil, err
	}
	fresh := *w
	fresh.ViewerFeedback = nil // nobody has rated it yet
	stored, err := s.send(ctx, &outgoing{sender: v, id: id, NewChatMessage: m, want: &fresh})
	if err != nil {
		return nil, err
	}
	if stored != nil {
		s.inserted(ctx)
	} else if stored, err = s.sentBefore(ctx, v, id, m.Content, w); err != nil {
		return nil, err
	}
	l := &loader{viewer: v}
	l.belowChatMessages(w, []*ChatMessage{stored})
	return stored, s.load(ctx, l)
}

// sentBefore is the message under a taken id, if it is this caller's and says the same.
func (s *Store) sentBefore(ctx context.Context, v viewer.Viewer, id UUID, content string, w *ChatMessageWant) (*ChatMessage, error) {
	var found *ChatMessage
	l := &loader{viewer: v}
	scope := func(q *query) {
		q.keys("m.id", []UUID{id})
		q.and("m.clerk_id = ", q.me(), " AND m.content = ", q.arg(content))
	}
	one(l, 1, chatMessageSource, scope, func(q *query) { q.selectChatMessage("m", w) },
		func(r *record, m *ChatMessage) { r.chatMessage(w, m) },
		func(m *ChatMessage) { found = m }, func([]*ChatMessage) {})
	if err := s.load(ctx, l); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fault.New(fault.Conflict, "id is taken by another message")
	}
	return found, nil
}

// outgoing is a message on its way into the table.
type outgoing struct {
	sender viewer.Viewer
	id     UUID
	NewChatMessage
	want     *ChatMessageWant
	deadline time.Time // of the request; zero: none

	stored *ChatMessage // nil: the id is taken
	err    error
	done   bool // stored or err is the answer
}

// send inserts a message, with others that are ready now where it may.
func (s *Store) send(ctx context.Context, m *outgoing) (*ChatMessage, error) {
	if m.ID == nil && !trace.SpanContextFromContext(ctx).IsSampled() {
		m.deadline, _ = ctx.Deadline()
		s.sending.together(insertText(m.want, false), m, 0, func(batch []*outgoing) {
			if len(batch) == 1 {
				s.sendAlone(ctx, m)
			} else {
				s.sendAll(ctx, batch)
			}
		})
	}
	if !m.done {
		s.sendAlone(ctx, m)
	}
	return m.stored, explain(ctx, m.err)
}

func (s *Store) sendAlone(ctx context.Context, m *outgoing) {
	if err := s.run(ctx, nil, insertion([]*outgoing{m})); err != nil {
		m.stored, m.err = nil, err
	}
	m.done = true
}

// sendAll inserts several people's messages. Where the statement did nothing,
// each is left to go alone: one may be at fault, and nobody else pays for it.
func (s *Store) sendAll(ctx context.Context, batch []*outgoing) {
	// In this order the senders' rows are locked, as everybody locks several.
	slices.SortFunc(batch, func(a, b *outgoing) int { return cmp.Compare(a.sender.UserID(), b.sender.UserID()) })
	deadlines := make([]time.Time, len(batch))
	for i, m := range batch {
		deadlines[i] = m.deadline
	}
	ctx, cancel := untilFirst(ctx, deadlines...)
	defer cancel()
	err := s.primary.attempt(ctx, []statement{insertion(batch)})
	for _, m := range batch {
		switch {
		case err == nil:
			m.done = true
		case undone(err):
			m.stored, m.err = nil, nil
		default: // it may have been done
			m.stored, m.err, m.done = nil, err, true
		}
	}
}

// undone reports errors of a statement that certainly changed nothing.
func undone(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && !connectionLost(pg.Code) || mayRetry(err, true)
}

// insertion is the statement that inserts messages wanted in the same way, and
// sets each one's answer.
func insertion(batch []*outgoing) statement {
	n, own := len(batch), batch[0].ID != nil
	senders, sessions := make([]string, n), make([]*string, n)
	ids, roles, contents := make([]UUID, n), make([]string, n), make([]string, n)
	for i, m := range batch {
		senders[i], sessions[i] = storable(m.sender.UserID()), m.SessionID
		ids[i], roles[i], contents[i] = m.id, strings.ToLower(string(m.Role)), storable(m.Content)
	}
	return statement{sql: insertText(batch[0].want, own), args: []any{senders, ids, sessions, roles, contents}, read: func(rows resultRows) error {
		var r record
		for rows.Next() {
			r.row(rows)
			m := batch[r.integer()-1]
			if m.err = r.caller(); m.err == nil && !r.null() {
				m.stored = new(ChatMessage)
				r.chatMessage(m.want, m.stored)
			}
		}
		return nil
	}}
}

// insertText is the statement's text: one row for each message, with its number,
// its sender's state, and what was stored. An id that may be taken, the client's
// own, costs more to insert. The sub-selects hide how many there are from the
// planner (docs/adr/0012).
func insertText(w *ChatMessageWant, ownID bool) string {
	q := &query{callers: "mo", owners: []string{"m"}}
	q.join(" JOIN caller mo ON mo.ord = a.ord")
	q.selectChatMessage("m", w)
	conflict := ""
	if ownID {
		conflict = " ON CONFLICT (id) DO NOTHING"
	}
	return "WITH asked AS MATERIALIZED (SELECT * FROM unnest((SELECT $1::text[]), (SELECT $2::uuid[]), (SELECT $3::text[]), (SELECT $4::text[]), (SELECT $5::text[]))" +
		" WITH ORDINALITY AS a (clerk_id, id, session_id, role, content, ord))," +
		" caller AS MATERIALIZED (SELECT a.ord, u.id, u.name, u.email, u.created_at, u.updated_at, u.deleted_at, u.deleted_at IS NOT NULL AS gone" +
		" FROM asked a JOIN neon_auth.users_sync u ON u.id = a.clerk_id)," +
		" m AS (INSERT INTO public.chat_messages (id, clerk_id, session_id, role, content, created_at)" +
		" SELECT a.id, c.id, a.session_id, a.role, a.content, now() FROM asked a JOIN caller c ON c.ord = a.ord WHERE NOT c.gone ORDER BY a.ord" +
		conflict + " RETURNING id, clerk_id, session_id, role, content, created_at)" +
		" SELECT a.ord, c.gone, r.* FROM asked a LEFT JOIN caller c ON c.ord = a.ord" +
		" LEFT JOIN LATERAL (SELECT " + q.columns.String() + " FROM m" + q.joins.String() + " WHERE m.id = a.id) r ON true"
}
