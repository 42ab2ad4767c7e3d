package auth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
)

const (
	// fetchTimeout bounds one fetch of the keys.
	fetchTimeout = 5 * time.Second
	// maxKeysBody is far more than a JWKS ever is.
	maxKeysBody = 1 << 20
)

var errNoKeys = errors.New("clerk published no usable key")

// keySet is the answer to GET /jwks. Keys stay raw here because the SDK's own
// type fails as a whole when it meets one key of a kind it does not know.
type keySet struct {
	clerk.APIResource
	Keys []json.RawMessage `json:"keys"`
}

// clerkKeys returns a function that fetches the instance's keys, by their ids,
// from the Backend API.
func clerkKeys(c Config) func(context.Context) (map[string]*signingKey, error) {
	backend := clerk.NewBackend(&clerk.BackendConfig{
		HTTPClient: httpClient(c.Transport),
		URL:        clerk.String(c.APIURL),
		Key:        clerk.String(c.SecretKey),
	})
	return func(ctx context.Context) (map[string]*signingKey, error) {
		var set keySet
		if err := backend.Call(ctx, clerk.NewAPIRequest(http.MethodGet, "/jwks"), &set); err != nil {
			return nil, err
		}
		keys := trusted(ctx, set.Keys, c.Development, c.Logger)
		if len(keys) == 0 {
			return nil, errNoKeys
		}
		return keys, nil
	}
}

// trusted keeps the keys that may verify tokens and logs why others may not.
func trusted(ctx context.Context, list []json.RawMessage, development bool, logger *slog.Logger) map[string]*signingKey {
	keys := make(map[string]*signingKey, len(list))
	for _, raw := range list {
		key, err := trust(raw, development)
		if err != nil {
			logger.WarnContext(ctx, "a key that clerk publishes is not used", "kid", key.KeyID, "cause", err)
			continue
		}
		keys[key.KeyID] = key
	}
	return keys
}

// trust reads one published key. On an error the key is there to be named.
func trust(raw json.RawMessage, development bool) (*signingKey, error) {
	key := new(signingKey)
	if err := json.Unmarshal(raw, key); err != nil {
		return key, err
	}
	if key.KeyID == "" {
		return key, errors.New("no key id")
	}
	if isDevelopment(key) && !development {
		return key, ErrDevelopmentKey
	}
	return key, usable(key)
}

// httpClient never follows a redirect, which would carry the secret key along,
// and reads no more than maxKeysBody.
func httpClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = http.DefaultTransport
	}
	return &http.Client{
		Transport:     boundedTransport{transport},
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// boundedTransport cuts response bodies off at maxKeysBody.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxKeysBody)
	}
	return response, err
}

// maxCause bounds what is repeated of an error: Clerk's SDK makes whole response
// bodies into errors.
const maxCause = 300

func clip(err error) string {
	text := err.Error()
	if len(text) > maxCause {
		return text[:maxCause] + "…"
	}
	return text
}
