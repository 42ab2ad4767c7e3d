package adopt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ai-dj/segue/internal/store"
)

// phase orders the statements of all tables.
type phase int

const (
	loosen  phase = iota // triggers off, constraints that are in the way dropped; then rows are set aside
	fill                 // clerk_id
	rekey                // uuid ids
	follow               // message_id
	reshape              // types, defaults, not null
	keys                 // primary and unique keys; then indexes, and people for the foreign keys
	refer                // foreign keys
	fasten               // triggers on
	phases
)

// step is one statement, and what it means for the operator.
type step struct {
	phase  phase
	column string // whose fate it tells; empty: the table's
	say    string // empty: not worth a line
	sql    string
}

// design is what is to be done to one table.
type design struct {
	*table
	steps    []step
	blockers []string
	notes    []string
}

func (d *design) do(p phase, column, say, sql string, args ...any) {
	d.steps = append(d.steps, step{p, column, say, fmt.Sprintf(sql, args...)})
}

func (d *design) alter(p phase, column, say, action string, args ...any) {
	d.do(p, column, say, "%s", "alter table public."+ident(d.name)+" "+fmt.Sprintf(action, args...))
}

func (d *design) block(format string, args ...any) {
	d.blockers = append(d.blockers, "public."+d.name+" "+fmt.Sprintf(format, args...))
}

// reshapes tells whether columns change their type or name, which views do not survive.
func (d *design) reshapes() bool {
	return slices.ContainsFunc(d.steps, func(s step) bool { return s.phase == rekey || s.phase == follow || s.phase == reshape })
}

// design derives the statements for t; aside is how many of its rows leave it.
func (w *work) design(t *table, aside int64) *design {
	d := &design{table: t}
	if t.kind != "r" || t.inherits {
		d.block("is not a plain table (a view, partitioned or inherited): make it one")
		return d
	}
	d.clerkID(aside)
	d.ids()
	if t.name == "message_feedback" {
		d.messageID(w.messages())
	}
	for _, want := range t.spec.columns {
		d.value(want, t.rows > 0 && !w.Truncate)
	}
	d.others()
	d.uniqueKeys()
	d.foreignKeys(w)
	d.dependents(aside, w.Truncate)
	d.fillClerkID(w)
	if len(d.steps) > 0 && !t.mine {
		d.block("belongs to another role: run adopt as its owner (DATABASE_DIRECT_URL)")
	}
	if len(d.steps) > 0 || aside > 0 {
		for _, name := range t.triggers {
			d.alter(loosen, "", fmt.Sprintf("trigger %s does not fire while the rows are brought over", name), "disable trigger %s", ident(name))
			d.alter(fasten, "", "", "enable trigger %s", ident(name))
		}
	}
	return d
}

func (d *design) clerkID(aside int64) {
	c, ok := d.column("clerk_id")
	switch {
	case !ok:
		d.alter(fill, "clerk_id", "added", "add column clerk_id text")
	case c.Generated:
		d.block(".clerk_id is a generated column: drop its expression (alter column clerk_id drop expression)")
		return
	case c.Kind != "text" && c.Kind != "character varying":
		// Not by changing its type: that moves every row, and rows are found by where they lie.
		d.alter(fill, "clerk_id", c.Kind+" → text", "rename column clerk_id to segue_old_clerk_id")
		d.alter(fill, "", "", "add column clerk_id text")
		d.alter(reshape, "", "", "drop column segue_old_clerk_id, alter column clerk_id set not null")
		return
	case c.Kind == "character varying" && c.Room > 0 && c.Room < 64:
		d.alter(fill, "clerk_id", fmt.Sprintf("varchar(%d) → text", c.Room), "alter column clerk_id type text")
	}
	if !c.NotNull {
		d.alter(reshape, "clerk_id", "filled; may not be null any more", "alter column clerk_id set not null")
	}
}

