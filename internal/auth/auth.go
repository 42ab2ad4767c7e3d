// Package auth turns credentials into viewers: Clerk session tokens from the
// Authorization header or the __session cookie, and API keys. It is the only
// road by which a request comes to have an identity.
//
// Signatures and times are checked by clerk-sdk-go; what its jwt.Verify lets
// pass (tokens without exp, sub or sid, pending sessions, other people's
// issuers, a missing azp) is refused here. So are development keys, unless the
// Authenticator was built for development. A verified token is remembered, so
// that the requests that follow cost one hash and one look-up.
//
// It makes no database call for a session token: whether the user still exists
// is asked by the statements that read for it.
package auth

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// leeway is how far Clerk's clock and ours may be apart.
const leeway = 5 * time.Second

// Config says whom to trust. Either JWTKey or SecretKey must be set.
type Config struct {
	// JWTKey holds one or more PEM public keys (several while rotating). With
	// it nothing is ever fetched.
	JWTKey string
	// SecretKey and APIURL fetch the instance's keys where JWTKey is empty.
	SecretKey string
	APIURL    string
	// Issuer is the required "iss"; empty: not checked.
	Issuer string
	// AuthorizedParties are the allowed "azp"; empty: not checked.
	AuthorizedParties []string
	// AnalystOrgRole is the organisation role that makes an analyst, with or
	// without "org:"; empty: none does.
	AnalystOrgRole string
	// Keys verifies API keys; nil: every API key is refused.
	Keys KeyVerifier
	// Development accepts keys made by internal/devkey. Only `segue dev` sets it.
	Development bool
	// Transport carries the requests to Clerk; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Logger hears of trouble with Clerk's keys, and for debugging of refusals; nil: nobody does.
	Logger *slog.Logger
	// Rejected is called with the reason of each refusal, one of a few fixed
	// words fit for a metric's label; may be nil.
	Rejected func(reason string)
}

// KeyVerifier knows the API keys.
type KeyVerifier interface {
	// Verify returns the id of the key whose full text is given. The error of a
	// key that is unknown, expired or revoked has the code fault.Unauthenticated;
	// any other error means that nobody knows.
	Verify(ctx context.Context, key string) (id string, err error)
}

// Authenticator verifies credentials. It is safe for concurrent use.
type Authenticator struct {
	keys       keySource
	rules      rules
	apiKeys    KeyVerifier
	remembered *remembered
	revoked    *revocations
	logger     *slog.Logger
	rejected   func(reason string)
}

// keySource finds the keys a token may have been signed with.
type keySource interface {
	// find returns candidates for the token's kid, at least one if err is nil.
	// The error is errUnknownKey, or one that says why nobody knows.
	find(ctx context.Context, kid string) ([]*signingKey, error)
	// run keeps the keys fresh until ctx ends.
	run(ctx context.Context) error
}

// New checks the keys it is given and returns an Authenticator. A bad JWTKey is
// a *config.Error; a development key is ErrDevelopmentKey.
func New(c Config) (*Authenticator, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Rejected == nil {
		c.Rejected = func(string) {}
	}
	keys, err := newKeySource(c)
	if err != nil {
		return nil, err
	}
	return &Authenticator{
		keys:       keys,
		rules:      newRules(c),
		apiKeys:    c.Keys,
		remembered: newRemembered(),
		revoked:    newRevocations(),
		logger:     c.Logger,
		rejected:   c.Rejected,
	}, nil
}

func newKeySource(c Config) (keySource, error) {
	if c.JWTKey != "" {
		return parsePEM(c.JWTKey, c.Development)
	}
	return newJWKS(c), nil
}

// Run keeps Clerk's keys fresh until ctx ends, and then returns nil.
func (a *Authenticator) Run(ctx context.Context) error { return a.keys.run(ctx) }

