package graph

import (
	"strings"
	"unicode/utf8"

	"github.com/ai-dj/segue/graph/model"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
)

// Limits on what callers write, in Unicode code points.
const (
	MaxContent = 32_768
	MaxComment = 4_096
	MaxTitle   = 512
	MaxID      = 255 // track and session ids
)

// text checks one input text.
func text(field, s string, least, most int) error {
	if strings.IndexByte(s, 0) >= 0 {
		return fault.BadInput(field, "may not contain NUL")
	}
	if n := utf8.RuneCountInString(s); n < least || n > most {
		if least == 0 {
			return fault.BadInput(field, "may have at most %d characters", most)
		}
		return fault.BadInput(field, "must have between %d and %d characters", least, most)
	}
	return nil
}

// optional is text for one that may be left out.
func optional(field string, s *string, least, most int) error {
	if s == nil {
		return nil
	}
	return text(field, *s, least, most)
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func newChatMessage(in model.SendChatMessageInput) (store.NewChatMessage, error) {
	m := store.NewChatMessage{Role: in.Role, Content: in.Content, SessionID: in.SessionID}
	if in.ID != nil {
		id, ok := store.ParseUUID(*in.ID)
		if !ok {
			return m, fault.BadInput("id", "must be a UUID")
		}
		m.ID = &id
	}
	return m, first(text("content", in.Content, 1, MaxContent), optional("sessionId", in.SessionID, 1, MaxID))
}

func newTrackLike(in model.LikeTrackInput) (store.NewTrackLike, error) {
	return store.NewTrackLike{TrackID: in.TrackID, Title: in.Title, Artist: in.Artist},
		first(text("trackId", in.TrackID, 1, MaxID), optional("title", in.Title, 0, MaxTitle), optional("artist", in.Artist, 0, MaxTitle))
}
