package store

import (
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"
)

// What a statement reads follows from its text and its arguments alone: the
// viewer's scope is in them. So what several requests on one trip ask in the
// same words is asked once, and each reads its rows, as the viewers of one
// dashboard do all day.

// resultRows is what a reader of rows gets. RawValues are good until Next.
type resultRows interface {
	Next() bool
	RawValues() [][]byte
}

// asked is a statement on a trip.
type asked struct {
	*statement
	same *asked      // the earlier one with the same words, if there is one
	kept *[][][]byte // its rows, where a later one needs them
}

// distinctStatements lists the statements of all turns, in order.
func distinctStatements(turns []*turn) []*asked {
	var list []*asked
	for _, t := range turns {
		for i := range t.stmts {
			a := &asked{statement: &t.stmts[i]}
			if at := slices.IndexFunc(list, a.repeats); at >= 0 {
				a.same = list[at]
				if a.same.kept == nil {
					a.same.kept = new([][][]byte)
				}
			}
			list = append(list, a)
		}
	}
	return list
}

func (a *asked) repeats(earlier *asked) bool {
	return earlier.same == nil && a.sql == earlier.sql && slices.EqualFunc(a.args, earlier.args, sameArgument)
}

// sameArgument spares the long lists reflection, which takes 50 times as long.
func sameArgument(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && a == b
	case []UUID:
		b, ok := b.([]UUID)
		return ok && slices.Equal(a, b)
	case []string:
		b, ok := b.([]string)
		return ok && slices.Equal(a, b)
	}
	return reflect.DeepEqual(a, b)
}

// answer hands the statement's rows to its reader.
func (a *asked) answer(results pgx.BatchResults) error {
	if a.same != nil {
		return a.statement.read(&replay{rows: *a.same.kept})
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	if a.kept == nil {
		return readAll(rows, a.statement.read)
	}
	return readAll(rows, func(rows resultRows) error { return a.statement.read(&keeper{rows, a.kept}) })
}

// keeper copies the rows that are read through it.
type keeper struct {
	resultRows
	kept *[][][]byte
}

func (k *keeper) Next() bool {
	if !k.resultRows.Next() {
		return false
	}
	values := slices.Clone(k.RawValues())
	size := 0
	for _, v := range values {
		size += len(v)
	}
	cells := make([]byte, 0, size)
	for i, v := range values {
		if v != nil { // null
			cells = append(cells, v...)
			values[i] = cells[len(cells)-len(v):]
		}
	}
	*k.kept = append(*k.kept, values)
	return true
}

// replay gives rows that were kept.
type replay struct {
	rows [][][]byte
	at   int
}

func (r *replay) Next() bool          { r.at++; return r.at <= len(r.rows) }
func (r *replay) RawValues() [][]byte { return r.rows[r.at-1] }
