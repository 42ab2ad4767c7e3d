package usersync_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
	"github.com/ai-dj/segue/internal/testdb"
	"github.com/ai-dj/segue/internal/usersync"
)

func TestProvisionMakesTheRow(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, f *fixture) {
		f.api.Put(ada(5, "Ada"))
		if err := f.Provision(t.Context(), "user_ada"); err != nil {
			t.Fatal(err)
		}
		f.wantRow("user_ada", "user_ada name=Ada Lovelace email=Ada@example.com created=1750000000000 updated=1750000005000 deleted=-")
		if err := f.Provision(t.Context(), "user_ada"); err != nil || f.api.Calls("/v1/users/user_ada") != 1 {
			t.Errorf("a user with a row: %v, %d calls", err, f.api.Calls("/v1/users/user_ada"))
		}
	})
}

// However many wait, in two replicas, each replica asks once and there is one row.
func TestProvisionAsksClerkOnceForAll(t *testing.T) {
	t.Parallel()
	one := start(t, testdb.Plain)
	two := on(t, one.pool, store.SegueOwned, one.api)
	one.api.Put(ada(0, "Ada"))
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	one.api.Before(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-answer
	})
	const callers = 50
	errs := make(chan error, 2*callers)
	var waiting sync.WaitGroup
	for range callers {
		for _, replica := range []*fixture{one, two} {
			waiting.Go(func() { errs <- replica.Provision(t.Context(), "user_ada") })
		}
	}
	<-asked
	<-asked // both replicas' one call is under way, and all callers are before or behind it
	close(answer)
	waiting.Wait()
	for range 2 * callers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := one.api.Calls("/v1/users/user_ada"); n != 2 {
		t.Errorf("%d calls", n)
	}
	if n := one.number(`select count(*) from neon_auth.users_sync`); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestProvisionOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(ada(0, "Ada"))
	asked, answer := make(chan struct{}), make(chan struct{})
	f.api.Before(func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-answer
	})
	leaving, leave := context.WithCancel(t.Context())
	first, second := make(chan error), make(chan error)
	go func() { first <- f.Provision(leaving, "user_ada") }()
	<-asked
	go func() { second <- f.Provision(t.Context(), "user_ada") }()
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who left got %v", err)
	}
	close(answer)
	if err := <-second; err != nil {
		t.Errorf("who stayed got %v", err)
	}
}

func TestProvisionThatCannot(t *testing.T) {
	t.Parallel()
	down := func(w http.ResponseWriter, _ *http.Request) { clerktest.Fail(w, 503, "internal", 0) }
	limited := func(w http.ResponseWriter, _ *http.Request) { clerktest.Fail(w, 429, "rate_limited", 17) }
	for _, c := range []struct {
		name    string
		before  func(http.ResponseWriter, *http.Request)
		change  func(*usersync.Config)
		atLeast time.Duration
		calls   int // of two attempts
	}{
		{name: "unknown to Clerk", atLeast: time.Second, calls: 2},
		{name: "Clerk is down", before: down, atLeast: time.Second, calls: 2},
		{name: "Clerk asks to wait, and is not asked again", before: limited, atLeast: 16 * time.Second, calls: 1},
		{name: "no secret key", change: func(c *usersync.Config) { c.Clerk = nil }, atLeast: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, testdb.Plain, func(config *usersync.Config) {
				if c.change != nil {
					c.change(config)
				}
			})
			f.api.Before(c.before)
			for range 2 {
				err := f.Provision(t.Context(), "user_ada")
				told, ok := errors.AsType[*fault.Error](err)
				if !ok || told.Code != fault.UserNotSynced || told.RetryAfter < c.atLeast {
					t.Errorf("got %v, come again in %v", err, told)
				}
			}
			if n := f.api.Calls(""); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			if f.row("user_ada") != "" {
				t.Error("a row was made")
			}
		})
	}
}

func TestProvisionNeverRevives(t *testing.T) {
	t.Parallel()
	bothShapes(t, func(t *testing.T, f *fixture) {
		f.api.Put(ada(0, "Ada"))
		clerktest.DeletedEvent("msg_1", "user_ada", at(30)).Deliver(t, f.Webhook())
		if err := f.Provision(t.Context(), "user_ada"); fault.CodeOf(err) != fault.UserDeleted {
			t.Errorf("got %v", err)
		}
		if f.api.Calls("") != 0 {
			t.Error("Clerk was asked about a deleted user")
		}
	})
}

// The user is deleted while Clerk's older answer is on its way.
func TestProvisionLosesToADeletion(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.api.Put(ada(0, "Ada"))
	f.api.Before(func(http.ResponseWriter, *http.Request) {
		clerktest.DeletedEvent("msg_1", "user_ada", at(30)).Deliver(t, f.Webhook())
	})
	if err := f.Provision(t.Context(), "user_ada"); fault.CodeOf(err) != fault.UserDeleted {
		t.Errorf("got %v", err)
	}
	f.wantRow("user_ada", "user_ada name=- email=- created=1750000000000 updated=1750000030000 deleted=1750000030000")
}

func TestProvisionWaitsForNeon(t *testing.T) {
	t.Parallel()
	t.Run("the row comes", func(t *testing.T) {
		t.Parallel()
		f := start(t, testdb.Neon)
		done := make(chan error)
		go func() { done <- f.Provision(t.Context(), "user_ada") }()
		testdb.AddUser(t, f.pool, "user_ada", "Ada", "")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("it does not", func(t *testing.T) {
		t.Parallel()
		f := start(t, testdb.Neon)
		f.api.Put(ada(0, "Ada"))
		err := f.Provision(t.Context(), "user_ada")
		if told, ok := errors.AsType[*fault.Error](err); !ok || told.Code != fault.UserNotSynced || told.RetryAfter <= 0 {
			t.Errorf("got %v", err)
		}
		if f.api.Calls("") != 0 || f.row("user_ada") != "" {
			t.Error("Segue did Neon's work")
		}
	})
	t.Run("its user was deleted", func(t *testing.T) {
		t.Parallel()
		f := start(t, testdb.Neon)
		testdb.AddUser(t, f.pool, "user_ada", "Ada", "")
		testdb.DeleteUser(t, f.pool, "user_ada")
		if err := f.Provision(t.Context(), "user_ada"); fault.CodeOf(err) != fault.UserDeleted {
			t.Errorf("got %v", err)
		}
	})
}

func TestProvisionWithoutADatabase(t *testing.T) {
	t.Parallel()
	f := start(t, testdb.Plain)
	f.pool.Close()
	err := f.Provision(t.Context(), "user_ada")
	if err == nil || fault.CodeOf(err) == fault.UserNotSynced || errors.Is(err, clerk.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
