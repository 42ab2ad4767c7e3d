package telemetry

import (
	"regexp"
	"strings"
)

// secrets are e-mail addresses, JSON Web Tokens, API keys, Clerk's keys and
// passwords in URLs, wherever they turn up in a text.
var secrets = regexp.MustCompile(`[^\s"'<>(),:;=/]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+` +
	`|eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}` +
	`|\b(?:sgk|sk_live|sk_test|whsec)_[A-Za-z0-9_+/=-]+` +
	`|://[^\s/@]*:[^\s/@]*@`)

// minRedacted spares short values: taking every "1" out of a text would leave nothing to read.
const minRedacted = 3

// Redact takes secrets and the given values out of a text that is about to be logged.
func Redact(text string, values ...string) string {
	for _, v := range values {
		if len(v) >= minRedacted {
			text = strings.ReplaceAll(text, v, "[…]")
		}
	}
	return secrets.ReplaceAllString(text, "[…]")
}
