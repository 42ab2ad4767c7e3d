package limits_test

import (
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
	}
	for name, tt := range tests {
		if err := limits.CheckJSON([]byte(tt.body)); (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := limits.CheckJSON([]byte("\"\xff\"")); !errors.Is(err, limits.ErrNotUTF8) {
		t.Errorf("invalid UTF-8 gives %v", err)
	}
}
