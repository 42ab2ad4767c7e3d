package auth_test

import (
	"context"
	"testing"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/fault"
)

// FuzzBearer: whatever is sent, it is refused or it is the one token that was signed.
func FuzzBearer(f *testing.F) {
	a, _ := withPEM(f, nil)
	good := clerktest.User("user_ann").With("exp", 1<<40)
	token := clerktest.Token(testKey(), good)
	f.Add("Bearer " + token)
	f.Add("bearer  " + token)
	f.Add("Bearer " + clerktest.UnsignedToken(clerktest.Header{"alg": "none"}, good))
	f.Add("Bearer " + clerktest.Token(otherKey(), good))
	f.Add("Bearer sgk_0123456789abcdef_x")
	f.Add(`Bearer {"payload":"e30","signatures":[{"protected":"e30","signature":""}]}`)
	f.Fuzz(func(t *testing.T, authorization string) {
		switch got, err := a.Bearer(context.Background(), authorization); {
		case err == nil && got != ann():
			t.Errorf("accepted as %+v", got)
		case err != nil && fault.CodeOf(err) != fault.Unauthenticated:
			t.Errorf("got %v, want UNAUTHENTICATED", err)
		}
	})
}
