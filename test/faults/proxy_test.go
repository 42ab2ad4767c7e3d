package faults

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is the network between the gateway and PostgreSQL.
type proxy struct {
	listener net.Listener
	addr     string
	target   string

	mu    sync.Mutex
	delay time.Duration // of every piece, each way
	swift chan struct{} // closed when the delay ends
	open  chan struct{} // closed while pieces pass
	cut   bool          // new connections are refused, as far as TCP lets us
	conns map[net.Conn]struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	close(open)
	p := &proxy{listener: l, addr: l.Addr().String(), target: target, open: open, conns: map[net.Conn]struct{}{}}
	go p.accept()
	t.Cleanup(func() {
		p.heal()
		_ = l.Close()
		p.reset()
	})
	return p
}

// slow delays every piece by d, each way.
func (p *proxy) slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.swift = d, make(chan struct{})
}

// hold lets nothing through, and tells nobody: a cable pulled far away.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = make(chan struct{})
}

// sever resets every connection and refuses new ones.
func (p *proxy) sever() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.reset()
}

// heal undoes slow, hold and sever. What was held arrives now.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	if p.delay > 0 {
		p.delay = 0
		close(p.swift)
	}
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// reset breaks off every connection.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.(*net.TCPConn).SetLinger(0) // RST
		_ = c.Close()
	}
	clear(p.conns)
}

// passage waits until a piece that came now may pass.
func (p *proxy) passage() {
	p.mu.Lock()
	delay, swift, open := p.delay, p.swift, p.open
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-swift:
		}
	}
	<-open
}

func (p *proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refuses() {
			_ = near.(*net.TCPConn).SetLinger(0)
			_ = near.Close()
			continue
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns[near], p.conns[far] = struct{}{}, struct{}{}
		p.mu.Unlock()
		go p.pipe(near, far)
		go p.pipe(far, near)
	}
}

func (p *proxy) pipe(from, to net.Conn) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = from.Close()
		_ = to.Close()
		delete(p.conns, from)
		delete(p.conns, to)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.passage()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
