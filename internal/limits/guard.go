package limits

import (
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"

	"github.com/ai-dj/segue/internal/fault"
)

// guard counts what a document is made of and stops at the first excess. It
// reads with gqlparser's own lexer, so the two never disagree on what a token
// is, and it neither recurses nor keeps anything: a document that is refused
// here has cost one pass over its beginning.
func (l Limits) guard(query string) *gqlerror.Error {
	if len(query) > MaxDocumentBytes {
		return refusal(fault.OperationTooComplex, "the document is too long: at most %d bytes are allowed", MaxDocumentBytes)
	}
	if strings.Count(query, "\n")+strings.Count(query, "\r") > MaxLines {
		return tooMuch("lines", MaxLines)
	}
	if !utf8.ValidString(query) {
		return refusal(fault.ParseFailed, "Syntax Error: the document is not UTF-8.")
	}
	c := counter{maxNesting: max(MaxNesting, 2*l.MaxDepth), text: cursor{text: query}}
	lex := lexer.New(&ast.Source{Input: query})
	for {
		token, err := lex.ReadToken()
		if err != nil {
			return parseError(err)
		}
		if token.Kind == lexer.EOF {
			return nil
		}
		if err := c.count(token); err != nil {
			return err
		}
	}
}

// counter is the guard's state.
type counter struct {
	tokens, aliases, directives int
	nesting, maxNesting         int
	parens                      int
	text                        cursor
}

func (c *counter) count(token lexer.Token) *gqlerror.Error {
	if token.Kind == lexer.Comment {
		return nil
	}
	if c.tokens++; c.tokens > MaxTokens {
		return tooMuch("tokens", MaxTokens)
	}
	switch token.Kind {
	case lexer.BraceL, lexer.BracketL, lexer.ParenL:
		return c.open(token.Kind)
	case lexer.BraceR, lexer.BracketR, lexer.ParenR:
		c.close(token.Kind)
	case lexer.Colon:
		// Outside parentheses a colon can only follow an alias.
		if c.parens == 0 {
			c.aliases++
			return over(c.aliases, MaxAliases, "aliases")
		}
	case lexer.At:
		c.directives++
		return over(c.directives, MaxDirectives, "directives")
	case lexer.Name:
		if len(token.Value) > MaxNameBytes {
			return refusal(fault.OperationTooComplex, "a name is too long: at most %d bytes are allowed", MaxNameBytes)
		}
	case lexer.String:
		return c.checkString(token)
	}
	return nil
}

func over(n, limit int, what string) *gqlerror.Error {
	if n > limit {
		return tooMuch(what, limit)
	}
	return nil
}

func (c *counter) open(kind lexer.Type) *gqlerror.Error {
	if kind == lexer.ParenL {
		c.parens++
	}
	if c.nesting++; c.nesting > c.maxNesting {
		return refusal(fault.OperationTooDeep, "the document nests too deep: at most %d levels of brackets are allowed", c.maxNesting)
	}
	return nil
}

func (c *counter) close(kind lexer.Type) {
	if kind == lexer.ParenR && c.parens > 0 {
		c.parens--
	}
	c.nesting--
}

// checkString refuses half a surrogate pair, which no text can contain.
// gqlparser turns it into U+FFFD, so only strings with one are looked at again.
func (c *counter) checkString(token lexer.Token) *gqlerror.Error {
	if !strings.ContainsRune(token.Value, utf8.RuneError) {
		return nil
	}
	if loneSurrogate(c.text.slice(token.Pos.Start, token.Pos.End)) {
		e := refusal(fault.ParseFailed, "Syntax Error: Invalid Unicode escape sequence.")
		e.Locations = []gqlerror.Location{{Line: token.Pos.Line, Column: token.Pos.Column}}
		return e
	}
	return nil
}

// cursor turns the lexer's offsets, which count runes, into bytes. It only
// moves forward, so all its moves together are one pass.
type cursor struct {
	text        string
	bytes, rune int
}

func (c *cursor) to(rune int) int {
	for c.rune < rune && c.bytes < len(c.text) {
		_, width := utf8.DecodeRuneInString(c.text[c.bytes:])
		c.bytes += width
		c.rune++
	}
	return c.bytes
}

func (c *cursor) slice(start, end int) string {
	from := c.to(start)
	return c.text[from:c.to(end)]
}

// loneSurrogate reports whether text has a \u escape of half a surrogate pair
// without the other half. That its escapes are otherwise well formed is for the
// lexer or the decoder to say; GraphQL's and JSON's look the same.
func loneSurrogate[T string | []byte](text T) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch half(text[i:]) {
		case 0:
			i++
		case leading:
			if half(text[i+6:]) != trailing {
				return true
			}
			i += 11
		case trailing:
			return true
		}
	}
	return false
}

const (
	leading  = 1
	trailing = 2
)

// half says which half of a surrogate pair the escape at the start of s is, 0 for none.
func half[T string | []byte](s T) int {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || s[2]|0x20 != 'd' {
		return 0
	}
	switch s[3] | 0x20 {
	case '8', '9', 'a', 'b':
		return leading
	case 'c', 'd', 'e', 'f':
		return trailing
	}
	return 0
}
