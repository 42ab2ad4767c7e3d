package store

import (
	"context"
	"errors"
)

// Trip lets a test hold a shared round trip open until those it wants are on it.
type Trip struct {
	store *Store
	trip  *gathering[*turn]
}

// OpenTrip leads the next trip of s.
func OpenTrip(s *Store) *Trip {
	tr, leads := s.primary.trips.join("", &turn{}, 0)
	if !leads {
		panic("somebody else leads")
	}
	return &Trip{s, tr}
}

// Wait returns when n requests have joined.
func (t *Trip) Wait(n int) {
	for joined := -1; joined < n; {
		t.store.primary.trips.mu.Lock()
		joined = len(t.trip.turns) - 1
		t.store.primary.trips.mu.Unlock()
	}
}

// Fail makes the trip's first statement one that fails.
func (t *Trip) Fail() {
	t.trip.turns[0].stmts = []statement{{sql: "SELECT 1/0", read: func(rows resultRows) error {
		for rows.Next() {
			rows.RawValues()
		}
		return nil
	}}}
}

// Panic makes the reader of the trip's first statement panic.
func (t *Trip) Panic() {
	t.trip.turns[0].stmts = []statement{{sql: "SELECT 1", read: func(resultRows) error { panic("a column too few") }}}
}

// Travel runs the trip and returns how many of its turns were answered.
func (t *Trip) Travel() (answered int) {
	t.store.primary.trips.depart(t.trip)
	t.store.primary.travel(context.Background(), t.trip.turns)
	for _, turn := range t.trip.turns[1:] {
		if turn.answered {
			answered++
		}
	}
	return answered
}

// Close lets everybody go.
func (t *Trip) Close() {
	t.store.primary.trips.depart(t.trip)
	close(t.trip.over)
}

// IsNoConnection reports that every connection stayed busy.
func IsNoConnection(err error) bool { return errors.Is(err, errNoConnection) }

// Batch lets a test hold messages back until those it wants are together.
type Batch struct {
	store *Store
	batch *gathering[*outgoing]
}

// OpenBatch leads the next messages of s that are wanted like w.
func OpenBatch(s *Store, w *ChatMessageWant) *Batch {
	g, leads := s.sending.join(insertText(w, false), &outgoing{}, 0)
	if !leads {
		panic("somebody else leads")
	}
	return &Batch{s, g}
}

// Wait returns when n messages are there.
func (b *Batch) Wait(n int) {
	for joined := -1; joined < n; {
		b.store.sending.mu.Lock()
		joined = len(b.batch.turns) - 1
		b.store.sending.mu.Unlock()
	}
}

// Send inserts them and returns how many have their answer.
func (b *Batch) Send() (answered int) {
	b.store.sending.depart(b.batch)
	b.store.sendAll(context.Background(), b.batch.turns[1:])
	for _, m := range b.batch.turns[1:] {
		if m.done {
			answered++
		}
	}
	return answered
}

// Close lets everybody go.
func (b *Batch) Close() {
	b.store.sending.depart(b.batch)
	close(b.batch.over)
}
