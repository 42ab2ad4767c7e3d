package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/devkey"
	"github.com/ai-dj/segue/internal/viewer"
)

func publicPEM(t *testing.T, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestNewRefusesKeysItCannotTrust(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey().Private),
	}))
	for name, text := range map[string]string{
		"no PEM":                   "junk",
		"a private key":            private,
		"an RSA key too small":     publicPEM(t, &small.PublicKey),
		"a key of another kind":    publicPEM(t, &curve.PublicKey),
		"one good, one too small":  testKey().PEM() + publicPEM(t, &small.PublicKey),
		"a PEM with damaged bytes": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.New(auth.Config{JWTKey: text})
			bad, ok := errors.AsType[*config.Error](err)
			if !ok || bad.Variable != "CLERK_JWT_KEY" {
				t.Errorf("got %v, want an error that names CLERK_JWT_KEY", err)
			}
		})
	}
}

func TestSeveralPEMKeysWhileRotating(t *testing.T) {
	t.Parallel()
	a, refused := withPEM(t, func(c *auth.Config) { c.JWTKey = testKey().PEM() + "\n" + otherKey().PEM() })
	ann := viewer.User("user_ann", "sess_ann", false)
	mustBe(t, a, bearer(clerktest.Token(testKey(), clerktest.User("user_ann"))), ann)
	mustBe(t, a, bearer(clerktest.Token(otherKey(), clerktest.User("user_ann"))), ann)
	mustRefuse(t, a, refused, bearer(clerktest.Token(clerktest.NewKey("ins_third"), clerktest.User("user_ann"))), "signature")
}

func TestDevelopmentKeysAreForDevelopment(t *testing.T) {
	t.Parallel()
	key, err := devkey.LoadOrCreate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.New(auth.Config{JWTKey: key.PublicPEM()}); !errors.Is(err, auth.ErrDevelopmentKey) {
		t.Errorf("as serve builds it: %v, want ErrDevelopmentKey", err)
	}
	if _, err := auth.New(auth.Config{JWTKey: testKey().PEM() + key.PublicPEM()}); !errors.Is(err, auth.ErrDevelopmentKey) {
		t.Errorf("behind a good key: %v, want ErrDevelopmentKey", err)
	}
	a, _ := withPEM(t, func(c *auth.Config) { c.JWTKey = key.PublicPEM(); c.Development = true })
	for _, analyst := range []bool{false, true} {
		token, err := key.Mint("user_ann", analyst, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Request(bearer(token))
		if err != nil {
			t.Fatal(err)
		}
		if got.UserID() != "user_ann" || got.Analyst() != analyst {
			t.Errorf("got %+v, want user_ann, analyst %t", got, analyst)
		}
	}
}
