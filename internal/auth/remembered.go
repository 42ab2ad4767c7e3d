package auth

import (
	"crypto/sha256"
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

// remembered holds verified tokens until they expire.
type remembered struct {
	sessions *otter.Cache[tokenName, *session]
}

func newRemembered() *remembered {
	return &remembered{otter.Must(&otter.Options[tokenName, *session]{MaximumSize: maxRemembered})}
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

func (m *remembered) put(name tokenName, s *session) { m.sessions.Set(name, s) }

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
