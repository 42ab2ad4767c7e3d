package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// keep is how long events outlive their reading, and so the longest time without
// the database after which nothing is lost.
const keep = 30 * time.Minute

// Waits between attempts to reach the database, before jitter.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// watch keeps a connection until Linger after the last member left, or ctx ends.
func (h *Hub) watch(ctx context.Context) {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	if !h.startWatch(quit) {
		return
	}
	defer h.endWatch()
	w := &watch{hub: h}
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		began := w.reached
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if w.reached != began { // it worked for a while
			retry = firstRetry
		}
		wait := retry/2 + rand.N(retry)
		h.config.Logger.WarnContext(ctx, "live: lost the database, will go on from the same place", "cause", err, "retry", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// startWatch makes quit what an idle hub calls.
func (h *Hub) startWatch(quit context.CancelFunc) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quit = quit
	return h.members > 0
}

func (h *Hub) endWatch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.quit = func() {}
	h.deaf()
}

// listening says that events arrive, unless ctx, the watch's, has ended already.
func (h *Hub) listening(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	select {
	case <-h.ready:
	default:
		close(h.ready)
	}
}

// deaf says that no events arrive, until the next watch does. h.mu is held.
func (h *Hub) deaf() {
	select {
	case <-h.ready:
		h.ready = make(chan struct{})
	default:
	}
}

// watch is what outlives a connection: the place, and when it was last known good.
type watch struct {
	hub     *Hub
	conn    *pgx.Conn
	place   *position
	reached time.Time // the last completed read
	renewed time.Time
	chored  time.Time
	old     [2]snapshot // taken about half of keep apart; nobody needs what is finished in the first
}

const (
	connectTimeout = 5 * time.Second
	queryTimeout   = 10 * time.Second
	// tick bounds how long a dead connection, or a deletion in Neon's table, goes unnoticed.
	tick = 10 * time.Second
	// farewell is for leaving the database when everything else has ended.
	farewell = 2 * time.Second
)

// session is one connection's life. It returns when ctx ends, having left the
// watchers, or with what went wrong.
func (w *watch) session(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	defer w.disconnect(ctx)
	if err := w.enter(ctx); err != nil {
		return err
	}
	for {
		if err := w.read(ctx); err != nil {
			return err
		}
		w.hub.listening(ctx)
		if err := w.wait(ctx); err != nil {
			return err
		}
		if err := w.chores(ctx); err != nil {
			return err
		}
	}
}

func (w *watch) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(w.hub.config.DirectURL)
	if err != nil {
		return fmt.Errorf("live: connect: %w", err)
	}
	config.RuntimeParams["application_name"] = "segue live"
	config.Tracer = w.hub.config.Tracer
	w.conn, err = pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("live: connect: %w", err)
	}
	// A generic plan guesses that a third of the events is new and scans them all.
	for _, sql := range []string{"set synchronous_commit = on", "set plan_cache_mode = force_custom_plan", "set enable_seqscan = off", "listen segue"} {
		if _, err := w.conn.Exec(ctx, sql); err != nil {
			w.disconnect(ctx)
			return fmt.Errorf("live: connect: %w", err)
		}
	}
	return nil
}

// disconnect leaves properly when ctx has ended, which means that nobody needs the events any more.
func (w *watch) disconnect(ctx context.Context) {
	left := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if left && !w.conn.IsClosed() {
		if err := w.leave(ctx); err != nil {
			w.hub.config.Logger.WarnContext(ctx, "live: did not sign off; the database believes for a while that somebody watches", "cause", err)
		}
	}
	w.conn.Close(ctx)
}

// enter makes the writers speak up and finds the place to read from.
func (w *watch) enter(ctx context.Context) error {
	if w.place == nil {
		return w.register(ctx)
	}
	w.place.resume()
	if time.Since(w.reached) < keep/2 {
		return w.renew(ctx)
	}
	w.hub.endAll(ErrGap)
	w.place = nil
	return w.register(ctx)
}

// wait returns after a notification or a tick.
func (w *watch) wait(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, tick)
	defer cancel()
	_, err := w.conn.WaitForNotification(waiting)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil, errors.Is(err, context.DeadlineExceeded) && !w.conn.IsClosed():
		return nil
	default:
		return fmt.Errorf("live: wait for a notification: %w", err)
	}
}

