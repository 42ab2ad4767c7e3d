package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// SyncedUser is what Clerk says of a user. Zero times are not known.
type SyncedUser struct {
	ID        string
	Name      *string
	Email     *string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Saved counts the rows that a save changed.
type Saved struct {
	Created int
	Updated int
}

// Presence says whether a user has a row.
type Presence int

// The states of a user's row.
const (
	Absent Presence = iota
	Live
	Deleted
)

// Presence reads the state of a user's row.
func (s *System) Presence(ctx context.Context, userID string) (Presence, error) {
	var deleted bool
	err := s.pool.QueryRow(ctx, `select deleted_at is not null from neon_auth.users_sync where id = $1`, userID).Scan(&deleted)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Absent, nil
	case err != nil:
		return Absent, explain(ctx, fmt.Errorf("look up a user: %w", err))
	case deleted:
		return Deleted, nil
	}
	return Live, nil
}

// SaveUsers writes users as Clerk's Backend API showed them at the time asOf:
// the truth of that moment, so that rows which Segue did not write itself are
// corrected whatever their updated_at says. Newer news and tombstones stay.
func (s *System) SaveUsers(ctx context.Context, users []SyncedUser, asOf time.Time) (Saved, error) {
	var saved Saved
	err := s.inTx(ctx, "save users", func(tx pgx.Tx) (err error) {
		saved, err = s.save(ctx, tx, users, asOf, true)
		return err
	})
	return saved, explain(ctx, err)
}

// save applies news of distinct users. What counts as newer is decided under a
// lock on the users' versions, so replicas take turns.
func (s *System) save(ctx context.Context, tx pgx.Tx, users []SyncedUser, asOf time.Time, authoritative bool) (Saved, error) {
	table, err := s.usersTable(ctx, tx)
	if err != nil || table.mode == NeonOwned || len(users) == 0 {
		return Saved{}, err
	}
	columns := columnsOf(users)
	if err := lockVersions(ctx, tx, columns.ids); err != nil {
		return Saved{}, err
	}
	rows, err := tx.Query(ctx, table.save, columns.ids, columns.names, columns.emails, columns.created, columns.updated,
		asOf.UnixMilli(), authoritative)
	if err != nil {
		return Saved{}, err
	}
	fresh, err := pgx.CollectRows(rows, pgx.RowTo[bool])
	saved := Saved{}
	for _, created := range fresh {
		if created {
			saved.Created++
		} else {
			saved.Updated++
		}
	}
	return saved, err
}

// bury makes tombstones: also for users never heard of, so that a late creation
// finds one. It returns who was not dead before.
func (s *System) bury(ctx context.Context, tx pgx.Tx, ids []string, at time.Time) ([]string, error) {
	table, err := s.usersTable(ctx, tx)
	if err != nil || table.mode == NeonOwned {
		return nil, err
	}
	ids = slices.Sorted(slices.Values(ids))
	if err := lockVersions(ctx, tx, ids); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, table.bury, ids, at)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// lockVersions makes all that is decided about these users wait for us. The ids
// are sorted, so that two of us never wait for each other.
func lockVersions(ctx context.Context, tx pgx.Tx, ids []string) error {
	_, err := tx.Exec(ctx, `insert into segue.user_versions (user_id) select unnest($1::text[]) on conflict do nothing`, ids)
	if err == nil {
		_, err = tx.Exec(ctx, `select from segue.user_versions where user_id = any($1) order by user_id for update`, ids)
	}
	return err
}

// userColumns are users as the arrays that a statement unnests.
type userColumns struct {
	ids              []string
	names, emails    []*string
	created, updated []*time.Time
}

func columnsOf(users []SyncedUser) userColumns {
	users = slices.Clone(users)
	slices.SortFunc(users, func(a, b SyncedUser) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), b.UpdatedAt.Compare(a.UpdatedAt))
	})
	users = slices.CompactFunc(users, func(a, b SyncedUser) bool { return a.ID == b.ID })
	var c userColumns
	for _, u := range users {
		c.ids = append(c.ids, u.ID)
		c.names, c.emails = append(c.names, u.Name), append(c.emails, u.Email)
		c.created, c.updated = append(c.created, known(u.CreatedAt)), append(c.updated, known(u.UpdatedAt))
	}
	return c
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
