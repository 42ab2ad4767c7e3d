package gqlhttp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/live"
	"github.com/ai-dj/segue/internal/viewer"
)

// subprotocol is the one of npm graphql-ws, whose PROTOCOL.md is followed to the
// letter: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
const subprotocol = "graphql-transport-ws"

// Sockets is what a Handler needs to serve WebSockets.
type Sockets struct {
	// Bearer verifies the token of connection_init and of renewals. Required.
	Bearer func(ctx context.Context, authorization string) (viewer.Viewer, error)
	// Join registers a signed-in socket: end is called when its session is revoked
	// or its user deleted, until leave. It is live.Hub's Join; nil: nobody ever is.
	Join func(who viewer.Viewer, end func(error)) (leave func())
	// MaxAge is how long a socket lives after its last proof; 15 min when 0.
	MaxAge time.Duration
	// Origins may open sockets, beside pages of the host itself.
	Origins []string
	// InitTimeout is how long connection_init may take; 10 s when 0.
	InitTimeout time.Duration
	// KeepAlive is how often a quiet socket is asked whether it is there; 25 s when 0.
	KeepAlive time.Duration
}

// Limits of sockets (contract, §4): open ones of a user, operations at a time on one.
const (
	MaxSocketsOfUser = 20
	MaxOperations    = 100
)

const (
	// A write that takes longer shows a reader who is too slow: once it has taken
	// what is on its way, it is closed with 1013.
	slowWrite = 10 * time.Second
	// One that takes this long has a reader who is gone.
	stuckWrite = 30 * time.Second
	pongWait   = 10 * time.Second
)

// Close codes of the protocol, and the two of RFC 6455 that we have a use for.
const (
	closeGoingAway   = websocket.StatusGoingAway
	closeTryAgain    = websocket.StatusTryAgainLater
	closeBadRequest  = websocket.StatusCode(4400)
	closeUnready     = websocket.StatusCode(4401)
	closeForbidden   = websocket.StatusCode(4403)
	closeSubprotocol = websocket.StatusCode(4406)
	closeInitTimeout = websocket.StatusCode(4408)
	closeDuplicate   = websocket.StatusCode(4409)
	closeTooMany     = websocket.StatusCode(4429)
)

func (s Sockets) withDefaults() Sockets {
	if s.MaxAge == 0 {
		s.MaxAge = 15 * time.Minute
	}
	if s.InitTimeout == 0 {
		s.InitTimeout = 10 * time.Second
	}
	if s.KeepAlive == 0 {
		s.KeepAlive = 25 * time.Second
	}
	return s
}

// serveSocket speaks graphql-transport-ws with one client until either closes.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	if h.Sockets.Bearer == nil || h.sockets.draining() {
		h.refuse(w, r, media{}, failed(fault.New(fault.Unavailable, "no socket is served at the moment").Retry(time.Second)))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, OriginPatterns: h.Sockets.Origins})
	if err != nil {
		h.Logger.DebugContext(r.Context(), "socket refused", "cause", err)
		return // Accept has answered
	}
	conn.SetReadLimit(h.MaxBodyBytes)
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	s := h.newSocket(r, conn)
	if !h.sockets.add(s) {
		s.close(closeGoingAway, "the server stops")
		return
	}
	defer h.sockets.remove(s)
	s.serve()
}

// socket is one client's connection.
type socket struct {
	h      *Handler
	conn   *websocket.Conn
	ctx    context.Context // ends with the socket; operations derive from it
	cancel context.CancelFunc
	remote string

	closing sync.Once
	closed  chan struct{}
	running sync.WaitGroup // operations
	writing atomic.Int32   // messages on their way

	mu       sync.Mutex
	received bool // connection_init came
	ready    bool // and was acknowledged
	who      viewer.Viewer
	leave    func()
	deadline *time.Timer // until connection_init, then until the last proof is too old
	quiet    *time.Timer // until the client is asked whether it is there
	ops      map[string]*running
}

