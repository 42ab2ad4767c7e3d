package gqlhttp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ai-dj/segue/internal/config"
)

const (
	apolloManifest = `{"format":"apollo-persisted-query-manifest","version":1,"operations":[
		{"id":"op-1","name":"Hello","type":"query","body":"query Hello { echo(text: \"hello\") }"},
		{"id":"op-2","name":"Bye","type":"query","body":"{ echo(text: \"bye\") }"}]}`
	relayManifest = `{"op-1":"query Hello { echo(text: \"hello\") }","op-2":"{ echo(text: \"bye\") }"}`
	trustedText   = `query Hello { echo(text: "hello") }`
)

func manifest(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTrustedDocuments(t *testing.T) {
	t.Parallel()
	for form, text := range map[string]string{"Apollo": apolloManifest, "Relay": relayManifest} {
		trusted, err := LoadTrustedDocuments(manifest(t, text))
		if err != nil || trusted.Len() != 2 {
			t.Fatalf("%s: %v, %v", form, trusted, err)
		}
		c := toyConfig(t, newToy())
		c.Trusted = trusted
		endpoint := listen(t, c)
		cases := []struct {
			name    string
			request map[string]any
			found   bool
		}{
			{"by id", map[string]any{"documentId": "op-1"}, true},
			{"by the hash of its text as id", map[string]any{"documentId": "sha256:" + sha256Hex(trustedText)}, true},
			{"by hash", map[string]any{"extensions": persisted(sha256Hex(trustedText), 1)}, true},
			{"by its id as hash", map[string]any{"extensions": persisted("op-1", 1)}, true},
			{"by text", query(trustedText), true},
			{"by all three", map[string]any{"documentId": "op-1", "extensions": persisted(sha256Hex(trustedText), 1), "query": trustedText}, true},
			{"another text", query(`{ __typename }`), false},
			{"almost the text", query(trustedText + " "), false},
			{"an unknown id", map[string]any{"documentId": "op-3"}, false},
			{"an unknown hash", map[string]any{"extensions": persisted(sha256Hex("x"), 1)}, false},
			{"a known id with another text", map[string]any{"documentId": "op-1", "query": "{ __typename }"}, false},
			{"a known id with another's hash", map[string]any{"documentId": "op-2", "extensions": persisted(sha256Hex(trustedText), 1)}, false},
			{"a hash that comes with its own text", map[string]any{"extensions": persisted(sha256Hex("{ __typename }"), 1), "query": "{ __typename }"}, false},
		}
		for _, tc := range cases {
			t.Run(form+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				a := post(t, endpoint, tc.request)
				if tc.found && a.body != `{"data":{"echo":"hello"}}` {
					t.Errorf("got %d %s", a.status, a.body)
				}
				if !tc.found && (a.code(t) != "PERSISTED_QUERY_NOT_FOUND" || a.status != 400) {
					t.Errorf("got %d %s", a.status, a.body)
				}
			})
		}
	}
}

func TestManifestErrors(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not JSON":          `{"secret`,
		"a list":            `["secret"]`,
		"an unknown format": `{"format":"secret","version":1,"operations":[]}`,
		"version 2":         `{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}`,
		"no body":           `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"secret"}]}`,
		"one id, two texts": `{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"{secret}"},{"id":"a","body":"{b}"}]}`,
		"a Relay object":    `{"a":{"secret":1}}`,
		"an empty text":     `{"a":""}`,
	} {
		_, err := LoadTrustedDocuments(manifest(t, text))
		checkManifestError(t, name, err)
	}
	_, err := LoadTrustedDocuments("/secret/nowhere")
	checkManifestError(t, "no file", err)
}

// checkManifestError wants one line that names the setting and nothing of its content.
func checkManifestError(t *testing.T, name string, err error) {
	t.Helper()
	setting, ok := err.(*config.Error)
	if !ok || setting.Variable != "TRUSTED_DOCUMENTS" || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v", name, err)
	}
}
