package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const html = `<!doctype html><script>theme()</script><script type="application/json" id="segue-config">{}</script>`

func built(t *testing.T) fs.FS {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("plain text")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{
		"dashboard.html":       {Data: []byte(html)},
		"index.html":           {Data: []byte(html)},
		"assets/app-Ab1.js.gz": {Data: packed.Bytes()},
		"assets/app-Ab1.js.br": {Data: []byte("as if brotli")},
		"documents.json":       {Data: []byte(`{"a":"b"}`)},
	}
}

func serve(t *testing.T, c Config, dist fs.FS) *http.ServeMux {
	t.Helper()
	routes, err := pages(c, dist)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	return mux
}

func get(mux http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestPagesByConfig(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		playground bool
		path       string
		want       int
	}{
		{"dashboard", false, "/dashboard", http.StatusOK},
		{"playground on", true, "/", http.StatusOK},
		{"playground off", false, "/", http.StatusNotFound},
		{"nothing else below the root", true, "/other", http.StatusNotFound},
		{"pages are at one address only", true, "/index.html", http.StatusNotFound},
		{"manifest", false, "/dashboard/documents.json", http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := get(serve(t, Config{Playground: tc.playground}, built(t)), tc.path).Code; got != tc.want {
				t.Errorf("GET %s: %d, want %d", tc.path, got, tc.want)
			}
		})
	}
}

func TestConfigCannotBreakOut(t *testing.T) {
	t.Parallel()
	body := get(serve(t, Config{DevUsers: []DevUser{{Name: "</script><script>alert(1)</script>"}}}, built(t)), "/dashboard").Body.String()
	if strings.Contains(body, "alert(1)</script>") || !strings.Contains(body, `\u003c/script\u003e`) {
		t.Errorf("a name ends the script element:\n%s", body)
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	mux := serve(t, Config{Playground: true}, built(t))
	dashboard := get(mux, "/dashboard").Header().Get("Content-Security-Policy")
	playground := get(mux, "/").Header().Get("Content-Security-Policy")
	for name, policy := range map[string]string{"dashboard": dashboard, "playground": playground} {
		if strings.Contains(policy, "unsafe-eval") || strings.Contains(policy, "http") || strings.Contains(policy, "script-src 'self' 'unsafe-inline'") {
			t.Errorf("%s allows too much: %s", name, policy)
		}
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self' 'sha256-") {
			t.Errorf("%s: %s", name, policy)
		}
	}
	if strings.Contains(dashboard, "unsafe-inline") {
		t.Errorf("dashboard: inline styles are for Monaco only: %s", dashboard)
	}
}

func TestClerkWidensThePolicyOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	key := "pk_test_" + base64.StdEncoding.EncodeToString([]byte("steady-owl-12.clerk.accounts.dev$"))
	policy := get(serve(t, Config{ClerkPublishableKey: key}, built(t)), "/dashboard").Header().Get("Content-Security-Policy")
	for _, want := range []string{"script-src 'self' https://steady-owl-12.clerk.accounts.dev", "connect-src 'self' https://steady-owl-12.clerk.accounts.dev", "img-src 'self' https://img.clerk.com"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	for _, bad := range []string{"pk_test_!!!", "pk_test_" + base64.StdEncoding.EncodeToString([]byte("no dollar")), "pk_test_" + base64.StdEncoding.EncodeToString([]byte("evil.example; script-src *$"))} {
		if _, err := pages(Config{ClerkPublishableKey: bad}, built(t)); err == nil || strings.Contains(err.Error(), bad) {
			t.Errorf("key %q: %v", bad, err)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	mux := serve(t, Config{}, built(t))
	for _, tc := range []struct{ name, accept, encoding, body string }{
		{"brotli", "gzip, deflate, br", "br", "as if brotli"},
		{"brotli refused", "gzip, br;q=0", "gzip", ""},
		{"anything", "*", "br", "as if brotli"},
		{"anything but brotli", "br; q=0, *", "gzip", ""},
		{"neither", "", "", "plain text"},
		{"only identity", "identity", "", "plain text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := get(mux, "/assets/app-Ab1.js", "Accept-Encoding", tc.accept)
			h := w.Header()
			if w.Code != http.StatusOK || h.Get("Content-Encoding") != tc.encoding {
				t.Fatalf("status %d, encoding %q, want 200, %q", w.Code, h.Get("Content-Encoding"), tc.encoding)
			}
			if got := h.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("Cache-Control %q", got)
			}
			if h.Get("Content-Type") != "text/javascript; charset=utf-8" || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("headers %v", h)
			}
			body := w.Body.String()
			if tc.encoding == "gzip" {
				r, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				plain, _ := io.ReadAll(r)
				body, tc.body = string(plain), "plain text"
			}
			if body != tc.body {
				t.Errorf("body %q, want %q", body, tc.body)
			}
		})
	}
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/app-Ab1.js.gz", "/assets/..%2fdashboard.html", "/assets/a.html"} {
		if got := get(mux, path).Code; got != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, got)
		}
	}
}

func TestUnchangedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	mux := serve(t, Config{}, built(t))
	for _, path := range []string{"/dashboard", "/assets/app-Ab1.js"} {
		first := get(mux, path)
		again := get(mux, path, "If-None-Match", `"other", W/`+first.Header().Get("ETag"))
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("GET %s again: %d with %d bytes", path, again.Code, again.Body.Len())
		}
	}
	if got := get(mux, "/dashboard").Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("a page is kept without asking: %q", got)
	}
}

func TestWithoutBuildPagesSayHow(t *testing.T) {
	t.Parallel()
	mux := serve(t, Config{Playground: true}, fstest.MapFS{".gitkeep": {}})
	for _, path := range []string{"/", "/dashboard"} {
		w := get(mux, path)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "make web") {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
		}
	}
}

// TestEmbedded holds for what is in the binary: complete when built, helpful when not.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	routes, err := Pages(Config{Playground: true})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	for _, path := range []string{"/", "/dashboard"} {
		body := get(mux, path).Body.String()
		if strings.Contains(body, "make web") {
			t.Skip("the pages are not built: make web")
		}
		for _, quoted := range strings.Split(body, `"/assets/`)[1:] {
			name, _, _ := strings.Cut(quoted, `"`)
			if w := get(mux, "/assets/"+name); w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Errorf("%s wants /assets/%s: %d", path, name, w.Code)
			}
		}
	}
	var documents map[string]string
	if err := json.Unmarshal(get(mux, "/dashboard/documents.json").Body.Bytes(), &documents); err != nil || len(documents) == 0 {
		t.Errorf("no manifest of the dashboard's operations: %v", err)
	}
	for hash, text := range documents {
		if sum := sha256.Sum256([]byte(text)); hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%s is not the hash of %s", hash, text)
		}
	}
}
