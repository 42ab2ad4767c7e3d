// Package model holds what gqlgen binds the schema to and the store does not
// have: generated input and payload types, and the scalars' two directions.
package model

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/store"
)

// AppendTime appends t as a JSON string: RFC 3339 in UTC, microseconds kept,
// trailing zeros of the fraction left out.
func AppendTime(dst []byte, t store.Time) []byte {
	dst = append(dst, '"')
	dst = t.Std().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// MarshalDateTime writes a DateTime.
func MarshalDateTime(t store.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(AppendTime(nil, t)) })
}

// UnmarshalDateTime reads RFC 3339, or milliseconds since 1970 as a number or a string of digits.
func UnmarshalDateTime(v any) (store.Time, error) {
	switch v := v.(type) {
	case string:
		if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
			return fromMillis(ms)
		}
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return 0, errDateTime
		}
		return inRange(t)
	case json.Number:
		ms, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return 0, errDateTime
		}
		return fromMillis(ms)
	case int64:
		return fromMillis(v)
	case int:
		return fromMillis(int64(v))
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
			return 0, errDateTime
		}
		return fromMillis(int64(v))
	}
	return 0, errDateTime
}

var errDateTime = fault.New(fault.BadUserInput, "a DateTime must be RFC 3339, like 2026-03-01T18:30:00Z, or milliseconds since 1970")

func fromMillis(ms int64) (store.Time, error) {
	if ms > math.MaxInt64/1000 || ms < math.MinInt64/1000 {
		return 0, errDateTime
	}
	return inRange(time.UnixMilli(ms))
}

// inRange refuses years that PostgreSQL or RFC 3339 could not hold.
func inRange(t time.Time) (store.Time, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return 0, errDateTime
	}
	return store.TimeOf(t), nil
}

// MarshalUUID writes the id of a row whose key is a uuid.
func MarshalUUID(u store.UUID) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(append(u.Append([]byte{'"'}), '"')) })
}

// UnmarshalUUID reads an id; ids are never bound to UUID on the way in.
func UnmarshalUUID(v any) (store.UUID, error) {
	s, err := UnmarshalID(v)
	u, ok := store.ParseUUID(s)
	if err == nil && !ok {
		err = fault.New(fault.BadUserInput, "an id must be a UUID here")
	}
	return u, err
}

// MarshalID writes an id.
func MarshalID(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalID reads an id: a string or an integer, as the specification says (§3.5.5).
func UnmarshalID(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return v.String(), nil
		}
	case int64:
		return strconv.FormatInt(v, 10), nil
	case int:
		return strconv.Itoa(v), nil
	}
	return "", fault.New(fault.BadUserInput, "an ID must be a string")
}

// MarshalString writes a string.
func MarshalString(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// UnmarshalString reads a string and nothing else (§3.5.3).
func UnmarshalString(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fault.New(fault.BadUserInput, "a String must be a string")
	}
	if !utf8.ValidString(s) {
		return "", fault.New(fault.BadUserInput, "a String must be valid Unicode")
	}
	return s, nil
}

// MarshalCount writes a count. GraphQL's Int has 32 bits; more than that is
// written as the largest, which is wrong by less than any error would be.
func MarshalCount(n int64) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(AppendCount(nil, n)) })
}

// AppendCount appends n as MarshalCount writes it.
func AppendCount(dst []byte, n int64) []byte {
	return strconv.AppendInt(dst, min(n, math.MaxInt32), 10)
}

// UnmarshalCount reads an Int.
func UnmarshalCount(v any) (int64, error) {
	n, err := graphql.UnmarshalInt32(v)
	return int64(n), err
}
