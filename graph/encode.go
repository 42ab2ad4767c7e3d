package graph

import (
	"sync"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/page"
	"github.com/ai-dj/segue/internal/store"
)

// encoder writes rows as the selections ask, straight into one buffer. gqlgen's
// own executor would give the same bytes (crawl_test.go and fuzz_test.go prove it) for about
// fifty allocations an object; this one makes none (docs/adr/0002).
//
// Nothing can fail here: whatever can go wrong went wrong while planning or
// reading, and no non-null field is ever without a value.
type encoder struct{ buf []byte }

// tree is a root field's result, ready to be written.
type tree func(*encoder)

var buffers = sync.Pool{New: func() any { return new(encoder) }}

// maxPooled is the largest buffer kept for the next response, in bytes.
const maxPooled = 1 << 20

func newEncoder() *encoder {
	e := buffers.Get().(*encoder)
	e.buf = e.buf[:0]
	return e
}

// release hands the buffer to the next response.
func (e *encoder) release() {
	if cap(e.buf) <= maxPooled {
		buffers.Put(e)
	}
}

// Write is for values that gqlgen writes: introspection's.
func (e *encoder) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	return len(p), nil
}

// open starts entry i of an object.
func (e *encoder) open(i int, f *field) {
	if i == 0 {
		e.buf = append(e.buf, '{', '"')
	} else {
		e.buf = append(e.buf, ',', '"')
	}
	e.buf = append(e.buf, f.key...)
	e.buf = append(e.buf, '"', ':')
}

// close ends an object of n entries. Validation lets no selection be empty, but
// @skip can empty one.
func (e *encoder) close(n int) {
	if n == 0 {
		e.buf = append(e.buf, '{')
	}
	e.buf = append(e.buf, '}')
}

func (e *encoder) raw(s string) { e.buf = append(e.buf, s...) }
func (e *encoder) null()        { e.raw("null") }

func (e *encoder) bool(b bool) {
	if b {
		e.raw("true")
	} else {
		e.raw("false")
	}
}

func (e *encoder) name(s string) { // of a type or enum value: needs no escaping
	e.buf = append(e.buf, '"')
	e.buf = append(e.buf, s...)
	e.buf = append(e.buf, '"')
}

func (e *encoder) uuid(u store.UUID) {
	e.buf = append(u.Append(append(e.buf, '"')), '"')
}

func (e *encoder) time(t store.Time) { e.buf = model.AppendTime(e.buf, t) }
func (e *encoder) count(n int64)     { e.buf = model.AppendCount(e.buf, n) }
func (e *encoder) stringOr(s *string) {
	if s == nil {
		e.null()
	} else {
		e.string(*s)
	}
}

func (e *encoder) timeOr(t *store.Time) {
	if t == nil {
		e.null()
	} else {
		e.time(*t)
	}
}

// plain are the bytes a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 256; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

const hexDigits = "0123456789ABCDEF"

func (e *encoder) string(s string) {
	e.buf = append(e.buf, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain[c] {
			continue
		}
		e.buf = append(e.buf, s[start:i]...)
		switch c {
		case '\t':
			e.raw(`\t`)
		case '\r':
			e.raw(`\r`)
		case '\n':
			e.raw(`\n`)
		case '\\', '"':
			e.buf = append(e.buf, '\\', c)
		default:
			e.buf = append(e.buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		start = i + 1
	}
	e.buf = append(e.buf, s[start:]...)
	e.buf = append(e.buf, '"')
}

func (e *encoder) user(u *store.User, s *selection) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opID:
			e.string(u.ID)
		case opName:
			e.stringOr(u.Name)
		case opEmail:
			e.stringOr(u.Email)
		case opCreatedAt:
			e.time(u.CreatedAt)
		case opUpdatedAt:
			e.timeOr(u.UpdatedAt)
		case opDeletedAt:
			e.timeOr(u.DeletedAt)
		case opChatMessages:
			connection(e, u.ChatMessages[f.list], f.sub, page.ChatMessages, chatMessageKey, (*encoder).chatMessage)
		case opFeedback:
			connection(e, u.Feedback[f.list], f.sub, page.Feedback, feedbackKey, (*encoder).feedback)
		case opTrackLikes:
			connection(e, u.TrackLikes[f.list], f.sub, page.TrackLikes, trackLikeKey, (*encoder).trackLike)
		case opStats:
			e.userStats(u.Stats[f.list], f.sub)
		}
	}
	e.close(len(s.fields))
}

func (e *encoder) chatMessage(m *store.ChatMessage, s *selection) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opID:
			e.uuid(m.ID)
		case opUser:
			e.user(m.User, f.sub)
		case opRole:
			e.name(string(m.Role))
		case opContent:
			e.string(m.Content)
		case opSessionID:
			e.stringOr(m.SessionID)
		case opCreatedAt:
			e.time(m.CreatedAt)
		case opViewerFeedback:
			if m.ViewerFeedback == nil {
				e.null()
			} else {
				e.feedback(m.ViewerFeedback, f.sub)
			}
		case opFeedback:
			connection(e, m.Feedback[f.list], f.sub, page.Feedback, feedbackKey, (*encoder).feedback)
		}
	}
	e.close(len(s.fields))
}

func (e *encoder) feedback(r *store.Feedback, s *selection) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opID:
			e.uuid(r.ID)
		case opUser:
			e.user(r.User, f.sub)
		case opMessage:
			e.chatMessage(r.Message, f.sub)
		case opRating:
			e.name(string(r.Rating))
		case opComment:
			e.stringOr(r.Comment)
		case opCreatedAt:
			e.time(r.CreatedAt)
		}
	}
	e.close(len(s.fields))
}

