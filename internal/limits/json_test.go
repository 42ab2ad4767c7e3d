package limits_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ai-dj/segue/internal/limits"
)

func TestCheckJSON(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		fine bool
	}{
		"a request":              {`{"query":"{a}","variables":{"a":[{"b":"}]"}]}}`, true},
		"brackets in strings":    {`{"query":"` + strings.Repeat("[{", 1000) + `"}`, true},
		"an escaped quote":       {`{"query":"\"` + strings.Repeat("[", 1000) + `"}`, true},
		"an escaped backslash":   {`{"a":"\\","b":` + strings.Repeat("[", 64) + `}`, false},
		"siblings":               {"[" + strings.Repeat("[],", 1000) + "[]]", true},
		"nesting at the limit":   {strings.Repeat("[", limits.MaxJSONNesting) + strings.Repeat("]", limits.MaxJSONNesting), true},
		"nesting over the limit": {strings.Repeat("[", limits.MaxJSONNesting+1), false},
		"objects too":            {strings.Repeat(`{"a":`, limits.MaxJSONNesting+1), false},
		"nothing":                {"", true},
		"a quote left open":      {`"\`, true},
		"a pair of surrogates":   {`"\ud83d\ude00\ud83d\ude00"`, true},
		"what only looks so":     {`"\\ud83d"`, true},
	}
	for name, tt := range tests {
		if err := limits.CheckJSON([]byte(tt.body)); (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := limits.CheckJSON([]byte("\"\xff\"")); !errors.Is(err, limits.ErrNotUTF8) {
		t.Errorf("invalid UTF-8 gives %v", err)
	}
	for _, body := range []string{`"\ud83d"`, `"\ud83d x"`, `"\ud83d\ud83d"`, `"\udE00"`, `"\\\uD83D\u0041"`, `"\ud83d`} {
		if err := limits.CheckJSON([]byte(body)); !errors.Is(err, limits.ErrSurrogate) {
			t.Errorf("%s gives %v", body, err)
		}
	}
}

// jsonDepth is how deep encoding/json finds raw to nest, 0 where it stops.
func jsonDepth(raw []byte) int {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	depth, deepest := 0, 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
