package faults

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
)

// Callers are known while Clerk is away, once its keys were seen.
func TestClerkAway(t *testing.T) {
	t.Parallel()
	jwks := clerktest.NewJWKS(key())
	clerk := httptest.NewServer(http.StripPrefix("/v1", jwks))
	t.Cleanup(clerk.Close)
	s := newStage(t, "CLERK_JWT_KEY=", "CLERK_SECRET_KEY="+clerktest.SecretKey, "CLERK_API_URL="+clerk.URL+"/v1")
	need(t, "while Clerk answers", s.together(4))
	for name, away := range map[string]func(){
		"answers 503":     func() { jwks.Fail(http.StatusServiceUnavailable) },
		"does not listen": clerk.Close,
	} {
		away()
		need(t, "Clerk "+name, s.together(4))
		stranger := clerktest.Token(clerktest.NewKey("ins_other"), clerktest.User(ada))
		if a := ask(context.Background(), "http://"+s.addr, stranger, readQuery, nil); a.ok() {
			t.Errorf("Clerk %s: a token of an unknown key passes", name)
		}
	}
}

// newKey makes an API key.
func newKey(t *testing.T, databaseURL string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	create := exec.Command(path, "key", "create", "--name", "grafana")
	create.Env = append(os.Environ(), "DATABASE_URL="+databaseURL, "CLERK_JWT_KEY="+key().PEM())
	out, err := create.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// An API key is refused as bad only by a database that said so: while it is away
// callers are told to come again.
func TestAPIKey_databaseAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	apiKey := newKey(t, s.url)
	read := func() answer { return ask(context.Background(), "http://"+s.addr, apiKey, readQuery, nil) }
	need(t, "before", []answer{read()})
	thaw := s.freeze(t)
	began := time.Now()
	var all []answer
	for time.Since(began) < 4*time.Second {
		all = append(all, read())
	}
	thaw()
	tally, slowest, _ := summary(all, began)
	t.Logf("| API key, PostgreSQL frozen | %s | slowest %s |", tally, milliseconds(slowest))
	check(t, all, []string{"UNAVAILABLE", "TIMEOUT"})
	over := time.Now()
	for a := read(); !a.ok(); a = read() {
		if time.Since(over) > 2*time.Second+slack {
			t.Fatalf("still %s", a)
		}
	}
}
