package gqlhttp

import (
	"net/http"

	"github.com/ai-dj/segue/internal/fault"
)

// serveSocket is where the graphql-transport-ws transport plugs in.
func (h *Handler) serveSocket(w http.ResponseWriter, r *http.Request) {
	h.refuse(w, r, media{}, refusal(http.StatusNotImplemented, fault.BadUserInput, "no socket is served here"))
}
