package gqlhttp

import (
	"mime"
	"strconv"
	"strings"
)

const (
	typeResponse = "application/graphql-response+json"
	typeJSON     = "application/json"
	typeEvents   = "text/event-stream"
)

// media is the type of a JSON answer. The zero value is application/json for a
// caller that named no type.
type media struct {
	response bool // application/graphql-response+json
	legacy   bool // application/json, asked for by name: 200 also for a bad document
}

var (
	responseContent = []string{typeResponse + "; charset=utf-8"}
	jsonContent     = []string{typeJSON + "; charset=utf-8"}
)

// contentType is the header's value, shared: nobody changes it in place.
func (m media) contentType() []string {
	if m.response {
		return responseContent
	}
	return jsonContent
}

// accepted is what a caller takes.
type accepted struct {
	media  media
	stream bool // text/event-stream is taken, where the operation is a subscription
	only   bool // text/event-stream is preferred to everything else
}

// negotiate reads Accept headers; false means that nothing in them is served here.
// The highest quality wins, then the order of writing. A subscription is streamed
// whenever events are taken at all: some clients list every type they know.
func negotiate(headers []string) (accepted, bool) {
	var a accepted
	best := 0.0
	for item := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, quality, ok := mediaRange(item)
		if !ok || quality <= 0 {
			continue
		}
		m, served := media{}, true
		switch name {
		case typeResponse:
			m.response = true
		case typeJSON:
			m.legacy = true
		case typeEvents:
			a.stream = true
		case "*/*", "application/*":
		default:
			served = false
		}
		if served && quality > best {
			best, a.media, a.only = quality, m, name == typeEvents
		}
	}
	empty := strings.TrimSpace(strings.Join(headers, "")) == ""
	return a, best > 0 || a.stream || empty
}

func mediaRange(item string) (name string, quality float64, ok bool) {
	name, params, err := mime.ParseMediaType(item)
	if err != nil {
		return "", 0, false
	}
	quality = 1
	if q, given := params["q"]; given {
		if quality, err = strconv.ParseFloat(q, 64); err != nil {
			return "", 0, false
		}
	}
	return name, quality, true
}
