package gqlhttp

import (
	"bytes"
	"errors"

	"github.com/ai-dj/segue/internal/limits"
)

var errSurrogate = errors.New("the request body has half of a surrogate pair")

// checkJSON looks at raw JSON before anything decodes it: beside what
// limits.CheckJSON refuses, it must hold no lone surrogate, which encoding/json
// would quietly turn into U+FFFD. Whether it is JSON is the decoder's to say.
func checkJSON(raw []byte) error {
	if err := limits.CheckJSON(raw); err != nil {
		return err
	}
	return checkSurrogates(raw)
}

// checkSurrogates wants each \uD800–\uDBFF followed by a \uDC00–\uDFFF, and none
// of those alone. A backslash is an escape wherever JSON has one at all.
func checkSurrogates(raw []byte) error {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 == len(raw) {
			return nil
		}
		unit, escaped := escapedUnit(raw[i:])
		switch {
		case !escaped:
			raw = raw[i+2:]
			continue
		case unit>>10 == 0xD800>>10:
			low, _ := escapedUnit(raw[i+6:])
			if low>>10 != 0xDC00>>10 {
				return errSurrogate
			}
			i += 6
		case unit>>10 == 0xDC00>>10:
			return errSurrogate
		}
		raw = raw[i+6:]
	}
}

// escapedUnit reads the \uXXXX that raw begins with.
func escapedUnit(raw []byte) (unit rune, ok bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	for _, c := range raw[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(c)
	}
	return unit, true
}
