package auth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ai-dj/segue/internal/viewer"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkjwt "github.com/clerk/clerk-sdk-go/v2/jwt"
	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
)

// maxToken is more than Clerk's tokens ever are: browsers hold cookies to 4 KB.
const maxToken = 8 << 10

// algorithm is the only one Clerk signs session tokens with.
const algorithm = "RS256"

// session is a verified token.
type session struct {
	viewer   viewer.Viewer
	until    time.Time // its exp and the leeway
	hasParty bool      // it has an azp, and a right one
}

// rules are the settings a token's claims are held against.
type rules struct {
	issuer      string
	parties     []string
	analystRole string // without "org:"; empty: no organisation role makes an analyst
}

func newRules(c Config) rules {
	return rules{
		issuer:      c.Issuer,
		parties:     c.AuthorizedParties,
		analystRole: strings.TrimPrefix(c.AnalystOrgRole, "org:"),
	}
}

// claims are those of a session token that clerk.SessionClaims lacks.
type claims struct {
	Status       string       `json:"sts"`
	Metadata     metadata     `json:"metadata"`
	Organisation organisation `json:"o"`
}

// verifySession checks everything the contract asks of a token, in the order
// of what it costs.
func (a *Authenticator) verifySession(ctx context.Context, token string) (*session, error) {
	kid, err := inspect(token)
	if err != nil {
		return nil, err
	}
	keys, err := a.keys.find(ctx, kid)
	if errors.Is(err, errUnknownKey) {
		return nil, refusal("unknown_key", nil)
	}
	if err != nil {
		return nil, err
	}
	verified, err := verifyWithAny(ctx, token, keys)
	if err != nil {
		return nil, refusal(reasonOf(err), err)
	}
	return a.rules.judge(verified)
}

// inspect reads what can be known of a token before its signature: its form,
// algorithm and type. It returns the key id, which is the sender's word.
func inspect(token string) (kid string, err error) {
	if strings.ContainsFunc(token, foreignToTokens) {
		return "", refusal("malformed", nil)
	}
	parsed, err := jwt.ParseSigned(token)
	if err != nil || len(parsed.Headers) != 1 {
		return "", refusal("malformed", err)
	}
	header := parsed.Headers[0]
	if header.Algorithm != algorithm {
		return "", refusal("algorithm", nil)
	}
	if typ, present := header.ExtraHeaders[jose.HeaderType]; present && typ != "JWT" {
		return "", refusal("type", nil)
	}
	return header.KeyID, nil
}

// foreignToTokens reports characters that no compact JWT holds. The parser takes
// out white space and reads JSON as well; we want one form only.
func foreignToTokens(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
}

// verifyWithAny tries one key after the other, which are several only while
// CLERK_JWT_KEY holds an old and a new one.
func verifyWithAny(ctx context.Context, token string, keys []*signingKey) (verified *clerk.SessionClaims, err error) {
	for _, key := range keys {
		verified, err = clerkjwt.Verify(ctx, &clerkjwt.VerifyParams{
			Token:                   token,
			JWK:                     key,
			Leeway:                  leeway,
			CustomClaimsConstructor: func(context.Context) any { return new(claims) },
			// The SDK's own idea of a good issuer is a substring; ours follows.
			IsSatellite: true,
		})
		if !errors.Is(err, jose.ErrCryptoFailure) {
			return verified, err
		}
	}
	return nil, err
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, jose.ErrCryptoFailure):
		return "signature"
	case errors.Is(err, jwt.ErrExpired):
		return "expired"
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return "not_yet_valid"
	}
	return "malformed"
}

// judge holds signed and timely claims against the rules.
func (r rules) judge(c *clerk.SessionClaims) (*session, error) {
	extra, ok := c.Custom.(*claims)
	if !ok {
		return nil, refusal("malformed", nil)
	}
	switch {
	case c.Expiry == nil, c.NotBefore == nil, c.IssuedAt == nil:
		return nil, refusal("timeless", nil)
	case !isID(c.Subject, "user_"):
		return nil, refusal("subject", nil)
	case !isID(c.SessionID, "sess_"):
		return nil, refusal("session", nil)
	case r.issuer != "" && c.Issuer != r.issuer:
		return nil, refusal("issuer", nil)
	case extra.Status == "pending":
		return nil, refusal("pending", nil)
	case c.AuthorizedParty != "" && len(r.parties) > 0 && !slices.Contains(r.parties, c.AuthorizedParty):
		return nil, refusal("authorized_party", nil)
	}
	return &session{
		viewer:   viewer.User(c.Subject, c.SessionID, r.analyst(c, extra)),
		until:    time.Unix(*c.Expiry, 0).Add(leeway),
		hasParty: c.AuthorizedParty != "",
	}, nil
}

// isID reports whether id is prefix and something after it. PostgreSQL holds no
// NUL in a text, so an id with one could not be looked up.
func isID(id, prefix string) bool {
	return len(id) > len(prefix) && strings.HasPrefix(id, prefix) && !strings.ContainsRune(id, 0)
}

// analyst reports whether the token carries the role that sees everyone: in
// metadata, or as the organisation role set, in the first form of Clerk's tokens
// (org_role) or the second (o.rol, without "org:").
func (r rules) analyst(c *clerk.SessionClaims, extra *claims) bool {
	if extra.Metadata.Role == "analyst" || extra.Metadata.Role == "admin" {
		return true
	}
	if r.analystRole == "" {
		return false
	}
	return strings.TrimPrefix(c.ActiveOrganizationRole, "org:") == r.analystRole ||
		strings.TrimPrefix(extra.Organisation.Role, "org:") == r.analystRole
}

// metadata is the claim that Clerk's session-token customisation adds, and
// organisation the one that Clerk adds itself. The first is the application's own
// and may hold anything, so what is not a role as we know it is no role, rather
// than an error that would lock the user out.
type metadata struct{ Role string }

func (m *metadata) UnmarshalJSON(text []byte) error {
	m.Role = stringField(text, "role")
	return nil
}

type organisation struct{ Role string }

func (o *organisation) UnmarshalJSON(text []byte) error {
	o.Role = stringField(text, "rol")
	return nil
}

// stringField is the string at name of the JSON object text, or "".
func stringField(text []byte, name string) string {
	var object map[string]json.RawMessage
	var value string
	if json.Unmarshal(text, &object) != nil || json.Unmarshal(object[name], &value) != nil {
		return ""
	}
	return value
}
