// Package page is keyset pagination: Relay's four arguments become a Window, a
// row's place in a list becomes a Key, and a Key travels to the client and back
// as an opaque cursor. It knows neither GraphQL nor SQL; the store turns a
// Window into a row comparison and a limit.
//
// See https://relay.dev/graphql/connections.htm for the arguments' meaning.
package page

import (
	"encoding/base64"
	"encoding/binary"
	"unicode/utf8"

	"github.com/ai-dj/segue/internal/fault"
)

// Page sizes of every list.
const (
	DefaultSize = 20
	MaxSize     = 100
)

// Kind says which list, in which order, a cursor belongs to. A cursor of one
// kind is refused by the lists of another.
type Kind byte

// The lists there are.
const (
	Users Kind = iota + 1
	ChatMessages
	Feedback
	TrackLikes
	StatsByMessageCount
	StatsByLikedTracks
	StatsByLastActive
)

// Key is a row's place in a list: the value it is sorted by (microseconds since
// 1970 or a count) and its id, which breaks ties. Null sorts after every value.
type Key struct {
	Value int64
	Null  bool
	ID    string
}

// Window is the part of a list that was asked for: Size rows from its start, or
// from its end when Backward, strictly after After and before Before where those are set.
type Window struct {
	Size     int
	Backward bool
	After    *Key
	Before   *Key
}

// NewWindow reads Relay's arguments. Without first and last it is the first
// DefaultSize rows. Errors are BadUserInput and name the argument.
func NewWindow(kind Kind, first *int32, after *string, last *int32, before *string) (Window, error) {
	w := Window{Size: DefaultSize}
	size, name := first, "first"
	if last != nil {
		if first != nil {
			return Window{}, fault.BadInput("last", "cannot be combined with first")
		}
		size, name, w.Backward = last, "last", true
	}
	if size != nil {
		if *size < 1 || *size > MaxSize {
			return Window{}, fault.BadInput(name, "must be between 1 and %d", MaxSize)
		}
		w.Size = int(*size)
	}
	var err error
	if w.After, err = parse(kind, "after", after); err != nil {
		return Window{}, err
	}
	if w.Before, err = parse(kind, "before", before); err != nil {
		return Window{}, err
	}
	return w, nil
}

// cursorVersion is the first byte of every cursor; raise it when the layout changes.
const cursorVersion = 1

// headerLen is version, kind, null flag and value; the id follows.
const headerLen = 3 + 8

// AppendCursor appends k's cursor for a list of the given kind to dst. The
// alphabet is base64url, so it needs no escaping in JSON or in a URL.
func AppendCursor(dst []byte, kind Kind, k Key) []byte {
	var buf [headerLen + 64]byte
	raw := append(buf[:0], cursorVersion, byte(kind), 0)
	if k.Null {
		raw[2] = 1
	}
	raw = binary.BigEndian.AppendUint64(raw, uint64(k.Value))
	raw = append(raw, k.ID...)
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// Cursor is AppendCursor as a string.
func Cursor(kind Kind, k Key) string { return string(AppendCursor(nil, kind, k)) }

func parse(kind Kind, arg string, cursor *string) (*Key, error) {
	if cursor == nil {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err != nil || len(raw) <= headerLen || raw[0] != cursorVersion || Kind(raw[1]) != kind || raw[2] > 1 {
		return nil, fault.BadInput(arg, "is not a cursor of this list")
	}
	id := raw[headerLen:]
	for _, c := range id {
		if c == 0 {
			return nil, fault.BadInput(arg, "is not a cursor of this list")
		}
	}
	if !utf8.Valid(id) {
		return nil, fault.BadInput(arg, "is not a cursor of this list")
	}
	return &Key{Value: int64(binary.BigEndian.Uint64(raw[3:])), Null: raw[2] == 1, ID: string(id)}, nil
}
