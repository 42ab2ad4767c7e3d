package telemetry

import (
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are Segue's counters, on a registry of their own. Every label has few
// values: none of them comes from a caller.
type Metrics struct {
	registry *prometheus.Registry

	operations *prometheus.CounterVec
	durations  *prometheus.HistogramVec
	cost       *prometheus.CounterVec
	requests   *prometheus.CounterVec
	inFlight   prometheus.Gauge
	shed       prometheus.Counter
	auth       *prometheus.CounterVec
}

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "segue_operations_total", Help: "GraphQL operations by transport, type and the code of their first error.",
		}, []string{"transport", "type", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "segue_operation_duration_seconds", Help: "Time from a priced operation to its answer; for subscriptions, how long they lived.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 60, 900},
		}, []string{"type"}),
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "segue_operation_cost_points_total", Help: "Complexity points of the operations that ran.",
		}, []string{"type"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "segue_http_requests_total", Help: "HTTP requests by route and status.",
		}, []string{"route", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "segue_http_requests_in_flight", Help: "HTTP requests being answered now, streams included.",
		}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "segue_requests_shed_total", Help: "Requests refused because too many were waiting.",
		}),
		auth: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "segue_auth_failures_total", Help: "Refused credentials by reason.",
		}, []string{"reason"}),
	}
	m.registry.MustRegister(m.operations, m.durations, m.cost, m.requests, m.inFlight, m.shed, m.auth,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus's text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Operation counts one finished operation.
func (m *Metrics) Operation(transport, kind, code string, cost int, took time.Duration) {
	m.operations.WithLabelValues(transport, kind, code).Inc()
	if kind == "" {
		return
	}
	m.durations.WithLabelValues(kind).Observe(took.Seconds())
	m.cost.WithLabelValues(kind).Add(float64(cost))
}

// Request counts one answered HTTP request by the pattern of its route.
func (m *Metrics) Request(route string, status string) {
	m.requests.WithLabelValues(route, status).Inc()
}

// InFlight moves the gauge of requests being answered.
func (m *Metrics) InFlight(by float64) { m.inFlight.Add(by) }

// Shed counts a request that was refused because too many were waiting.
func (m *Metrics) Shed() { m.shed.Inc() }

// AuthFailure counts a refused credential. The reason is one of a few fixed words.
func (m *Metrics) AuthFailure(reason string) { m.auth.WithLabelValues(reason).Inc() }

// Gauge adds a gauge that is read when somebody scrapes, for example open sockets.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter is Gauge for a number that only grows.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Pool adds a database pool's own numbers under a name such as "primary".
func (m *Metrics) Pool(name string, pool interface{ Stat() *pgxpool.Stat }) {
	m.registry.MustRegister(newPoolCollector(name, pool.Stat))
}

// poolCollector reads one Stat per scrape, so that its numbers fit together.
type poolCollector struct {
	stat    func() *pgxpool.Stat
	entries []poolEntry
}

type poolEntry struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*pgxpool.Stat) float64
}

func newPoolCollector(pool string, stat func() *pgxpool.Stat) *poolCollector {
	c := &poolCollector{stat: stat}
	add := func(name, help string, kind prometheus.ValueType, read func(*pgxpool.Stat) float64) {
		desc := prometheus.NewDesc("segue_db_"+name, help, nil, prometheus.Labels{"pool": pool})
		c.entries = append(c.entries, poolEntry{desc, kind, read})
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	add("connections", "Open connections.", gauge, func(s *pgxpool.Stat) float64 { return float64(s.TotalConns()) })
	add("connections_in_use", "Connections in use.", gauge, func(s *pgxpool.Stat) float64 { return float64(s.AcquiredConns()) })
	add("connections_max", "Connections allowed.", gauge, func(s *pgxpool.Stat) float64 { return float64(s.MaxConns()) })
	add("acquires_total", "Connections taken from the pool.", counter, func(s *pgxpool.Stat) float64 { return float64(s.AcquireCount()) })
	add("acquires_canceled_total", "Waits for a connection that ended without one.", counter, func(s *pgxpool.Stat) float64 { return float64(s.CanceledAcquireCount()) })
	add("acquire_wait_seconds_total", "Time spent waiting for a connection while none was free.", counter, func(s *pgxpool.Stat) float64 { return s.EmptyAcquireWaitTime().Seconds() })
	add("connections_opened_total", "Connections opened.", counter, func(s *pgxpool.Stat) float64 { return float64(s.NewConnsCount()) })
	return c
}

// Describe implements prometheus.Collector.
func (c *poolCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, e := range c.entries {
		descs <- e.desc
	}
}

// Collect implements prometheus.Collector.
func (c *poolCollector) Collect(metrics chan<- prometheus.Metric) {
	stat := c.stat()
	for _, e := range c.entries {
		metrics <- prometheus.MustNewConstMetric(e.desc, e.kind, e.read(stat))
	}
}
