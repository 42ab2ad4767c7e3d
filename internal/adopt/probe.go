package adopt

import (
	"context"
	"fmt"
	"strings"

	"errors"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// idPlan is what happens to a table's id.
type idPlan int

const (
	idKept  idPlan = iota
	idCast         // texts that all are uuids
	idNewly        // a uuid beside it; the old value in legacy_id
	idAdded        // there is none
)

// probed is what the values say that the catalog does not.
type probed struct {
	id         idPlan
	zeroIsDown bool
	nulls      map[string]int64
	values     map[string][]word
	defaults   map[string]string // of columns of words, converted; empty: none
	unreadable map[string]string // column to PostgreSQL's reason
}

// word is a value of a column that has few.
type word struct {
	Was    string
	Became *string
	Rows   int64
}

const uuidPattern = `'^[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{4}-?[0-9A-Fa-f]{12}$'`

func (w *work) probe(ctx context.Context, t *table) error {
	t.probed = probed{nulls: map[string]int64{}, values: map[string][]word{}, defaults: map[string]string{}, unreadable: map[string]string{}}
	if err := w.probeID(ctx, t); err != nil {
		return err
	}
	for _, want := range t.spec.columns {
		c, ok := t.column(want.name)
		if !ok {
			continue
		}
		if err := w.probeColumn(ctx, t, want, c); err != nil {
			return fmt.Errorf("%s: %w", want.name, err)
		}
	}
	return nil
}

func (w *work) probeID(ctx context.Context, t *table) error {
	c, ok := t.column("id")
	if !ok {
		t.id = idAdded
		return nil
	}
	t.id = idNewly
	if c.Kind != "uuid" && c.Kind != "text" && c.Kind != "character varying" {
		return nil
	}
	var good bool
	err := w.tx.QueryRow(ctx, fmt.Sprintf(`select count(*) = count(distinct lower(id::text)) and coalesce(bool_and(id::text ~ %s), true) from public.%s`,
		uuidPattern, ident(t.name))).Scan(&good)
	if err != nil || !good {
		return err
	}
	if t.id = idCast; c.Kind == "uuid" {
		t.id = idKept
	}
	return nil
}

func (w *work) probeColumn(ctx context.Context, t *table, want want, c column) error {
	name := ident(want.name)
	var nulls int64
	if err := w.tx.QueryRow(ctx, fmt.Sprintf("select count(*) from public.%s where %s is null", ident(t.name), name)).Scan(&nulls); err != nil {
		return err
	}
	t.nulls[want.name] = nulls
	switch want.is {
	case rating:
		err := w.tx.QueryRow(ctx, fmt.Sprintf("select not coalesce(bool_or(%s < 0), false) from (select %s from public.%s) f",
			ratingOf(name, false), name, ident(t.name))).Scan(&t.zeroIsDown)
		if err != nil {
			return err
		}
		return w.probeWords(ctx, t, want, c, func(v string) string { return ratingOf(v, t.zeroIsDown) })
	case role:
		return w.probeWords(ctx, t, want, c, roleOf)
	case moment:
		return w.probeMoments(ctx, t, want, c)
	}
	return nil
}

func (w *work) probeWords(ctx context.Context, t *table, want want, c column, convert func(string) string) error {
	name := ident(want.name)
	rows, err := w.tx.Query(ctx, fmt.Sprintf(`select %[1]s::text, (%[2]s)::text, count(*) from public.%[3]s where %[1]s is not null group by 1, 2 order by 3 desc, 1 limit 200`,
		name, convert(name), ident(t.name)))
	if err != nil {
		return err
	}
	if t.values[want.name], err = pgx.CollectRows(rows, pgx.RowToStructByPos[word]); err != nil || c.Default == "" {
		return err
	}
	var value *string
	err = w.tx.QueryRow(ctx, fmt.Sprintf("select quote_literal(%s)", convert("("+c.Default+")"))).Scan(&value)
	if err == nil && value != nil {
		t.defaults[want.name] = *value
	}
	return err
}

// probeMoments finds texts that are no times, in a savepoint.
func (w *work) probeMoments(ctx context.Context, t *table, want want, c column) error {
	using, _ := momentOf(ident(want.name), c.Kind)
	err := pgx.BeginFunc(ctx, w.tx, func(tx pgx.Tx) error {
		var n int64
		return tx.QueryRow(ctx, fmt.Sprintf("select count(%s) from public.%s", using, ident(t.name))).Scan(&n)
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "42")) {
		t.unreadable[want.name] = pg.Message
		return nil
	}
	return err
}
