package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sweepLock is the transaction-level advisory lock of whoever erases: session
// locks do not survive a transaction pooler.
const sweepLock = 7330002

// eraseBatch bounds the rows of one kind that one transaction deletes, so that
// no lock is held for long.
const eraseBatch = 1000

// ErrUnknownUser means that nothing is stored of a user.
var ErrUnknownUser = errors.New("nothing is stored of this user")

// ErrSweeping means that another process sweeps at the moment.
var ErrSweeping = errors.New("another process is sweeping")

// Erasure counts what was erased.
type Erasure struct {
	Users int
	Erased
	OthersFeedback int64 // other people's ratings of the erased messages
}

func (e *Erasure) add(more Erasure) {
	e.Messages += more.Messages
	e.Feedback += more.Feedback
	e.Likes += more.Likes
	e.OthersFeedback += more.OthersFeedback
}

// Sweep erases what is left of users who were deleted longer than after ago. It
// works in short transactions and goes on where a killed one stopped. While
// another process sweeps it stops with ErrSweeping.
func (s *System) Sweep(ctx context.Context, after time.Duration) (Erasure, error) {
	var total Erasure
	for last := ""; ; {
		ids, err := s.due(ctx, after, last)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		for _, id := range ids {
			one, err := s.eraseAll(ctx, id, eraser{cause: "sweep", lock: `select pg_try_advisory_xact_lock($1)`, onlyDeleted: &after})
			total.add(one)
			if err != nil {
				return total, fmt.Errorf("sweep: %w", err)
			}
			total.Users += one.Users
		}
		last = ids[len(ids)-1]
	}
}

// due lists users who are to be erased, after the id given. Rows that anybody
// wrote for a deleted user since the last sweep count too: the foreign key lets
// them. At once means whatever the clocks say: Clerk's may be ahead of ours.
func (s *System) due(ctx context.Context, after time.Duration, last string) ([]string, error) {
	mode, err := s.Mode(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `
select u.id from neon_auth.users_sync u
where (u.deleted_at <= now() - $1::interval or $1::interval = '0' and u.deleted_at is not null) and u.id > $2 and ($3 and (u.name is not null or u.email is not null)
  or exists (select from public.chat_messages where clerk_id = u.id)
  or exists (select from public.message_feedback where clerk_id = u.id)
  or exists (select from public.track_likes where clerk_id = u.id)
  or exists (select from segue.erasures where user_id = u.id and finished_at is null))
order by u.id limit 100`, after, last, mode == SegueOwned)
	if err != nil {
		return nil, fmt.Errorf("look for users to erase: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for users to erase: %w", err)
	}
	return ids, nil
}

// Erase erases a person now, whoever deleted them or not: all rows, and where
// Segue fills users_sync the name and e-mail too, which leaves a tombstone that
// shuts the account out. A second call finds nothing left and is no error.
func (s *System) Erase(ctx context.Context, userID string) (Erasure, error) {
	known, err := s.knows(ctx, userID)
	if err != nil {
		return Erasure{}, err
	}
	if !known {
		return Erasure{}, ErrUnknownUser
	}
	err = s.inTx(ctx, "erase", func(tx pgx.Tx) error {
		buried, err := s.bury(ctx, tx, []string{userID}, time.Now())
		if err == nil {
			_, err = tx.Exec(ctx, announceUser, buried)
		}
		return err
	})
	if err != nil {
		return Erasure{}, err
	}
	return s.eraseAll(ctx, userID, eraser{cause: "operator", lock: `select true from pg_advisory_xact_lock($1)`})
}

func (s *System) knows(ctx context.Context, userID string) (known bool, err error) {
	err = s.pool.QueryRow(ctx, `
select exists (select from neon_auth.users_sync where id = $1) or exists (select from public.chat_messages where clerk_id = $1)
  or exists (select from public.message_feedback where clerk_id = $1) or exists (select from public.track_likes where clerk_id = $1)`,
		userID).Scan(&known)
	if err != nil {
		err = fmt.Errorf("look up a person: %w", err)
	}
	return known, err
}

// eraser says why, and in what turn, something is erased.
type eraser struct {
	cause string
	lock  string // takes sweepLock or answers false
	// onlyDeleted, where set, is how long the user must have been deleted.
	onlyDeleted *time.Duration
}

