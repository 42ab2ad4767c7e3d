// Package web serves the pages: the playground on "/", the dashboard on
// "/dashboard", and the assets both load. Their sources are in /web; `make web`
// builds them into dist, which the binary embeds. Built without them, the pages
// say how to build them, and everything else works.
//
// Pages call /graphql like any other client and have no rights of their own.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:dist
var embedded embed.FS

// Config is what pages differ in. Everything in it is readable by whoever may open the page.
type Config struct {
	Version string `json:"version,omitempty"`
	// Playground serves "/".
	Playground bool `json:"playground,omitempty"`
	// ClerkPublishableKey offers sign-in with Clerk and lets the pages load
	// Clerk's own script from the instance it names. Empty: nothing is ever loaded
	// from another host.
	ClerkPublishableKey string `json:"clerkPublishableKey,omitempty"`
	// DevUsers are offered with their tokens; for `segue dev` only.
	DevUsers []DevUser `json:"devUsers,omitempty"`
}

// DevUser is somebody a developer can be at the press of a button.
type DevUser struct {
	Name  string `json:"name"`
	Role  string `json:"role"` // "user" or "analyst"
	Token string `json:"token"`
}

// Pages are the handlers by ServeMux pattern. Besides the pages and their assets
// that is a manifest of the operations that the dashboard sends, for servers that
// run only TRUSTED_DOCUMENTS.
func Pages(c Config) (map[string]http.Handler, error) {
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		return nil, err
	}
	return pages(c, dist)
}

func pages(c Config, dist fs.FS) (map[string]http.Handler, error) {
	host, err := clerkHost(c.ClerkPublishableKey)
	if err != nil {
		return nil, err
	}
	dashboard, err := newPage(dist, "dashboard.html", c, dashboardPolicy(host))
	if err != nil {
		return nil, err
	}
	routes := map[string]http.Handler{"GET /dashboard": dashboard, "GET /assets/{name}": assets{dist}}
	if documents, err := fs.ReadFile(dist, "documents.json"); err == nil {
		routes["GET /dashboard/documents.json"] = file{body: documents, kind: "application/json", tag: etag(documents)}
	}
	if c.Playground {
		if routes["GET /{$}"], err = newPage(dist, "index.html", c, playgroundPolicy(host)); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// file is an answer that is complete and never changes while the process lives.
type file struct {
	body   []byte
	kind   string
	tag    string
	policy string // of a page; else the server's own holds
}

const slot = `<script type="application/json" id="segue-config">{}</script>`

func newPage(dist fs.FS, name string, c Config, p policy) (http.Handler, error) {
	html, err := fs.ReadFile(dist, name)
	if errors.Is(err, fs.ErrNotExist) {
		return newUnbuilt(), nil
	}
	if err != nil {
		return nil, err
	}
	// encoding/json escapes <, > and &, so no value can end the script element.
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	before, after, found := strings.Cut(string(html), slot)
	if !found {
		return nil, fmt.Errorf("%s has no place for its configuration", name)
	}
	body := before + strings.Replace(slot, "{}", string(config), 1) + after
	return pageFile(body, p.allowing(body)), nil
}

func pageFile(body string, p policy) file {
	return file{body: []byte(body), kind: "text/html; charset=utf-8", tag: etag([]byte(body)), policy: p.String()}
}

func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", f.kind)
	if f.policy != "" {
		header.Set("Content-Security-Policy", f.policy)
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups") // Clerk signs in with popups
	}
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", f.tag)
	if matches(r, f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(f.body)
}

// matches reports whether the caller has this version already. Compression on the
// way may have made the tag a weak one.
func matches(r *http.Request, tag string) bool {
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(candidate), "W/") == tag {
			return true
		}
	}
	return false
}

func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return fmt.Sprintf(`"%x"`, sum[:12])
}

func newUnbuilt() http.Handler {
	return pageFile(unbuilt, policy{"default-src": "'none'", "style-src": "'unsafe-inline'", "frame-ancestors": "'none'"})
}

const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Segue</title>
<style>body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:16vh auto;padding:0 1.5rem}code{font-size:.95em}</style>
<h1>The pages are not built</h1>
<p>Segue is running: send GraphQL to <code>POST /graphql</code>. Its playground and dashboard are built by Node 20 or newer:</p>
<pre><code>make web</code></pre>
<p>Then build and start Segue again; <code>make dev</code> does all of it.</p>
</html>
`
