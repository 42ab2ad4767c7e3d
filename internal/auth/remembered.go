package auth

import (
	"crypto/sha256"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Bounds of what is kept in memory, whatever is sent to us: some 3 MB.
const (
	maxRemembered  = 10_000
	maxRevocations = 100_000
)

// revocationAge is how long a revocation is kept. Clerk's session tokens live a
// minute, and a session that is over gets no new ones; a day covers any
// customisation of that and costs little.
const revocationAge = 24 * time.Hour

// tokenName is what a token is remembered by. A collision would hand one caller
// another's identity, hence a cryptographic hash; and no token is kept itself.
type tokenName [sha256.Size]byte

// nameOf copies the token into a buffer that, for tokens of a usual size, lives
// on the stack: a plain conversion would allocate on every request.
func nameOf(token string) tokenName {
	return sha256.Sum256(append(make([]byte, 0, 2048), token...))
}

// sweepEvery is how often expired sessions are looked for, about a token's life.
const sweepEvery = time.Minute

// remembered holds verified tokens until they expire. Nobody sends a token again
// once it has, so they are swept out. (The cache's own expiry takes a goroutine,
// and with it a life that an Authenticator does not have.)
type remembered struct {
	sessions *otter.Cache[tokenName, *session]
	swept    atomic.Int64 // when last, UnixNano
}

func newRemembered() *remembered {
	return &remembered{sessions: otter.Must(&otter.Options[tokenName, *session]{MaximumSize: maxRemembered})}
}

// get returns the session of a token that was good before and has not expired since.
func (m *remembered) get(name tokenName) *session {
	s, ok := m.sessions.GetIfPresent(name)
	if !ok {
		return nil
	}
	if time.Now().After(s.until) {
		m.sessions.Invalidate(name)
		return nil
	}
	return s
}

// put remembers a session, and sweeps when it is time.
func (m *remembered) put(name tokenName, s *session) {
	m.sessions.Set(name, s)
	now, last := time.Now(), m.swept.Load()
	if now.UnixNano()-last < int64(sweepEvery) || !m.swept.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	for name, s := range m.sessions.All() {
		if now.After(s.until) {
			m.sessions.Invalidate(name)
		}
	}
}

// revocations holds the ids of sessions that have ended and users who are gone.
type revocations struct {
	ids *otter.Cache[string, time.Time]
}

func newRevocations() *revocations {
	return &revocations{otter.Must(&otter.Options[string, time.Time]{MaximumSize: maxRevocations})}
}

func (r *revocations) add(id string) { r.ids.Set(id, time.Now().Add(revocationAge)) }

func (r *revocations) has(id string) bool {
	until, ok := r.ids.GetIfPresent(id)
	return ok && time.Now().Before(until)
}
