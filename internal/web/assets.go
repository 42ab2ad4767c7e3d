package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// contentTypes are those of the files that a build makes. mime.TypeByExtension
// would ask the machine's own tables, which differ.
var contentTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".ttf": "font/ttf",
}

// assets serves dist/assets, where each file lies as .br and .gz only. Names carry
// a hash of the content, so an answer holds for ever.
type assets struct{ dist fs.FS }

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	contentType, known := contentTypes[path.Ext(name)]
	if !known {
		http.NotFound(w, r)
		return
	}
	accept := r.Header.Get("Accept-Encoding")
	extension, encoding := ".gz", "gzip"
	if accepts(accept, "br") {
		extension, encoding = ".br", "br"
	}
	content, err := fs.ReadFile(a.dist, "assets/"+name+extension)
	if err == nil && encoding == "gzip" && !accepts(accept, "gzip") {
		encoding = ""
		content, err = unpack(content)
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("ETag", etag([]byte(name+encoding)))
	header.Set("Vary", "Accept-Encoding")
	if encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	if matches(r, header.Get("ETag")) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
}

func unpack(packed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// accepts reports whether an Accept-Encoding header takes a coding: named, or by *, and not with q=0.
func accepts(header, coding string) bool {
	verdict := false
	for item := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(item), ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != coding && name != "*" {
			continue
		}
		weight, given := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		verdict = !given || err != nil || q > 0
		if name == coding {
			return verdict
		}
	}
	return verdict
}
