package store

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// Every write is one statement that finds the caller's row, checks that it was
// not deleted and writes, so that nothing can come between. Rows are the
// caller's own; whose they are is never an argument.

// errReadOnly answers writes with an API key.
var errReadOnly = fault.New(fault.Forbidden, "an API key only reads; sign in as a user to write")

// callerCTE finds the caller's row. gone is null where there is none yet.
const callerCTE = "WITH caller AS MATERIALIZED (SELECT id, name, email, created_at, updated_at, deleted_at FROM neon_auth.users_sync WHERE id = "

const callerGone = "(SELECT (SELECT deleted_at IS NOT NULL FROM caller) AS gone) p"

// write starts a query for a viewer that may write.
func (s *Store) write(v viewer.Viewer) (*query, error) {
	if !v.SignedIn() {
		return nil, errAnonymous
	}
	if v.UserID() == "" {
		return nil, errReadOnly
	}
	s.wrote(v)
	return newQuery(v), nil
}

// ownRow says that alias is a row of the caller's own, whose columns callerCTE has.
func (q *query) ownRow(alias string) {
	q.owners = append(q.owners, alias)
	q.join(" CROSS JOIN caller ", alias, "o")
}

// caller reads the first column of a write: nil when the caller may write.
func (r *record) caller() error {
	if r.null() {
		return errNotSynced
	}
	if r.boolean() {
		return errGone
	}
	return nil
}

// idOf is the client's id or a new UUIDv7.
func idOf(given *UUID) (UUID, error) {
	if given != nil {
		return *given, nil
	}
	id, err := uuid.NewV7()
	return UUID(id), err
}

// DeleteChatMessage deletes one of v's own messages with its ratings.
func (s *Store) DeleteChatMessage(ctx context.Context, v viewer.Viewer, id UUID) error {
	q, err := s.write(v)
	if err != nil {
		return err
	}
	text := callerCTE + q.me() + "), d AS (DELETE FROM public.chat_messages m USING caller c WHERE m.id = " + q.arg(id) +
		"::uuid AND m.clerk_id = c.id AND c.deleted_at IS NULL RETURNING m.id) SELECT p.gone, d.id FROM " + callerGone + " LEFT JOIN d ON true"
	deleted, err := s.deleted(ctx, text, q.args)
	if err == nil && deleted == nil {
		return errNoMessage
	}
	return err
}

// errNoMessage hides whether a message exists from those who may not see it.
var errNoMessage = fault.New(fault.NotFound, "there is no such message")

// GiveFeedback rates a message that v can see, replacing v's earlier rating of it.
func (s *Store) GiveFeedback(ctx context.Context, v viewer.Viewer, message UUID, rating FeedbackRating, comment *string, w *FeedbackWant) (*Feedback, error) {
	q, err := s.write(v)
	if err != nil {
		return nil, err
	}
	q.own("m")
	id, err := idOf(nil)
	if err != nil {
		return nil, err
	}
	q.and("m.id = ", q.arg(message), "::uuid")
	text := callerCTE + q.me() + "), f AS (INSERT INTO public.message_feedback (id, clerk_id, message_id, rating, comment, created_at) SELECT " +
		q.arg(id) + "::uuid, c.id, m.id, " + q.arg(rating.column()) + "::smallint, " + q.arg(comment) + "::text, now() FROM caller c, public.chat_messages m" +
		q.conditions() + " AND c.deleted_at IS NULL ON CONFLICT (clerk_id, message_id) DO UPDATE SET rating = excluded.rating, comment = excluded.comment" +
		" RETURNING id) SELECT p.gone, f.id FROM " + callerGone + " LEFT JOIN f ON true"
	rated, err := s.returning(ctx, text, q.args)
	if err != nil {
		return nil, err
	}
	if rated == nil {
		return nil, errNoMessage
	}
	s.inserted(ctx)
	var given *Feedback
	l := &loader{viewer: v}
	l.feedbackByID([]UUID{*rated}, w, func(f *Feedback) { given = f })
	if err := s.load(ctx, l); err != nil {
		return nil, err
	}
	if given == nil {
		return nil, errNoMessage // deleted in between
	}
	return given, nil
}

// WithdrawFeedback takes back v's rating of a message and returns its id, nil when there was none.
func (s *Store) WithdrawFeedback(ctx context.Context, v viewer.Viewer, message UUID) (*UUID, error) {
	q, err := s.write(v)
	if err != nil {
		return nil, err
	}
	text := callerCTE + q.me() + "), d AS (DELETE FROM public.message_feedback f USING caller c WHERE f.message_id = " + q.arg(message) +
		"::uuid AND f.clerk_id = c.id AND c.deleted_at IS NULL RETURNING f.id) SELECT p.gone, d.id FROM " + callerGone + " LEFT JOIN d ON true"
	return s.deleted(ctx, text, q.args)
}

// NewTrackLike is a track to like. Its fields were checked by the caller.
type NewTrackLike struct {
	TrackID string
	Title   *string
	Artist  *string
}