func (d *design) ids() {
	c, _ := d.column("id")
	switch d.id {
	case idKept:
		if c.Default == "" && !c.Generated {
			d.alter(reshape, "id", "made by the database where it is not given", "alter column id set default gen_random_uuid()")
		}
	case idCast:
		d.alter(reshape, "id", c.Kind+" → uuid, values kept",
			"alter column id drop default, alter column id type uuid using id::uuid, alter column id set default gen_random_uuid()")
	case idNewly:
		if d.has("legacy_id") {
			d.block("has a column legacy_id already, where the old ids are to be kept: rename it")
		}
		d.alter(rekey, "id", c.Kind+" → a new uuid for each row; the old value stays in legacy_id", "rename column id to legacy_id")
		d.alter(rekey, "", "", "add column id uuid not null default gen_random_uuid()")
		d.notes = append(d.notes, fmt.Sprintf("public.%s: programs that choose ids themselves must choose uuids from now on", d.name))
		if c.NotNull && c.Default == "" && !c.Identity {
			d.unrequire("id", "legacy_id")
		}
	case idAdded:
		d.alter(rekey, "id", "added, a new uuid for each row", "add column id uuid not null default gen_random_uuid()")
	}
}

// unrequire lets rows be added that leave a column out that Segue does not know.
// A primary key over it is gone by then.
func (d *design) unrequire(column, nowNamed string) {
	say := ""
	if column == nowNamed {
		say = "kept; may be null from now on"
	}
	d.alter(reshape, column, say, "alter column %s drop not null", ident(nowNamed))
}

// messageID follows the messages' ids.
func (d *design) messageID(messages *table) {
	c, ok := d.column("message_id")
	switch {
	case !ok && d.rows > 0:
		d.block("has no column message_id, so nobody can tell what was rated")
	case !ok:
		d.alter(follow, "message_id", "added", "add column message_id uuid")
	case messages != nil && (messages.id == idNewly || messages.id == idAdded):
		d.alter(follow, "message_id", c.Kind+" → the message's new uuid", "rename column message_id to segue_old_message_id")
		d.alter(follow, "", "", "add column message_id uuid")
		if messages.id == idNewly {
			d.do(follow, "", "", `update public.message_feedback f set message_id = m.id from public.chat_messages m where m.legacy_id::text = f.segue_old_message_id::text`)
		}
		d.alter(follow, "", "", "drop column segue_old_message_id")
	case c.Kind != "uuid":
		d.alter(reshape, "message_id", c.Kind+" → uuid", "alter column message_id drop default, alter column message_id type uuid using message_id::text::uuid")
	case c.NotNull:
		return
	}
	d.alter(reshape, "", "", "alter column message_id set not null")
}

// value brings a column of the row's own values into the contract's form.
func (d *design) value(w want, filled bool) {
	c, ok := d.column(w.name)
	name := ident(w.name)
	if !ok {
		d.addColumn(w, filled)
		return
	}
	if reason, bad := d.unreadable[w.name]; bad && filled {
		d.block(".%s holds values that are no times (%s): correct or empty them", w.name, reason)
		return
	}
	how := d.convert(w)
	if how != nil && c.Generated {
		d.block(".%s is a generated column and has to be converted: drop its expression (alter column %s drop expression)", w.name, name)
		return
	}
	if how != nil {
		d.dropChecks(w.name)
		action := fmt.Sprintf("alter column %[1]s drop default, alter column %[1]s type %s using %s", name, w.is.sqlType(), how.using)
		if def := d.newDefault(w, c); def != "" {
			action += fmt.Sprintf(", alter column %s set default %s", name, def)
		}
		d.alter(reshape, w.name, how.say, "%s", action)
		d.check(w)
	} else if w.is == moment && c.Default == "" {
		d.alter(reshape, w.name, "now() where it is not given", "alter column %s set default now()", name)
	}
	if w.must && !c.NotNull {
		d.alter(reshape, w.name, "may not be null any more", "alter column %s set not null", name)
	}
}

func (d *design) addColumn(w want, filled bool) {
	switch {
	case w.is == moment:
		say := "added"
		if filled {
			say = "added; the rows that are there get 1970-01-01"
		}
		d.alter(reshape, w.name, say, "add column %s timestamptz not null default 'epoch'", ident(w.name))
		d.alter(reshape, "", "", "alter column %s set default now()", ident(w.name))
	case w.must && filled:
		d.block("has rows but no column %s: add it and fill it, or rename the column that holds it", w.name)
	default:
		null := ""
		if w.must {
			null = " not null"
		}
		d.alter(reshape, w.name, "added", "add column %s %s%s", ident(w.name), w.is.sqlType(), null)
		d.check(w)
	}
}