// Request says who sent r: by its Authorization header, or else by a __session
// cookie that counts (see cookie.go), or else nobody. A header that is present
// is final: when it is bad the cookie is not looked at. The error is a
// *fault.Error: Unauthenticated for a bad credential, Unavailable when a good
// one could not be told from a bad one.
func (a *Authenticator) Request(r *http.Request) (viewer.Viewer, error) {
	if values, present := r.Header["Authorization"]; present {
		if len(values) != 1 {
			return viewer.Viewer{}, a.refuse(r.Context(), refusal("several_headers", nil))
		}
		return a.Bearer(r.Context(), values[0])
	}
	tokens := sessionCookies(r)
	switch len(tokens) {
	case 0:
		return viewer.Viewer{}, nil
	case 1:
		return a.answer(r.Context(), tokens[0], fromCookie)
	}
	return viewer.Viewer{}, a.refuse(r.Context(), refusal("several_cookies", nil))
}

// Bearer says who the value of an Authorization header belongs to, for callers
// that have it from elsewhere, as sockets do. Its errors are those of Request.
func (a *Authenticator) Bearer(ctx context.Context, authorization string) (viewer.Viewer, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" {
		return viewer.Viewer{}, a.refuse(ctx, refusal("malformed_header", nil))
	}
	return a.answer(ctx, token, fromHeader)
}

// Revoke refuses all tokens of a Clerk session, remembered ones too, for as
// long as any of them could still be good.
func (a *Authenticator) Revoke(sessionID string) { a.revoked.add(sessionID) }

// RevokeUser is Revoke for all sessions of a user who is gone for good.
func (a *Authenticator) RevokeUser(userID string) { a.revoked.add(userID) }

// transport is how a token reached us, for the rules that depend on it.
type transport int

const (
	fromHeader transport = iota
	fromCookie
)

// answer verifies a token or key and puts any error into the caller's form.
func (a *Authenticator) answer(ctx context.Context, token string, via transport) (viewer.Viewer, error) {
	v, err := a.verify(ctx, token, via)
	if err != nil {
		return viewer.Viewer{}, a.refuse(ctx, err)
	}
	return v, nil
}

func (a *Authenticator) verify(ctx context.Context, token string, via transport) (viewer.Viewer, error) {
	if strings.HasPrefix(token, keyPrefix) && via == fromHeader {
		return a.verifyKey(ctx, token)
	}
	s, err := a.session(ctx, token)
	if err != nil {
		return viewer.Viewer{}, err
	}
	if via == fromCookie && !s.hasParty && len(a.rules.parties) > 0 {
		return viewer.Viewer{}, refusal("cookie_without_azp", nil)
	}
	if a.revoked.has(s.viewer.SessionID()) || a.revoked.has(s.viewer.UserID()) {
		return viewer.Viewer{}, refusal("revoked", nil)
	}
	return s.viewer, nil
}

// session verifies a session token unless it is remembered.
func (a *Authenticator) session(ctx context.Context, token string) (*session, error) {
	if len(token) > maxToken {
		return nil, refusal("oversized", nil)
	}
	name := nameOf(token)
	if s := a.remembered.get(name); s != nil {
		return s, nil
	}
	s, err := a.verifySession(ctx, token)
	if err != nil {
		return nil, err
	}
	a.remembered.put(name, s)
	return s, nil
}

// keyPrefix starts every API key and no JWT.
const keyPrefix = "sgk_"

func (a *Authenticator) verifyKey(ctx context.Context, key string) (viewer.Viewer, error) {
	if a.apiKeys == nil {
		return viewer.Viewer{}, refusal("bad_api_key", nil)
	}
	id, err := a.apiKeys.Verify(ctx, key)
	if fault.CodeOf(err) == fault.Unauthenticated {
		return viewer.Viewer{}, refusal("bad_api_key", err)
	}
	if err != nil {
		return viewer.Viewer{}, err
	}
	return viewer.Key(id), nil
}
