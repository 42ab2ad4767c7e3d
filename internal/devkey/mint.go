package devkey

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/go-jose/go-jose/v3/jwt"
)

// Issuer is the "iss" of development tokens: no Clerk instance has it.
const Issuer = "https://segue.dev.localhost"

// keyID is the "kid" of development tokens, for whoever reads one.
const keyID = "segue-dev"

// ErrUser is the answer to a user id that no Clerk token could carry.
var ErrUser = errors.New("a user id must start with user_")

// sessionClaims are what a Clerk session token says beyond the registered claims.
type sessionClaims struct {
	Version   int       `json:"v"`
	SessionID string    `json:"sid"`
	Status    string    `json:"sts"`
	Metadata  *metadata `json:"metadata,omitempty"`
}

type metadata struct {
	Role string `json:"role"`
}

// Mint makes a session token of userID that is good for ttl, in the form of
// Clerk's own. An analyst's carries the role that sees everyone.
func (k *Key) Mint(userID string, analyst bool, ttl time.Duration) (string, error) {
	if !strings.HasPrefix(userID, "user_") {
		return "", ErrUser
	}
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.private}, options)
	if err != nil {
		return "", fmt.Errorf("development key: %w", err)
	}
	claims := sessionClaims{Version: 2, SessionID: "sess_dev" + rand.Text(), Status: "active"}
	if analyst {
		claims.Metadata = &metadata{Role: "analyst"}
	}
	return jwt.Signed(signer).Claims(registered(userID, ttl)).Claims(claims).CompactSerialize()
}

func registered(userID string, ttl time.Duration) jwt.Claims {
	now := time.Now()
	return jwt.Claims{
		Issuer:    Issuer,
		Subject:   userID,
		ID:        rand.Text(),
		IssuedAt:  jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now.Add(-10 * time.Second)),
		Expiry:    jwt.NewNumericDate(now.Add(ttl)),
	}
}
