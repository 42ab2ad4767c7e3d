package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// testKey and otherKey are two instances' keys. Making one is slow, so the tests share them.
var (
	testKey  = sync.OnceValue(func() clerktest.Key { return clerktest.NewKey("ins_test") })
	otherKey = sync.OnceValue(func() clerktest.Key { return clerktest.NewKey("ins_other") })
)

// reasons records why an Authenticator refuses credentials.
type reasons struct {
	mu   sync.Mutex
	list []string
}

func (r *reasons) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, reason)
}

func (r *reasons) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return ""
	}
	return r.list[len(r.list)-1]
}

// withPEM returns an Authenticator that trusts testKey by CLERK_JWT_KEY, with
// the settings change makes, and what it refuses.
func withPEM(t testing.TB, change func(*auth.Config)) (*auth.Authenticator, *reasons) {
	t.Helper()
	refused := &reasons{}
	c := auth.Config{JWTKey: testKey().PEM(), Rejected: refused.add}
	if change != nil {
		change(&c)
	}
	a, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a, refused
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://api.segue.test/graphql", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// mustBe fails unless r is from want.
func mustBe(t *testing.T, a *auth.Authenticator, r *http.Request, want viewer.Viewer) {
	t.Helper()
	got, err := a.Request(r)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if got != want {
		t.Fatalf("viewer %+v, want %+v", got, want)
	}
}

// mustRefuse fails unless r is refused as a bad credential, in the one sentence
// every caller reads, and is logged with reason.
func mustRefuse(t *testing.T, a *auth.Authenticator, refused *reasons, r *http.Request, reason string) {
	t.Helper()
	got, err := a.Request(r)
	bad, ok := errors.AsType[*fault.Error](err)
	if !ok || bad.Code != fault.Unauthenticated || bad.Message != "the credential is not valid" {
		t.Fatalf("error %v, want the one UNAUTHENTICATED", err)
	}
	if got != (viewer.Viewer{}) {
		t.Fatalf("a refused request has the viewer %+v", got)
	}
	if refused.last() != reason {
		t.Fatalf("refused as %q, want %q (%v)", refused.last(), reason, err)
	}
}

func TestTokensThatAreGood(t *testing.T) {
	t.Parallel()
	user := viewer.User("user_ann", "sess_ann", false)
	analyst := viewer.User("user_ann", "sess_ann", true)
	good := clerktest.User("user_ann")
	cases := map[string]struct {
		claims clerktest.Claims
		want   viewer.Viewer
	}{
		"version 2":                  {good, user},
		"version 1":                  {good.Without("v", "sts", "fva"), user},
		"an audience":                {good.With("aud", "https://elsewhere.test"), user},
		"an issuer, none required":   {good.With("iss", "https://example.org/anything"), user},
		"role analyst":               {good.With("metadata", map[string]any{"role": "analyst"}), analyst},
		"role admin":                 {good.With("metadata", map[string]any{"role": "admin"}), analyst},
		"another role":               {good.With("metadata", map[string]any{"role": "Analyst"}), user},
		"the role's key in capitals": {good.With("metadata", map[string]any{"Role": "analyst"}), user},
		"a list of roles":            {good.With("metadata", map[string]any{"role": []string{"analyst"}}), user},
		"metadata that is a string":  {good.With("metadata", "{{user.public_metadata}}"), user},
		"metadata null":              {good.With("metadata", nil), user},
		"a role outside metadata":    {good.With("role", "analyst"), user},
		"org role, none set":         {good.With("org_role", "org:admin"), user},
		"empty org role, none set":   {good.With("org_role", "org:"), user},
		"v2 org role, none set":      {good.With("o", map[string]any{"id": "org_1", "rol": "admin"}), user},
		"an azp, none set":           {good.With("azp", "https://evil.test"), user},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := withPEM(t, nil)
			mustBe(t, a, bearer(clerktest.Token(testKey(), c.claims)), c.want)
		})
	}
}

