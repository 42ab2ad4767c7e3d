package limits

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxJSONNesting is how deep a request's JSON may nest. The deepest input of the schema takes six levels.
const MaxJSONNesting = 64

// ErrNotUTF8 and ErrSurrogate are what CheckJSON says of text that encoding/json
// would quietly fill with U+FFFD where it cannot read it.
var (
	ErrNotUTF8   = errors.New("the request body is not UTF-8")
	ErrSurrogate = errors.New("the request body has half of a surrogate pair")
)

// CheckJSON refuses JSON that would be costly or lossy to decode. It looks at
// brackets, strings and escapes only and does not recurse; what is otherwise
// wrong with the JSON, its decoder says.
func CheckJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return ErrNotUTF8
	}
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxJSONNesting {
				return fmt.Errorf("the request body nests too deep: at most %d levels are allowed", MaxJSONNesting)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	// A backslash is an escape wherever JSON has one at all.
	if loneSurrogate(raw) {
		return ErrSurrogate
	}
	return nil
}
