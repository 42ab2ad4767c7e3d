package gqlhttp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ai-dj/segue/internal/fault"
	"github.com/ai-dj/segue/internal/limits"
)

const allowedMethods = "GET, POST, OPTIONS"

// read takes the GraphQL request out of an HTTP request. Nothing of what it reads
// is ever repeated in an answer.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (Params, *Failure) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		f := refusal(http.StatusMethodNotAllowed, fault.BadUserInput, "GraphQL is served over GET and POST")
		f.Header = http.Header{"Allow": {allowedMethods}}
		return Params{}, f
	}
	if f := forged(r); f != nil {
		return Params{}, f
	}
	var (
		p Params
		f *Failure
	)
	if r.Method == http.MethodGet {
		p, f = readURL(r.URL.RawQuery)
		p.Refuse = noMutations
	} else {
		p, f = h.readBody(w, r)
	}
	p.Remote = remote(r.RemoteAddr)
	return p, f
}

func badRequest(message string) *Failure {
	return refusal(http.StatusBadRequest, fault.BadUserInput, message)
}

func readURL(rawQuery string) (Params, *Failure) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return Params{}, badRequest("the URL's query string is malformed")
	}
	var p Params
	for name, target := range map[string]*string{"query": &p.Query, "operationName": &p.OperationName, "documentId": &p.DocumentID} {
		if *target = values.Get(name); !utf8.ValidString(*target) {
			return Params{}, badRequest(name + " is not UTF-8")
		}
	}
	for name, target := range map[string]*map[string]any{"variables": &p.Variables, "extensions": &p.Extensions} {
		if f := readObject(name, values.Get(name), target); f != nil {
			return Params{}, f
		}
	}
	for name := range values {
		if len(values[name]) > 1 && graphqlParameter(name) {
			return Params{}, badRequest(name + " is given twice")
		}
	}
	return p, nil
}

func graphqlParameter(name string) bool {
	switch name {
	case "query", "operationName", "documentId", "variables", "extensions":
		return true
	}
	return false
}

// readObject decodes a URL parameter that holds a JSON object, or nothing.
func readObject(name, text string, target *map[string]any) *Failure {
	if text == "" {
		return nil
	}
	raw := []byte(text)
	if limits.CheckJSON(raw) != nil || decode(raw, target) != nil {
		return badRequest(name + " must be a JSON object")
	}
	return nil
}

func (h *Handler) readBody(w http.ResponseWriter, r *http.Request) (Params, *Failure) {
	if f := checkContentType(r.Header); f != nil {
		return Params{}, f
	}
	body, err := readAll(w, r, h.MaxBodyBytes)
	switch _, tooLarge := errors.AsType[*http.MaxBytesError](err); {
	case tooLarge:
		return Params{}, refusal(http.StatusRequestEntityTooLarge, fault.BadUserInput, "the request body is too large")
	case err != nil:
		return Params{}, badRequest("the request body did not arrive whole")
	}
	return readJSON(body)
}

// readAll reads the body, in one piece where its length was announced. A body
// that announces too much is not read at all.
func readAll(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return nil, &http.MaxBytesError{Limit: limit}
	}
	if r.ContentLength > 0 {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
}

// checkContentType takes JSON in UTF-8, uncompressed. Compressed bodies are not
// taken, so that nobody has to guess what one inflates to.
func checkContentType(header http.Header) *Failure {
	unsupported := func(message string) *Failure {
		return refusal(http.StatusUnsupportedMediaType, fault.BadUserInput, message)
	}
	encoding := header.Get("Content-Encoding")
	if header.Get("Content-Type") == typeJSON && encoding == "" {
		return nil // what nearly everybody sends
	}
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || mediaType != typeJSON {
		return unsupported("the request body must be application/json")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return unsupported("the request body must be UTF-8")
	}
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return unsupported("the request body must not be compressed")
	}
	return nil
}

func readJSON(body []byte) (Params, *Failure) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) > 0 && body[0] == '[' {
		return Params{}, badRequest("batches are not served here: send one operation per request")
	}
	if err := limits.CheckJSON(body); err != nil {
		return Params{}, badRequest(err.Error())
	}
	var p Params
	if err := decodeParams(body, &p); err != nil {
		return Params{}, badRequest(err.Error())
	}
	return p, nil
}

// decodeParams decodes by exact names: encoding/json would take "QUERY" for
// "query", and the last of two.
func decodeParams(body []byte, p *Params) error {
	malformed := errors.New("the request body must be a JSON object")
	if !json.Valid(body) || body[0] != '{' {
		return malformed
	}
	var seen [5]string
	for name, value := range members(body) {
		if !graphqlParameter(name) {
			continue
		}
		for i := range seen {
			if seen[i] == name {
				return errors.New(name + " is given twice")
			}
			if seen[i] == "" {
				seen[i] = name
				break
			}
		}
		target, kind := p.field(name)
		switch err := decode(value, target); {
		case err == nil:
		case isType(err):
			return errors.New(name + " must be " + kind)
		default:
			return malformed
		}
	}
	return nil
}

// members gives the names and the undecoded values of a JSON object, which is
// valid and begins with its brace.
func members(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		rest := object[1:]
		for {
			quote := bytes.IndexByte(rest, '"')
			if quote < 0 {
				return
			}
			raw := rest[quote : quote+valueLength(rest[quote:])]
			rest = rest[quote+len(raw):]
			rest = bytes.TrimLeft(rest[bytes.IndexByte(rest, ':')+1:], " \t\r\n")
			value := rest[:valueLength(rest)]
			rest = rest[len(value):]
			name := string(raw[1 : len(raw)-1])
			if strings.IndexByte(name, '\\') >= 0 {
				_ = json.Unmarshal(raw, &name) // it is a valid string
			}
			if !yield(name, value) {
				return
			}
			if comma := bytes.IndexByte(rest, ','); comma >= 0 {
				rest = rest[comma+1:]
				continue
			}
			return
		}
	}
}

// valueLength is the length of the valid JSON value that raw begins with.
func valueLength(raw []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; !quoted && depth == 0 {
				return i + 1
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c <= ' '):
			return i
		}
	}
	return len(raw)
}

func isType(err error) bool {
	_, ok := errors.AsType[*json.UnmarshalTypeError](err)
	return ok
}

// field is where a member of the request body goes, and what it must be.
func (p *Params) field(name string) (target any, kind string) {
	switch name {
	case "query":
		return &p.Query, "a string"
	case "operationName":
		return &p.OperationName, "a string"
	case "documentId":
		return &p.DocumentID, "a string"
	case "variables":
		return &p.Variables, "an object"
	case "extensions":
		return &p.Extensions, "an object"
	}
	return nil, ""
}

// unquote reads a valid JSON string. Most have no escapes and are what they say.
func unquote(raw []byte, text *string) error {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return json.Unmarshal(raw, text)
	}
	*text = string(raw[1 : len(raw)-1])
	return nil
}

func newDecoder(raw []byte) *json.Decoder {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return dec
}

func decode(raw []byte, target any) error {
	if text, ok := target.(*string); ok && raw[0] == '"' {
		return unquote(raw, text)
	}
	dec := newDecoder(raw)
	if err := dec.Decode(target); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

// remote is the address that an anonymous caller is billed by. A household has
// one IPv6 /64, so that is one caller.
func remote(remoteAddr string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil || address.Unmap().Is4() {
		return host
	}
	prefix, _ := address.WithZone("").Prefix(64)
	return prefix.String()
}
