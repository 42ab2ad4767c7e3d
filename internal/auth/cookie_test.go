package auth_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/viewer"
)

// withCookie is a request to http://app.segue.test with a __session cookie and
// the given headers, in pairs.
func withCookie(token string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://app.segue.test/graphql", nil)
	r.Header.Set("Cookie", "theme=dark; __session="+token+"; __client_uat=1")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestWhenTheCookieCounts(t *testing.T) {
	t.Parallel()
	user := viewer.User("user_ann", "sess_ann", false)
	nobody := viewer.Viewer{}
	over := func(r *http.Request) *http.Request { r.TLS = &tls.ConnectionState{}; return r }
	host := func(host string, r *http.Request) *http.Request { r.Host = host; return r }
	token := clerktest.Token(testKey(), clerktest.User("user_ann"))

	for name, c := range map[string]struct {
		r    *http.Request
		want viewer.Viewer
	}{
		"same origin, said by the browser": {withCookie(token, "Sec-Fetch-Site", "same-origin"), user},
		"same site":                        {withCookie(token, "Sec-Fetch-Site", "same-site"), nobody},
		"cross site":                       {withCookie(token, "Sec-Fetch-Site", "cross-site"), nobody},
		"typed into the address bar":       {withCookie(token, "Sec-Fetch-Site", "none"), nobody},
		"Sec-Fetch-Site empty":             {withCookie(token, "Sec-Fetch-Site", "", "Origin", "http://app.segue.test"), nobody},
		"Sec-Fetch-Site twice":             {withCookie(token, "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"), nobody},
		"cross site wins over Origin":      {withCookie(token, "Sec-Fetch-Site", "cross-site", "Origin", "http://app.segue.test"), nobody},
		"neither header":                   {withCookie(token), nobody},
		"own origin":                       {withCookie(token, "Origin", "http://app.segue.test"), user},
		"own origin, default port":         {host("app.segue.test:80", withCookie(token, "Origin", "http://app.segue.test")), user},
		"own origin, a port":               {host("localhost:8080", withCookie(token, "Origin", "http://localhost:8080")), user},
		"own origin, IPv6":                 {host("[::1]:80", withCookie(token, "Origin", "http://[::1]")), user},
		"own origin over TLS":              {over(withCookie(token, "Origin", "https://app.segue.test")), user},
		"own origin behind a TLS proxy":    {withCookie(token, "Origin", "https://app.segue.test", "X-Forwarded-Proto", "https"), user},
		"https said by nobody":             {withCookie(token, "Origin", "https://app.segue.test"), nobody},
		"plain origin, request over TLS":   {over(withCookie(token, "Origin", "http://app.segue.test")), nobody},
		"another host":                     {withCookie(token, "Origin", "http://evil.test"), nobody},
		"another host, forwarded as ours":  {withCookie(token, "Origin", "http://evil.test", "X-Forwarded-Host", "evil.test"), nobody},
		"a subdomain":                      {withCookie(token, "Origin", "http://x.app.segue.test"), nobody},
		"another port":                     {withCookie(token, "Origin", "http://app.segue.test:8080"), nobody},
		"an opaque origin":                 {withCookie(token, "Origin", "null"), nobody},
		"two origins":                      {withCookie(token, "Origin", "http://app.segue.test", "Origin", "http://app.segue.test"), nobody},
		"a WebSocket upgrade":              {withCookie(token, "Sec-Fetch-Site", "same-origin", "Connection", "Upgrade", "Upgrade", "websocket"), nobody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := withPEM(t, nil)
			mustBe(t, a, c.r, c.want)
		})
	}
}

func TestBadCookies(t *testing.T) {
	t.Parallel()
	good := clerktest.User("user_ann")
	token := clerktest.Token(testKey(), good)
	parties := func(c *auth.Config) { c.AuthorizedParties = []string{"http://app.segue.test"} }
	several := withCookie(token, "Sec-Fetch-Site", "same-origin")
	several.Header.Add("Cookie", "__session="+token)

	for name, c := range map[string]struct {
		r      *http.Request
		change func(*auth.Config)
		reason string
	}{
		"empty":         {withCookie("", "Sec-Fetch-Site", "same-origin"), nil, "malformed"},
		"garbage":       {withCookie("garbage", "Sec-Fetch-Site", "same-origin"), nil, "malformed"},
		"bad bytes":     {withCookie(`a"b\`, "Sec-Fetch-Site", "same-origin"), nil, "malformed"},
		"an API key":    {withCookie("sgk_0123456789abcdef_x", "Sec-Fetch-Site", "same-origin"), nil, "malformed"},
		"two":           {several, nil, "several_cookies"},
		"no azp":        {withCookie(token, "Sec-Fetch-Site", "same-origin"), parties, "cookie_without_azp"},
		"another's azp": {withCookie(clerktest.Token(testKey(), good.With("azp", "https://evil.test")), "Sec-Fetch-Site", "same-origin"), parties, "authorized_party"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, refused := withPEM(t, c.change)
			mustRefuse(t, a, refused, c.r, c.reason)
		})
	}
}

// TestATokenWithoutPartyIsGoodInOnePlaceOnly guards the memory of verified
// tokens: what passed as a header must not pass as a cookie for it.
func TestATokenWithoutPartyIsGoodInOnePlaceOnly(t *testing.T) {
	t.Parallel()
	a, refused := withPEM(t, func(c *auth.Config) { c.AuthorizedParties = []string{"http://app.segue.test"} })
	token := clerktest.Token(testKey(), clerktest.User("user_ann"))
	mustBe(t, a, bearer(token), viewer.User("user_ann", "sess_ann", false))
	mustRefuse(t, a, refused, withCookie(token, "Sec-Fetch-Site", "same-origin"), "cookie_without_azp")

	withParty := clerktest.Token(testKey(), clerktest.User("user_ann").With("azp", "http://app.segue.test"))
	mustBe(t, a, withCookie(withParty, "Sec-Fetch-Site", "same-origin"), viewer.User("user_ann", "sess_ann", false))
}
