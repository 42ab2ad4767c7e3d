// Package viewer says who is asking. A Viewer is made by internal/auth from a
// verified credential, travels in the request's context down to the resolvers,
// and from there is an argument of every store method: the compiler finds the
// read that forgot to ask for whom it reads. It knows nothing of tokens, SQL or
// GraphQL.
package viewer

import "context"

// Viewer is the caller of one operation. The zero value is the anonymous
// caller, who sees nothing. Viewers are values: compare and copy them freely.
type Viewer struct {
	userID    string
	sessionID string
	keyID     string
	analyst   bool
}

// User is a caller with a verified Clerk session: userID is the token's "sub",
// sessionID its "sid". Analysts see everyone's rows.
func User(userID, sessionID string, analyst bool) Viewer {
	return Viewer{userID: userID, sessionID: sessionID, analyst: analyst}
}

// Key is a caller with an API key: an analyst who is nobody, so it owns and
// writes nothing.
func Key(keyID string) Viewer { return Viewer{keyID: keyID, analyst: true} }

// SignedIn reports whether the caller proved who it is, as a user or by a key.
func (v Viewer) SignedIn() bool { return v.userID != "" || v.keyID != "" }

// UserID is the caller's own clerk_id; empty for anonymous callers and keys.
func (v Viewer) UserID() string { return v.userID }

// SessionID is the Clerk session the caller's token belongs to; empty for keys.
func (v Viewer) SessionID() string { return v.sessionID }

// KeyID is the id of the API key in use; empty for users.
func (v Viewer) KeyID() string { return v.keyID }

// Analyst reports whether the caller sees everyone's rows.
func (v Viewer) Analyst() bool { return v.analyst }

// Caller names the viewer for logs and rate limits: the user's id, "key:" and
// the key's id, or "" when anonymous.
func (v Viewer) Caller() string {
	if v.keyID != "" {
		return "key:" + v.keyID
	}
	return v.userID
}

type contextKey struct{}

// NewContext returns ctx carrying v.
func NewContext(ctx context.Context, v Viewer) context.Context {
	return context.WithValue(ctx, contextKey{}, v)
}

// FromContext returns the viewer that NewContext put into ctx, or the anonymous one.
func FromContext(ctx context.Context) Viewer {
	v, _ := ctx.Value(contextKey{}).(Viewer)
	return v
}
