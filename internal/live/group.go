package live

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// group is the subscribers of one topic who see the same. Events wait in it as
// ids; its goroutine reads them back in batches and appends what they became to
// a log that each subscriber goes through at its own pace. So a frame is in
// memory once, however many read it, and a subscriber without news costs nothing.
//
// Everything is bounded: the waiting ids, and the log, by number and by size.
// When the log is full, its readers have `patience` to take a quarter of it; who
// has not by then is ended. Nobody outside the group waits for that.
type group struct {
	hub  *Hub
	key  groupKey
	stop context.CancelFunc
	work chan struct{} // ids wait; holds one
	room chan struct{} // the log shrank; holds one

	mu      sync.Mutex
	waiting []string
	queued  map[string]struct{} // of StatsChanged: what is in waiting already
	log     []frame
	first   uint64 // the number of log[0]
	size    int    // bytes in log
	subs    map[*Subscription]struct{}
	live    int // subs that have not ended
}

type groupKey struct {
	topic Topic
	key   string
}

// frame is an item and how many have yet to take it.
type frame struct {
	item []byte
	left int
}

const (
	maxWaiting = 1 << 18 // ids, some 40 bytes each
	maxFrames  = 4096
	maxBytes   = 8 << 20
	batch      = 256 // ids a read
	patience   = time.Second

	readTimeout = 15 * time.Second // of one batch
)

// enrol puts s into the group of its feed, which it starts if need be.
func (h *Hub) enrol(f Feed, s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := groupKey{f.Topic, f.Key}
	g := h.byKey[key]
	if g == nil {
		g = h.found(key)
	}
	s.group = g
	g.mu.Lock()
	defer g.mu.Unlock()
	s.at = g.first + uint64(len(g.log))
	g.subs[s] = struct{}{}
	g.live++
}

func (h *Hub) found(key groupKey) *group {
	ctx, stop := context.WithCancel(h.ctx)
	g := &group{hub: h, key: key, stop: stop, work: make(chan struct{}, 1), room: make(chan struct{}, 1), subs: map[*Subscription]struct{}{}}
	if key.topic.Kind == StatsChanged {
		g.queued = map[string]struct{}{}
	}
	h.byKey[key] = g
	if h.byTopic[key.topic] == nil {
		h.byTopic[key.topic] = map[*group]struct{}{}
	}
	h.byTopic[key.topic][g] = struct{}{}
	h.groups.Go(func() { g.run(ctx) })
	return g
}

// drop takes s out, and the group apart when it was the last.
func (g *group) drop(s *Subscription) {
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail(s, context.Canceled)
	delete(g.subs, s)
	if len(g.subs) > 0 || g.hub.byKey[g.key] != g {
		return
	}
	g.stop()
	delete(g.hub.byKey, g.key)
	delete(g.hub.byTopic[g.key.topic], g)
	if len(g.hub.byTopic[g.key.topic]) == 0 {
		delete(g.hub.byTopic, g.key.topic)
	}
}

// endAll ends every subscription.
func (h *Hub) endAll(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.byKey {
		g.endAll(err)
	}
}

func (g *group) endAll(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.subs {
		g.fail(s, err)
	}
}

// offer queues an id. The caller rings when it has offered all it has.
func (g *group) offer(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, queued := g.queued[id]; queued {
		return
	}
	if g.queued != nil {
		g.queued[id] = struct{}{}
	}
	if len(g.waiting) == maxWaiting {
		g.waiting = nil
		clear(g.queued)
		for s := range g.subs {
			g.fail(s, ErrSlow)
		}
		return
	}
	g.waiting = append(g.waiting, id)
}

// next takes a batch off the queue.
func (g *group) next() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(batch, len(g.waiting))
	ids := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; len(g.waiting) == 0 {
		g.waiting = nil
	}
	for _, id := range ids {
		delete(g.queued, id)
	}
	return ids
}

