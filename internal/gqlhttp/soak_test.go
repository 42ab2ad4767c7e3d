package gqlhttp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/testdb"
)

const (
	soakSockets = 2000
	soakUsers   = soakSockets / MaxSocketsOfUser
)

// thin is a client that costs next to nothing, so that what the process uses is the server's.
type thin struct{ net.Conn }

func dialThin(t *testing.T, url string) thin {
	t.Helper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", path, host, subprotocol)
	answer := make([]byte, 0, 512)
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		var one [1]byte
		if _, err := io.ReadFull(conn, one[:]); err != nil {
			t.Fatal(err)
		}
		answer = append(answer, one[0])
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101")) {
		t.Fatalf("%s", answer)
	}
	return thin{conn}
}

// say sends a text frame, masked with zeros.
func (c thin) say(t *testing.T, text string) {
	t.Helper()
	frame := []byte{0x81, 0x80 | 126}
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	frame = append(append(frame, 0, 0, 0, 0), text...)
	if _, err := c.Write(frame); err != nil {
		t.Fatal(err)
	}
}

// hear is the next text.
func (c thin) hear(t *testing.T) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	head := read(2)
	n := int(head[1])
	if n == 126 {
		n = int(binary.BigEndian.Uint16(read(2)))
	}
	text := read(n)
	if head[0] != 0x81 {
		t.Fatalf("heard frame %x %q", head[0], text)
	}
	return string(text)
}

// memory is what the process holds in heap and stacks, garbage aside.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestSoak opens 2,000 sockets, idle and then with a subscription each, says what one
// costs, lets all of them hear one event, and sees that nothing is left after them.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 2,000 sockets")
	}
	database := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	g := gateway(t, database, func(c *Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Sockets.KeepAlive = time.Hour // the thin client answers no ping
	})
	warm := dialThin(t, g.url)
	warm.say(t, hello)
	warm.hear(t)

	goroutines, before := runtime.NumGoroutine(), memory()
	open := make([]thin, soakSockets)
	for i := range open {
		open[i] = dialThin(t, g.url)
		open[i].say(t, fmt.Sprintf(`{"type":"connection_init","payload":{"authorization":"Bearer soak%d"}}`, i%soakUsers))
		if got := open[i].hear(t); got != ack {
			t.Fatalf("socket %d heard %s", i, got)
		}
	}
	idle := memory()
	t.Logf("%d idle sockets: %d bytes and %.2f goroutines each", soakSockets, (idle-before)/soakSockets,
		float64(runtime.NumGoroutine()-goroutines)/soakSockets)
	for i := range soakUsers {
		testdb.AddUser(t, pool, fmt.Sprintf("user_soak%d", i), "", "")
	}
	for _, c := range open {
		c.say(t, `{"type":"subscribe","id":"1","payload":{"query":"subscription { chatMessageAdded { content } }"}}`)
		c.say(t, `{"type":"subscribe","id":"2","payload":{"query":"{__typename}"}}`)
		c.hear(t)
		c.hear(t)
	}
	waitUntil(t, pool, "select exists (select from segue.watchers)")
	t.Logf("with a subscription: %d bytes and %.2f goroutines each", (memory()-before)/soakSockets,
		float64(runtime.NumGoroutine()-goroutines)/soakSockets)
	run(t, pool, fmt.Sprintf("insert into public.chat_messages (clerk_id, role, content) select 'user_soak' || i, 'user', 'hi' from generate_series(0, %d) i", soakUsers-1))
	for _, c := range open {
		if got := c.hear(t); got != `{"type":"next","id":"1","payload":{"data":{"chatMessageAdded":{"content":"hi"}}}}` {
			t.Fatalf("heard %s", got)
		}
	}
	for _, c := range open {
		c.Close()
	}
	for runtime.NumGoroutine() > goroutines+20 { // the pools' own come and go
		time.Sleep(10 * time.Millisecond)
	}
}

// TestLatency says how long after its commit an event reaches a client.
func TestLatency(t *testing.T) {
	database := testdb.New(t, testdb.Plain)
	pool := testdb.Connect(t, database)
	users(t, pool)
	g := gateway(t, database, func(c *Config) { c.Logger = slog.New(slog.DiscardHandler) })
	p := subscribed(t, pool, g.url, "analyst", allMessages)
	settle(t, p)
	const n = 300
	took := make([]time.Duration, n)
	for i := range took {
		if _, err := pool.Exec(context.Background(), "insert into public.chat_messages (clerk_id, role, content) values ('user_ada', 'user', 'hi')"); err != nil {
			t.Fatal(err)
		}
		committed := time.Now()
		p.hear()
		took[i] = time.Since(committed)
	}
	slices.Sort(took)
	t.Logf("commit to client: p50 %v, p99 %v, of %d", took[n/2], took[n*99/100], n)
}