func (d *design) check(w want) {
	switch w.is {
	case role:
		d.alter(keys, "", "", "add check (role in ('user', 'assistant', 'system'))")
	case rating:
		d.alter(keys, "", "", "add check (rating in (-1, 1))")
	}
}

// dropChecks removes rules about values that are about to change.
func (d *design) dropChecks(column string) {
	for _, c := range d.constraints {
		if c.Kind == "c" && slices.Contains(c.Columns, column) {
			d.drop(c, "its rule is about the old values")
		}
	}
}

func (d *design) drop(c constraint, why string) {
	sql := "drop constraint if exists " + ident(c.Name)
	d.alter(loosen, "", fmt.Sprintf("constraint %s on (%s) is dropped: %s", c.Name, strings.Join(c.Columns, ", "), why), "%s", sql)
}

// others are columns that Segue does not know: they stay, and may be left out.
func (d *design) others() {
	for _, c := range d.columns {
		if d.knows(c.Name) || !c.NotNull || c.Default != "" || c.Identity || c.Generated {
			continue
		}
		d.unrequire(c.Name, c.Name)
	}
}

func (d *design) knows(column string) bool {
	return column == "id" || column == "clerk_id" || d.name == "message_feedback" && column == "message_id" ||
		slices.ContainsFunc(d.spec.columns, func(w want) bool { return w.name == column })
}

// uniqueKeys makes id the primary key and adds what tells duplicates. A primary
// key of other columns goes on as a unique one: old writers may rely on it.
func (d *design) uniqueKeys() {
	i := slices.IndexFunc(d.constraints, func(c constraint) bool { return c.Kind == "p" })
	if i < 0 || d.id == idNewly || !slices.Equal(d.constraints[i].Columns, []string{"id"}) {
		if i >= 0 {
			d.drop(d.constraints[i], "id becomes the primary key; these columns stay unique")
			columns := slices.Clone(d.constraints[i].Columns)
			for n, name := range columns {
				if columns[n] = ident(name); name == "id" && d.id == idNewly {
					columns[n] = "legacy_id"
				}
			}
			d.alter(keys, "", "", "add unique (%s)", strings.Join(columns, ", "))
		}
		d.alter(keys, "", "id becomes the primary key", "add primary key (id)")
	}
	u := d.spec.unique
	if len(u) == 0 || d.isUnique(u...) && !d.movesMessages() {
		return
	}
	d.alter(keys, "", "unique ("+strings.Join(u, ", ")+") is added", "add unique (%s)", strings.Join(u, ", "))
}

// movesMessages: message_id becomes a new column, and keys over the old one go with it.
func (d *design) movesMessages() bool {
	return d.name == "message_feedback" && slices.ContainsFunc(d.steps, func(s step) bool { return s.phase == follow })
}

// foreignKeys drops what does not cascade or points elsewhere and adds what is missing.
func (d *design) foreignKeys(w *work) {
	d.foreignKey("clerk_id", "neon_auth.users_sync", false)
	if d.name == "message_feedback" {
		m := w.messages()
		d.foreignKey("message_id", "public.chat_messages", m == nil || m.id != idKept || d.movesMessages())
	}
	for _, c := range d.constraints {
		if c.Kind != "f" || slices.Contains(c.Columns, "clerk_id") || slices.Contains(c.Columns, "message_id") {
			continue
		}
		if w.DropUsers && c.Target == "public.users" {
			d.drop(c, "public.users goes (--drop-users)")
		}
	}
}

