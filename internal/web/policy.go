package web

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// policy is a content security policy by directive.
type policy map[string]string

func (p policy) String() string {
	var parts []string
	for _, directive := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, strings.TrimSpace(directive+" "+p[directive]))
	}
	return strings.Join(parts, "; ")
}

// add extends a directive.
func (p policy) add(directive, source string) {
	p[directive] = strings.TrimSpace(p[directive] + " " + source)
}

// dashboardPolicy allows what the page is made of and nothing else: its own files,
// this server, no inline style, no string that becomes code.
func dashboardPolicy(clerk string) policy {
	p := policy{
		"default-src":     "'none'",
		"script-src":      "'self'",
		"style-src":       "'self'",
		"img-src":         "'self'",
		"connect-src":     "'self'", // includes ws: and wss: of the same host
		"base-uri":        "'none'",
		"form-action":     "'none'",
		"frame-ancestors": "'none'",
	}
	p.allowClerk(clerk)
	return p
}

// playgroundPolicy differs in what Monaco, GraphiQL's editor, needs: it writes
// <style> elements, carries an icon font, and runs in workers. Neither needs
// 'unsafe-eval'.
func playgroundPolicy(clerk string) policy {
	p := dashboardPolicy("")
	p.add("style-src", "'unsafe-inline'")
	p.add("img-src", "data:")
	p["font-src"] = "'self' data:"
	p["worker-src"] = "'self'"
	p.allowClerk(clerk)
	return p
}

// allowClerk lets Clerk's browser library work, as its documentation lists: the
// instance's own host, its images, its bot protection, and styles it writes itself.
func (p policy) allowClerk(host string) {
	if host == "" {
		return
	}
	p.add("script-src", "https://"+host+" https://challenges.cloudflare.com")
	p.add("connect-src", "https://"+host)
	p.add("img-src", "https://img.clerk.com")
	p.add("frame-src", "https://challenges.cloudflare.com")
	if !strings.Contains(p["style-src"], "'unsafe-inline'") {
		p.add("style-src", "'unsafe-inline'")
	}
	p["worker-src"] = strings.TrimSpace("'self' blob:")
	p["form-action"] = "'self'"
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// allowing adds the hashes of a page's inline scripts, so that these run and no injected one does.
func (p policy) allowing(html string) policy {
	for _, script := range inlineScript.FindAllStringSubmatch(html, -1) {
		sum := sha256.Sum256([]byte(script[1]))
		p.add("script-src", "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	return p
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?$`)

// clerkHost is the Clerk instance that a publishable key names: base64 of the host and a dollar sign.
func clerkHost(publishableKey string) (string, error) {
	if publishableKey == "" {
		return "", nil
	}
	encoded := strings.TrimPrefix(strings.TrimPrefix(publishableKey, "pk_live_"), "pk_test_")
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	host, ended := strings.CutSuffix(string(raw), "$")
	if err != nil || !ended || !hostname.MatchString(host) {
		return "", fmt.Errorf("CLERK_PUBLISHABLE_KEY must be a key from Clerk's dashboard, pk_test_… or pk_live_…")
	}
	return host, nil
}
