package live

import (
	"context"
	"sync"

	"github.com/ai-dj/segue/internal/viewer"
)

// Read turns ids of events into what subscribers are sent, one item per id in
// the same order; nil where the row is gone or out of sight. It reads fresh rows
// under one viewer's scope.
type Read func(ctx context.Context, ids []string) ([][]byte, error)

// Feed is what a subscriber asks for.
type Feed struct {
	Topic  Topic
	Viewer viewer.Viewer
	// Key is equal for subscribers of a topic who see the same rows in the same
	// form; they share reads. It must tell apart everything that Read depends on.
	Key  string
	Read Read
}

// Subscription is one subscriber's end of a feed. It is not safe for use by several goroutines.
type Subscription struct {
	group      *group
	read       Read
	membership *Membership

	news chan struct{} // there is something to look at; holds one
	once sync.Once

	// Of group.mu:
	at  uint64 // the number of the next frame
	err error  // why it ended
}

// Subscribe returns once events arrive, or with ctx's error when it ends before.
// Everything that matches and becomes visible from then on is given by Next. The
// subscriber must Close.
func (h *Hub) Subscribe(ctx context.Context, f Feed) (*Subscription, error) {
	s := &Subscription{read: f.Read, news: make(chan struct{}, 1)}
	s.membership = h.Join(f.Viewer, s.fail)
	h.enrol(f, s)
	for {
		h.mu.Lock()
		ready := h.ready
		h.mu.Unlock()
		select {
		case <-ready:
			return s, nil
		case <-h.ctx.Done():
			s.Close()
			return nil, ErrStopped
		case <-ctx.Done():
			s.Close()
			return nil, context.Cause(ctx)
		}
	}
}

// Next waits for the next item. The error is ctx's, or why the subscription
// ended: one of this package's, or what Read returned for good.
func (s *Subscription) Next(ctx context.Context) ([]byte, error) {
	for {
		item, err := s.group.take(s)
		if item != nil || err != nil {
			return item, err
		}
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close ends the subscription.
func (s *Subscription) Close() { s.once.Do(s.close) }

func (s *Subscription) close() {
	s.group.drop(s)
	s.membership.Leave()
}

// fail ends the subscription from the hub's side.
func (s *Subscription) fail(err error) {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail(s, err)
}

func (s *Subscription) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
