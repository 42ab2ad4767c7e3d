// Package usersync keeps neon_auth.users_sync in step with Clerk and erases what
// deleted users leave (contract §5): Clerk's webhooks, the backfill, provisioning
// on a caller's first write, the sweep. Where Neon Auth fills the table it writes
// none of it and only waits, hears of ended sessions, and sweeps.
//
// The rules of order and all SQL are in store.System; what Clerk says is read
// by package clerk. This package decides when.
package usersync

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"golang.org/x/sync/singleflight"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

// Config is what a Service needs.
type Config struct {
	System *store.System
	// Clerk is nil where there is no secret key: then only webhooks fill the table.
	Clerk *clerk.Client
	// WebhookSecrets are all signing secrets that are good; none turns the webhook off.
	WebhookSecrets []string
	// EraseAfter is how long a deleted user's rows stay, 0 not at all. Negative
	// keeps them, and so does nil: what was forgotten to be set must not erase.
	EraseAfter *time.Duration
	// SyncEvery is how often Run repeats the backfill; 0 or less is never.
	SyncEvery time.Duration
	// SessionOver and UserDeleted are told, after the fact is stored, what this
	// process hears of first. Other processes hear of it through package live.
	SessionOver func(sessionID string)
	UserDeleted func(userID string)
	Log         *slog.Logger
}

// Service does the work. Make one with New; its methods are safe for concurrent use.
type Service struct {
	Config
	verifiers []*svix.Webhook

	flights      singleflight.Group
	clerkBlocked atomic.Int64 // unix nanoseconds until which Clerk asked not to be called

	swept atomic.Int64  // unix nanoseconds of the last sweep
	sweep chan struct{} // asks Run for one
}

var (
	// ErrNeonOwned refuses a backfill of a table that Neon Auth fills.
	ErrNeonOwned = errors.New("neon_auth.users_sync is filled by Neon Auth here, so there is nothing to sync from Clerk; set USERS_SYNC=segue if Segue is to fill it")
	// ErrNoSecretKey refuses a backfill without a key to Clerk.
	ErrNoSecretKey = errors.New("CLERK_SECRET_KEY must be set to read users from Clerk")
)

// minSecretBytes guards against an empty signing key, with which the library
// would accept anybody's forgery.
const minSecretBytes = 16

// New checks the configuration. It starts nothing; see Run.
func New(c Config) (*Service, error) {
	s := &Service{Config: c, sweep: make(chan struct{}, 1)}
	if s.SessionOver == nil {
		s.SessionOver = func(string) {}
	}
	if s.UserDeleted == nil {
		s.UserDeleted = func(string) {}
	}
	for _, secret := range c.WebhookSecrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) < minSecretBytes {
			return nil, fmt.Errorf("a webhook signing secret is not base64 of at least %d bytes", minSecretBytes)
		}
		verifier, err := svix.NewWebhookRaw(key)
		if err != nil {
			return nil, fmt.Errorf("webhook signing secret: %w", err)
		}
		s.verifiers = append(s.verifiers, verifier)
	}
	return s, nil
}

// Webhook is the handler of POST /webhooks/clerk.
func (s *Service) Webhook() http.Handler { return http.HandlerFunc(s.receive) }

// synced is a Clerk user as the store takes it.
func synced(u clerk.User) store.SyncedUser {
	return store.SyncedUser{ID: u.ID, Name: u.Name, Email: u.Email, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}
}

func syncedAll(users []clerk.User) []store.SyncedUser {
	all := make([]store.SyncedUser, len(users))
	for i, u := range users {
		all[i] = synced(u)
	}
	return all
}
