package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// foldLock is the advisory lock of whoever folds the journal or counts anew
// (migrations/00003_rollups.sql).
const foldLock = "7330003"

// buildRollups counts what the tables held before the triggers were made, if
// that was not done to its end yet. All is counted in one snapshot: what that
// snapshot does not see is in the journal still. Writers go on meanwhile, for
// they only append to the journal while foldLock is held; who reads the rollups
// waits, for there is nothing true to read before. Interrupted, it begins anew.
func buildRollups(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	var built bool
	if err := conn.QueryRow(ctx, "select exists (select from segue.rollups_built)").Scan(&built); err != nil || built {
		return err
	}
	start := time.Now()
	// The lock is the session's: a transaction that waited for it would have an older snapshot than the last fold.
	for _, statement := range []string{"set statement_timeout = 0", "select pg_advisory_lock(" + foldLock + ")"} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, step := range buildSteps {
			if _, err := tx.Exec(ctx, step); err != nil {
				return fmt.Errorf("%.40s: %w", step, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := analyseRollups(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_unlock("+foldLock+")"); err != nil {
		return err
	}
	log.InfoContext(ctx, "rollups built", "took", time.Since(start).Round(time.Millisecond))
	return nil
}

// everyDeed is every row that is counted. Ids are sorted by their bytes, which
// takes a third of the time that a language's order takes.
const everyDeed = `with deed as (
  select clerk_id collate "C" as clerk_id, coalesce(created_at, 'epoch') as at, 1 as messages, 0 as likes, 0 as up, 0 as down from public.chat_messages
  union all select clerk_id, coalesce(created_at, 'epoch'), 0, 1, 0, 0 from public.track_likes
  union all select clerk_id, coalesce(created_at, 'epoch'), 0, 0, (rating > 0)::integer, (rating < 0)::integer from public.message_feedback
) `

// buildSteps fill tables that have no indexes yet, which takes a third of the
// time, in an order that keeps a person's hours together.
var buildSteps = []string{
	// Before anything is locked that a TRUNCATE's trigger reads, and before there is a snapshot.
	"lock table public.chat_messages, public.track_likes, public.message_feedback in access share mode",
	"truncate segue.activity_hourly, segue.user_totals, segue.track_totals",
	"alter table segue.activity_hourly drop constraint activity_hourly_pkey",
	"drop index segue.activity_hourly_hour",
	"set local work_mem = '64MB'",
	"delete from segue.user_changes",
	"delete from segue.track_changes",
	everyDeed + "insert into segue.user_totals select clerk_id, sum(messages), sum(likes), sum(up), sum(down), min(at), max(at) from deed group by clerk_id",
	"set local enable_hashagg = off",
	everyDeed + `insert into segue.activity_hourly
select clerk_id, date_trunc('hour', at, 'UTC'), sum(messages), sum(likes), sum(up), sum(down) from deed group by 1, 2`,
	"set local enable_hashagg = on",
	"insert into segue.track_totals select track_id, count(*) from public.track_likes group by track_id",
	"alter table segue.activity_hourly add constraint activity_hourly_pkey primary key (clerk_id, hour)",
	"create index activity_hourly_hour on segue.activity_hourly (hour)",
	"insert into segue.rollups_built values (now())",
}

// analyseRollups tells the planner what it has got before the first reader
// comes. (Of the journal it should not know: a table it knows to be empty it reads whole.)
func analyseRollups(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "vacuum (analyze) segue.user_totals, segue.activity_hourly, segue.track_totals")
	return err
}
