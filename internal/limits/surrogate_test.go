package limits_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ai-dj/segue/internal/limits"
)

// TestSurrogates compares the scan with encoding/json, which puts U+FFFD where
// half of a pair was.
func TestSurrogates(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{`\ud83c`, `\udfc3`, `\uD800`, `\uDFFF`, `\\`, `\"`, `\n`, `A`, `u`, `ud800`, `x`, `ü`, `\/`})
	rapid.Check(t, func(t *rapid.T) {
		text := `"` + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "") + `"`
		var decoded string
		if err := json.Unmarshal([]byte(text), &decoded); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		lossy := strings.ContainsRune(decoded, '\uFFFD')
		if refused := limits.CheckJSON([]byte(text)) != nil; refused != lossy {
			t.Fatalf("%s: refused %t, lossy %t", text, refused, lossy)
		}
	})
}
