package clerk

import (
	"encoding/json"
	"strings"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
)

// User is what Segue keeps of a Clerk user.
type User struct {
	ID        string
	Name      *string   // first and last name; nil when Clerk has neither
	Email     *string   // the primary address; nil when there is none
	CreatedAt time.Time // zero when Clerk did not say
	UpdatedAt time.Time // orders what we hear of a user
}

// wireUser is the part of Clerk's User object that we read, the same in answers
// of the Backend API and in webhooks. Times are milliseconds since 1970.
type wireUser struct {
	ID             string  `json:"id"`
	FirstName      *string `json:"first_name"`
	LastName       *string `json:"last_name"`
	PrimaryEmailID *string `json:"primary_email_address_id"`
	EmailAddresses []struct {
		ID      string `json:"id"`
		Address string `json:"email_address"`
	} `json:"email_addresses"`
	CreatedAt int64 `json:"created_at"`
	UpdatedAt int64 `json:"updated_at"`
}

func (w wireUser) user() User {
	return User{
		ID:        w.ID,
		Name:      optional(clean(w.FirstName) + " " + clean(w.LastName)),
		Email:     w.primaryEmail(),
		CreatedAt: millis(w.CreatedAt),
		UpdatedAt: millis(w.UpdatedAt),
	}
}

// primaryEmail is never simply the first address: that one may be unverified,
// or another person's.
func (w wireUser) primaryEmail() *string {
	if w.PrimaryEmailID == nil {
		return nil
	}
	for _, e := range w.EmailAddresses {
		if e.ID == *w.PrimaryEmailID {
			return optional(clean(&e.Address))
		}
	}
	return nil
}

// clean trims, and drops NUL, which PostgreSQL's text cannot hold.
func clean(s *string) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(strings.ReplaceAll(*s, "\x00", ""))
}

func optional(s string) *string {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	return &s
}

// lastMilli is the end of the year 9999; a time outside is taken as not given.
const lastMilli = 253_402_300_799_999

func millis(ms int64) time.Time {
	if ms <= 0 || ms > lastMilli {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

type userAnswer struct {
	sdk.APIResource
	wireUser
}

type countAnswer struct {
	sdk.APIResource
	TotalCount int `json:"total_count"`
}

type usersAnswer struct {
	sdk.APIResource
	users []User
}

// UnmarshalJSON reads the bare array that Clerk's lists are.
func (a *usersAnswer) UnmarshalJSON(data []byte) error {
	var wire []wireUser
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	a.users = make([]User, len(wire))
	for i, w := range wire {
		a.users[i] = w.user()
	}
	return nil
}
