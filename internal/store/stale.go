package store

import (
	"crypto/tls"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// pingAfter is how long a connection may have rested before it is tried with a ping.
	pingAfter = 30 * time.Second
	// peekAfter is how long it may have rested before its socket is looked at. On
	// a busy pool connections rest for microseconds, and the look (a system call,
	// BenchmarkSpoke) is left out.
	peekAfter = time.Millisecond
)

// doubtful tells the pool to try a rested connection before it is used. One that
// the server closed while it rested has something to read; to find that out by
// sending a write on it would leave open whether the write was done.
func doubtful(p pgxpool.ShouldPingParams) bool {
	return p.IdleDuration > pingAfter || p.IdleDuration > peekAfter && spoke(p.Conn.PgConn().Conn())
}

// spoke reports whether there is something to read on a connection at rest: the
// server's last words, the end of the stream, or news that a ping can consume.
func spoke(conn net.Conn) bool {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	var peekErr error
	// Not raw.Read, which waits its turn: pgx may have left a read of its own pending.
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		_, _, peekErr = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return err != nil || peekErr != syscall.EAGAIN && peekErr != syscall.EINTR
}
