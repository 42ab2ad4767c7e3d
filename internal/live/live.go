// Package live tells subscribers what anybody wrote to the three tables, this
// server or not. One connection per process listens; it is opened with the first
// member (a subscription, or an open signed-in socket) and closed soon after the
// last one left, so that a sleeping database stays asleep.
//
// It knows ids, not rows, and nothing of GraphQL: a Feed brings a Read that turns
// ids into what its subscribers are sent, under their own scope, and subscribers
// with equal keys share each read.
//
// NOTIFY is only a wake-up and may be lost at will. What happened is read from
// segue.events, and a reader's place there is a snapshot (position.go): whatever
// became visible since then, exactly once, in the order in which it became
// visible. After a lost connection the same read goes on from the same place.
// See docs/adr/0006-notify.md.
package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/viewer"
)

// Kind is what happened.
type Kind string

// What can be subscribed to.
const (
	MessageAdded  Kind = "message"
	FeedbackGiven Kind = "feedback"
	TrackLiked    Kind = "like"
	// StatsChanged names people whose numbers moved. Repeats are merged and a
	// subscriber hears of it at most once a second; its ids are people's.
	StatsChanged Kind = "stats"
)

// The kinds that travel with the others but are for the hub itself.
const (
	sessionRevoked Kind = "session"
	userDeleted    Kind = "user"
)

// Topic is what a subscriber wants to hear of.
type Topic struct {
	Kind  Kind
	Owner string // only this person's rows; "" everyone's
}

// Why a subscription ends while its subscriber still listens.
var (
	// ErrSlow: the subscriber did not take what it was sent in time.
	ErrSlow = errors.New("live: the reader is too slow")
	// ErrGap: the database was out of reach for longer than events are kept.
	ErrGap = errors.New("live: events were lost")
	// ErrStopped: the hub stopped.
	ErrStopped = errors.New("live: stopped")
	// ErrSessionRevoked: Clerk ended the subscriber's session.
	ErrSessionRevoked = errors.New("live: the session was revoked")
	// ErrUserDeleted: the subscriber was deleted.
	ErrUserDeleted = errors.New("live: the user was deleted")
)

// Config says how a hub works. DirectURL is required.
type Config struct {
	// DirectURL is a connection that LISTEN works on, so not a pooler's.
	DirectURL string
	Logger    *slog.Logger // slog.Default() when nil
	// Tracer sees the statements of the connection; nil: nobody does.
	Tracer pgx.QueryTracer
	// Revoked is told of every revoked session ("session", its id) and deleted
	// person ("user", theirs), before the members concerned are ended; nil: nobody is.
	Revoked func(kind, id string)
	// Temporary tells whether a failed Read is worth repeating; nil: always.
	Temporary func(error) bool
	// Linger is how long the connection outlives the last member; 5 s when 0.
	Linger time.Duration
	// StatsEvery is the least time between two rounds of StatsChanged; 1 s when 0.
	StatsEvery time.Duration
}

// Hub is the one place of a process where events arrive and are handed out.
type Hub struct {
	config Config
	id     uuid.UUID     // this process among segue.watchers
	reads  chan struct{} // slots for concurrent reads, so that live never takes the whole pool
	groups sync.WaitGroup
	ctx    context.Context // ends all groups
	stop   context.CancelFunc

	mu       sync.Mutex
	members  int
	wanted   chan struct{} // closed while there are members
	idle     *time.Timer   // runs while there are none
	quit     context.CancelFunc
	ready    chan struct{} // closed while events arrive
	byKey    map[groupKey]*group
	byTopic  map[Topic]map[*group]struct{}
	callers  map[string]map[*Membership]struct{} // by user id
	sessions map[string]map[*Membership]struct{}
}

// maxReads is how many groups read their rows at the same time.
const maxReads = 4

// New returns a hub that hears nothing until Run.
func New(c Config) *Hub {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Revoked == nil {
		c.Revoked = func(string, string) {}
	}
	if c.Temporary == nil {
		c.Temporary = func(error) bool { return true }
	}
	if c.Linger == 0 {
		c.Linger = 5 * time.Second
	}
	if c.StatsEvery == 0 {
		c.StatsEvery = time.Second
	}
	h := &Hub{
		config: c, id: uuid.New(), reads: make(chan struct{}, maxReads),
		wanted: make(chan struct{}), quit: func() {}, ready: make(chan struct{}),
		byKey: map[groupKey]*group{}, byTopic: map[Topic]map[*group]struct{}{},
		callers: map[string]map[*Membership]struct{}{}, sessions: map[string]map[*Membership]struct{}{},
	}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

// Run listens while there are members, until ctx ends; then it ends every
// subscription with ErrStopped and returns when all its goroutines have.
func (h *Hub) Run(ctx context.Context) error {
	defer h.groups.Wait()
	defer h.endAll(ErrStopped)
	defer h.stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.demand():
		}
		h.watch(ctx)
	}
}

// Membership keeps the connection open and is ended when its caller may no
// longer be served.
type Membership struct {
	hub  *Hub
	who  viewer.Viewer
	end  func(error)
	once sync.Once
}

// Join makes a member of who, a signed-in caller with something open. end is
// called when who's session is revoked or who is deleted (ErrSessionRevoked,
// ErrUserDeleted); it must not block. The caller leaves by Leave all the same.
func (h *Hub) Join(who viewer.Viewer, end func(error)) *Membership {
	m := &Membership{hub: h, who: who, end: end}
	h.mu.Lock()
	defer h.mu.Unlock()
	index(h.callers, who.UserID(), m)
	index(h.sessions, who.SessionID(), m)
	if h.members++; h.members == 1 {
		close(h.wanted)
		if h.idle != nil {
			h.idle.Stop()
		}
	}
	return m
}

// Leave ends the membership. The connection closes Linger after the last one.
func (m *Membership) Leave() { m.once.Do(m.leave) }

func (m *Membership) leave() {
	h := m.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	remove(h.callers, m.who.UserID(), m)
	remove(h.sessions, m.who.SessionID(), m)
	if h.members--; h.members == 0 {
		h.wanted = make(chan struct{})
		h.idle = time.AfterFunc(h.config.Linger, h.quitIfIdle)
	}
}

// quitIfIdle makes the watch leave. Who comes while it leaves, which takes a
// transaction, waits for the next one.
func (h *Hub) quitIfIdle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.members == 0 {
		h.quit()
		h.deaf()
	}
}

func (h *Hub) demand() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wanted
}

// revoke ends everyone concerned by a sessionRevoked or userDeleted.
func (h *Hub) revoke(kind Kind, id string) {
	h.config.Revoked(string(kind), id)
	by, reason := h.sessions, ErrSessionRevoked
	if kind == userDeleted {
		by, reason = h.callers, ErrUserDeleted
	}
	h.mu.Lock()
	var concerned []*Membership
	for m := range by[id] {
		concerned = append(concerned, m)
	}
	h.mu.Unlock()
	for _, m := range concerned {
		m.end(reason)
	}
}

// userIDs are the users with something open.
func (h *Hub) userIDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.callers))
	for id := range h.callers {
		ids = append(ids, id)
	}
	return ids
}

func index(by map[string]map[*Membership]struct{}, id string, m *Membership) {
	if id == "" {
		return
	}
	if by[id] == nil {
		by[id] = map[*Membership]struct{}{}
	}
	by[id][m] = struct{}{}
}

func remove(by map[string]map[*Membership]struct{}, id string, m *Membership) {
	delete(by[id], m)
	if len(by[id]) == 0 {
		delete(by, id)
	}
}
