package auth

import (
	"net"
	"net/http"
	"strings"
)

// sessionCookie is where Clerk's browser SDK keeps the token on the page's own host.
const sessionCookie = "__session"

// sessionCookies returns the values of r's __session cookies, but none when r
// may have come from another site, and none for a WebSocket upgrade, whose token
// comes in connection_init. A cookie that does not count is no credential: the
// caller is anonymous, not refused, because browsers send cookies unasked.
//
// The header is read by hand because net/http drops cookies with malformed
// values, and a malformed credential must be refused.
func sessionCookies(r *http.Request) []string {
	if len(r.Header["Cookie"]) == 0 || !sameOrigin(r) || r.Header.Get("Upgrade") != "" {
		return nil
	}
	var values []string
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if name == sessionCookie {
				values = append(values, value)
			}
		}
	}
	return values
}

// sameOrigin reports whether a page of our own origin made the request. Current
// browsers say so (Sec-Fetch-Site) and pages cannot forge it. Where it is absent,
// as on plain http and in old browsers, Origin must equal the origin that the
// request itself was sent to; no Origin is no proof.
func sameOrigin(r *http.Request) bool {
	if site, present := r.Header["Sec-Fetch-Site"]; present {
		return len(site) == 1 && site[0] == "same-origin"
	}
	origin := r.Header["Origin"]
	return len(origin) == 1 && strings.EqualFold(origin[0], ownOrigin(r))
}

// ownOrigin is the origin r was sent to. Behind a proxy that ends TLS, the
// scheme is the one that X-Forwarded-Proto names, if it names one: a hostile page
// cannot set that header across origins without a preflight that we refuse, and a
// client that is no browser can forge Origin as well. The host is always Host,
// never X-Forwarded-Host; a proxy that changes Host makes the cookie not count.
func ownOrigin(r *http.Request) string {
	scheme := "http"
	switch forwarded := r.Header.Get("X-Forwarded-Proto"); {
	case r.TLS != nil:
		scheme = "https"
	case forwarded == "https":
		scheme = "https"
	}
	return scheme + "://" + withoutDefaultPort(scheme, r.Host)
}

// withoutDefaultPort is host as browsers write it in Origin.
func withoutDefaultPort(scheme, host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil || (scheme == "https" && port != "443") || (scheme == "http" && port != "80") {
		return host
	}
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}