func (e *encoder) trackLike(l *store.TrackLike, s *selection) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opID:
			e.uuid(l.ID)
		case opUser:
			e.user(l.User, f.sub)
		case opTrackID:
			e.string(l.TrackID)
		case opTitle:
			e.stringOr(l.Title)
		case opArtist:
			e.stringOr(l.Artist)
		case opCreatedAt:
			e.time(l.CreatedAt)
		}
	}
	e.close(len(s.fields))
}

func (e *encoder) userStats(n *store.UserStats, s *selection) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opUser:
			e.user(n.User, f.sub)
		case opMessageCount:
			e.count(n.MessageCount)
		case opLikedTracks:
			e.count(n.LikedTracks)
		case opFeedbackUp:
			e.count(n.FeedbackUp)
		case opFeedbackDown:
			e.count(n.FeedbackDown)
		case opFirstActiveAt:
			e.timeOr(n.FirstActiveAt)
		case opLastActiveAt:
			e.timeOr(n.LastActiveAt)
		}
	}
	e.close(len(s.fields))
}

// nodeSelections has a selection for each type a node may turn out to be.
type nodeSelections struct{ user, chatMessage, feedback, trackLike *selection }

func (e *encoder) node(n store.Node, s *nodeSelections) {
	switch n := n.(type) {
	case *store.User:
		e.user(n, s.user)
	case *store.ChatMessage:
		e.chatMessage(n, s.chatMessage)
	case *store.Feedback:
		e.feedback(n, s.feedback)
	case *store.TrackLike:
		e.trackLike(n, s.trackLike)
	default:
		e.null()
	}
}

// connection writes any of the connections; key places a row in its list and
// node writes what is asked of it.
func connection[T any](e *encoder, c *store.Connection[T], s *selection, kind page.Kind,
	key func(*T) page.Key, node func(*encoder, *T, *selection)) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opTotalCount:
			e.count(c.TotalCount)
		case opPageInfo:
			pageInfo(e, c, f.sub, kind, key)
		case opEdges:
			e.buf = append(e.buf, '[')
			for j := range c.Rows {
				if j > 0 {
					e.buf = append(e.buf, ',')
				}
				edge(e, &c.Rows[j], f.sub, kind, key, node)
			}
			e.buf = append(e.buf, ']')
		}
	}
	e.close(len(s.fields))
}

func edge[T any](e *encoder, row *T, s *selection, kind page.Kind, key func(*T) page.Key, node func(*encoder, *T, *selection)) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch f.op {
		case opTypename:
			e.name(s.typeName)
		case opCursor:
			e.cursor(kind, key(row))
		case opNode:
			node(e, row, f.sub)
		}
	}
	e.close(len(s.fields))
}

func pageInfo[T any](e *encoder, c *store.Connection[T], s *selection, kind page.Kind, key func(*T) page.Key) {
	for i := range s.fields {
		f := &s.fields[i]
		e.open(i, f)
		switch n := len(c.Rows); {
		case f.op == opTypename:
			e.name(s.typeName)
		case f.op == opHasNextPage:
			e.bool(c.HasNextPage)
		case f.op == opHasPreviousPage:
			e.bool(c.HasPreviousPage)
		case n == 0:
			e.null()
		case f.op == opStartCursor:
			e.cursor(kind, key(&c.Rows[0]))
		case f.op == opEndCursor:
			e.cursor(kind, key(&c.Rows[n-1]))
		}
	}
	e.close(len(s.fields))
}

func (e *encoder) cursor(kind page.Kind, k page.Key) {
	e.buf = append(page.AppendCursor(append(e.buf, '"'), kind, k), '"')
}

func (e *encoder) activity(points []store.ActivityPoint, s *selection) {
	e.buf = append(e.buf, '[')
	for j := range points {
		p := &points[j]
		if j > 0 {
			e.buf = append(e.buf, ',')
		}
		for i := range s.fields {
			f := &s.fields[i]
			e.open(i, f)
			switch f.op {
			case opTypename:
				e.name(s.typeName)
			case opStart:
				e.time(p.Start)
			case opMessages:
				e.count(p.Messages)
			case opLikes:
				e.count(p.Likes)
			case opFeedbackUp:
				e.count(p.FeedbackUp)
			case opFeedbackDown:
				e.count(p.FeedbackDown)
			case opActiveUsers:
				e.count(p.ActiveUsers)
			}
		}
		e.close(len(s.fields))
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) topTracks(tracks []store.TopTrack, s *selection) {
	e.buf = append(e.buf, '[')
	for j := range tracks {
		t := &tracks[j]
		if j > 0 {
			e.buf = append(e.buf, ',')
		}
		for i := range s.fields {
			f := &s.fields[i]
			e.open(i, f)
			switch f.op {
			case opTypename:
				e.name(s.typeName)
			case opTrackID:
				e.string(t.TrackID)
			case opTitle:
				e.stringOr(t.Title)
			case opArtist:
				e.stringOr(t.Artist)
			case opLikes:
				e.count(t.Likes)
			}
		}
		e.close(len(s.fields))
	}
	e.buf = append(e.buf, ']')
}

// nodes writes a list of nodes, null where there is none.
func (e *encoder) nodes(nodes []store.Node, s *nodeSelections) {
	e.buf = append(e.buf, '[')
	for i, n := range nodes {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.node(n, s)
	}
	e.buf = append(e.buf, ']')
}

// of is the selection for a type by name.
func (s *nodeSelections) of(typeName string) *selection {
	return map[string]*selection{"User": s.user, "ChatMessage": s.chatMessage, "Feedback": s.feedback, "TrackLike": s.trackLike}[typeName]
}
