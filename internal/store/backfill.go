package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Phase is what a backfill is doing.
type Phase string

// The phases, in order.
const (
	PhaseIdle    Phase = "idle"    // no run is under way
	PhaseUsers   Phase = "users"   // reading Clerk's pages
	PhaseMissing Phase = "missing" // looking after users who were on none of them
)

// Backfill is how far a run is. It lives in the database, so that any process
// can go on with a run that was killed, and two that work on one run at once
// share it: each step is made only from the state it was planned from.
type Backfill struct {
	Run   int64
	Phase Phase

	// The cursor of PhaseUsers.
	CreatedAfter int64
	Offset       int
	OffsetOnly   bool

	Total   int // users at Clerk when the run began
	Seen    int
	Created int
	Updated int
	Deleted int

	StartedAt time.Time
	Failure   string // why the last run that ended did not complete
}

// ErrBackfillMoved means that somebody else made the step; read the state again.
var ErrBackfillMoved = errors.New("another process moved the backfill on")

const backfillColumns = `run, phase, created_after, page_offset, offset_only, total, seen, created, updated, deleted, coalesce(started_at, now()), coalesce(failure, '')`

func scanBackfill(row pgx.Row) (Backfill, error) {
	var b Backfill
	err := row.Scan(&b.Run, &b.Phase, &b.CreatedAfter, &b.Offset, &b.OffsetOnly, &b.Total, &b.Seen, &b.Created, &b.Updated, &b.Deleted, &b.StartedAt, &b.Failure)
	return b, err
}

// Backfill reads the state.
func (s *System) Backfill(ctx context.Context) (Backfill, error) {
	b, err := scanBackfill(s.pool.QueryRow(ctx, `select `+backfillColumns+` from segue.sync_state`))
	if err != nil {
		return b, fmt.Errorf("read the backfill's state: %w", err)
	}
	return b, nil
}

// BeginBackfill goes on with the run that is under way, or starts one. A run
// without progress for tooOld is given up for a new one: too much has changed since.
func (s *System) BeginBackfill(ctx context.Context, tooOld time.Duration) (b Backfill, resumed bool, err error) {
	err = s.inTx(ctx, "begin a backfill", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
select phase <> 'idle' and progressed_at > now() - $1::interval from segue.sync_state for update`, tooOld).Scan(&resumed)
		if err != nil {
			return err
		}
		if resumed {
			b, err = scanBackfill(tx.QueryRow(ctx, `select `+backfillColumns+` from segue.sync_state`))
			return err
		}
		b, err = scanBackfill(tx.QueryRow(ctx, `
update segue.sync_state set run = run + 1, phase = 'users', created_after = 0, page_offset = 0, offset_only = false,
  total = 0, seen = 0, created = 0, updated = 0, deleted = 0, started_at = now(), progressed_at = now()
returning `+backfillColumns))
		return err
	})
	return b, resumed, err
}

// SetBackfillTotal notes how many users Clerk counts, for whoever shows progress.
func (s *System) SetBackfillTotal(ctx context.Context, run int64, total int) error {
	_, err := s.pool.Exec(ctx, `update segue.sync_state set total = $2 where run = $1`, run, total)
	if err != nil {
		return fmt.Errorf("note the backfill's total: %w", err)
	}
	return nil
}

// SavePage makes one step of PhaseUsers: it saves a page that Clerk showed at
// asOf and moves from the state at to the phase and cursor of next, all or nothing.
func (s *System) SavePage(ctx context.Context, at, next Backfill, users []SyncedUser, asOf time.Time) (b Backfill, err error) {
	err = s.inTx(ctx, "save a page of users", func(tx pgx.Tx) error {
		if err := lockStep(ctx, tx, at); err != nil {
			return err
		}
		saved, err := s.saveSeen(ctx, tx, at.Run, users, asOf)
		if err != nil {
			return err
		}
		b, err = scanBackfill(tx.QueryRow(ctx, `
update segue.sync_state set phase = $1, created_after = $2, page_offset = $3, offset_only = $4,
  seen = seen + $5, created = created + $6, updated = updated + $7, `+progressed+`
returning `+backfillColumns, next.Phase, next.CreatedAfter, next.Offset, next.OffsetOnly, len(users), saved.Created, saved.Updated))
		return err
	})
	return b, err
}

// progressed keeps a claimed run ours while it moves.
const progressed = `progressed_at = now(), claimed_until = case when claimed_until is not null then now() + interval '10 minutes' end`

// lockStep takes the state's row if it still is what the step was planned from.
func lockStep(ctx context.Context, tx pgx.Tx, at Backfill) error {
	var same bool
	err := tx.QueryRow(ctx, `
select (run, phase, created_after, page_offset, offset_only) = ($1, $2, $3, $4, $5) from segue.sync_state for update`,
		at.Run, at.Phase, at.CreatedAfter, at.Offset, at.OffsetOnly).Scan(&same)
	if err == nil && !same {
		return ErrBackfillMoved
	}
	return err
}

// saveSeen saves users and marks them as found at Clerk by the run.
func (s *System) saveSeen(ctx context.Context, tx pgx.Tx, run int64, users []SyncedUser, asOf time.Time) (Saved, error) {
	saved, err := s.save(ctx, tx, users, asOf, true)
	if err == nil {
		_, err = tx.Exec(ctx, `update segue.user_versions set seen_run = $1 where user_id = any($2)`, run, columnsOf(users).ids)
	}
	return saved, err
}

// Unseen returns up to limit live users after the id given, in order, whom the
// run's pages did not show. Clerk must be asked about each before it is believed gone.
func (s *System) Unseen(ctx context.Context, run int64, after string, limit int) ([]string, error) {
	rows, err := s.pool.Query(ctx, `
select u.id from neon_auth.users_sync u left join segue.user_versions v on v.user_id = u.id
where u.deleted_at is null and v.seen_run is distinct from $1 and u.id > $2 order by u.id limit $3`, run, after, limit)
	if err != nil {
		return nil, fmt.Errorf("look for users the backfill did not see: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for users the backfill did not see: %w", err)
	}
	return ids, nil
}

// LiveUsers counts the rows of live users.
func (s *System) LiveUsers(ctx context.Context) (n int, err error) {
	if err = s.pool.QueryRow(ctx, `select count(*) from neon_auth.users_sync where deleted_at is null`).Scan(&n); err != nil {
		err = fmt.Errorf("count live users: %w", err)
	}
	return n, err
}

// SaveFound saves users whom the pages missed and a look by id found.
func (s *System) SaveFound(ctx context.Context, at Backfill, users []SyncedUser, asOf time.Time) error {
	return s.inTx(ctx, "save users found by id", func(tx pgx.Tx) error {
		saved, err := s.saveSeen(ctx, tx, at.Run, users, asOf)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
update segue.sync_state set seen = seen + $2, created = created + $3, updated = updated + $4, `+progressed+` where run = $1`,
			at.Run, len(users), saved.Created, saved.Updated)
		return err
	})
}

