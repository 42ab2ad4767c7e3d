package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
)

// people are the users of the tests here, of any form, in bytewise order.
var people = []string{"User_B", "user_a", "user_b", "user_c", "Ü", "用户"}

func addPeople(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for i, id := range people {
		testdb.AddUserAt(t, pool, id, id, "", time.UnixMilli(1_700_000_000_000+int64(i)))
	}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// noDrift fails unless every rollup says what a recount does.
func noDrift(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	drift, err := store.CheckRollups(t.Context(), pool, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range drift {
		t.Errorf("%s of %s: %s, the tables say %s", d.What, d.ID, d.Stored, d.Counted)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// at is a random time: one of few, or anywhere in a year, before 1970, or for ever away.
func at(r *rand.Rand) any {
	switch r.IntN(12) {
	case 0:
		return time.UnixMicro(-r.Int64N(1e15)).UTC()
	case 1:
		return "infinity"
	case 2:
		return "-infinity"
	case 3, 4, 5:
		return time.Unix(1_750_000_000+900*r.Int64N(40), 0).UTC()
	}
	return time.UnixMicro(1_750_000_000_000_000 + r.Int64N(30_000_000_000_000)).UTC()
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// write does something random to the tables, as any program may.
func write(ctx context.Context, r *rand.Rand, db interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}) error {
	var sql string
	var args []any
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		sql, args = "insert into chat_messages (clerk_id, role, content, created_at) select $1, 'user', 'x', $2::timestamptz from generate_series(1, $3)",
			[]any{pick(r, people), at(r), 1 + r.IntN(3)*r.IntN(200)}
	case 4, 5:
		sql, args = `insert into message_feedback (clerk_id, message_id, rating, created_at)
			select $1, id, $2, $3::timestamptz from chat_messages order by random() limit 3
			on conflict (clerk_id, message_id) do update set rating = excluded.rating, comment = 'again'`,
			[]any{pick(r, people), pick(r, []int{-1, 1}), at(r)}
	case 6, 7:
		sql, args = "insert into track_likes (clerk_id, track_id, created_at) values ($1, $2, $3::timestamptz) on conflict do nothing",
			[]any{pick(r, people), fmt.Sprint("track", r.IntN(9)), at(r)}
	case 8:
		sql = "delete from chat_messages where id in (select id from chat_messages order by random() limit 5)"
	case 9:
		sql, args = "delete from track_likes where clerk_id = $1", []any{pick(r, people)}
	case 10:
		sql = "update message_feedback set rating = -rating where id in (select id from message_feedback order by random() limit 2)"
	case 11:
		sql, args = "update chat_messages set clerk_id = $1, created_at = $2::timestamptz where id in (select id from chat_messages order by random() limit 2)",
			[]any{pick(r, people), at(r)}
	case 12:
		sql, args = "update track_likes set track_id = track_id || '+', title = 'new', created_at = $2::timestamptz where clerk_id = $1", []any{pick(r, people), at(r)}
	case 13:
		sql = "update chat_messages set content = content || 'y' where id in (select id from chat_messages order by random() limit 9)"
	case 14:
		sql, args = "update message_feedback set clerk_id = $1 where id = (select id from message_feedback order by random() limit 1)", []any{pick(r, people)}
	case 15:
		sql = "select segue.fold()"
	}
	for i, a := range args {
		if when, ok := a.(time.Time); ok {
			args[i] = when.Format("2006-01-02T15:04:05.999999Z07:00")
		}
	}
	_, err := db.Exec(ctx, sql, args...)
	return err
}

// contended reports errors that concurrent writers of the same rows get without any rollups too.
func contended(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"23503", "23505", "40001", "40P01", "21000"}, pg.Code)
}

// Whatever several programs do at once, in any isolation, committed or rolled
// back, every rollup equals a recount, before and after folding.
func TestRollupsEqualRecount(t *testing.T) {
	t.Parallel()
	for _, shape := range testdb.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, shape)
			addPeople(t, pool)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			for round := range 4 {
				var g errgroup.Group
				for writer := range 4 {
					r := rand.New(rand.NewPCG(seed, uint64(round*10+writer)))
					g.Go(func() error { return writeALot(t.Context(), r, pool) })
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				noDrift(t, pool)
				statsEqualRecount(t, pool, rand.New(rand.NewPCG(seed, uint64(round))))
				if err := store.FoldRollups(t.Context(), pool); err != nil {
					t.Fatal(err)
				}
				noDrift(t, pool)
				statsEqualRecount(t, pool, rand.New(rand.NewPCG(seed, uint64(round))))
			}
			exec(t, pool, "delete from neon_auth.users_sync where id = $1", people[1])
			noDrift(t, pool)
			exec(t, pool, "delete from neon_auth.users_sync")
			if err := store.FoldRollups(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
			nothingLeft(t, pool)
		})
	}
}

