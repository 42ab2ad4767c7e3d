package usersync

import (
	"testing"
	"testing/synctest"
	"time"
)

// Use of the database asks for a sweep once an hour, and nothing else does while
// nobody is deleted: a database that scaled to zero stays asleep.
func TestAwakeAsksForASweepOnceAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{})
		if err != nil {
			t.Fatal(err)
		}
		asked := func() bool {
			s.Awake()
			s.Awake()
			select {
			case <-s.sweep:
				return true
			default:
				return false
			}
		}
		if !asked() {
			t.Error("not before the first sweep")
		}
		s.swept.Store(time.Now().UnixNano())
		time.Sleep(time.Hour - time.Second)
		if asked() {
			t.Error("within the hour")
		}
		time.Sleep(time.Second)
		if !asked() {
			t.Error("not after an hour")
		}
	})
}