// LikeTrack stores v's like of a track, or returns the stored one unchanged.
func (s *Store) LikeTrack(ctx context.Context, v viewer.Viewer, t NewTrackLike, w *TrackLikeWant) (*TrackLike, error) {
	q, err := s.write(v)
	if err != nil {
		return nil, err
	}
	id, err := idOf(nil)
	if err != nil {
		return nil, err
	}
	q.ownRow("l")
	q.selectTrackLike("l", w)
	text := callerCTE + q.me() + "), l AS (INSERT INTO public.track_likes (id, clerk_id, track_id, title, artist, created_at) SELECT " +
		q.arg(id) + "::uuid, id, " + q.arg(t.TrackID) + "::text, " + q.arg(t.Title) + "::text, " + q.arg(t.Artist) +
		"::text, now() FROM caller WHERE deleted_at IS NULL ON CONFLICT (clerk_id, track_id) DO NOTHING" +
		" RETURNING id, clerk_id, track_id, title, artist, created_at) SELECT p.gone, r.* FROM " + callerGone +
		" LEFT JOIN LATERAL (SELECT " + q.columns.String() + " FROM l" + q.joins.String() + ") r ON true"
	l := &loader{viewer: v}
	liked, err := written(ctx, s, l, text, q.args, func(r *record, row *TrackLike) { r.trackLike(w, row) })
	if err != nil {
		return nil, err
	}
	if liked != nil {
		s.inserted(ctx)
	} else if liked, err = s.likedBefore(ctx, v, t.TrackID, w); err != nil {
		return nil, err
	}
	l.belowTrackLikes(w, []*TrackLike{liked})
	return liked, s.load(ctx, l)
}

func (s *Store) likedBefore(ctx context.Context, v viewer.Viewer, track string, w *TrackLikeWant) (*TrackLike, error) {
	var found *TrackLike
	l := &loader{viewer: v}
	scope := func(q *query) { q.and("l.clerk_id = ", q.me(), " AND l.track_id = ", q.arg(track)) }
	one(l, 1, trackLikeSource, scope, func(q *query) { q.selectTrackLike("l", w) },
		func(r *record, t *TrackLike) { r.trackLike(w, t) },
		func(t *TrackLike) { found = t }, func([]*TrackLike) {})
	if err := s.load(ctx, l); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, fault.New(fault.Conflict, "the like was changed at the same moment; try again")
	}
	return found, nil
}

// UnlikeTrack takes back v's like of a track and returns its id, nil when there was none.
func (s *Store) UnlikeTrack(ctx context.Context, v viewer.Viewer, track string) (*UUID, error) {
	q, err := s.write(v)
	if err != nil {
		return nil, err
	}
	text := callerCTE + q.me() + "), d AS (DELETE FROM public.track_likes l USING caller c WHERE l.clerk_id = c.id AND l.track_id = " + q.arg(track) +
		"::text AND c.deleted_at IS NULL RETURNING l.id) SELECT p.gone, d.id FROM " + callerGone + " LEFT JOIN d ON true"
	return s.deleted(ctx, text, q.args)
}

// deleted is returning for deletions, for which a caller not yet known here simply has nothing.
func (s *Store) deleted(ctx context.Context, text string, args []any) (*UUID, error) {
	id, err := s.returning(ctx, text, args)
	if errors.Is(err, errNotSynced) {
		return nil, nil
	}
	return id, err
}

// returning runs a write that answers the caller's state and at most one id.
func (s *Store) returning(ctx context.Context, text string, args []any) (*UUID, error) {
	var id *UUID
	err := s.run(ctx, nil, statement{sql: text, args: args, read: func(rows resultRows) error {
		var r record
		for rows.Next() {
			r.row(rows)
			if err := r.caller(); err != nil {
				return err
			}
			if !r.null() {
				u := r.uuid()
				id = &u
			}
		}
		return nil
	}})
	return id, err
}

// written runs a write that answers the caller's state and at most one row.
func written[T any](ctx context.Context, s *Store, l *loader, text string, args []any, read func(*record, *T)) (*T, error) {
	var row *T
	err := s.run(ctx, nil, statement{sql: text, args: args, read: func(rows resultRows) error {
		var r record
		for rows.Next() {
			r.row(rows)
			if err := r.caller(); err != nil {
				return err
			}
			if !r.null() {
				row = new(T)
				read(&r, row)
			}
		}
		return nil
	}})
	return row, err
}

// Erased counts a person's own rows.
type Erased struct {
	Messages int64
	Feedback int64
	Likes    int64
}

// eraseAudit leaves a trace of what m, f and l deleted of the caller.
const eraseAudit = `, audit AS (
  INSERT INTO segue.erasures (user_id, cause, messages, feedback, likes, finished_at)
  SELECT c.id, 'self', (SELECT count(*) FROM m), (SELECT count(*) FROM f), (SELECT count(*) FROM l), now() FROM caller c WHERE c.deleted_at IS NULL
)`

// EraseMyData deletes every message, rating and like of v's own, for good.
func (s *Store) EraseMyData(ctx context.Context, v viewer.Viewer) (Erased, error) {
	var e Erased
	q, err := s.write(v)
	if err != nil {
		return e, err
	}
	mine := " USING caller c WHERE x.clerk_id = c.id AND c.deleted_at IS NULL RETURNING 1)"
	text := callerCTE + q.me() + "), f AS (DELETE FROM public.message_feedback x" + mine + ", l AS (DELETE FROM public.track_likes x" + mine +
		", m AS (DELETE FROM public.chat_messages x" + mine + eraseAudit +
		" SELECT p.gone, (SELECT count(*) FROM m), (SELECT count(*) FROM f), (SELECT count(*) FROM l) FROM " + callerGone
	err = s.run(ctx, nil, statement{sql: text, args: q.args, read: func(rows resultRows) error {
		var r record
		for rows.Next() {
			r.row(rows)
			if err := r.caller(); err != nil {
				return err
			}
			e = Erased{Messages: r.integer(), Feedback: r.integer(), Likes: r.integer()}
		}
		return nil
	}})
	if errors.Is(err, errNotSynced) {
		return Erased{}, nil
	}
	return e, err
}
