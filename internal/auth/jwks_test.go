package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/viewer"
)

// direct carries requests to a handler without a network, which a synctest
// bubble cannot wait for.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() != "https://api.clerk.test/v1/jwks" {
		return nil, fmt.Errorf("unexpected URL %s", r.URL)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// withJWKS returns an Authenticator that fetches its keys from endpoint.
func withJWKS(t *testing.T, endpoint http.Handler) (*auth.Authenticator, *reasons) {
	t.Helper()
	refused := &reasons{}
	a, err := auth.New(auth.Config{
		SecretKey: "sk_test_x",
		APIURL:    "https://api.clerk.test/v1",
		Transport: direct{endpoint},
		Rejected:  refused.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, refused
}

func annBy(key clerktest.Key) *http.Request {
	return bearer(clerktest.Token(key, clerktest.User("user_ann")))
}

func ann() viewer.Viewer { return viewer.User("user_ann", "sess_ann", false) }

func mustHaveFetched(t *testing.T, endpoint *clerktest.JWKS, want int) {
	t.Helper()
	if got := endpoint.Fetches(); got != want {
		t.Fatalf("%d fetches, want %d", got, want)
	}
}

func mustBeUnavailable(t *testing.T, a *auth.Authenticator, r *http.Request) {
	t.Helper()
	_, err := a.Request(r)
	bad, ok := errors.AsType[*fault.Error](err)
	if !ok || bad.Code != fault.Unavailable || bad.RetryAfter <= 0 {
		t.Fatalf("got %v, want UNAVAILABLE with a time to wait", err)
	}
}

// while runs a's Run until the test's end.
func while(t *testing.T, a *auth.Authenticator) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestColdCallersShareOneFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		gate := make(chan struct{})
		endpoint.Hold(gate)
		a, _ := withJWKS(t, endpoint)
		var wg sync.WaitGroup
		for i := range 50 {
			user := fmt.Sprintf("user_%d", i)
			r := bearer(clerktest.Token(testKey(), clerktest.User(user)))
			wg.Go(func() {
				if got, err := a.Request(r); err != nil || got.UserID() != user {
					t.Errorf("%s: got %+v, %v", user, got, err)
				}
			})
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		mustHaveFetched(t, endpoint, 1)
	})
}

func TestAFetchOutlivesTheCallerThatCausedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		gate := make(chan struct{})
		endpoint.Hold(gate)
		a, _ := withJWKS(t, endpoint)

		ctx, hangUp := context.WithCancel(t.Context())
		first := make(chan error)
		go func() { _, err := a.Request(annBy(testKey()).WithContext(ctx)); first <- err }()
		synctest.Wait()
		hangUp()
		if err := <-first; fault.CodeOf(err) != fault.Timeout {
			t.Errorf("who hung up got %v", err)
		}
		close(gate)
		mustBe(t, a, annBy(testKey()), ann())
		mustHaveFetched(t, endpoint, 1)
	})
}

func TestUnknownKidsCauseOneFetchIn10Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		a, refused := withJWKS(t, endpoint)
		bogus := func(from, to int) {
			for i := from; i < to; i++ {
				key := clerktest.Key{ID: fmt.Sprintf("ins_bogus%d", i), Private: otherKey().Private}
				mustRefuse(t, a, refused, annBy(key), "unknown_key")
			}
		}
		bogus(0, 20)
		mustHaveFetched(t, endpoint, 1) // the cold one
		mustBe(t, a, annBy(testKey()), ann())
		time.Sleep(9 * time.Second)
		bogus(20, 40)
		mustHaveFetched(t, endpoint, 1)
		time.Sleep(time.Second)
		bogus(40, 60)
		mustHaveFetched(t, endpoint, 2)
	})
}

func TestATokenWithoutKidIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, refused := withJWKS(t, clerktest.NewJWKS(testKey()))
		header := clerktest.Header{"alg": "RS256", "typ": "JWT"}
		token := clerktest.TokenWithHeader(testKey(), header, clerktest.User("user_ann"))
		mustRefuse(t, a, refused, bearer(token), "unknown_key")
	})
}

func TestANewKeyIsFoundAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		a, _ := withJWKS(t, endpoint)
		mustBe(t, a, annBy(testKey()), ann())
		endpoint.Publish(testKey(), otherKey())
		mustBe(t, a, annBy(otherKey()), ann())
		mustHaveFetched(t, endpoint, 2)
	})
}

func TestAWithdrawnKeyIsDroppedWithinMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		a, refused := withJWKS(t, endpoint)
		defer while(t, a)()
		mustBe(t, a, annBy(testKey()), ann())
		endpoint.Publish(otherKey())
		time.Sleep(5*time.Minute + time.Second)
		mustRefuse(t, a, refused, annBy(testKey()), "unknown_key")
		mustBe(t, a, annBy(otherKey()), ann())
	})
}