func (d *design) foreignKey(column, target string, renew bool) {
	found := false
	for _, c := range d.constraints {
		if c.Kind != "f" || !slices.Contains(c.Columns, column) {
			continue
		}
		right := len(c.Columns) == 1 && c.Target == target && c.OnDelete == "c"
		switch {
		case right && !renew && !found:
			found = true
			if !c.Validated {
				d.alter(refer, "", fmt.Sprintf("foreign key %s is validated", c.Name), "validate constraint %s", ident(c.Name))
			}
		case right && renew:
			d.alter(loosen, "", "", "drop constraint if exists %s", ident(c.Name))
		case right:
		case c.Target == target && len(c.Columns) == 1:
			d.drop(c, "it does not delete with "+target)
		default:
			d.drop(c, column+" refers to "+target+" from now on")
		}
	}
	if found {
		return
	}
	name := d.freeName(d.name + "_" + column + "_fkey")
	d.alter(refer, "", fmt.Sprintf("foreign key %s → %s on delete cascade is added, validated", column, target),
		"add constraint %s foreign key (%s) references %s (id) on delete cascade not valid", ident(name), column, target)
	d.alter(refer, "", "", "validate constraint %s", ident(name))
}

// freeName is a constraint's name that no kept constraint has.
func (d *design) freeName(name string) string {
	for n := 1; slices.ContainsFunc(d.constraints, func(c constraint) bool { return c.Name == name }); n++ {
		name = fmt.Sprintf("%s%d", strings.TrimRight(name, "0123456789"), n)
	}
	return name
}

// fillTrigger lets programs go on that give user_id only.
const fillTrigger = "segue_fill_clerk_id"

// fillClerkID keeps old writers working: a row that comes with a user_id and
// without a clerk_id gets the one of that row of public.users.
func (d *design) fillClerkID(w *work) {
	if len(d.steps) == 0 || d.filled || !d.has("user_id") {
		return
	}
	old, ok := w.users.idColumn()
	if !ok || w.DropUsers {
		d.notes = append(d.notes, fmt.Sprintf("public.%s: programs that add rows must give clerk_id from now on", d.name))
		return
	}
	match := "id = new.user_id"
	if ref, _ := d.column("user_id"); ref.Kind != old.Kind {
		match = "lower(id::text) = lower(new.user_id::text)"
		if old.Kind != "uuid" { // as everywhere: only uuids are the same in any case
			match = "id::text = new.user_id::text"
		}
	}
	function := "segue." + ident("clerk_id_for_"+d.name)
	d.do(fasten, "", "", "create schema if not exists segue")
	d.do(fasten, "", "", `create or replace function %s() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.clerk_id := (select min(%s) from public.users where %s);
  return new;
end
$$`, function, w.oldClerkID(), match)
	d.do(fasten, "", fmt.Sprintf("trigger %s fills clerk_id of rows that are added with a user_id only", fillTrigger),
		"create trigger %s before insert on public.%s for each row when (new.clerk_id is null) execute function %s()", fillTrigger, ident(d.name), function)
}

// dependents are things outside the table that its change would break.
func (d *design) dependents(aside int64, truncate bool) {
	if len(d.views) > 0 && d.reshapes() {
		d.block("is read by %s, which would not survive the change of its columns: drop it, and make it again afterwards", strings.Join(d.views, ", "))
	}
	changes := d.id != idKept || slices.ContainsFunc(d.steps, func(s step) bool { return strings.HasSuffix(s.sql, "add primary key (id)") })
	if len(d.referrers) > 0 && (changes || aside > 0 || len(d.steps) > 0 && truncate) {
		d.block("is referred to by %s: drop that foreign key first; the old ids will be in legacy_id", strings.Join(d.referrers, ", "))
	}
}

// designUsers says what happens to the old table of users.
func (w *work) designUsers() (blockers []string) {
	if w.users == nil || !w.DropUsers {
		return nil
	}
	if len(w.users.referrers) > 0 {
		blockers = append(blockers, "--drop-users: public.users is still referred to by "+strings.Join(w.users.referrers, ", "))
	}
	if len(w.users.views) > 0 {
		blockers = append(blockers, "--drop-users: public.users is still read by "+strings.Join(w.users.views, ", "))
	}
	if !w.users.mine {
		blockers = append(blockers, "--drop-users: public.users belongs to another role")
	}
	return blockers
}

// designMode says what is wrong with the mode.
func (w *work) designMode() []string {
	if w.mode == store.ModeNeon && !w.sync.exists {
		return []string{"USERS_SYNC=neon, but there is no neon_auth.users_sync: enable Neon Auth on this branch and database, or unset USERS_SYNC"}
	}
	return nil
}