// BuryMissing makes tombstones of users whom Clerk no longer has, and returns
// those who were alive until now.
func (s *System) BuryMissing(ctx context.Context, at Backfill, ids []string, seenAt time.Time) (buried []string, err error) {
	err = s.inTx(ctx, "mark missing users", func(tx pgx.Tx) error {
		if buried, err = s.bury(ctx, tx, ids, seenAt); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, announceUser, buried); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `update segue.sync_state set deleted = deleted + $2, `+progressed+` where run = $1`, at.Run, len(buried))
		return err
	})
	return buried, err
}

// EndBackfill closes a run, with the reason if it did not complete, and returns its last state.
func (s *System) EndBackfill(ctx context.Context, run int64, failure string) (Backfill, error) {
	b, err := scanBackfill(s.pool.QueryRow(ctx, `
update segue.sync_state set phase = 'idle', ended_at = now(), claimed_until = null, failure = nullif($2, ''),
  completed_at = case when $2 = '' then now() else completed_at end
where run = $1 returning `+backfillColumns, run, failure))
	if errors.Is(err, pgx.ErrNoRows) {
		return b, ErrBackfillMoved
	}
	if err != nil {
		return b, fmt.Errorf("end the backfill: %w", err)
	}
	return b, nil
}

// ClaimBackfill takes this process's turn at the repeated backfill, for one
// process at a time, when the last run ended longer than every ago. Otherwise it
// says how long to wait before asking again.
func (s *System) ClaimBackfill(ctx context.Context, every time.Duration) (claimed bool, wait time.Duration, err error) {
	tag, err := s.pool.Exec(ctx, `
update segue.sync_state set claimed_until = now() + interval '10 minutes'
where coalesce(ended_at, since) + $1::interval <= now() and coalesce(claimed_until, '-infinity') <= now()`, every)
	if err == nil && tag.RowsAffected() == 1 {
		return true, 0, nil
	}
	if err == nil {
		err = s.pool.QueryRow(ctx, `
select greatest(greatest(coalesce(ended_at, since) + $1::interval, claimed_until) - now(), '0') from segue.sync_state`, every).Scan(&wait)
	}
	if err != nil {
		return false, 0, fmt.Errorf("claim the backfill: %w", err)
	}
	return false, wait, nil
}