func TestTokensThatAreBad(t *testing.T) {
	t.Parallel()
	good := clerktest.User("user_ann")
	sign := func(c clerktest.Claims) string { return clerktest.Token(testKey(), c) }
	withHeader := func(h clerktest.Header) string { return clerktest.TokenWithHeader(testKey(), h, good) }
	token := sign(good)
	cases := map[string]struct{ token, reason string }{
		"no exp":                         {sign(good.Without("exp")), "timeless"},
		"no nbf":                         {sign(good.Without("nbf")), "timeless"},
		"no iat":                         {sign(good.Without("iat")), "timeless"},
		"exp null":                       {sign(good.With("exp", nil)), "timeless"},
		"exp a string":                   {sign(good.With("exp", "tomorrow")), "malformed"},
		"no sub":                         {sign(good.Without("sub")), "subject"},
		"a machine":                      {sign(good.With("sub", "mch_1")), "subject"},
		"sub a bare prefix":              {sign(good.With("sub", "user_")), "subject"},
		"sub with a NUL":                 {sign(good.With("sub", "user_a\x00b")), "subject"},
		"sub a number":                   {sign(good.With("sub", 7)), "malformed"},
		"no sid, as of a JWT template":   {sign(good.Without("sid")), "session"},
		"sid of something else":          {sign(good.With("sid", "client_1")), "session"},
		"pending":                        {sign(good.With("sts", "pending")), "pending"},
		"another key, same kid":          {clerktest.Token(clerktest.Key{ID: "ins_test", Private: otherKey().Private}, good), "signature"},
		"payload changed":                {swapPayload(token, sign(good.With("sub", "user_eve"))), "signature"},
		"signature cut":                  {token[:len(token)-4], "signature"},
		"no signature":                   {clerktest.UnsignedToken(clerktest.Header{"alg": "RS256", "typ": "JWT"}, good), "signature"},
		"alg none":                       {clerktest.UnsignedToken(clerktest.Header{"alg": "none", "typ": "JWT"}, good), "algorithm"},
		"HS256 with the PEM as secret":   {clerktest.ForgedToken([]byte(testKey().PEM()), clerktest.Header{"alg": "HS256", "typ": "JWT"}, good), "algorithm"},
		"RS256 said, HS256 signed":       {clerktest.ForgedToken([]byte(testKey().PEM()), clerktest.Header{"alg": "RS256", "typ": "JWT"}, good), "signature"},
		"RS512":                          {withHeader(clerktest.Header{"alg": "RS512", "typ": "JWT"}), "algorithm"},
		"PS256":                          {withHeader(clerktest.Header{"alg": "PS256", "typ": "JWT"}), "algorithm"},
		"no alg":                         {withHeader(clerktest.Header{"typ": "JWT"}), "algorithm"},
		"a token of another type":        {withHeader(clerktest.Header{"alg": "RS256", "typ": "at+jwt"}), "type"},
		"a type that is no string":       {withHeader(clerktest.Header{"alg": "RS256", "typ": 1}), "type"},
		"an unknown critical extension":  {withHeader(clerktest.Header{"alg": "RS256", "typ": "JWT", "crit": []string{"x"}, "x": 1}), "signature"},
		"its own key in the header":      {clerktest.TokenWithHeader(otherKey(), clerktest.Header{"alg": "RS256", "typ": "JWT", "jwk": otherKey().JWK()}, good), "signature"},
		"garbage":                        {"garbage", "malformed"},
		"two parts":                      {"a.b", "malformed"},
		"four parts":                     {token + ".x", "malformed"},
		"JSON serialisation":             {`{"payload":"x","signatures":[]}`, "malformed"},
		"white space inside":             {token[:9] + "\t" + token[9:], "malformed"},
		"two tokens":                     {token + " " + token, "malformed"},
		"oversized":                      {sign(good.With("filler", string(make([]byte, 9<<10)))), "oversized"},
		"an API key, where none is good": {"sgk_0123456789abcdef_x", "bad_api_key"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, refused := withPEM(t, nil)
			mustRefuse(t, a, refused, bearer(c.token), c.reason)
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	token := clerktest.Token(testKey(), clerktest.User("user_ann"))
	user := viewer.User("user_ann", "sess_ann", false)

	for name, value := range map[string]string{
		"as usual":          "Bearer " + token,
		"small letters":     "bearer " + token,
		"capitals":          "BEARER " + token,
		"more than a space": "Bearer   " + token,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := withPEM(t, nil)
			r := bearer("")
			r.Header["Authorization"] = []string{value}
			mustBe(t, a, r, user)
		})
	}
	for name, c := range map[string]struct {
		values []string
		reason string
	}{
		"empty":            {[]string{""}, "malformed_header"},
		"scheme alone":     {[]string{"Bearer"}, "malformed_header"},
		"no token":         {[]string{"Bearer "}, "malformed_header"},
		"token alone":      {[]string{token}, "malformed_header"},
		"basic":            {[]string{"Basic dXNlcjpwYXNz"}, "malformed_header"},
		"token of Digest":  {[]string{"Digest " + token}, "malformed_header"},
		"leading space":    {[]string{" Bearer " + token}, "malformed_header"},
		"garbage":          {[]string{"Bearer garbage"}, "malformed"},
		"twice":            {[]string{"Bearer " + token, "Bearer " + token}, "several_headers"},
		"present, no line": {[]string{}, "several_headers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, refused := withPEM(t, nil)
			r := bearer("")
			r.Header["Authorization"] = c.values
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.AddCookie(&http.Cookie{Name: "__session", Value: token}) // must not be fallen back to
			mustRefuse(t, a, refused, r, c.reason)
		})
	}
}

