package limits_test

import (
	"encoding/json"
	"runtime"
	"testing"
	"time"

	"github.com/ai-dj/segue/internal/limits"
	"github.com/ai-dj/segue/internal/limits/attack"
)

func TestProbe(t *testing.T) {
	schema := segue(t)
	l := limits.Limits{MaxDepth: 12, MaxComplexity: 10000}
	for _, a := range attack.All() {
		if a.Document == nil {
			continue
		}
		q := a.Document()
		for _, intro := range []bool{false, true} {
			var m0, m1 runtime.MemStats
			runtime.ReadMemStats(&m0)
			start := time.Now()
			doc, errs := l.Parse(schema, q, intro)
			d := time.Since(start)
			out, _ := json.Marshal(errs)
			c := 0
			var ferr error
			var d2 time.Duration
			if errs == nil {
				start = time.Now()
				n, fe := l.Cost(schema, doc, doc.Operations[0], nil)
				d2 = time.Since(start)
				c = n
				if fe != nil {
					ferr = fe
				}
			}
			runtime.ReadMemStats(&m1)
			first := ""
			if len(errs) > 0 {
				first = errs[0].Message
				if len(first) > 100 {
					first = first[:100]
				}
			}
			t.Logf("%-40s %5v in=%8d out=%5d parse=%7.1fms cost=%6.1fms alloc=%6dKB n=%d %q c=%d %v", a.Name, intro, len(q), len(out), float64(d.Microseconds())/1000, float64(d2.Microseconds())/1000, (m1.TotalAlloc-m0.TotalAlloc)/1024, len(errs), first, c, ferr)
		}
	}
}
