package gqlhttp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/ai-dj/segue/internal/fault"
)

// documents turns a request into a parsed, validated document. It remembers
// parsed documents by their text and the texts of automatic persisted queries
// (Apollo's protocol) by their hash, both bounded by bytes.
type documents struct {
	guard         Guard
	schema        *ast.Schema
	introspection bool
	trusted       *TrustedDocuments

	parsed    *otter.Cache[string, *ast.QueryDocument]
	persisted *otter.Cache[string, string]
}

// astBytes is what a byte of query text costs once parsed, measured on dense
// selections ("{a{b c d}}"): a field is some 200 bytes of nodes and positions.
const astBytes = 64

func newDocuments(c Config) *documents {
	return &documents{
		guard:         c.Limits,
		schema:        c.Schema.Schema(),
		introspection: c.Introspection,
		trusted:       c.Trusted,
		parsed: otter.Must(&otter.Options[string, *ast.QueryDocument]{
			MaximumWeight: c.DocumentCacheBytes,
			Weigher:       func(text string, _ *ast.QueryDocument) uint32 { return uint32(1024 + astBytes*len(text)) },
		}),
		persisted: otter.Must(&otter.Options[string, string]{
			MaximumWeight: c.PersistedCacheBytes,
			Weigher:       func(_, text string) uint32 { return uint32(256 + len(text)) },
		}),
	}
}

// text is the query text that p asks for, by itself or by name.
func (d *documents) text(p Params) (string, *Failure) {
	hash, failure := persistedHash(p.Extensions)
	if failure != nil {
		return "", failure
	}
	switch {
	case d.trusted != nil:
		return d.trusted.text(p, hash)
	case p.Query == "" && hash == "" && p.DocumentID != "":
		return "", refusal(http.StatusBadRequest, fault.PersistedQueryUnsupported, "documentId is not supported here")
	case p.Query == "" && hash == "":
		return "", refusal(http.StatusBadRequest, fault.BadUserInput, "query must be given")
	case hash == "":
		return p.Query, nil
	case p.Query == "":
		return d.recall(hash)
	case hash != sha256Hex(p.Query):
		return "", refusal(http.StatusBadRequest, fault.BadUserInput, "provided sha does not match query")
	}
	return p.Query, nil
}

// recall looks an automatic persisted query up. The message and the status 200
// are what Apollo's clients wait for before they send the text.
func (d *documents) recall(hash string) (string, *Failure) {
	if text, ok := d.persisted.GetIfPresent(hash); ok {
		return text, nil
	}
	return "", refusal(http.StatusOK, fault.PersistedQueryNotFound, "PersistedQueryNotFound")
}

// remember keeps a text that was sent together with its hash. It is called only
// once the text has parsed and validated, so that garbage cannot fill the cache.
func (d *documents) remember(p Params, query string) {
	if d.trusted != nil || p.Query == "" {
		return
	}
	if hash, _ := persistedHash(p.Extensions); hash != "" {
		d.persisted.SetIfAbsent(hash, query)
	}
}

// parse is the document of query: from the cache, or parsed once for everyone
// who asks for it at the same time.
func (d *documents) parse(ctx context.Context, query string) (*ast.QueryDocument, *Failure) {
	doc, err := d.parsed.Get(ctx, query, otter.LoaderFunc[string, *ast.QueryDocument](d.load))
	if err == nil {
		return doc, nil
	}
	if list, ok := errors.AsType[gqlerror.List](err); ok {
		return nil, &Failure{Errors: list[:min(len(list), maxErrors)]}
	}
	if ctx.Err() != nil {
		return nil, failed(fault.New(fault.Timeout, "the request ended before its document was parsed").Because(err))
	}
	return nil, failed(fault.New(fault.Internal, "internal error").Because(err))
}

func (d *documents) load(_ context.Context, query string) (doc *ast.QueryDocument, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the parser: %v", p)
		}
	}()
	doc, list := d.guard.Parse(d.schema, query, d.introspection)
	if len(list) > 0 {
		return nil, list
	}
	return doc, nil
}

// persistedHash is extensions.persistedQuery.sha256Hash, "" when there is none.
func persistedHash(extensions map[string]any) (string, *Failure) {
	raw, present := extensions["persistedQuery"]
	if !present || raw == nil {
		return "", nil
	}
	persisted, _ := raw.(map[string]any)
	hash, _ := persisted["sha256Hash"].(string)
	if fmt.Sprint(persisted["version"]) != "1" {
		return "", refusal(http.StatusBadRequest, fault.PersistedQueryUnsupported, "extensions.persistedQuery.version must be 1")
	}
	if hash == "" || len(hash) > maxDocumentID {
		return "", refusal(http.StatusBadRequest, fault.BadUserInput, "extensions.persistedQuery.sha256Hash must be a hash in hexadecimal digits")
	}
	return strings.ToLower(hash), nil
}

const maxDocumentID = 256

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
