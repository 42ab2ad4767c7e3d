package gqlhttp

import (
	"errors"
	"unicode/utf8"
)

// maxJSONDepth is far beyond any input type of the schema and far below what
// costs encoding/json and the coercion of variables a deep stack.
const maxJSONDepth = 64

var (
	errNotUTF8   = errors.New("the request body is not UTF-8")
	errTooDeep   = errors.New("the request body nests too deep")
	errSurrogate = errors.New("the request body has half of a surrogate pair")
)

// checkJSON looks at raw JSON before anything decodes it: it must be UTF-8,
// nest little, and hold no lone surrogate, which encoding/json would quietly turn
// into U+FFFD and PostgreSQL could not store. Whether it is JSON is the decoder's to say.
func checkJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return errNotUTF8
	}
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '{', '[':
			if depth++; depth > maxJSONDepth {
				return errTooDeep
			}
		case '}', ']':
			depth--
		case '"':
			end, err := skipString(raw, i+1)
			if err != nil {
				return err
			}
			i = end
		}
	}
	return nil
}

// skipString returns the index of the closing quote of the string that begins at i.
func skipString(raw []byte, i int) (int, error) {
	for ; i < len(raw) && raw[i] != '"'; i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		unit, ok := escapedUnit(raw, i)
		if !ok {
			continue
		}
		i += 4
		switch {
		case unit>>10 == 0xDC00>>10: // a low half that no high half announced
			return i, errSurrogate
		case unit>>10 == 0xD800>>10:
			low, ok := escapedUnit(raw, i+2)
			if !ok || raw[i+1] != '\\' || low>>10 != 0xDC00>>10 {
				return i, errSurrogate
			}
			i += 6
		}
	}
	return i, nil
}

// escapedUnit reads uXXXX at i.
func escapedUnit(raw []byte, i int) (rune, bool) {
	if i+4 >= len(raw) || raw[i] != 'u' {
		return 0, false
	}
	var unit rune
	for _, c := range raw[i+1 : i+5] {
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