func TestNobodyIsAnonymous(t *testing.T) {
	t.Parallel()
	a, _ := withPEM(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
	r.Header.Set("X-Clerk-User-Id", "user_ann")
	r.AddCookie(&http.Cookie{Name: "__client", Value: "x"})
	mustBe(t, a, r, viewer.Viewer{})
}

func TestIssuerAndParties(t *testing.T) {
	t.Parallel()
	strict := func(c *auth.Config) {
		c.Issuer = "https://clerk.segue.test"
		c.AuthorizedParties = []string{"https://app.segue.test", "https://admin.segue.test"}
	}
	good := clerktest.User("user_ann")
	for name, c := range map[string]struct {
		claims clerktest.Claims
		reason string // empty: good
	}{
		"the issuer, no party":       {good, ""},
		"the second party":           {good.With("azp", "https://admin.segue.test"), ""},
		"another party":              {good.With("azp", "https://evil.test"), "authorized_party"},
		"a party with a longer name": {good.With("azp", "https://app.segue.test.evil.test"), "authorized_party"},
		"a look-alike issuer":        {good.With("iss", "https://clerk.segue.test.evil.test"), "issuer"},
		"the SDK's idea of one":      {good.With("iss", "https://clerk.attacker.com"), "issuer"},
		"an issuer that contains it": {good.With("iss", "https://evil.test/.clerk.accounts"), "issuer"},
		"no issuer":                  {good.Without("iss"), "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, refused := withPEM(t, strict)
			r := bearer(clerktest.Token(testKey(), c.claims))
			if c.reason == "" {
				mustBe(t, a, r, viewer.User("user_ann", "sess_ann", false))
				return
			}
			mustRefuse(t, a, refused, r, c.reason)
		})
	}
}

func TestOrganisationRoles(t *testing.T) {
	t.Parallel()
	good := clerktest.User("user_ann")
	v2 := func(role string) clerktest.Claims {
		return good.With("o", map[string]any{"id": "org_1", "slg": "one", "rol": role})
	}
	for name, c := range map[string]struct {
		setting string
		claims  clerktest.Claims
		analyst bool
	}{
		"version 1":                    {"org:admin", good.Without("v").With("org_role", "org:admin"), true},
		"version 1, setting bare":      {"admin", good.Without("v").With("org_role", "org:admin"), true},
		"version 2":                    {"org:admin", v2("admin"), true},
		"version 2, setting bare":      {"admin", v2("admin"), true},
		"another role, version 1":      {"org:admin", good.Without("v").With("org_role", "org:member"), false},
		"another role, version 2":      {"org:admin", v2("member"), false},
		"no organisation":              {"org:admin", good, false},
		"an empty role, empty setting": {"org:", v2(""), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := withPEM(t, func(cfg *auth.Config) { cfg.AnalystOrgRole = c.setting })
			mustBe(t, a, bearer(clerktest.Token(testKey(), c.claims)), viewer.User("user_ann", "sess_ann", c.analyst))
		})
	}
}

func TestRevokedSessionsAndUsers(t *testing.T) {
	t.Parallel()
	a, refused := withPEM(t, nil)
	ann := bearer(clerktest.Token(testKey(), clerktest.User("user_ann")))
	ann2 := bearer(clerktest.Token(testKey(), clerktest.User("user_ann").With("sid", "sess_two")))
	bob := bearer(clerktest.Token(testKey(), clerktest.User("user_bob")))
	mustBe(t, a, ann, viewer.User("user_ann", "sess_ann", false)) // remembered from here on

	a.Revoke("sess_ann")
	mustRefuse(t, a, refused, ann, "revoked")
	mustRefuse(t, a, refused, ann, "revoked")
	mustBe(t, a, ann2, viewer.User("user_ann", "sess_two", false))

	a.RevokeUser("user_ann")
	mustRefuse(t, a, refused, ann2, "revoked")
	mustBe(t, a, bob, viewer.User("user_bob", "sess_bob", false))
}

func TestBearerForSockets(t *testing.T) {
	t.Parallel()
	a, _ := withPEM(t, nil)
	token := clerktest.Token(testKey(), clerktest.Analyst("user_ann"))
	got, err := a.Bearer(context.Background(), "Bearer "+token)
	if err != nil || got != viewer.User("user_ann", "sess_ann", true) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := a.Bearer(context.Background(), ""); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("empty: %v, want UNAUTHENTICATED", err)
	}
}

// swapPayload is token with the payload of another.
func swapPayload(token, other string) string {
	a, b := strings.Split(token, "."), strings.Split(other, ".")
	return a[0] + "." + b[1] + "." + a[2]
}