func writeALot(ctx context.Context, r *rand.Rand, pool *pgxpool.Pool) error {
	levels := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}
	for range 25 {
		tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pick(r, levels)})
		if err != nil {
			return err
		}
		for range 1 + r.IntN(4) {
			if err = write(ctx, r, tx); err != nil {
				break
			}
		}
		if err == nil && r.IntN(5) > 0 {
			err = tx.Commit(ctx)
		} else if undo := tx.Rollback(ctx); undo != nil {
			return undo
		}
		if err != nil && !contended(err) {
			return err
		}
	}
	return nil
}

// nothingLeft fails where a rollup still knows anybody.
func nothingLeft(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, table := range []string{"user_totals", "activity_hourly", "track_totals", "user_changes", "track_changes"} {
		var n int
		if err := pool.QueryRow(t.Context(), "select count(*) from segue."+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("segue.%s has %d rows (%v)", table, n, err)
		}
	}
}

// Sixteen writers on the same two people, in opposite orders within their
// transactions: nobody deadlocks, nobody waits for another's commit, nothing is lost.
func TestBusyPersonsWritersDoNotDeadlock(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	addPeople(t, pool)
	cfg := pool.Config().Copy()
	cfg.MaxConns = 16
	wide, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wide.Close)
	const each = 60
	var g errgroup.Group
	for writer := range 16 {
		g.Go(func() error {
			a, b := people[writer%2], people[1-writer%2]
			for i := range each {
				err := pgx.BeginFunc(t.Context(), wide, func(tx pgx.Tx) error {
					for _, id := range []string{a, b} {
						if _, err := tx.Exec(t.Context(), "insert into chat_messages (clerk_id, role, content) values ($1, 'user', 'x')", id); err != nil {
							return err
						}
						if _, err := tx.Exec(t.Context(), "insert into track_likes (clerk_id, track_id) values ($1, $2)", id, fmt.Sprint(writer, "-", i)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	noDrift(t, pool)
	stats := userStats(t, pool, &store.UserStatsList{Span: true, PageWant: everything})
	for _, s := range stats[:2] {
		if s.MessageCount != 16*each || s.LikedTracks != 16*each {
			t.Errorf("%s: %d messages and %d likes, want %d each", s.User.ID, s.MessageCount, s.LikedTracks, 16*each)
		}
	}
}

// An open transaction that wrote for somebody keeps nobody else waiting.
func TestOpenTransactionBlocksNoWriter(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Plain)
	addPeople(t, pool)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	const insert = "insert into chat_messages (clerk_id, role, content) select $1, 'user', 'x' from generate_series(1, 300)" // enough to fold
	if _, err := tx.Exec(t.Context(), insert, people[0]); err != nil {
		t.Fatal(err)
	}
	other, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(context.Background())
	if _, err := other.Exec(t.Context(), "set local lock_timeout = '1ms'"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), insert, people[0]); err != nil {
		t.Fatalf("the second writer waited: %v", err)
	}
	if err := errors.Join(other.Commit(t.Context()), tx.Commit(t.Context())); err != nil {
		t.Fatal(err)
	}
	noDrift(t, pool)
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"chat_messages cascade", "message_feedback", "track_likes", "neon_auth.users_sync cascade"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			pool := testdb.Pool(t, testdb.Plain)
			addPeople(t, pool)
			r := rand.New(rand.NewPCG(1, 2))
			for range 60 {
				if err := write(t.Context(), r, pool); err != nil && !contended(err) {
					t.Fatal(err)
				}
			}
			exec(t, pool, "truncate "+table)
			noDrift(t, pool)
			for range 20 {
				if err := write(t.Context(), r, pool); err != nil && !contended(err) {
					t.Fatal(err)
				}
			}
			noDrift(t, pool)
		})
	}
	t.Run("only where it can be exact", func(t *testing.T) {
		t.Parallel()
		pool := testdb.Pool(t, testdb.Plain)
		err := pgx.BeginTxFunc(t.Context(), pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "truncate track_likes")
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "READ COMMITTED") {
			t.Fatalf("truncate in REPEATABLE READ: %v", err)
		}
	})
}

// What was written behind the triggers' back is found, and repaired while others write.
func TestCheckAndRepairRollups(t *testing.T) {
	t.Parallel()
	pool := testdb.Pool(t, testdb.Neon)
	addPeople(t, pool)
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		if err := write(t.Context(), r, pool); err != nil && !contended(err) {
			t.Fatal(err)
		}
	}
	noDrift(t, pool)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"set local session_replication_role = replica",
			"insert into chat_messages (clerk_id, role, content) values ('" + people[0] + "', 'user', 'unseen')",
			"delete from track_likes where clerk_id = '" + people[1] + "'",
			"insert into track_likes (clerk_id, track_id) values ('" + people[1] + "', 'unseen')",
			"update message_feedback set rating = -rating",
			"insert into segue.user_totals values ('nobody', 1, 1, 1, 1, now(), now())",
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	drift, err := store.CheckRollups(t.Context(), pool, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ id, what string }{{people[0], "messages"}, {people[0], "hours"}, {"unseen", "trackLikes"}, {"nobody", "messages"}} {
		if !slices.ContainsFunc(drift, func(d store.Drift) bool { return d.ID == want.id && d.What == want.what }) {
			t.Errorf("%s of %s: not found in %v", want.what, want.id, drift)
		}
	}
	var g errgroup.Group
	stop := make(chan struct{})
	g.Go(func() error {
		r := rand.New(rand.NewPCG(5, 6))
		for {
			select {
			case <-stop:
				return nil
			default:
				if err := write(t.Context(), r, pool); err != nil && !contended(err) {
					return err
				}
			}
		}
	})
	for range 5 {
		if err := store.RepairRollups(t.Context(), pool); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	noDrift(t, pool)
}

// migrate counts what a database holds already.
func TestMigrateBuildsRollups(t *testing.T) {
	t.Parallel()
	url := testdb.Empty(t)
	if err := store.Migrate(t.Context(), url, quiet); err != nil {
		t.Fatal(err)
	}
	pool := testdb.Connect(t, url)
	addPeople(t, pool)
	// As it is before Segue's first migration: rows, and nothing that counted them.
	exec(t, pool, "drop schema segue cascade")
	r := rand.New(rand.NewPCG(7, 8))
	for range 80 {
		if err := write(t.Context(), r, pool); err != nil && !contended(err) && !strings.Contains(err.Error(), "segue") {
			t.Fatal(err)
		}
	}
	// Who writes meanwhile is counted too, once.
	var g errgroup.Group
	stop := make(chan struct{})
	for seed := range uint64(3) {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(seed, 9))
			for {
				select {
				case <-stop:
					return nil
				default:
					if err := write(t.Context(), r, pool); err != nil && !contended(err) && !strings.Contains(err.Error(), "segue") {
						return err
					}
				}
			}
		})
	}
	err := store.Migrate(t.Context(), url, quiet)
	close(stop)
	if err := errors.Join(err, g.Wait()); err != nil {
		t.Fatal(err)
	}
	noDrift(t, pool)
	if stats := userStats(t, pool, &store.UserStatsList{Span: true, PageWant: everything}); stats[0].MessageCount == 0 {
		t.Error("nothing was counted")
	}
}

// A writer needs no right on Segue's own tables.
func TestWriterNeedsNoGrantOnRollups(t *testing.T) {
	t.Parallel()
	url := testdb.New(t, testdb.Neon)
	owner := testdb.Connect(t, url)
	addPeople(t, owner)
	restricted := testdb.Role(t, url)
	writer := testdb.Connect(t, restricted)
	role := strings.Split(strings.TrimPrefix(restricted, "postgres://"), ":")[0]
	exec(t, owner, "revoke all on all tables in schema segue from "+role)
	exec(t, owner, "revoke all on schema segue from "+role)
	exec(t, writer, "insert into chat_messages (clerk_id, role, content) select $1, 'user', 'x' from generate_series(1, 500)", people[0])
	exec(t, writer, "update chat_messages set created_at = now() - interval '1 day'")
	exec(t, writer, "delete from chat_messages where id in (select id from chat_messages limit 200)")
	noDrift(t, owner)
}
