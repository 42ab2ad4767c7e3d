package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The database keeps the rollups itself (migrations/00003_rollups.sql); what
// Segue does for them is to count what was there before, to look after them,
// and to count anew where somebody wrote behind the triggers' back (with
// session_replication_role = replica, or as a logical replication subscriber).

// recountAtATime is how many people are counted in one transaction: few enough
// that it is short, many enough that the order of their rows pays.
const recountAtATime = 500

// RepairRollups counts everything anew, while everyone goes on reading and
// writing. The pool's user must own the rollups.
func RepairRollups(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("repair rollups: %w", err)
	}
	defer conn.Release()
	if err := recount(ctx, conn.Conn()); err != nil {
		return fmt.Errorf("repair rollups: %w", err)
	}
	return nil
}

func recount(ctx context.Context, conn *pgx.Conn) error {
	// Other programs may have dropped the foreign keys: count also whom only the tables know.
	rows, err := conn.Query(ctx, `select id from neon_auth.users_sync union select clerk_id from segue.user_totals
		union select clerk_id from segue.activity_hourly union select clerk_id from segue.user_changes
		union select clerk_id from public.chat_messages union select clerk_id from public.message_feedback
		union select clerk_id from public.track_likes order by 1`)
	if err != nil {
		return err
	}
	people, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for len(people) > 0 {
		n := min(recountAtATime, len(people))
		if err := patiently(ctx, conn, "select segue.recount_users($1)", people[:n]); err != nil {
			return err
		}
		people = people[n:]
	}
	if err := patiently(ctx, conn, "select segue.recount_tracks()"); err != nil {
		return err
	}
	if err := analyseRollups(ctx, conn); err != nil {
		return err
	}
	return patiently(ctx, conn, "with gone as (delete from segue.rollups_built) insert into segue.rollups_built values (now())")
}

// patiently runs one statement in a transaction of its own, however long it takes.
func patiently(ctx context.Context, conn *pgx.Conn, statement string, args ...any) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local statement_timeout = 0"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, statement, args...)
		return err
	})
}

// FoldRollups folds the journal into the totals, as one write in a few hundred
// does too. Worth a call where writers never do: those of SERIALIZABLE
// transactions, and the last ones before the database falls asleep.
func FoldRollups(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("fold rollups: %w", err)
	}
	defer conn.Release()
	if err := patiently(ctx, conn.Conn(), "select segue.fold()"); err != nil {
		return fmt.Errorf("fold rollups: %w", err)
	}
	return nil
}

// insertsPerFold is how many rows the gateway inserts before it folds; then the
// journal holds some 250 rows, as other writers' triggers see to by chance.
const insertsPerFold = 256

// inserted counts a row, and folds when it is time: in a transaction of its own,
// since folding takes 15 ms, which whoever wrote in the same one would wait for.
func (s *Store) inserted(ctx context.Context) {
	if s.inserts.Add(1)%insertsPerFold != 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), foldTimeout)
	defer cancel()
	_ = s.primary.attempt(ctx, []statement{{sql: "SELECT segue.fold()", read: func(rows resultRows) error {
		for rows.Next() {
			rows.RawValues()
		}
		return nil
	}}}) // where it fails, the row is written all the same, and the next fold does the work of both
}

const foldTimeout = 2 * time.Second

// Drift is a rollup that does not say what the tables do.
type Drift struct {
	ID      string // a clerk_id or a track_id
	What    string // "messages", "likes", "feedbackUp", "feedbackDown", "firstActiveAt", "lastActiveAt", "hours" or "trackLikes"
	Stored  string // "" for null
	Counted string
}

