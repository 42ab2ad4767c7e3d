package gqlhttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/fault"
)

// TrustedDocuments are the only operations that run when TRUSTED_DOCUMENTS is set.
type TrustedDocuments struct {
	byID   map[string]string // the manifest's own ids
	byHash map[string]string // SHA-256 of the text, hexadecimal
}

// LoadTrustedDocuments reads a manifest: Apollo's persisted-query manifest, or
// Relay's map of id to text. Its error names the setting and nothing from the file.
func LoadTrustedDocuments(path string) (*TrustedDocuments, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, badManifest("name a file that can be read")
	}
	t, err := parseManifest(raw)
	if err != nil {
		return nil, badManifest("name a JSON file of " + manifestForms + ": " + err.Error())
	}
	return t, nil
}

const manifestForms = `Apollo's form {"format": "apollo-persisted-query-manifest", "version": 1, "operations": […]} or Relay's {"id": "query text"}`

func badManifest(must string) error {
	return &config.Error{Variable: "TRUSTED_DOCUMENTS", Must: must}
}

func parseManifest(raw []byte) (*TrustedDocuments, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("it is not a JSON object")
	}
	t := &TrustedDocuments{byID: map[string]string{}, byHash: map[string]string{}}
	if _, apollo := fields["operations"]; apollo {
		return t, t.addApollo(raw)
	}
	return t, t.addRelay(fields)
}

func (t *TrustedDocuments) addApollo(raw []byte) error {
	var manifest struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return errors.New("operations must be objects with id and body")
	}
	if manifest.Format != "apollo-persisted-query-manifest" || manifest.Version != 1 {
		return errors.New("format or version is unknown")
	}
	for i, op := range manifest.Operations {
		if err := t.add(op.ID, op.Body); err != nil {
			return fmt.Errorf("operation %d %w", i+1, err)
		}
	}
	return nil
}

func (t *TrustedDocuments) addRelay(fields map[string]json.RawMessage) error {
	for id, field := range fields {
		var text string
		if err := json.Unmarshal(field, &text); err != nil {
			return errors.New("every value must be a query text")
		}
		if err := t.add(id, text); err != nil {
			return fmt.Errorf("an operation %w", err)
		}
	}
	return nil
}

func (t *TrustedDocuments) add(id, text string) error {
	if id == "" || len(id) > maxDocumentID || strings.TrimSpace(text) == "" {
		return errors.New("has no id or no text")
	}
	if other, taken := t.byID[id]; taken && other != text {
		return errors.New("has the id of another one")
	}
	t.byID[id] = text
	t.byHash[sha256Hex(text)] = text
	return nil
}

// Len is how many different operations are trusted.
func (t *TrustedDocuments) Len() int { return len(t.byHash) }

// text finds what p asks for by documentId, by hash, or by its exact text. When
// it is asked for in several ways, they must agree.
func (t *TrustedDocuments) text(p Params, hash string) (string, *Failure) {
	if p.Query == "" && hash == "" && p.DocumentID == "" {
		return "", refusal(http.StatusBadRequest, fault.BadUserInput, "documentId, a persisted query's hash or query must be given")
	}
	names := []string{p.DocumentID, hash}
	if p.Query != "" {
		names = append(names, sha256Hex(p.Query))
	}
	var found string
	for _, name := range names {
		if name == "" {
			continue
		}
		text, ok := t.named(name)
		if !ok || (found != "" && found != text) {
			return "", invalid(fault.PersistedQueryNotFound, "PersistedQueryNotFound")
		}
		found = text
	}
	return found, nil
}

func (t *TrustedDocuments) named(name string) (string, bool) {
	if text, ok := t.byID[name]; ok {
		return text, true
	}
	text, ok := t.byHash[strings.ToLower(strings.TrimPrefix(name, "sha256:"))]
	return text, ok
}
