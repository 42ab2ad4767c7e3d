package live

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// event is one line of segue.events.
type event struct {
	kind  Kind
	owner string
	id    string
}

// chunk is how many events are handed out at a time; more wait in the connection.
const chunk = 512

// readNews gives the reader's header and, after it, the events that its last
// snapshot did not see: those of transactions that began after it, or were in
// progress. Neither a clock nor a sequence could say that: both follow the order
// of writing, not of committing.
const readNews = `
select 0, pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text, pg_current_wal_flush_lsn()::text
union all
select seq, kind, coalesce(clerk_id, ''), id from segue.events
where xid >= $1::text::xid8 or xid = any($2::text[]::xid8[])
order by 1`

// read hands out everything that became visible since the last read.
func (w *watch) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slow := time.AfterFunc(queryTimeout, cancel) // the first row shows that the server is alive
	defer slow.Stop()
	rows, err := w.conn.Query(ctx, readNews, strconv.FormatUint(w.place.seen.max, 10), w.place.seen.running)
	if err != nil {
		return wrap("read", err)
	}
	defer rows.Close()
	first, err := scanHeader(rows)
	if err != nil {
		return wrap("read", err)
	}
	slow.Stop()
	if err := w.tell(rows); err != nil {
		return wrap("read", err)
	}
	w.place.complete(first)
	w.reached = time.Now()
	return nil
}

func (w *watch) tell(rows pgx.Rows) error {
	events := make([]event, 0, 16)
	for rows.Next() {
		var seq int64
		var e event
		if err := rows.Scan(&seq, &e.kind, &e.owner, &e.id); err != nil {
			return err
		}
		if w.place.tell(mark{seq, e.id}) {
			events = append(events, e)
		}
		if len(events) == chunk {
			w.hub.dispatch(events)
			events = events[:0]
		}
	}
	w.hub.dispatch(events)
	return rows.Err()
}

// readHeader is the snapshot of now, without events.
func readHeader(ctx context.Context, tx pgx.Tx) (header, error) {
	rows, err := tx.Query(ctx, readNews, strconv.FormatInt(1<<62, 10), []string{})
	if err != nil {
		return header{}, err
	}
	defer rows.Close()
	return scanHeader(rows)
}

func scanHeader(rows pgx.Rows) (h header, err error) {
	if !rows.Next() {
		return h, errors.Join(errors.New("no header"), rows.Err())
	}
	var zero int64
	var snapshot, insert, flush string
	if err = rows.Scan(&zero, &snapshot, &insert, &flush); err != nil {
		return h, err
	}
	if h.snapshot, err = parseSnapshot(snapshot); err != nil {
		return h, err
	}
	if h.insert, err = parseLSN(insert); err != nil {
		return h, err
	}
	h.flush, err = parseLSN(flush)
	return h, err
}

// dispatch hands events to the groups that want them. It never waits for one.
func (h *Hub) dispatch(events []event) {
	offered := map[*group]struct{}{}
	for _, e := range events {
		switch e.kind {
		case sessionRevoked, userDeleted:
			h.revoke(e.kind, e.id)
		case StatsChanged:
			h.offer(StatsChanged, e.owner, e.owner, offered)
		default:
			h.offer(e.kind, e.owner, e.id, offered)
			h.offer(StatsChanged, e.owner, e.owner, offered)
		}
	}
	for g := range offered {
		signal(g.work) // now, so that a burst is read back as one
	}
}

func (h *Hub) offer(kind Kind, owner, id string, offered map[*group]struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range [...]Topic{{kind, owner}, {kind, ""}} {
		for g := range h.byTopic[topic] {
			g.offer(id)
			offered[g] = struct{}{}
		}
	}
}
