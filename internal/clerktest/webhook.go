package clerktest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// WebhookSecret is a signing secret for tests; OtherWebhookSecret is another one.
const (
	WebhookSecret      = "whsec_c2VndWUtdGVzdC1zZWNyZXQtb25lLTMyYnl0ZXM="
	OtherWebhookSecret = "whsec_c2VndWUtdGVzdC1zZWNyZXQtdHdvLTMyYnl0ZXM="
)

// Delivery is one webhook as Svix sends it for Clerk. Zero fields get what a
// good delivery has.
type Delivery struct {
	ID     string // svix-id; repeats of a message have the same
	Secret string
	SentAt time.Time
	Type   string
	At     time.Time // the envelope's timestamp
	Data   any
	Body   []byte // instead of Type, At and Data
}

// UserEvent is a delivery of "user.created" or "user.updated".
func UserEvent(id, eventType string, u Person, at time.Time) Delivery {
	return Delivery{ID: id, Type: eventType, At: at, Data: u.JSON()}
}

// DeletedEvent is a delivery of "user.deleted", which says no more than the id.
func DeletedEvent(id, userID string, at time.Time) Delivery {
	data := map[string]any{"deleted": true, "id": userID, "object": "user"}
	return Delivery{ID: id, Type: "user.deleted", At: at, Data: data}
}

// SessionEvent is a delivery of "session.ended", "session.removed" or "session.revoked".
func SessionEvent(id, eventType, sessionID, userID string, at time.Time) Delivery {
	data := map[string]any{"object": "session", "id": sessionID, "user_id": userID, "status": "ended"}
	return Delivery{ID: id, Type: eventType, At: at, Data: data}
}

// Request is the signed request to POST /webhooks/clerk.
func (d Delivery) Request(t testing.TB) *http.Request {
	t.Helper()
	if d.Secret == "" {
		d.Secret = WebhookSecret
	}
	if d.SentAt.IsZero() {
		d.SentAt = time.Now()
	}
	body := d.body(t)
	signer, err := svix.NewWebhook(d.Secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(d.ID, d.SentAt, body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/webhooks/clerk", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("svix-id", d.ID)
	r.Header.Set("svix-timestamp", strconv.FormatInt(d.SentAt.Unix(), 10))
	r.Header.Set("svix-signature", "v1,bm90IHRoaXMgb25l "+signature)
	return r
}

func (d Delivery) body(t testing.TB) []byte {
	t.Helper()
	if d.Body != nil {
		return d.Body
	}
	body, err := json.Marshal(map[string]any{
		"object": "event", "type": d.Type, "timestamp": d.At.UnixMilli(),
		"instance_id": "ins_test", "data": d.Data,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Deliver gives the delivery to a handler and returns the status of its answer.
func (d Delivery) Deliver(t testing.TB, h http.Handler) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, d.Request(t))
	return w.Code
}
