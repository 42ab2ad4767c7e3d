package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// JSON writes the report for programs (contract §6).
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Print writes the report for people, one finding after the other.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	counts := map[Level]int{}
	for _, f := range r.Findings {
		counts[f.Level]++
		fmt.Fprintf(&b, "%-8s %s  (%s)\n", f.Level, f.Title, f.ID)
		indented(&b, "", f.Detail)
		if f.Level != Info || f.Fix != "none needed" {
			indented(&b, "→ ", f.Fix)
		}
		b.WriteString("\n")
	}
	verdict := "Everything is in order."
	switch {
	case !r.OK:
		verdict = "Segue does not work right like this."
	case counts[Warning] > 0:
		verdict = "Segue works; look at the warnings."
	}
	fmt.Fprintf(&b, "%s Errors: %d, warnings: %d.\n", verdict, counts[Error], counts[Warning])
	_, err := io.WriteString(w, b.String())
	return err
}

// indented wraps text under its title. Long words, such as SQL has none of, stay whole.
func indented(b *strings.Builder, mark, text string) {
	const margin, width = "         ", 100
	line := margin + mark
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) > width && strings.TrimSpace(line) != strings.TrimSpace(mark) {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = margin + strings.Repeat(" ", len([]rune(mark)))
		}
		line += word + " "
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
