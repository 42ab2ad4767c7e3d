package clerk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/clerktest"
)

func client(api *clerktest.API) *clerk.Client {
	return clerk.New(clerk.Config{SecretKey: clerktest.SecretKey, URL: api.URL})
}

// people makes n users that were created step apart.
func people(n int, step time.Duration) []clerktest.Person {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	users := make([]clerktest.Person, n)
	for i := range users {
		at := start.Add(time.Duration(i) * step)
		users[i] = clerktest.Person{ID: fmt.Sprintf("user_%05d", i), FirstName: "F", CreatedAt: at, UpdatedAt: at}
	}
	return users
}

// walk collects the ids of a whole walk, and how many pages it took.
func walk(t *testing.T, c *clerk.Client) (seen map[string]bool, pages int) {
	t.Helper()
	seen = map[string]bool{}
	for cursor := (clerk.Cursor{}); ; pages++ {
		page, err := c.Users(t.Context(), cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			seen[u.ID] = true
		}
		if page.Last {
			return seen, pages + 1
		}
		cursor = page.Next
	}
}

func TestUsersWalksAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		step   time.Duration
		ignore bool
		most   int // calls
	}{
		{"spread out", time.Second, false, 3},
		{"all in one millisecond, as an import makes them", 0, false, 4},
		{"a server that ignores created_at_after", time.Second, true, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := clerktest.NewAPI(t, people(1234, c.step)...)
			api.IgnoreCreatedAfter = c.ignore
			seen, pages := walk(t, client(api))
			if len(seen) != 1234 || pages > c.most {
				t.Errorf("saw %d users in %d pages", len(seen), pages)
			}
		})
	}
}

func TestUsersDeletedBetweenPagesLoseNobody(t *testing.T) {
	t.Parallel()
	users := people(1500, time.Second)
	api := clerktest.NewAPI(t, users...)
	gone := map[string]bool{}
	api.Before(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("created_at_after") == "" || len(gone) > 0 {
			return
		}
		for _, u := range users[:400] { // all before the second page: offsets would skip 400
			api.Remove(u.ID)
			gone[u.ID] = true
		}
	})
	seen, _ := walk(t, client(api))
	for _, u := range users {
		if !seen[u.ID] && !gone[u.ID] {
			t.Fatalf("the walk lost %s", u.ID)
		}
	}
	if len(gone) != 400 {
		t.Fatal("the hook did not run")
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	created := time.UnixMilli(1700000000123).UTC()
	api := clerktest.NewAPI(t,
		clerktest.Person{ID: "user_1", FirstName: " Ada ", LastName: "Lovelace", Email: "ada@example.com", CreatedAt: created, UpdatedAt: created.Add(time.Minute)},
		clerktest.Person{ID: "user_2", CreatedAt: created, UpdatedAt: created},
	)
	ada, err := client(api).User(t.Context(), "user_1")
	if err != nil {
		t.Fatal(err)
	}
	if *ada.Name != "Ada Lovelace" || *ada.Email != "ada@example.com" || !ada.CreatedAt.Equal(created) || !ada.UpdatedAt.Equal(created.Add(time.Minute)) {
		t.Errorf("got %+v", ada)
	}
	bare, err := client(api).User(t.Context(), "user_2")
	if err != nil || bare.Name != nil || bare.Email != nil {
		t.Errorf("a user with neither name nor primary address: %+v, %v", bare, err)
	}
	if _, err := client(api).User(t.Context(), "user_3"); !errors.Is(err, clerk.ErrNotFound) {
		t.Errorf("unknown user: %v", err)
	}
}

func TestUserErrorsAreTyped(t *testing.T) {
	t.Parallel()
	answers := map[string]func(http.ResponseWriter){
		"rate limited": func(w http.ResponseWriter) { clerktest.Fail(w, 429, "rate_limited", 7) },
		"rate limited by something that speaks no JSON": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			http.Error(w, "<html>slow down</html>", http.StatusTooManyRequests)
		},
		"down":    func(w http.ResponseWriter) { http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway) },
		"refused": func(w http.ResponseWriter) { clerktest.Fail(w, 403, "forbidden", 0) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := clerktest.NewAPI(t)
			api.Before(func(w http.ResponseWriter, _ *http.Request) { answer(w) })
			_, err := client(api).User(t.Context(), "user_1")
			limited, _ := errors.AsType[*clerk.RateLimited](err)
			_, unreachable := errors.AsType[*clerk.Unreachable](err)
			refused, _ := errors.AsType[*clerk.Refused](err)
			switch {
			case strings.HasPrefix(name, "rate"):
				if limited == nil || limited.RetryAfter != 7*time.Second {
					t.Errorf("got %v", err)
				}
			case name == "down":
				if !unreachable || strings.Contains(err.Error(), "html") {
					t.Errorf("got %v", err)
				}
			case refused == nil || refused.Status != 403 || refused.Code != "forbidden":
				t.Errorf("got %v", err)
			}
			if api.Calls("/v1/users/user_1") != 1 {
				t.Error("a call that somebody waits for was repeated")
			}
		})
	}
}

func TestUnreachableNamesNoUser(t *testing.T) {
	t.Parallel()
	c := clerk.New(clerk.Config{SecretKey: clerktest.SecretKey, URL: "http://127.0.0.1:1/v1"})
	_, err := c.User(t.Context(), "user_secret")
	if _, ok := errors.AsType[*clerk.Unreachable](err); !ok || strings.Contains(err.Error(), "user_secret") {
		t.Errorf("got %v", err)
	}
}

func TestUsersByIDAndCount(t *testing.T) {
	t.Parallel()
	api := clerktest.NewAPI(t, people(3, time.Second)...)
	found, err := client(api).UsersByID(t.Context(), []string{"user_00002", "user_gone"})
	if err != nil || len(found) != 1 || found[0].ID != "user_00002" {
		t.Errorf("got %v, %v", found, err)
	}
	if n, err := client(api).Count(t.Context()); n != 3 || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
}

// transport answers without a network, so that synctest's clock can run.
type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func answer(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func TestPagesWaitAsLongAsClerkAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		c := clerk.New(clerk.Config{SecretKey: "sk_test_x", Transport: transport(func(*http.Request) *http.Response {
			calls++
			switch calls {
			case 1:
				return answer(429, http.Header{"Retry-After": {"20"}}, "")
			case 2:
				return answer(503, nil, "")
			}
			return answer(200, nil, `{"object":"total_count","total_count":5}`)
		})})
		n, err := c.Count(t.Context())
		if n != 5 || err != nil || calls != 3 {
			t.Errorf("got %d, %v after %d calls", n, err, calls)
		}
		if waited := time.Since(start); waited < 20*time.Second || waited > 40*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestPagesGiveUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ status, calls int }{
		"an outage, after some tries": {500, 8},
		"a wrong key, at once":        {401, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			failing := clerk.New(clerk.Config{SecretKey: "sk_test_x", Transport: transport(func(*http.Request) *http.Response {
				calls++
				return answer(c.status, nil, "")
			})})
			if _, err := failing.Users(t.Context(), clerk.Cursor{}); err == nil || calls != c.calls {
				t.Errorf("%s: %v after %d calls", name, err, calls)
			}
		})
	}
}

func TestPagesEndWithTheirContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := clerk.New(clerk.Config{SecretKey: "sk_test_x", Transport: transport(func(*http.Request) *http.Response {
			return answer(429, http.Header{"Retry-After": {"60"}}, "")
		})})
		if _, err := c.Users(ctx, clerk.Cursor{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