// eraseAll erases batch by batch until nothing is left.
func (s *System) eraseAll(ctx context.Context, userID string, how eraser) (Erasure, error) {
	var total Erasure
	for {
		batch, done, err := s.eraseStep(ctx, userID, how)
		total.add(batch)
		if err != nil {
			return total, fmt.Errorf("erase: %w", err)
		}
		if done {
			total.Users = 1
			return total, nil
		}
	}
}

// eraseStep erases one batch and adds it to the open audit row; the step that
// leaves nothing closes that row.
func (s *System) eraseStep(ctx context.Context, userID string, how eraser) (batch Erasure, done bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, how.lock, sweepLock).Scan(&mine); err != nil {
			return err
		}
		if !mine {
			return ErrSweeping
		}
		if may, err := how.may(ctx, tx, userID); err != nil || !may {
			done = true
			return err
		}
		if batch, err = eraseRows(ctx, tx, userID, eraseBatch); err != nil {
			return err
		}
		done = batch.Messages < eraseBatch && batch.Feedback < eraseBatch && batch.Likes < eraseBatch
		if err := s.forget(ctx, tx, userID, done); err != nil {
			return err
		}
		return audit(ctx, tx, userID, how.cause, batch, done)
	})
	if err != nil {
		batch, done = Erasure{}, false
	}
	return batch, done, err
}

// may asks again, inside the transaction, whether the user is to be erased.
func (how eraser) may(ctx context.Context, tx pgx.Tx, userID string) (may bool, err error) {
	if how.onlyDeleted == nil {
		return true, nil
	}
	err = tx.QueryRow(ctx, `select exists (select from neon_auth.users_sync where id = $1
  and (deleted_at <= now() - $2::interval or $2::interval = '0' and deleted_at is not null))`,
		userID, *how.onlyDeleted).Scan(&may)
	return may, err
}

// forget takes the name and e-mail out of a tombstone that somebody else made.
func (s *System) forget(ctx context.Context, tx pgx.Tx, userID string, done bool) error {
	table, err := s.usersTable(ctx, tx)
	if err != nil || !done || table.mode == NeonOwned {
		return err
	}
	_, err = tx.Exec(ctx, table.bare, userID)
	return err
}

// eraseRows deletes at most limit of the user's rows of each kind, and all
// ratings of the messages that go: it does not lean on a cascade, which a
// database that was not made by Segue may lack.
func eraseRows(ctx context.Context, tx pgx.Tx, userID string, limit int64) (Erasure, error) {
	var e Erasure
	err := tx.QueryRow(ctx, `
with gone as (
  delete from public.message_feedback where id in (select id from public.message_feedback where clerk_id = $1 limit $2) returning 1
) select count(*) from gone`, userID, limit).Scan(&e.Feedback)
	if err != nil {
		return e, err
	}
	var own int64
	err = tx.QueryRow(ctx, `
with picked as (
  select id from public.chat_messages where clerk_id = $1 limit $2
), ratings as (
  delete from public.message_feedback f using picked p where f.message_id = p.id returning f.clerk_id
), gone as (
  delete from public.chat_messages m using picked p where m.id = p.id returning 1
) select (select count(*) from gone), count(*) filter (where clerk_id = $1), count(*) filter (where clerk_id <> $1) from ratings`,
		userID, limit).Scan(&e.Messages, &own, &e.OthersFeedback)
	if err != nil {
		return e, err
	}
	e.Feedback += own
	err = tx.QueryRow(ctx, `
with gone as (
  delete from public.track_likes where id in (select id from public.track_likes where clerk_id = $1 limit $2) returning 1
) select count(*) from gone`, userID, limit).Scan(&e.Likes)
	return e, err
}

// audit adds a batch to the user's open audit row, which it makes and closes as needed.
func audit(ctx context.Context, tx pgx.Tx, userID, cause string, e Erasure, done bool) error {
	_, err := tx.Exec(ctx, `
insert into segue.erasures as e (user_id, cause, messages, feedback, likes, others_feedback) values ($1, $2, $3, $4, $5, $6)
on conflict (user_id) where finished_at is null do update set messages = e.messages + excluded.messages,
  feedback = e.feedback + excluded.feedback, likes = e.likes + excluded.likes,
  others_feedback = e.others_feedback + excluded.others_feedback`,
		userID, cause, e.Messages, e.Feedback, e.Likes, e.OthersFeedback)
	if err != nil || !done {
		return err
	}
	_, err = tx.Exec(ctx, `update segue.erasures set finished_at = now() where user_id = $1 and finished_at is null`, userID)
	return err
}
