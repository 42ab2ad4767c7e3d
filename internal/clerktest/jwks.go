package clerktest

import (
	"encoding/json"
	"net/http"
	"sync"
)

// JWKS answers GET /jwks of the Backend API. It counts how often it was asked
// and can be told to fail or to answer slowly.
type JWKS struct {
	mu      sync.Mutex
	keys    []map[string]any
	status  int
	fetches int
	gate    <-chan struct{}
}

// NewJWKS returns an endpoint that publishes keys.
func NewJWKS(keys ...Key) *JWKS {
	j := &JWKS{}
	j.Publish(keys...)
	return j
}

// Publish replaces the published keys.
func (j *JWKS) Publish(keys ...Key) {
	list := make([]map[string]any, len(keys))
	for i, key := range keys {
		list[i] = key.JWK()
	}
	j.PublishJWKs(list...)
}

// PublishJWKs replaces the published keys by any maps, broken ones too.
func (j *JWKS) PublishJWKs(keys ...map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keys = keys
}

// Fail makes every answer an error with this status, until Fail(0).
func (j *JWKS) Fail(status int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.status = status
}

// Hold makes answers wait until gate is closed.
func (j *JWKS) Hold(gate <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate = gate
}

// Fetches is how many requests have come so far, failed ones too.
func (j *JWKS) Fetches() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.fetches
}

// ServeHTTP answers a request that carries a secret key; others get 401.
func (j *JWKS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	keys, status, gate := j.count()
	if gate != nil {
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if auth := r.Header.Get("Authorization"); len(auth) <= len("Bearer sk_") || auth[:10] != "Bearer sk_" {
		status = http.StatusUnauthorized
	}
	if status != 0 {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"errors":[{"message":"no","code":"pretended_failure"}]}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

func (j *JWKS) count() ([]map[string]any, int, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fetches++
	return j.keys, j.status, j.gate
}
