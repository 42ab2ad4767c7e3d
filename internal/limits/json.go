package limits

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxJSONNesting is how deep a request's JSON may nest. The deepest input of the schema takes six levels.
const MaxJSONNesting = 64

// ErrNotUTF8 is what CheckJSON says of text in another encoding. encoding/json
// would replace the bytes it cannot read and go on.
var ErrNotUTF8 = errors.New("the request body is not UTF-8")

// CheckJSON refuses a request body that would be costly or lossy to decode. It
// looks at brackets and strings only and does not recurse; what is otherwise
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
	return nil
}
