package store

import (
	"net"
	"testing"
)

// pair is the two ends of a TCP connection.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
	})
	return near, far
}

// eventually waits for what the system tells the other end in its own time.
func eventually(t *testing.T, conn net.Conn) {
	t.Helper()
	for !spoke(conn) {
		select {
		case <-t.Context().Done():
			t.Fatal("not noticed")
		default:
		}
	}
}

func TestSpoke(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	if spoke(near) {
		t.Error("a quiet connection spoke")
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, near)
	if n, err := near.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("the look took something: %d bytes left, %v", n, err)
	}
	if spoke(near) {
		t.Error("spoke after all was read")
	}
	_ = far.Close()
	eventually(t, near)
}

// pgx may leave a read pending on a connection that rests; a look must not wait for it.
func TestSpoke_duringRead(t *testing.T) {
	t.Parallel()
	near, far := pair(t)
	read := make(chan error, 1)
	reading := make(chan struct{})
	go func() {
		close(reading)
		_, err := near.Read(make([]byte, 1))
		read <- err
	}()
	<-reading
	for range 1000 {
		if spoke(near) {
			t.Fatal("a quiet connection spoke")
		}
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

func BenchmarkSpoke(b *testing.B) {
	near, _ := pair(b)
	for b.Loop() {
		spoke(near)
	}
}
