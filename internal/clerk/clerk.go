// Package clerk reads Clerk: users through its Backend API, and events from its
// webhooks' bodies. It keeps of a user only what Segue stores. It knows no
// database and verifies no token or signature.
//
// The calls go through clerk-sdk-go's Backend, which knows Clerk's headers and
// API version. The result types are our own: the SDK's user.List asks for the
// count with every page, and its error for an answer that is not JSON (a
// proxy's 502, a CDN's 429) loses the status.
//
// Reference: https://clerk.com/docs/reference/backend-api
package clerk

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	sdk "github.com/clerk/clerk-sdk-go/v2"
)

// Sizes that Clerk allows, and how long one answer may take. A caller waits for
// a single user, nobody waits for a page.
const (
	PageSize  = 500
	BatchSize = 100

	userTimeout = 5 * time.Second
	pageTimeout = 30 * time.Second
)

// Config is what a Client needs.
type Config struct {
	SecretKey string
	URL       string            // empty: Clerk's own
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Client calls Clerk's Backend API. Its methods are safe for concurrent use.
type Client struct {
	backend sdk.Backend
}

// New returns a client of one Clerk instance.
func New(c Config) *Client {
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	config := &sdk.BackendConfig{HTTPClient: &http.Client{Transport: statusErrors{next}}, Key: &c.SecretKey}
	if c.URL != "" {
		config.URL = &c.URL
	}
	return &Client{backend: sdk.NewBackend(config)}
}

// User asks for one user, once: somebody waits for the answer, and can be told
// to come again. Errors are ErrNotFound, *RateLimited or *Unreachable.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	ctx, cancel := context.WithTimeout(ctx, userTimeout)
	defer cancel()
	var answer userAnswer
	if err := c.get(ctx, "/users/"+url.PathEscape(id), nil, &answer); err != nil {
		return User{}, err
	}
	return answer.user(), nil
}

// Count is the number of users the instance has. It retries like Users.
func (c *Client) Count(ctx context.Context) (int, error) {
	var answer countAnswer
	err := c.getPatiently(ctx, "/users/count", nil, &answer)
	return answer.TotalCount, err
}

// UsersByID returns those of at most BatchSize users that Clerk still has. It retries like Users.
func (c *Client) UsersByID(ctx context.Context, ids []string) ([]User, error) {
	query := url.Values{"user_id": ids, "limit": {strconv.Itoa(BatchSize)}}
	var answer usersAnswer
	if err := c.getPatiently(ctx, "/users", query, &answer); err != nil {
		return nil, err
	}
	return answer.users, nil
}

// get makes one call. A path that names one object turns 404 into ErrNotFound.
func (c *Client) get(ctx context.Context, path string, query url.Values, answer sdk.ResponseReader) error {
	request := sdk.NewAPIRequest(http.MethodGet, path)
	request.SetParams(params(query))
	err := c.backend.Call(ctx, request, answer)
	if err == nil {
		return nil
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.typed()
	}
	return &Unreachable{Cause: plain(err)}
}

// params is a query in the SDK's clothes.
type params url.Values

func (p params) ToQuery() url.Values                  { return url.Values(p) }
func (p params) ToMultipart() ([]byte, string, error) { return nil, "", errors.ErrUnsupported }
