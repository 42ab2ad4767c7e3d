package auth

import (
	"context"
	"crypto/rsa"
	"encoding/pem"
	"errors"

	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/devkey"
	"github.com/clerk/clerk-sdk-go/v2"
)

// ErrDevelopmentKey is New's answer to a CLERK_JWT_KEY made by `segue dev`, on
// this machine or any other.
var ErrDevelopmentKey error = &config.Error{
	Variable: "CLERK_JWT_KEY",
	Must:     "be your Clerk instance's public key; this one is a development key of segue dev, and serve never accepts those",
}

var errMalformedPEM error = &config.Error{
	Variable: "CLERK_JWT_KEY",
	Must:     "be the PEM of an RSA public key of at least 2048 bits, or of several",
}

// errUnknownKey means that the token names a key that is not Clerk's.
var errUnknownKey = errors.New("unknown key")

// minKeyBits is the least size of an RSA key that is trusted.
const minKeyBits = 2048

// signingKey is a key tokens may be signed with, checked by usable.
type signingKey = clerk.JSONWebKey

// fixedKeys are those of CLERK_JWT_KEY. A PEM has no key id, so each is a
// candidate for every token.
type fixedKeys []*signingKey

func parsePEM(text string, development bool) (fixedKeys, error) {
	var keys fixedKeys
	for rest := []byte(text); ; {
		block, next := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = next
		key, err := clerk.JSONWebKeyFromPEM(string(pem.EncodeToMemory(block)))
		if err != nil || usable(key) != nil {
			return nil, errMalformedPEM
		}
		if isDevelopment(key) && !development {
			return nil, ErrDevelopmentKey
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errMalformedPEM
	}
	return keys, nil
}

func (k fixedKeys) find(context.Context, string) ([]*signingKey, error) { return k, nil }

func (k fixedKeys) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// usable reports why a key must not be used to verify tokens.
func usable(key *signingKey) error {
	public, ok := key.Key.(*rsa.PublicKey)
	switch {
	case !ok:
		return errors.New("not an RSA public key")
	case public.N.BitLen() < minKeyBits:
		return errors.New("fewer than 2048 bits")
	case key.Algorithm != algorithm:
		return errors.New("not for RS256")
	case key.Use != "" && key.Use != "sig":
		return errors.New("not for signatures")
	}
	return nil
}

func isDevelopment(key *signingKey) bool {
	public, ok := key.Key.(*rsa.PublicKey)
	return ok && devkey.Is(public)
}
