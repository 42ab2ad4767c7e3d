package adopt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ai-dj/segue/internal/store"
)

// Plan is what Apply does, or did.
type Plan struct {
	Mode     store.Mode
	Tables   []TablePlan
	People   []count // of users_sync, by where they come from
	Users    string  // what happens to public.users; empty: there is none
	Notes    []string
	Blockers []string

	Applied bool
	Took    time.Duration
}

// TablePlan is what happens to one table.
type TablePlan struct {
	Name    string
	Rows    int64   // in
	Kept    []count // by the rule that tied them
	Aside   []count // by reason
	Emptied bool    // --truncate; a table in a database that needs nothing is not
	Columns []ColumnPlan
	Keys    []string // of constraints, keys and triggers
	Orphans string   // where rows were set aside

	design *design
}

// ColumnPlan is the fate of a column.
type ColumnPlan struct{ Name, Fate string }

// Nothing reports that there is nothing to do.
func (p *Plan) Nothing() bool {
	return len(p.Blockers) == 0 && p.people("public.users")+p.people("Clerk") == 0 && p.Users != movesUsers &&
		!slices.ContainsFunc(p.Tables, func(t TablePlan) bool { return t.changes() })
}

func (t *TablePlan) changes() bool {
	return len(t.design.steps) > 0 || len(t.Aside) > 0 || t.Emptied
}

func (p *Plan) people(source string) (n int64) {
	for _, c := range p.People {
		if c.What == source {
			n += c.Rows
		}
	}
	return n
}

const movesUsers = "moves to segue_orphans.users (--drop-users)"

func total(counts []count) (n int64) {
	for _, c := range counts {
		n += c.Rows
	}
	return n
}

// plan counts and designs. It needs the relations, as they are at the moment.
func (w *work) plan(ctx context.Context) (*Plan, error) {
	p := &Plan{Mode: w.mode, Blockers: append(w.designMode(), w.designUsers()...)}
	err := collect(ctx, w.tx, &p.People, w.with()+"select source, count(*) from segue_people group by source order by source")
	if err != nil {
		return nil, err
	}
	changes := false
	for _, t := range w.tables {
		tp, err := w.planTable(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("public.%s: %w", t.name, err)
		}
		p.Tables = append(p.Tables, *tp)
		changes = changes || tp.changes()
		p.Blockers = append(p.Blockers, tp.design.blockers...)
		p.Notes = append(p.Notes, tp.design.notes...)
	}
	if w.Truncate && changes {
		for i := range p.Tables {
			p.Tables[i].Emptied, p.Tables[i].Kept, p.Tables[i].Aside = true, nil, nil
		}
	}
	switch {
	case w.users != nil && w.DropUsers:
		p.Users = movesUsers
	case w.users != nil:
		p.Users = "stays as it is"
	}
	return p, nil
}

func (w *work) planTable(ctx context.Context, t *table) (*TablePlan, error) {
	p := &TablePlan{Name: t.name, Rows: t.rows}
	if t.kind == "r" {
		for _, part := range []struct {
			into *[]count
			sql  string
		}{{&p.Kept, "rule, count(*) from %s where reason is null group by rule"}, {&p.Aside, "reason, count(*) from %s where reason is not null group by reason"}} {
			if err := collect(ctx, w.tx, part.into, w.with()+"select "+fmt.Sprintf(part.sql, t.tied())+" order by 2 desc, 1"); err != nil {
				return nil, err
			}
		}
		if sum := total(p.Kept) + total(p.Aside); sum != t.rows {
			return nil, fmt.Errorf("%d rows, but %d are tied or set aside", t.rows, sum)
		}
	}
	p.design = w.design(t, total(p.Aside))
	p.describe(t)
	return p, nil
}

// describe tells the fate of every column and of keys.
func (p *TablePlan) describe(t *table) {
	fates := map[string]string{}
	for _, s := range p.design.steps {
		switch {
		case s.say == "":
		case s.column == "":
			p.Keys = append(p.Keys, s.say)
		case fates[s.column] == "":
			fates[s.column] = s.say
		default:
			fates[s.column] += "; " + s.say
		}
	}
	for _, c := range t.columns {
		fate := fates[c.Name]
		if fate == "" {
			fate = "kept"
		}
		p.Columns = append(p.Columns, ColumnPlan{c.Name, fate})
	}
	for _, s := range p.design.steps {
		if s.column != "" && !t.has(s.column) && fates[s.column] != "" {
			p.Columns = append(p.Columns, ColumnPlan{s.column, fates[s.column]})
			delete(fates, s.column)
		}
	}
}
