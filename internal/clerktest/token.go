package clerktest

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"
)

// Issuer is the "iss" of tokens made from User and Analyst.
const Issuer = "https://clerk.segue.test"

// Claims is the payload of a token.
type Claims map[string]any

// User is the payload of a good session token of userID, as Clerk mints them
// today (version 2), good for a minute from now. Its session is "sess_" and
// what follows "user_" in the id, its azp is absent.
func User(userID string) Claims {
	now := time.Now().Unix()
	session := userID
	if len(userID) > 5 && userID[:5] == "user_" {
		session = userID[5:]
	}
	return Claims{
		"v":   2,
		"iss": Issuer,
		"sub": userID,
		"sid": "sess_" + session,
		"jti": rand.Text(),
		"iat": now,
		"nbf": now - 10,
		"exp": now + 60,
		"fva": []int{1, -1},
		"sts": "active",
	}
}

// Analyst is User with the role that lets a caller see everyone.
func Analyst(userID string) Claims {
	return User(userID).With("metadata", map[string]any{"role": "analyst"})
}

// With is a copy of c in which name has value.
func (c Claims) With(name string, value any) Claims {
	c = maps.Clone(c)
	c[name] = value
	return c
}

// Without is a copy of c that lacks the named claims.
func (c Claims) Without(names ...string) Claims {
	c = maps.Clone(c)
	for _, name := range names {
		delete(c, name)
	}
	return c
}

// Header is the first part of a token.
type Header map[string]any

// Token signs claims with key, RS256, as Clerk does.
func Token(key Key, claims Claims) string {
	return TokenWithHeader(key, Header{"alg": "RS256", "typ": "JWT", "kid": key.ID}, claims)
}

// TokenWithHeader signs claims RS256 under any header, whatever it says of itself.
func TokenWithHeader(key Key, header Header, claims Claims) string {
	input := encode(header) + "." + encode(claims)
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.Private, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // cannot be: the key is ours
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// ForgedToken signs claims with HS256 and secret: the confusion of algorithms
// in which a public key is used as a shared secret.
func ForgedToken(secret []byte, header Header, claims Claims) string {
	input := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// UnsignedToken has an empty signature.
func UnsignedToken(header Header, claims Claims) string {
	return encode(header) + "." + encode(claims) + "."
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's own mistake
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
