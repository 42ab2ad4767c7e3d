package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Delivery is one webhook delivery whose signature was good.
type Delivery struct {
	ID         string // svix-id
	Type       string
	InstanceID string
	At         time.Time // when Clerk says it happened
	UserID     string

	// At most one of these says what happened.
	Changed     *SyncedUser
	Deleted     bool   // UserID
	SessionOver string // a session's id
}

// Receive does what a delivery says and remembers it, in one transaction: a
// repeat finds it remembered and does nothing, a delivery that failed is not
// remembered. It reports whether the delivery was new.
func (s *System) Receive(ctx context.Context, d Delivery) (fresh bool, err error) {
	err = s.inTx(ctx, "receive a webhook", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
insert into segue.webhook_inbox (svix_id, type, user_id, instance_id, event_at)
values ($1, $2, nullif($3, ''), nullif($4, ''), $5) on conflict do nothing`,
			d.ID, d.Type, d.UserID, d.InstanceID, d.At)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		fresh = true
		return s.obey(ctx, tx, d)
	})
	return fresh && err == nil, err
}

func (s *System) obey(ctx context.Context, tx pgx.Tx, d Delivery) error {
	switch {
	case d.Changed != nil:
		_, err := s.save(ctx, tx, []SyncedUser{*d.Changed}, d.At, false)
		return err
	case d.Deleted:
		ids := []string{d.UserID}
		if _, err := s.bury(ctx, tx, ids, d.At); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, announceUser, ids)
		return err
	case d.SessionOver != "":
		_, err := tx.Exec(ctx, announceSession, d.SessionOver)
		return err
	}
	return nil
}

// PruneInbox forgets deliveries older than age. Svix repeats for a day and Clerk's
// dashboard can replay for longer; what is forgotten and comes again is stale by
// its own time anyway.
func (s *System) PruneInbox(ctx context.Context, age time.Duration) error {
	_, err := s.pool.Exec(ctx, `delete from segue.webhook_inbox where received_at < now() - $1::interval`, age)
	if err != nil {
		return fmt.Errorf("prune the webhook inbox: %w", err)
	}
	return nil
}
