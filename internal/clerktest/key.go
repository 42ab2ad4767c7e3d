// Package clerktest stands in for Clerk in tests: RSA keys, session tokens
// with any claims and headers, good or broken, and the endpoints of the Backend
// API that Segue calls, over real HTTP. Nothing but tests imports it.
package clerktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
)

// Key is a signing key of a pretended Clerk instance.
type Key struct {
	ID      string // the "kid" of its tokens
	Private *rsa.PrivateKey
}

// NewKey makes a 2048-bit key with the given kid. Making one takes a tenth of
// a second, so share it between the tests of a package where that is easy.
func NewKey(kid string) Key {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the system has no randomness
	}
	return Key{ID: kid, Private: private}
}

// PEM is the public key as CLERK_JWT_KEY wants it.
func (k Key) PEM() string {
	der, err := x509.MarshalPKIXPublicKey(&k.Private.PublicKey)
	if err != nil {
		panic(err) // cannot be: it is an RSA key
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// JWK is the public key as an element of a JWKS. Change the map to break it.
func (k Key) JWK() map[string]any {
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]any{
		"use": "sig",
		"kty": "RSA",
		"kid": k.ID,
		"alg": "RS256",
		"n":   encode(k.Private.N.Bytes()),
		"e":   encode(big.NewInt(int64(k.Private.E)).Bytes()),
	}
}
