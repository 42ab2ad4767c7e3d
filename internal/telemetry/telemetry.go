// Package telemetry is how an operator sees what Segue does: logs, request ids,
// Prometheus metrics, and OpenTelemetry traces when an endpoint for them is set.
// It measures what it is told; it knows neither GraphQL nor the database's rows.
package telemetry

import (
	"io"
	"log/slog"
)

// NewLogger writes to w as "json", or as "text" for people.
func NewLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
