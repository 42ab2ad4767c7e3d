package live

import "testing"

func at(t *testing.T, text string, insert, flush uint64) header {
	t.Helper()
	s, err := parseSnapshot(text)
	if err != nil {
		t.Fatal(err)
	}
	return header{s, insert, flush}
}

// A connection that is lost goes on from what is certainly on the server's disk, without repeating itself.
func TestPosition_resumesFromTheDisk(t *testing.T) {
	t.Parallel()
	p := start(at(t, "10:10:", 100, 100))
	one, two, three := mark{1, "a"}, mark{2, "b"}, mark{3, "c"}
	if !p.tell(one) {
		t.Error("the first event is no news")
	}
	p.complete(at(t, "12:12:", 200, 200))
	if p.durable.max != 12 {
		t.Errorf("a flushed read is durable: %d", p.durable.max)
	}
	p.tell(two)
	p.complete(at(t, "14:16:14,15", 300, 250))
	if p.seen.max != 16 || p.durable.max != 12 {
		t.Errorf("seen %d, durable %d; the log was not flushed", p.seen.max, p.durable.max)
	}
	p.tell(three) // and the connection breaks in the middle of the read
	p.resume()
	if p.seen.max != 12 || len(p.seen.running) != 0 {
		t.Errorf("reads on from %d, want 12", p.seen.max)
	}
	if p.tell(two) || p.tell(three) {
		t.Error("tells twice")
	}
	if !p.tell(mark{2, "z"}) {
		t.Error("a number that a crash gave out again is another event")
	}
	p.complete(at(t, "20:20:", 400, 400))
	p.resume()
	if p.seen.max != 20 || len(p.skip) != 0 {
		t.Errorf("after a flushed read: seen %d, %d to skip", p.seen.max, len(p.skip))
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "1", "1:2", "x:2:", "1:x:"} {
		if _, err := parseSnapshot(text); err == nil {
			t.Errorf("%q is a snapshot", text)
		}
	}
	for _, text := range []string{"", "1", "x/1", "1/x"} {
		if _, err := parseLSN(text); err == nil {
			t.Errorf("%q is a log position", text)
		}
	}
	if lsn, err := parseLSN("16/B374D848"); err != nil || lsn != 0x16B374D848 {
		t.Errorf("16/B374D848 is %x, %v", lsn, err)
	}
}
