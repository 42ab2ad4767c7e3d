package usersync

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

const (
	maxWebhookBody = 1 << 20
	// webhookTimeout is less than the 15 s after which Svix gives a delivery up.
	webhookTimeout = 10 * time.Second
)

// receive answers one delivery. Svix repeats what is not answered with 2xx, so
// 5xx is for trouble that passes, and what will never be of use is accepted.
func (s *Service) receive(w http.ResponseWriter, r *http.Request) {
	if len(s.verifiers) == 0 {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "webhooks are POSTed", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhookBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	id, good := s.verified(r.Header, body)
	if err != nil || !good {
		s.Log.WarnContext(r.Context(), "webhook refused: bad signature", "svix_id", id)
		http.Error(w, "bad signature", http.StatusBadRequest)
		return
	}
	event, err := clerk.ParseEvent(body)
	if err != nil {
		s.Log.WarnContext(r.Context(), "webhook refused", "svix_id", id, "error", err)
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if err := s.handle(r.Context(), id, event); err != nil {
		s.Log.ErrorContext(r.Context(), "webhook not stored; Clerk will send it again", "svix_id", id, "type", event.Type, "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// verified checks the signature with each secret, and returns the id that it
// covers. The library reads either family of headers; it is given only the
// one that is complete, so that the id is the one that was signed.
func (s *Service) verified(h http.Header, body []byte) (id string, ok bool) {
	for _, family := range []string{"svix-", "webhook-"} {
		signed := http.Header{}
		for _, name := range []string{"id", "timestamp", "signature"} {
			signed.Set(family+name, h.Get(family+name))
		}
		id = h.Get(family + "id")
		for _, verifier := range s.verifiers {
			if verifier.Verify(body, signed) == nil {
				return id, true
			}
		}
	}
	return h.Get("svix-id"), false
}

// handle does what an event says, once.
func (s *Service) handle(ctx context.Context, id string, e clerk.Event) error {
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	d := store.Delivery{ID: id, Type: e.Type, InstanceID: e.InstanceID, At: e.At, UserID: e.UserID}
	switch e.Kind {
	case clerk.UserChanged:
		user := synced(e.User)
		d.Changed = &user
	case clerk.UserDeleted:
		d.Deleted = true
	case clerk.SessionOver:
		d.SessionOver = e.SessionID
	}
	fresh, err := s.System.Receive(ctx, d)
	if err != nil || !fresh {
		return err
	}
	switch e.Kind {
	case clerk.UserDeleted:
		s.UserDeleted(e.UserID)
		s.askForSweep()
	case clerk.SessionOver:
		s.SessionOver(e.SessionID)
	}
	return nil
}
