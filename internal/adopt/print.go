package adopt

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ai-dj/segue/internal/store"
)

// Print writes the plan for people.
func (p *Plan) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) } // Flush tells
	if p.Applied {
		line("Adopted in %s.", p.Took.Round(time.Millisecond))
	}
	line("neon_auth.users_sync is filled by %s.", map[store.Mode]string{store.ModeNeon: "Neon Auth; nothing here writes it", store.ModeSegue: "Segue"}[p.Mode])
	for i := range p.Tables {
		line("")
		p.Tables[i].print(p.Applied, line)
	}
	line("")
	for _, c := range p.People {
		if c.What == "users_sync" {
			line("people in users_sync\t%d", c.Rows)
		} else {
			line("people to add, from %s\t%d", c.What, c.Rows)
		}
	}
	if p.Users != "" {
		line("public.users\t%s", p.Users)
	}
	list := func(title string, items []string) {
		if len(items) > 0 {
			line("\n%s", title)
		}
		for _, item := range items {
			line("  - %s", item)
		}
	}
	list("Mind:", p.Notes)
	list("Blocked, until somebody has done this:", p.Blockers)
	line("%s", p.last())
	return w.Flush()
}

func (p *Plan) last() string {
	next := "Next: segue migrate up"
	if p.Mode == store.ModeSegue {
		next += ", then segue sync"
	}
	switch {
	case p.Applied:
		return "\n" + next
	case p.Nothing():
		return "\nNothing to adopt. " + next
	case len(p.Blockers) > 0:
		return ""
	}
	return "\nNothing was changed. To do it: segue adopt --apply"
}

func (t *TablePlan) print(applied bool, line func(string, ...any)) {
	kept, aside := total(t.Kept), total(t.Aside)
	if t.Emptied {
		line("public.%s: %d rows in, all of them deleted (--truncate)", t.Name, t.Rows)
	} else {
		line("public.%s: %d rows in = %d kept + %d set aside", t.Name, t.Rows, kept, aside)
	}
	for _, c := range t.Kept {
		line("  kept\t%d\tby %s", c.Rows, c.What)
	}
	for _, c := range t.Aside {
		line("  set aside\t%d\t%s", c.Rows, c.What)
	}
	if applied && t.Orphans != "" {
		line("  set aside in\t%s", t.Orphans)
	}
	if len(t.design.steps) == 0 {
		line("  columns and keys are good as they are")
		return
	}
	var same []string
	for _, c := range t.Columns {
		if c.Fate == "kept" {
			same = append(same, c.Name)
		}
	}
	if len(same) > 0 {
		line("  columns kept\t%s", strings.Join(same, ", "))
	}
	for _, c := range t.Columns {
		if c.Fate != "kept" {
			line("  column %s\t%s", c.Name, c.Fate)
		}
	}
	for _, k := range t.Keys {
		line("  %s", k)
	}
}
