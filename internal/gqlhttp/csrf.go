package gqlhttp

import (
	"mime"
	"net/http"
	"strings"

	"github.com/ai-dj/segue/internal/fault"
)

// preflightHeaders cannot be sent across origins without asking first, so a
// request that has one was allowed by our own CORS answer, or is no browser's.
var preflightHeaders = [...]string{"Graphql-Require-Preflight", "Apollo-Require-Preflight"}

// forged refuses what another site can make a visitor's browser send: a request
// that needs no preflight and either carries a cookie or says that it crosses sites.
func forged(r *http.Request) *Failure {
	if !simple(r) || (r.Header.Get("Cookie") == "" && !strings.EqualFold(r.Header.Get("Sec-Fetch-Site"), "cross-site")) {
		return nil
	}
	for _, name := range preflightHeaders {
		if r.Header.Get(name) != "" {
			return nil
		}
	}
	return refusal(http.StatusForbidden, fault.Forbidden,
		"a browser could have been tricked into sending this: add a graphql-require-preflight header")
}

// simple reports whether a browser sends r across origins without a preflight.
func simple(r *http.Request) bool {
	if r.Method != http.MethodPost {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return true // absent or odd: browsers differ, so assume the worst
	}
	switch mediaType {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return true
	}
	return false
}
