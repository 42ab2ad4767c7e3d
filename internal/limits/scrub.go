package limits

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
)

// blank stands for a name that the caller did not bring along.
const blank = "…"

// scrub takes out of the errors every name that the query does not contain, so
// that with introspection off the schema cannot be read from mistakes. gqlparser
// quotes the names it mentions; the one rule that also writes them bare (as in
// "Int cannot represent …") gets a sentence of its own.
func scrub(list gqlerror.List, query string) {
	known := names(query)
	for _, e := range list {
		if e.Rule == "ValuesOfCorrectTypeWithoutSuggestions" || e.Rule == "IntIs32Bits" {
			e.Message = "A value is not of the type that is expected here."
			continue
		}
		e.Message = scrubQuoted(e.Message, known)
	}
}

// names is every name the query contains. The guard has bounded their number.
func names(query string) map[string]bool {
	known := map[string]bool{}
	lex := lexer.New(&ast.Source{Input: query})
	for {
		token, err := lex.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			return known
		}
		if token.Kind == lexer.Name {
			known[token.Value] = true
		}
	}
}

// scrubQuoted blanks unknown names between double quotes. None of the messages
// it is given quotes a value, which might hold a quote of its own.
func scrubQuoted(message string, known map[string]bool) string {
	parts := strings.Split(message, `"`)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = scrubNames(parts[i], known)
	}
	return strings.Join(parts, `"`)
}

func scrubNames(text string, known map[string]bool) string {
	var out strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) && isName(text[n]) {
			n++
		}
		switch {
		case n == 0:
			out.WriteByte(text[0])
			n = 1
		case known[text[:n]]:
			out.WriteString(text[:n])
		default:
			out.WriteString(blank)
		}
		text = text[n:]
	}
	return out.String()
}

func isName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
