package doctor

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
)

// clerkSays is what Clerk told; zero where it was not asked or did not answer.
type clerkSays struct {
	instance string // "ins_…", the id of its keys
	users    int
	counted  bool
}

// tolerance is by how much a clock may be off before tokens are refused (contract §1).
const tolerance = 5 * time.Second

// askClerk fetches the keys and counts the users.
func (d *doctor) askClerk(ctx context.Context) clerkSays {
	if d.cfg.ClerkSecretKey == "" {
		return clerkSays{}
	}
	says, ok := d.fetchKeys(ctx)
	if !ok {
		return says
	}
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	client := clerk.New(clerk.Config{SecretKey: d.cfg.ClerkSecretKey, URL: d.cfg.ClerkAPIURL, Transport: d.Transport})
	n, err := client.Count(ctx)
	if err != nil {
		d.incomplete("the number of users at Clerk", err)
		return says
	}
	says.users, says.counted = n, true
	return says
}

// fetchKeys asks for the JWKS once, without the SDK: the Date header is wanted too.
func (d *doctor) fetchKeys(ctx context.Context) (clerkSays, bool) {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.ClerkAPIURL+"/jwks", nil)
	if err != nil {
		d.find("clerk-unreachable", d.plain(err), "correct CLERK_API_URL")
		return clerkSays{}, false
	}
	request.Header.Set("Authorization", "Bearer "+d.cfg.ClerkSecretKey)
	client := http.Client{Transport: d.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent := time.Now()
	response, err := client.Do(request)
	if err != nil {
		d.find("clerk-unreachable", "GET "+d.cfg.ClerkAPIURL+"/jwks: "+d.plain(err), d.unreachableFix())
		return clerkSays{}, false
	}
	defer response.Body.Close()
	d.clock(response.Header.Get("Date"), sent.Add(time.Since(sent)/2))
	const bound = 1 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, bound))
	switch {
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		d.find("clerk-key-refused", fmt.Sprintf("GET %s/jwks answers %d: the key was rolled, or is of another service.", d.cfg.ClerkAPIURL, response.StatusCode), "set CLERK_SECRET_KEY to a key that Clerk's dashboard shows under API keys")
		return clerkSays{}, false
	case err != nil || response.StatusCode != http.StatusOK:
		d.find("clerk-unreachable", fmt.Sprintf("GET %s/jwks answers %d.", d.cfg.ClerkAPIURL, response.StatusCode), d.unreachableFix())
		return clerkSays{}, false
	}
	return d.readKeys(body)
}

func (d *doctor) unreachableFix() string {
	if d.cfg.ClerkJWTKey != "" {
		return "let this machine reach CLERK_API_URL: provisioning and segue sync need it (tokens do not, CLERK_JWT_KEY is set)"
	}
	return "let this machine reach CLERK_API_URL, or set CLERK_JWT_KEY, which needs no network"
}

func (d *doctor) clock(date string, now time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	// The header has whole seconds.
	if off := now.Sub(at.Add(500 * time.Millisecond)); off.Abs() > tolerance {
		d.find("clock-skew", fmt.Sprintf("It is %s off Clerk's. Tokens that are good are refused as expired or as issued in the future, and webhooks as too old.", off.Round(time.Second)), "run a time service here, such as chrony or systemd-timesyncd")
	}
}

func (d *doctor) readKeys(body []byte) (clerkSays, bool) {
	var set struct {
		Keys []struct{ Kty, Kid, N string }
	}
	if err := json.Unmarshal(body, &set); err != nil {
		d.find("clerk-unreachable", d.cfg.ClerkAPIURL+"/jwks did not answer with keys.", "set CLERK_API_URL to Clerk's Backend API, https://api.clerk.com/v1")
		return clerkSays{}, false
	}
	var says clerkSays
	own := modulus(d.cfg.ClerkJWTKey)
	usable, same := 0, false
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(k.N, "="))
		if err != nil || k.Kty != "RSA" {
			continue
		}
		usable++
		same = same || own != nil && own.Cmp(new(big.Int).SetBytes(n)) == 0
		if strings.HasPrefix(k.Kid, "ins_") {
			says.instance = k.Kid
		}
	}
	if usable == 0 {
		d.find("jwks-empty", "The instance has no RSA key.", "set CLERK_SECRET_KEY to the instance that the app signs in with")
	}
	if own != nil && usable > 0 && !same {
		d.find("jwt-key-other-instance", "None of the keys that the instance of CLERK_SECRET_KEY publishes is it, so every token of that instance is refused.", "copy the PEM public key of the same instance: Clerk's dashboard, API keys")
	}
	return says, true
}

// modulus is an RSA public key's, nil for anything else.
func modulus(text string) *big.Int {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil
	}
	return key.N
}