// CheckRollups recounts up to sample people and as many tracks, half of them
// the busiest, and tells what differs. One snapshot serves each comparison, so
// writes going on beside it are no drift.
func CheckRollups(ctx context.Context, pool *pgxpool.Pool, sample int) ([]Drift, error) {
	var all []Drift
	for _, check := range []string{checkPeople(), checkHours, checkTracks} {
		rows, err := pool.Query(ctx, check, sample)
		if err != nil {
			return nil, fmt.Errorf("check rollups: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Drift])
		if err != nil {
			return nil, fmt.Errorf("check rollups: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

const samplePeople = `picked AS MATERIALIZED (
  (SELECT clerk_id AS id FROM segue.user_totals ORDER BY messages DESC, clerk_id COLLATE "C" LIMIT ($1::int + 1) / 2)
  UNION (SELECT clerk_id FROM segue.user_totals ORDER BY random() LIMIT ($1::int + 1) / 2)
  UNION (SELECT id FROM neon_auth.users_sync ORDER BY random() LIMIT ($1::int + 1) / 2)
)`

func checkPeople() string {
	q := &query{}
	n := q.numbersOf("s.id", "true", nil, true)
	return `WITH ` + samplePeople + `, kept AS (
  SELECT s.id, ` + n.messages + ` AS messages, ` + n.likes + ` AS likes, ` + n.up + ` AS up, ` + n.down + ` AS down, ` + n.first + ` AS lo, ` + n.last + ` AS hi
  FROM picked s` + n.joins + `
), counted AS (
  SELECT s.id, m.n AS messages, l.n AS likes, f.up, f.n - f.up AS down, least(m.lo, l.lo, f.lo) AS lo, greatest(m.hi, l.hi, f.hi) AS hi
  FROM picked s
  CROSS JOIN LATERAL (SELECT count(*) AS n, min(created_at) AS lo, max(created_at) AS hi FROM public.chat_messages WHERE clerk_id = s.id) m
  CROSS JOIN LATERAL (SELECT count(*) AS n, min(created_at) AS lo, max(created_at) AS hi FROM public.track_likes WHERE clerk_id = s.id) l
  CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE rating > 0) AS up, min(created_at) AS lo, max(created_at) AS hi
    FROM public.message_feedback WHERE clerk_id = s.id) f
)
SELECT k.id, v.what, coalesce(v.kept, ''), coalesce(v.counted, '') FROM kept k JOIN counted c USING (id)
CROSS JOIN LATERAL (VALUES ('messages', k.messages::text, c.messages::text), ('likes', k.likes::text, c.likes::text),
  ('feedbackUp', k.up::text, c.up::text), ('feedbackDown', k.down::text, c.down::text),
  ('firstActiveAt', k.lo::text, c.lo::text), ('lastActiveAt', k.hi::text, c.hi::text)) AS v(what, kept, counted)
WHERE v.kept IS DISTINCT FROM v.counted ORDER BY k.id, v.what`
}

// Hours are compared by person: how many deeds are counted in wrong ones.
const checkHours = `WITH ` + samplePeople + `, deed AS (
  SELECT h.clerk_id, h.at AS hour, h.messages, h.likes, h.feedback_up AS up, h.feedback_down AS down FROM picked s JOIN segue.user_hours() h ON h.clerk_id = s.id
  UNION ALL SELECT x.clerk_id, date_trunc('hour', x.created_at, 'UTC'), -1, 0, 0, 0 FROM picked s JOIN public.chat_messages x ON x.clerk_id = s.id
  UNION ALL SELECT x.clerk_id, date_trunc('hour', x.created_at, 'UTC'), 0, -1, 0, 0 FROM picked s JOIN public.track_likes x ON x.clerk_id = s.id
  UNION ALL SELECT x.clerk_id, date_trunc('hour', x.created_at, 'UTC'), 0, 0, -(x.rating > 0)::int, -(x.rating < 0)::int
    FROM picked s JOIN public.message_feedback x ON x.clerk_id = s.id
)
SELECT clerk_id, 'hours', sum(off)::text, '0' FROM (
  SELECT clerk_id, hour, abs(sum(messages)) + abs(sum(likes)) + abs(sum(up)) + abs(sum(down)) AS off FROM deed GROUP BY clerk_id, hour
) x WHERE off <> 0 GROUP BY clerk_id ORDER BY clerk_id`

const checkTracks = `WITH picked AS MATERIALIZED (
  (SELECT track_id FROM segue.track_totals ORDER BY likes DESC, track_id COLLATE "C" LIMIT ($1::int + 1) / 2)
  UNION (SELECT track_id FROM segue.track_totals ORDER BY random() LIMIT ($1::int + 1) / 2)
  UNION (SELECT track_id FROM public.track_likes ORDER BY created_at DESC, id DESC LIMIT ($1::int + 1) / 2)
), counted AS (
  SELECT s.track_id, coalesce((SELECT likes FROM segue.track_totals t WHERE t.track_id = s.track_id), 0)
      + coalesce((SELECT sum(likes) FROM segue.unfolded_tracks() c WHERE c.track_id = s.track_id), 0) AS kept,
    (SELECT count(*) FROM public.track_likes l WHERE l.track_id = s.track_id) AS counted
  FROM picked s
)
SELECT track_id, 'trackLikes', kept::text, counted::text FROM counted WHERE kept <> counted ORDER BY track_id`
