package auth_test

import (
	"context"
	"testing"

	"github.com/ai-dj/segue/internal/auth"
	"github.com/ai-dj/segue/internal/clerktest"
)

// BenchmarkRequest: what authentication costs each request. Run with
// go test -bench Request -benchmem ./internal/auth
func BenchmarkRequest(b *testing.B) {
	a, _ := withPEM(b, nil)
	r := bearer(clerktest.Token(testKey(), clerktest.User("user_ann")))
	b.Run("remembered", func(b *testing.B) {
		for b.Loop() {
			if _, err := a.Request(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("first sight", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			a, _ := withPEM(b, nil)
			b.StartTimer()
			if _, err := a.Request(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("API key", func(b *testing.B) {
		a, _ := withPEM(b, func(c *auth.Config) { c.Keys = anyKey{} })
		r := bearer("sgk_0123456789abcdef_x")
		for b.Loop() {
			if _, err := a.Request(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// anyKey takes every API key for key 1.
type anyKey struct{}

func (anyKey) Verify(context.Context, string) (string, error) { return "1", nil }

// TestRememberedTokensCostNoAllocation guards the benchmark's first line.
func TestRememberedTokensCostNoAllocation(t *testing.T) {
	a, _ := withPEM(t, nil)
	r := bearer(clerktest.Token(testKey(), clerktest.User("user_ann")))
	mustBe(t, a, r, ann())
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := a.Request(r); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations for a remembered token, want none", allocations)
	}
}