// run reads what waits until the group is taken apart.
func (g *group) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.work:
		}
		round := time.Now()
		for ids := g.next(); len(ids) > 0; ids = g.next() {
			g.append(ctx, g.read(ctx, ids))
		}
		if g.queued != nil {
			pause(ctx, g.hub.config.StatsEvery-time.Since(round))
		}
	}
}

// read turns ids into items on behalf of any subscriber; they all see the same.
// A failure that will pass is waited out. Any other ends that subscriber, and
// the next one's read is tried.
func (g *group) read(ctx context.Context, ids []string) [][]byte {
	for retry := firstRetry; ; retry = min(2*retry, lastRetry) {
		s := g.anyone()
		if s == nil {
			return nil
		}
		items, err := g.slot(ctx, s.read, ids)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			return items
		case g.hub.config.Temporary(err):
			g.hub.config.Logger.WarnContext(ctx, "live: read events back, will try again", "cause", err)
			pause(ctx, retry/2+rand.N(retry))
		default:
			s.fail(err)
		}
	}
}

// slot runs read when not too many others do.
func (g *group) slot(ctx context.Context, read Read, ids []string) ([][]byte, error) {
	select {
	case g.hub.reads <- struct{}{}:
		defer func() { <-g.hub.reads }()
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		return read(ctx, ids)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *group) anyone() *Subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.subs {
		if s.err == nil {
			return s
		}
	}
	return nil
}

// append puts items at the end of the log.
func (g *group) append(ctx context.Context, items [][]byte) {
	for _, item := range items {
		if item != nil {
			g.appendOne(ctx, item)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for s := range g.subs {
		s.wake()
	}
}

func (g *group) appendOne(ctx context.Context, item []byte) {
	g.makeRoom(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live == 0 {
		return
	}
	g.log = append(g.log, frame{item, g.live})
	g.size += len(item)
}

// makeRoom waits for a full log to shrink by a quarter, and ends those who keep it from that.
func (g *group) makeRoom(ctx context.Context) {
	if !g.fuller(4) {
		return
	}
	late := time.After(patience)
	for g.fuller(3) {
		select {
		case <-g.room:
		case <-ctx.Done():
			return
		case <-late:
			g.endSlowest()
			return
		}
	}
}

// fuller reports whether the log has so many quarters of its size. Its readers then have something to do.
func (g *group) fuller(quarters int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.log) < maxFrames/4*quarters && g.size < maxBytes/4*quarters {
		return false
	}
	for s := range g.subs {
		s.wake()
	}
	return true
}

// endSlowest ends those who have not passed the log's first quarter.
func (g *group) endSlowest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	limit := g.first + uint64(max(1, len(g.log)/4))
	for s := range g.subs {
		if s.err == nil && s.at < limit {
			g.fail(s, ErrSlow)
		}
	}
}

// take is the next frame for s, nil when there is none.
func (g *group) take(s *Subscription) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	i := s.at - g.first
	if i >= uint64(len(g.log)) {
		return nil, nil
	}
	s.at++
	g.log[i].left--
	item := g.log[i].item
	g.trim()
	return item, nil
}

// fail ends s, whose unread frames are nobody's then. g.mu is held.
func (g *group) fail(s *Subscription, err error) {
	if s.err != nil {
		return
	}
	s.err = err
	g.live--
	for i := s.at - g.first; i < uint64(len(g.log)); i++ {
		g.log[i].left--
	}
	g.trim()
	s.wake()
}

// trim forgets the frames that everyone has taken. g.mu is held.
func (g *group) trim() {
	n := 0
	for n < len(g.log) && g.log[n].left == 0 {
		g.size -= len(g.log[n].item)
		g.log[n].item = nil
		n++
	}
	if n == 0 {
		return
	}
	g.first += uint64(n)
	if g.log = g.log[n:]; len(g.log) == 0 {
		g.log = nil
	}
	signal(g.room)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
