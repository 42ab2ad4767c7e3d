package live

import (
	"fmt"
	"strconv"
	"strings"
)

// position is a reader's place among the events: everything visible in seen has
// been told.
//
// A crash of the server makes that less than enough. Transaction ids are used
// again when the record of their end had not reached the disk, and then seen
// calls something new old. So the position also keeps the last snapshot whose
// log is known to be on the disk, and what was told since then; after a lost
// connection reading goes on from there, leaving out what was told.
type position struct {
	seen    snapshot
	durable snapshot
	reads   []read // since durable, the oldest first
	told    []mark // in a read that has not ended
	skip    map[mark]struct{}
}

// mark is an event's identity. The id is part of it because a sequence, too, may
// repeat itself after a crash.
type mark struct {
	seq int64
	id  string
}

// read is one completed read: what it saw and told, and the log's end at the time.
type read struct {
	snapshot snapshot
	lsn      uint64
	told     []mark
}

// header is what every read starts with.
type header struct {
	snapshot      snapshot
	insert, flush uint64
}

// start is the position of a reader to whom everything so far is history.
func start(h header) *position { return &position{seen: h.snapshot, durable: h.snapshot} }

// resume prepares for the first read of a new connection.
func (p *position) resume() {
	p.skip = map[mark]struct{}{}
	for _, r := range p.reads {
		p.told = append(p.told, r.told...)
	}
	for _, m := range p.told {
		p.skip[m] = struct{}{}
	}
	p.reads, p.seen = nil, p.durable
}

// tell reports whether an event is news, and notes that it was told.
func (p *position) tell(m mark) bool {
	if _, again := p.skip[m]; again {
		return false
	}
	p.told = append(p.told, m)
	return true
}

// complete notes the end of a read that began with h.
func (p *position) complete(h header) {
	p.reads = append(p.reads, read{h.snapshot, h.insert, p.told})
	p.seen, p.told, p.skip = h.snapshot, nil, nil
	flushed := 0
	for flushed < len(p.reads) && p.reads[flushed].lsn <= h.flush {
		p.durable = p.reads[flushed].snapshot
		flushed++
	}
	p.reads = p.reads[flushed:]
}

// snapshot is PostgreSQL's pg_snapshot: it does not see transactions from max
// on, nor those in progress. The ids are xid8, kept as their text.
type snapshot struct {
	min, max uint64
	running  []string
}

// parseSnapshot reads "xmin:xmax:xip,xip".
func parseSnapshot(text string) (s snapshot, err error) {
	low, rest, _ := strings.Cut(text, ":")
	high, running, ok := strings.Cut(rest, ":")
	if s.min, err = strconv.ParseUint(low, 10, 64); err != nil || !ok {
		return s, fmt.Errorf("%q is not a snapshot", text)
	}
	if s.max, err = strconv.ParseUint(high, 10, 64); err != nil {
		return s, fmt.Errorf("%q is not a snapshot", text)
	}
	s.running = []string{}
	if running != "" {
		s.running = strings.Split(running, ",")
	}
	return s, nil
}

// parseLSN reads "16/B374D848".
func parseLSN(text string) (uint64, error) {
	high, low, _ := strings.Cut(text, "/")
	h, err := strconv.ParseUint(high, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a log position", text)
	}
	l, err := strconv.ParseUint(low, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a log position", text)
	}
	return h<<32 | l, nil
}
