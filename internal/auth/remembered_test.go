package auth

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestExpiredTokensAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newRemembered()
		for i := range 600 { // ten minutes of somebody new each second
			m.put(nameOf(time.Duration(i).String()), &session{until: time.Now().Add(65 * time.Second)})
			time.Sleep(time.Second)
		}
		m.sessions.CleanUp()
		if n := m.sessions.EstimatedSize(); n < 65 || n > 65+60+1 {
			t.Errorf("%d sessions are remembered, 65 of them good", n)
		}
	})
}
