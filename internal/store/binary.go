package store

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Time is an instant in microseconds since 1970, all that PostgreSQL keeps.
type Time int64

// Std is t as the standard library has it, in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t)).UTC() }

// TimeOf is t rounded down to the microsecond.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) }

// TimestamptzValue lets pgx send a Time as a parameter.
func (t Time) TimestamptzValue() (pgtype.Timestamptz, error) {
	switch t {
	case always:
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, nil
	case never:
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, nil
	}
	return pgtype.Timestamptz{Time: t.Std(), Valid: true}, nil
}

// The ends of an open range, PostgreSQL's infinities.
const (
	always Time = math.MinInt64
	never  Time = math.MaxInt64
)

// The first and last instants that RFC 3339 can write: PostgreSQL's infinities
// and years beyond read as these.
var (
	minTime = TimeOf(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	maxTime = TimeOf(time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC))
)

// UUID is a uuid column's value.
type UUID [16]byte

// String is the canonical lower-case form.
func (u UUID) String() string { return string(u.Append(nil)) }

// Append appends the canonical form to dst.
func (u UUID) Append(dst []byte) []byte {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return append(dst, b[:]...)
}

// ParseUUID reads the canonical form in either case. Anything else is not the
// id of any row.
func ParseUUID(s string) (UUID, bool) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(strings.ReplaceAll(s, "-", "")))
	return u, err == nil
}

// UUIDValue lets pgx send a UUID as a parameter.
func (u UUID) UUIDValue() (pgtype.UUID, error) { return pgtype.UUID{Bytes: u, Valid: true}, nil }

// record reads rows' columns from left to right in PostgreSQL's binary format,
// without reflection. A mistake in the order of columns panics in the first
// test that runs the statement.
//
// Texts, and the people that rows belong to, are allocated by the chunk: one
// record for all rows of a statement saves most of a list's allocations
// (BenchmarkOperations). It must not be copied once it was used.
type record struct {
	values [][]byte
	next   int

	texts   strings.Builder
	strings slab[string]
	people  slab[User]
}

// row moves on to a row that was just received.
func (r *record) row(rows resultRows) { r.values, r.next = rows.RawValues(), 0 }

// slab hands out pointers to fresh zero values.
type slab[T any] struct {
	free []T
	size int
}

// A single row takes one; a list soon takes chunks.
const minSlab, maxSlab = 4, 64

func (s *slab[T]) new() *T {
	if len(s.free) == 0 {
		if s.size == 0 {
			s.size = 1
		} else {
			s.size = min(max(2*s.size, minSlab), maxSlab)
		}
		s.free = make([]T, s.size)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}

func (r *record) take() []byte {
	v := r.values[r.next]
	r.next++
	return v
}

func (r *record) null() bool    { return r.values[r.next] == nil }
func (r *record) boolean() bool { v := r.take(); return len(v) == 1 && v[0] == 1 }
func (r *record) uuid() (u UUID) {
	copy(u[:], r.take())
	return u
}

const maxChunk = 16 << 10

func (r *record) text() string {
	v := r.take()
	if len(v) > maxChunk/4 {
		return string(v)
	}
	if r.texts.Cap()-r.texts.Len() < len(v) { // earlier texts keep the old chunk
		size := max(min(2*r.texts.Cap(), maxChunk), 128, len(v))
		r.texts = strings.Builder{}
		r.texts.Grow(size)
	}
	start := r.texts.Len()
	r.texts.Write(v)
	return r.texts.String()[start:]
}

func (r *record) textOrNull() *string {
	if r.null() {
		r.next++
		return nil
	}
	s := r.strings.new()
	*s = r.text()
	return s
}

func (r *record) integer() int64 {
	switch v := r.take(); len(v) {
	case 0:
		return 0
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	default:
		panic(fmt.Sprintf("an integer of %d bytes", len(v)))
	}
}

// epochOffset is 2000-01-01, PostgreSQL's epoch, in microseconds since 1970.
const epochOffset = 946_684_800_000_000

func (r *record) time() Time {
	v := r.take()
	if v == nil {
		return 0
	}
	n := int64(binary.BigEndian.Uint64(v))
	if n > math.MaxInt64-epochOffset {
		return maxTime
	}
	return min(max(Time(n+epochOffset), minTime), maxTime)
}

func (r *record) timeOrNull() *Time {
	if r.null() {
		r.next++
		return nil
	}
	t := r.time()
	return &t
}