// chores are what must be done from time to time, once a tick at most.
func (w *watch) chores(ctx context.Context) error {
	if time.Since(w.chored) < tick {
		return nil
	}
	w.chored = time.Now()
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if time.Since(w.renewed) > keep/2 {
		if err := w.renew(ctx); err != nil {
			return err
		}
		if err := w.prune(ctx); err != nil {
			return err
		}
	}
	return w.lookForDeleted(ctx)
}

// Advisory locks.
const (
	// silentWriters is shared by 00004_notify.sql's triggers while they stay silent.
	silentWriters = 7330004
	// door is held while watchers come and go: who comes takes its place in the
	// stream and signs on in one step, before or after somebody else clears up.
	door = 7330005
)

// register announces this process as a watcher.
func (w *watch) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return wrap("register", pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error { return w.signOn(ctx, tx) }))
}

func (w *watch) signOn(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", door); err != nil {
		return err
	}
	if w.place == nil {
		h, err := readHeader(ctx, tx)
		if err != nil {
			return err
		}
		w.place, w.reached, w.old = start(h), time.Now(), [2]snapshot{}
	}
	var watched bool
	if err := tx.QueryRow(ctx, "select exists (select from segue.watchers where until > now())").Scan(&watched); err != nil {
		return err
	}
	if !watched {
		if err := w.signOnFirst(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `insert into segue.watchers (id, until) values ($1, now() + $2::interval)
		on conflict (id) do update set until = excluded.until`, w.hub.id, keep)
	w.renewed = time.Now()
	return err
}

// signOnFirst clears away what nobody needs, and waits for writers that looked
// before anybody watched: they are silent until their transactions end. Those
// after them are not, from the moment the wait begins.
func (w *watch) signOnFirst(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "delete from segue.events where xid < $1::text::xid8 and xid <> all($2::text[]::xid8[])",
		strconv.FormatUint(w.place.seen.max, 10), w.place.seen.running)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "set local lock_timeout = '3s'; savepoint waiting"); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "select pg_advisory_xact_lock($1)", silentWriters)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "55P03" {
		w.hub.config.Logger.WarnContext(ctx, "live: a transaction that began before anybody listened goes on; what it writes is not told")
		_, err = tx.Exec(ctx, "rollback to savepoint waiting")
	}
	return err
}

// renew says that this process still watches.
func (w *watch) renew(ctx context.Context) error {
	tag, err := w.conn.Exec(ctx, "update segue.watchers set until = now() + $2::interval where id = $1 and until > now()", w.hub.id, keep)
	if err == nil && tag.RowsAffected() == 0 {
		return w.register(ctx)
	}
	w.renewed = time.Now()
	return wrap("renew", err)
}

// leave signs off, and takes the events along when nobody else watches.
func (w *watch) leave(ctx context.Context) error {
	return wrap("leave", pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", door)
		if err == nil {
			_, err = tx.Exec(ctx, "delete from segue.watchers where id = $1 or until < now()", w.hub.id)
		}
		if err == nil {
			_, err = tx.Exec(ctx, "delete from segue.events where not exists (select from segue.watchers)")
		}
		return err
	}))
}

// prune deletes events that everyone has had keep/2 to read.
func (w *watch) prune(ctx context.Context) error {
	before := w.old[0].min
	w.old[0], w.old[1] = w.old[1], w.place.seen
	_, err := w.conn.Exec(ctx, "delete from segue.events where xid < $1::text::xid8", fmt.Sprint(before))
	return wrap("prune", err)
}

// lookForDeleted finds callers who were deleted without an announcement, which is how Neon Auth does it.
func (w *watch) lookForDeleted(ctx context.Context) error {
	rows, err := w.conn.Query(ctx, "select id from neon_auth.users_sync where id = any($1) and deleted_at is not null", w.hub.userIDs())
	if err != nil {
		return wrap("look for deleted callers", err)
	}
	deleted, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, id := range deleted {
		w.hub.revoke(userDeleted, id)
	}
	return wrap("look for deleted callers", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("live: %s: %w", what, err)
}
