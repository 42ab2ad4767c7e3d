package clerk

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kind says what an event means to Segue.
type Kind int

// The events that Segue acts on; Other is everything else that Clerk may send.
const (
	Other       Kind = iota
	UserChanged      // user.created, user.updated
	UserDeleted      // user.deleted
	SessionOver      // session.ended, session.removed, session.revoked
)

// Event is the body of one webhook delivery.
type Event struct {
	Kind       Kind
	Type       string    // as Clerk names it
	At         time.Time // when it happened; the only order a deletion has
	InstanceID string    // which Clerk instance sent it
	UserID     string
	SessionID  string // of SessionOver
	User       User   // of UserChanged
}

// ErrMalformed means that a body is not an event, or lacks what its type must have.
var ErrMalformed = errors.New("malformed event")

// ParseEvent reads a webhook's body. The signature must have been checked before.
func ParseEvent(body []byte) (Event, error) {
	var envelope struct {
		Type       string          `json:"type"`
		Timestamp  int64           `json:"timestamp"`
		InstanceID string          `json:"instance_id"`
		Data       json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	event := Event{
		Kind: kinds[envelope.Type], Type: clean(&envelope.Type),
		At: millis(envelope.Timestamp), InstanceID: clean(&envelope.InstanceID),
	}
	if event.At.IsZero() {
		event.At = time.Now().UTC()
	}
	return event, event.read(envelope.Data)
}

var kinds = map[string]Kind{
	"user.created":    UserChanged,
	"user.updated":    UserChanged,
	"user.deleted":    UserDeleted,
	"session.ended":   SessionOver,
	"session.removed": SessionOver,
	"session.revoked": SessionOver,
}

// read fills in what the event's kind has.
func (e *Event) read(data []byte) error {
	if e.Kind == Other {
		return nil
	}
	var object struct {
		wireUser
		UserID string `json:"user_id"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return fmt.Errorf("%w: data of %s: %w", ErrMalformed, e.Type, err)
	}
	id := clean(&object.ID)
	if id == "" {
		return fmt.Errorf("%w: %s without an id", ErrMalformed, e.Type)
	}
	switch e.Kind {
	case SessionOver:
		e.SessionID, e.UserID = id, clean(&object.UserID)
	case UserChanged:
		e.UserID, e.User = id, object.user()
	case UserDeleted:
		e.UserID = id
	}
	return nil
}