func TestKeysAreKeptThroughAnOutageOfADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		a, refused := withJWKS(t, endpoint)
		defer while(t, a)()
		mustBe(t, a, annBy(testKey()), ann())
		endpoint.Fail(http.StatusInternalServerError)

		time.Sleep(23 * time.Hour)
		mustBe(t, a, annBy(testKey()), ann())
		mustRefuse(t, a, refused, annBy(otherKey()), "unknown_key")

		time.Sleep(2 * time.Hour)
		mustBeUnavailable(t, a, annBy(testKey()))

		endpoint.Fail(0)
		time.Sleep(2 * time.Minute)
		mustBe(t, a, annBy(testKey()), ann())
	})
}

func TestClerkDownAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		endpoint.Fail(http.StatusServiceUnavailable)
		a, _ := withJWKS(t, endpoint)
		for range 20 {
			mustBeUnavailable(t, a, annBy(testKey()))
		}
		mustHaveFetched(t, endpoint, 1)
		endpoint.Fail(0)
		time.Sleep(time.Second)
		mustBe(t, a, annBy(testKey()), ann())
		mustHaveFetched(t, endpoint, 2)
	})
}

func TestClerkThatNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(testKey())
		endpoint.Hold(make(chan struct{}))
		a, _ := withJWKS(t, endpoint)
		start := time.Now()
		mustBeUnavailable(t, a, annBy(testKey()))
		if waited := time.Since(start); waited != 5*time.Second { // on the bubble's clock
			t.Errorf("waited %v, want 5s", waited)
		}
	})
}

func TestPublishedKeysAreChecked(t *testing.T) {
	t.Parallel()
	change := func(name string, value any) map[string]any {
		jwk := testKey().JWK()
		jwk[name] = value
		return jwk
	}
	for name, bad := range map[string]map[string]any{
		"for another algorithm": change("alg", "RS512"),
		"for no algorithm":      change("alg", ""),
		"for encryption":        change("use", "enc"),
		"too small":             change("n", testKey().JWK()["n"].(string)[:200]),
		"a shared secret":       {"kty": "oct", "kid": "ins_test", "alg": "RS256", "k": "c2VjcmV0"},
		"of an unknown kind":    {"kty": "new", "kid": "ins_test", "alg": "RS256"},
		"development":           change("e", "AQAD"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				endpoint := clerktest.NewJWKS()
				endpoint.PublishJWKs(bad, otherKey().JWK())
				a, refused := withJWKS(t, endpoint)
				mustRefuse(t, a, refused, annBy(testKey()), "unknown_key")
				mustBe(t, a, annBy(otherKey()), ann()) // the good one beside it works
			})
		})
	}
}

func TestInstancesDoNotShareKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		impostor := clerktest.Key{ID: testKey().ID, Private: otherKey().Private}
		one, refused := withJWKS(t, clerktest.NewJWKS(testKey()))
		two, _ := withJWKS(t, clerktest.NewJWKS(impostor))
		mustBe(t, two, annBy(impostor), ann())
		mustRefuse(t, one, refused, annBy(impostor), "signature")
	})
}

// TestOverRealHTTP goes the whole way to an endpoint that listens.
func TestOverRealHTTP(t *testing.T) {
	t.Parallel()
	secret := make(chan string, 1)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		good    bool
	}{
		"keys": {func(w http.ResponseWriter, r *http.Request) {
			secret <- r.Header.Get("Authorization")
			clerktest.NewJWKS(testKey()).ServeHTTP(w, r)
		}, true},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, false},
		"no keys": {clerktest.NewJWKS().ServeHTTP, false},
		"a page":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, false},
		"a good key in a flood": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", 2<<20))
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{testKey().JWK()}})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			mux.HandleFunc("GET /v1/jwks", c.handler)
			mux.HandleFunc("GET /elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
			server := httptest.NewServer(mux)
			defer server.Close()
			a, err := auth.New(auth.Config{SecretKey: "sk_test_x", APIURL: server.URL + "/v1"})
			if err != nil {
				t.Fatal(err)
			}
			if !c.good {
				mustBeUnavailable(t, a, annBy(testKey()))
				return
			}
			mustBe(t, a, annBy(testKey()), ann())
			if got := <-secret; got != "Bearer sk_test_x" {
				t.Errorf("asked with %q", got)
			}
		})
	}
}

// TestPEMNeverFetches: with CLERK_JWT_KEY there is no network.
func TestPEMNeverFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		endpoint := clerktest.NewJWKS(otherKey())
		a, refused := withPEM(t, func(c *auth.Config) {
			c.SecretKey, c.APIURL, c.Transport = "sk_test_x", "https://api.clerk.test/v1", direct{endpoint}
		})
		defer while(t, a)()
		mustRefuse(t, a, refused, annBy(otherKey()), "signature")
		mustBe(t, a, annBy(testKey()), ann())
		time.Sleep(time.Hour)
		mustHaveFetched(t, endpoint, 0)
	})
}
