package telemetry

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracing sends spans to an OpenTelemetry collector. A nil *Tracing is tracing
// switched off: its methods do nothing and cost nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTracing reads the standard OpenTelemetry variables. Without an endpoint, or
// with OTEL_SDK_DISABLED=true, it returns nil.
func NewTracing(ctx context.Context, lookup func(string) (string, bool)) (*Tracing, error) {
	value := func(name string) string { v, _ := lookup(name); return v }
	endpoint := value("OTEL_EXPORTER_OTLP_ENDPOINT") + value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if endpoint == "" || value("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx) // reads endpoint, headers, timeout and certificates itself
	if err != nil {
		return nil, err
	}
	return newTracing(ctx, sdktrace.WithBatcher(exporter))
}

func newTracing(ctx context.Context, spans sdktrace.TracerProviderOption) (*Tracing, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "segue")),
		resource.WithFromEnv(), // OTEL_SERVICE_NAME wins over ours
		resource.WithTelemetrySDK())
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(spans, sdktrace.WithResource(about))
	return &Tracing{provider: provider, tracer: provider.Tracer("github.com/ai-dj/segue")}, nil
}

// Tracer makes spans; nil when tracing is off.
func (t *Tracing) Tracer() trace.Tracer {
	if t == nil {
		return nil
	}
	return t.tracer
}

// Shutdown sends what is left.
func (t *Tracing) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// HTTP gives every request a span, a child of the caller's where it sent a traceparent.
func (t *Tracing) HTTP(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	var w3c propagation.TraceContext
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(
				attribute.String("http.request.method", r.Method),
				attribute.String("url.path", r.URL.Path),
				attribute.String("segue.request_id", RequestID(r.Context()))))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// TraceID is the id of the trace that ctx belongs to, or "".
func TraceID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		return span.TraceID().String()
	}
	return ""
}

// Database is a pgx tracer with one span per statement and per batch; nil when
// tracing is off. Spans hold the statement's text, never its parameters.
func (t *Tracing) Database() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return databaseTracer{t.tracer}
}

type databaseTracer struct{ tracer trace.Tracer }

func (d databaseTracer) start(ctx context.Context, name string, attributes ...attribute.KeyValue) context.Context {
	attributes = append(attributes, attribute.String("db.system.name", "postgresql"))
	ctx, _ = d.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	return ctx
}

func (d databaseTracer) end(ctx context.Context, err error) {
	span := trace.SpanFromContext(ctx)
	if err != nil {
		span.SetStatus(codes.Error, "")
		span.RecordError(err)
	}
	span.End()
}

// TraceQueryStart implements pgx.QueryTracer.
func (d databaseTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return d.start(ctx, "query", attribute.String("db.query.text", data.SQL))
}

// TraceQueryEnd implements pgx.QueryTracer.
func (d databaseTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	d.end(ctx, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (d databaseTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	return d.start(ctx, "batch", attribute.Int("db.operation.batch.size", data.Batch.Len()))
}

// TraceBatchQuery implements pgx.BatchTracer.
func (d databaseTracer) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	trace.SpanFromContext(ctx).AddEvent("statement", trace.WithAttributes(attribute.String("db.query.text", data.SQL)))
}

// TraceBatchEnd implements pgx.BatchTracer.
func (d databaseTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	d.end(ctx, data.Err)
}
