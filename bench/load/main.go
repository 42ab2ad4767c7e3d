// Command load drives a real `segue serve` with many keep-alive clients and prints what
// they got as a Markdown table: throughput, latency, refusals, fairness, and what
// the gateway used meanwhile. docs/performance.md shows and explains one run.
//
// It starts a PostgreSQL of its own with the sample data, or takes the database
// of DATABASE_URL, which must be migrated and have users and messages, and which
// it writes to. Each number of clients gets a fresh gateway. A client has one
// connection and a session token that it renews as a browser does; it sends one
// operation after the other (client.go), and rests when it is told to.
// Everything listens on 127.0.0.1.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type options struct {
	clients  []int
	duration time.Duration
	mixed    time.Duration
	conns    int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	clients := flag.String("clients", "16,64,512", "how many keep-alive clients, one run each")
	flag.DurationVar(&o.duration, "duration", 10*time.Second, "how long each run is measured, after two seconds of warming up")
	flag.DurationVar(&o.mixed, "mixed", 0, "a run of this length after the others, with the last number of clients, in which the gateway's memory is looked at every 10s")
	flag.IntVar(&o.conns, "conns", 10, "the gateway's DATABASE_MAX_CONNS")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "go run ./bench/load measures segue serve under load (DATABASE_URL: a database of yours, to be written to)\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	for text := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fmt.Fprintln(os.Stderr, "load: -clients: not a list of numbers")
			os.Exit(2)
		}
		o.clients = append(o.clients, n)
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Println("| clients | answers/s | p50 ms | p99 ms | max ms | shed (UNAVAILABLE) | other errors | slowest client / mean | variation | server CPU µs/answer | RSS MB | goroutines, after |")
	fmt.Println("| --: | --: | --: | --: | --: | --: | --- | --: | --: | --: | --: | --: |")
	for _, n := range o.clients {
		r, err := s.measure(ctx, n, o.conns, o.duration, time.Second)
		if err != nil {
			return err
		}
		fmt.Println(r)
	}
	if o.mixed == 0 {
		return nil
	}
	r, err := s.measure(ctx, o.clients[len(o.clients)-1], o.conns, o.mixed, 10*time.Second)
	if err != nil {
		return err
	}
	fmt.Printf("%v\n\n%s", r, r.memory())
	return nil
}

// warmUp is how long clients run before they are counted: connections are made,
// statements prepared, tokens seen.
const warmUp = 2 * time.Second

// measure runs n clients against a fresh gateway, and a subscriber for each sixteen of them.
func (s *stage) measure(ctx context.Context, n, conns int, d, every time.Duration) (r result, err error) {
	g, err := s.serve(ctx, conns)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	from := time.Now().Add(warmUp)
	to := from.Add(d)
	running, end := context.WithDeadline(ctx, to)
	defer end()
	clients := make([]*client, n)
	var wg sync.WaitGroup
	for i := range clients {
		c := newClient(s, g.addr, i, from)
		clients[i] = c
		wg.Go(func() { c.run(running) })
		if i%16 == 0 {
			wg.Go(func() { newClient(s, g.addr, i, from).subscribe(running) })
		}
	}
	r = result{clients: n, took: d, every: every}
	if err := r.watch(running, g, from); err != nil {
		end()
		wg.Wait()
		return r, fmt.Errorf("%w\n%s", err, g.lastWords())
	}
	wg.Wait()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	r.collect(clients)
	r.after, err = g.settled()
	return r, err
}

// result is one run.
type result struct {
	clients      int
	took, every  time.Duration
	samples      []usage // the first when measuring began
	after        float64 // goroutines when the clients have left
	answers      []float64
	milliseconds []float64 // of all answers, in order
	errors       map[string]int
}

// watch samples the gateway until ctx ends.
func (r *result) watch(ctx context.Context, g *gateway, from time.Time) error {
	for next := from; ; next = next.Add(r.every) {
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
			return r.sample(g)
		}
		if err := r.sample(g); err != nil {
			return err
		}
	}
}

func (r *result) sample(g *gateway) error {
	s, err := g.sample()
	r.samples = append(r.samples, s)
	return err
}

func (r *result) collect(clients []*client) {
	r.errors = map[string]int{}
	for _, c := range clients {
		r.answers = append(r.answers, float64(len(c.took)))
		for _, d := range c.took {
			r.milliseconds = append(r.milliseconds, float64(d)/1e6)
		}
		for code, n := range c.errors {
			r.errors[code] += n
		}
	}
	slices.Sort(r.milliseconds)
}

func (r result) String() string {
	n := len(r.milliseconds)
	if n == 0 {
		return fmt.Sprintf("| %d | no answers: %v |", r.clients, r.errors)
	}
	mean := float64(n) / float64(r.clients)
	var squares float64
	for _, a := range r.answers {
		squares += (a - mean) * (a - mean)
	}
	var others []string
	for _, code := range slices.Sorted(maps.Keys(r.errors)) {
		if code != "UNAVAILABLE" {
			others = append(others, fmt.Sprintf("%d × %s", r.errors[code], code))
		}
	}
	peak := slices.MaxFunc(r.samples, func(a, b usage) int { return cmp.Compare(a.rss, b.rss) })
	most := slices.MaxFunc(r.samples, func(a, b usage) int { return cmp.Compare(a.goroutines, b.goroutines) })
	cpu := r.samples[len(r.samples)-1].cpu - r.samples[0].cpu
	return fmt.Sprintf("| %d | %.0f | %.1f | %.1f | %.0f | %d | %s | %.2f | %.2f | %.0f | %.0f | %.0f, %.0f |", r.clients, float64(n)/r.took.Seconds(),
		r.milliseconds[n/2], r.milliseconds[n*99/100], r.milliseconds[n-1], r.errors["UNAVAILABLE"], cmp.Or(strings.Join(others, ", "), "0"),
		slices.Min(r.answers)/mean, math.Sqrt(squares/float64(r.clients))/mean, cpu*1e6/float64(n), peak.rss, most.goroutines, r.after)
}

// memory is the RSS over time. The slope of the second half is what a leak would
// show in: in the first caches fill and the collector finds its pace.
func (r result) memory() string {
	var text strings.Builder
	fmt.Fprintf(&text, "RSS in MB every %v:", r.every)
	for _, s := range r.samples {
		fmt.Fprintf(&text, " %.0f", s.rss)
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	peak := slices.MaxFunc(r.samples, func(a, b usage) int { return cmp.Compare(a.rss, b.rss) })
	fmt.Fprintf(&text, "\n\nfirst %.1f, last %.1f, max %.1f; slope %+.2f MB a minute, of the second half %+.2f\n",
		first.rss, last.rss, peak.rss, slope(r.samples), slope(r.samples[len(r.samples)/2:]))
	return text.String()
}

// slope is the least-squares line through the samples, in MB a minute.
func slope(samples []usage) float64 {
	var x, y, xx, xy float64
	n := float64(len(samples))
	for _, s := range samples {
		at := s.at.Sub(samples[0].at).Minutes()
		x, y, xx, xy = x+at, y+s.rss, xx+at*at, xy+at*s.rss
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
