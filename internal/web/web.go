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

// Pages are the handlers by ServeMux pattern.
func Pages(c Config) (map[string]http.Handler, error) {
	dist, err := fs.Sub(embedded, "dist")
	if err != nil {
		return nil, err
	}
	return pages(c, dist)
}

// Documents are the operations that the dashboard sends, by the SHA-256 of their
// text: a server that runs only trusted documents must trust these for its
// dashboard to work. Empty when the pages are not built.
func Documents() (map[string]string, error) {
	text, err := embedded.ReadFile("dist/documents.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	documents := map[string]string{}
	if err := json.Unmarshal(text, &documents); err != nil {
		return nil, fmt.Errorf("the dashboard's documents: %w", err)
	}
	return documents, nil
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
	if c.Playground {
		if routes["GET /{$}"], err = newPage(dist, "index.html", c, playgroundPolicy(host)); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// page is one HTML file, complete and never changing while the process lives.
type page struct {
	body   []byte
	tag    string
	policy string
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
	return page{body: []byte(body), tag: etag([]byte(body)), policy: p.allowing(body).String()}, nil
}

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups") // Clerk signs in with popups
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", p.tag)
	if matches(r, p.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(p.body)
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
	body := []byte(unbuilt)
	return page{body: body, tag: etag(body), policy: policy{"default-src": "'none'", "style-src": "'unsafe-inline'", "frame-ancestors": "'none'"}.String()}
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
