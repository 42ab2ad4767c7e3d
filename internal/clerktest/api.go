package clerktest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// SecretKey is the only key that an API accepts.
const SecretKey = "sk_test_clerktest"

// Person is a user as the API double holds it.
type Person struct {
	ID        string
	FirstName string
	LastName  string
	Email     string // the primary address; empty: none
	CreatedAt time.Time
	UpdatedAt time.Time
}

// JSON is the user as Clerk's Backend API and webhooks show it. An address that
// is not the primary one always comes first, to catch whoever takes the first.
func (u Person) JSON() map[string]any {
	addresses := []any{emailJSON("idn_other", "not-primary+"+u.ID+"@example.com")}
	var primary any
	if u.Email != "" {
		primary = "idn_" + u.ID
		addresses = append(addresses, emailJSON("idn_"+u.ID, u.Email))
	}
	return map[string]any{
		"id": u.ID, "object": "user", "username": nil,
		"first_name": orNull(u.FirstName), "last_name": orNull(u.LastName),
		"image_url": "https://img.clerk.com/x", "has_image": false,
		"primary_email_address_id": primary, "email_addresses": addresses,
		"primary_phone_number_id": nil, "phone_numbers": []any{}, "external_accounts": []any{},
		"public_metadata": map[string]any{}, "private_metadata": map[string]any{}, "unsafe_metadata": map[string]any{},
		"banned": false, "locked": false, "last_sign_in_at": nil,
		"created_at": u.CreatedAt.UnixMilli(), "updated_at": u.UpdatedAt.UnixMilli(),
	}
}

func emailJSON(id, address string) map[string]any {
	return map[string]any{
		"id": id, "object": "email_address", "email_address": address, "reserved": false,
		"verification": map[string]any{"status": "verified", "strategy": "email_code"}, "linked_to": []any{},
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// API is a double of Clerk's Backend API that speaks HTTP.
type API struct {
	URL string // what CLERK_API_URL would be

	// IgnoreCreatedAfter makes it a server that does not know that parameter. Set
	// it before the first call.
	IgnoreCreatedAfter bool

	mu    sync.Mutex
	hook  func(w http.ResponseWriter, r *http.Request)
	users map[string]Person
	calls []string
}

// NewAPI starts an API with these users; it ends with the test.
func NewAPI(t testing.TB, users ...Person) *API {
	t.Helper()
	a := &API{users: map[string]Person{}}
	a.Put(users...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/users", a.list)
	mux.HandleFunc("GET /v1/users/count", a.count)
	mux.HandleFunc("GET /v1/users/{id}", a.one)
	server := httptest.NewServer(a.door(mux))
	t.Cleanup(server.Close)
	a.URL = server.URL + "/v1"
	return a
}

// Put adds or replaces users.
func (a *API) Put(users ...Person) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range users {
		a.users[u.ID] = u
	}
}

// Remove deletes users.
func (a *API) Remove(ids ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		delete(a.users, id)
	}
}

// Before sets what runs before each call is answered. What it writes is the
// answer; it may also change the users, or wait.
func (a *API) Before(hook func(w http.ResponseWriter, r *http.Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// Calls is how many calls had a path (and query) with this prefix, "/v1/users/user_1" for example.
func (a *API) Calls(prefix string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, c := range a.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// Fail writes an error the way Clerk does. A 429 says to come back after retryAfter seconds.
func Fail(w http.ResponseWriter, status int, code string, retryAfter int) {
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"errors":         []any{map[string]any{"code": code, "message": code, "long_message": code}},
		"clerk_trace_id": "trace",
	})
}

// door records the call, runs the hook and asks for the key.
func (a *API) door(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.calls = append(a.calls, r.URL.RequestURI())
		hook := a.hook
		a.mu.Unlock()
		answer := &answered{ResponseWriter: w}
		if hook != nil {
			hook(answer, r)
		}
		switch {
		case answer.done:
		case r.Header.Get("Authorization") != "Bearer "+SecretKey:
			Fail(w, http.StatusUnauthorized, "clerk_key_invalid", 0)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answered remembers whether somebody wrote an answer.
type answered struct {
	http.ResponseWriter
	done bool
}

func (w *answered) WriteHeader(status int) {
	w.done = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *answered) Write(p []byte) (int, error) {
	w.done = true
	return w.ResponseWriter.Write(p)
}

func (a *API) one(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	user, ok := a.users[r.PathValue("id")]
	a.mu.Unlock()
	if !ok {
		Fail(w, http.StatusNotFound, "resource_not_found", 0)
		return
	}
	reply(w, user.JSON())
}

func (a *API) count(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	reply(w, map[string]any{"object": "total_count", "total_count": len(a.users)})
}

// list knows the parameters that Segue uses: limit, offset, order_by by
// created_at, user_id and created_at_after.
func (a *API) list(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	limit, offset := number(query.Get("limit"), 10), number(query.Get("offset"), 0)
	after := number(query.Get("created_at_after"), 0)
	ids := query["user_id"]
	if limit < 1 || limit > 500 || len(ids) > 100 {
		Fail(w, http.StatusUnprocessableEntity, "form_param_format_invalid", 0)
		return
	}
	if a.IgnoreCreatedAfter {
		after = 0
	}
	found := []any{}
	for _, u := range a.sorted(query.Get("order_by")) {
		if (len(ids) > 0 && !slices.Contains(ids, u.ID)) || (after > 0 && u.CreatedAt.UnixMilli() <= int64(after)) {
			continue
		}
		found = append(found, u.JSON())
	}
	found = found[min(offset, len(found)):]
	reply(w, found[:min(limit, len(found))])
}

func (a *API) sorted(order string) []Person {
	a.mu.Lock()
	defer a.mu.Unlock()
	users := make([]Person, 0, len(a.users))
	for _, u := range a.users {
		users = append(users, u)
	}
	slices.SortFunc(users, func(x, y Person) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.ID, y.ID))
	})
	if !strings.HasPrefix(order, "+") {
		slices.Reverse(users)
	}
	return users
}

func number(s string, fallback int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return fallback
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
