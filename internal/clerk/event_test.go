package clerk_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	user := `"id":"user_1","created_at":1700000000000,"updated_at":1700000005000`
	for _, c := range []struct {
		name, body string
		kind       clerk.Kind
		user, mail string // name and e-mail, "-" for nil
	}{
		{"primary address, not the first", `{"type":"user.created","timestamp":1700000006000,"data":{` + user + `,
			"first_name":"Ada","last_name":"Lovelace","primary_email_address_id":"idn_2",
			"email_addresses":[{"id":"idn_1","email_address":"old@example.com"},{"id":"idn_2","email_address":"ada@example.com"}]}}`,
			clerk.UserChanged, "Ada Lovelace", "ada@example.com"},
		{"no primary address", `{"type":"user.updated","timestamp":1700000006000,"data":{` + user + `,
			"first_name":"  Ada ","last_name":null,"primary_email_address_id":null,
			"email_addresses":[{"id":"idn_1","email_address":"old@example.com"}]}}`,
			clerk.UserChanged, "Ada", "-"},
		{"a primary address that is not there", `{"type":"user.updated","timestamp":1700000006000,"data":{` + user + `,
			"first_name":null,"last_name":" L\u0000ovelace ","primary_email_address_id":"idn_9","email_addresses":[]}}`,
			clerk.UserChanged, "Lovelace", "-"},
		{"nothing but spaces", `{"type":"user.created","timestamp":1700000006000,"data":{` + user + `,"first_name":" ","last_name":""}}`,
			clerk.UserChanged, "-", "-"},
		{"deletion", `{"type":"user.deleted","timestamp":1700000006000,"data":{"deleted":true,"id":"user_1","object":"user"}}`,
			clerk.UserDeleted, "-", "-"},
		{"something else", `{"type":"organization.created","timestamp":1700000006000,"data":[]}`, clerk.Other, "-", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			event, err := clerk.ParseEvent([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if event.Kind != c.kind || !event.At.Equal(time.UnixMilli(1700000006000)) {
				t.Errorf("got %+v", event)
			}
			if got := orDash(event.User.Name); got != c.user {
				t.Errorf("name %q, want %q", got, c.user)
			}
			if got := orDash(event.User.Email); got != c.mail {
				t.Errorf("e-mail %q, want %q", got, c.mail)
			}
			if c.kind != clerk.Other && event.UserID != "user_1" {
				t.Errorf("user %q", event.UserID)
			}
		})
	}
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func TestParseEventOfASession(t *testing.T) {
	t.Parallel()
	event, err := clerk.ParseEvent([]byte(`{"type":"session.revoked","timestamp":1,"instance_id":"ins_1","data":{"id":"sess_1","user_id":"user_1"}}`))
	if err != nil || event.Kind != clerk.SessionOver || event.SessionID != "sess_1" || event.UserID != "user_1" || event.InstanceID != "ins_1" {
		t.Errorf("got %+v, %v", event, err)
	}
}

func TestParseEventRefuses(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, `null x`, `[]`, `{"type":1}`, `{"type":"user.created"}`, `{"type":"user.created","data":{}}`,
		`{"type":"user.deleted","data":{"id":""}}`, `{"type":"user.updated","data":"user_1"}`, `{"type":"session.ended","data":{"user_id":"user_1"}}`,
	} {
		if _, err := clerk.ParseEvent([]byte(body)); !errors.Is(err, clerk.ErrMalformed) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