// running is an operation in progress.
type running struct{ cancel context.CancelFunc }

// newSocket has nobody's identity: neither a cookie nor a header of the upgrade
// counts, since any site can make a browser send those.
func (h *Handler) newSocket(r *http.Request, conn *websocket.Conn) *socket {
	s := &socket{h: h, conn: conn, remote: remote(r.RemoteAddr), closed: make(chan struct{}), leave: func() {}}
	s.ctx, s.cancel = context.WithCancel(viewer.NewContext(r.Context(), viewer.Viewer{}))
	return s
}

// serve reads until the socket is closed, by whomever.
func (s *socket) serve() {
	sockets := &s.h.Sockets
	s.mu.Lock()
	s.deadline = time.AfterFunc(sockets.InitTimeout, func() { s.close(closeInitTimeout, "Connection initialisation timeout") })
	s.quiet = time.AfterFunc(sockets.KeepAlive, s.probe)
	s.mu.Unlock()
	stop := context.AfterFunc(s.ctx, func() { s.close(closeGoingAway, "the server stops") })
	defer stop()
	s.read()
	s.close(websocket.StatusNormalClosure, "")
	<-s.closed
	s.running.Wait()
	s.deadline.Stop()
	s.quiet.Stop()
	s.leave()
}

// read handles messages. Its context never ends: a read that is broken off takes
// the connection with it before there was a close frame.
func (s *socket) read() {
	for {
		_, text, err := s.conn.Read(context.WithoutCancel(s.ctx))
		if err != nil {
			return
		}
		s.handle(text)
	}
}

// close ends the operations and says why. Only the first one counts.
func (s *socket) close(code websocket.StatusCode, reason string) {
	s.closing.Do(func() {
		go func() { // a reader that does not answer is waited for; callers are not to
			defer close(s.closed)
			s.cancel()
			_ = s.conn.Close(code, reason)
		}()
	})
}

// write sends one message. A reader that is too slow for it is closed.
func (s *socket) write(text []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), stuckWrite)
	defer cancel()
	s.writing.Add(1)
	defer s.writing.Add(-1)
	began := time.Now()
	if err := s.conn.Write(ctx, websocket.MessageText, text); err != nil || time.Since(began) > slowWrite {
		s.close(closeTryAgain, "too slow")
	}
}

// probe finds out whether the client is still there, which TCP alone may never
// tell. A write that is stuck has its own time limit, and a ping would queue behind it.
func (s *socket) probe() {
	ctx, cancel := context.WithTimeout(s.ctx, pongWait)
	defer cancel()
	if s.writing.Load() == 0 && s.conn.Ping(ctx) != nil && s.writing.Load() == 0 {
		s.close(closeGoingAway, "no pong")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet.Reset(s.h.Sockets.KeepAlive)
}

// revoked is called by the hub when the caller may no longer be served.
func (s *socket) revoked(reason error) {
	text := "the session was revoked"
	if errors.Is(reason, live.ErrUserDeleted) {
		text = "this account was deleted"
	}
	s.close(closeForbidden, text)
}

// fatal closes the socket if errs say that it can be of no more use, and reports whether it did.
func (s *socket) fatal(errs gqlerror.List) bool {
	for _, err := range errs {
		switch {
		case errors.Is(err, live.ErrSlow):
			s.close(closeTryAgain, "too slow")
		case errors.Is(err, live.ErrGap):
			s.close(closeTryAgain, "events were lost: query for them and subscribe again")
		case errors.Is(err, live.ErrStopped):
			s.close(closeGoingAway, "the server stops")
		case errors.Is(err, live.ErrSessionRevoked):
			s.revoked(live.ErrSessionRevoked)
		case errorCode(err) == fault.UserDeleted:
			s.revoked(live.ErrUserDeleted)
		default:
			continue
		}
		return true
	}
	return false
}
