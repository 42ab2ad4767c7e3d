package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/viewer"
)

// TestClocksMayBeFiveSecondsApart runs on a clock that stands still.
func TestClocksMayBeFiveSecondsApart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claim   string
		seconds int64 // from now
		reason  string
	}{
		"expired 5 s ago":  {"exp", -5, ""},
		"expired 6 s ago":  {"exp", -6, "expired"},
		"good in 5 s":      {"nbf", 5, ""},
		"good in 6 s":      {"nbf", 6, "not_yet_valid"},
		"issued in 5 s":    {"iat", 5, ""},
		"issued in 6 s":    {"iat", 6, "not_yet_valid"},
		"expired long ago": {"exp", -1 << 40, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, refused := withPEM(t, nil)
				claims := clerktest.User("user_ann").With(c.claim, time.Now().Unix()+c.seconds)
				r := bearer(clerktest.Token(testKey(), claims))
				if c.reason == "" {
					mustBe(t, a, r, viewer.User("user_ann", "sess_ann", false))
					return
				}
				mustRefuse(t, a, refused, r, c.reason)
			})
		})
	}
}

func TestARememberedTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, refused := withPEM(t, nil)
		r := bearer(clerktest.Token(testKey(), clerktest.User("user_ann")))
		mustBe(t, a, r, viewer.User("user_ann", "sess_ann", false))
		time.Sleep(65 * time.Second)
		mustBe(t, a, r, viewer.User("user_ann", "sess_ann", false))
		time.Sleep(time.Second)
		mustRefuse(t, a, refused, r, "expired")
	})
}

func TestARevocationOutlivesTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, refused := withPEM(t, nil)
		a.Revoke("sess_ann")
		time.Sleep(23 * time.Hour)
		mustRefuse(t, a, refused, bearer(clerktest.Token(testKey(), clerktest.User("user_ann"))), "revoked")
	})
}
