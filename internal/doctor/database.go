package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/store"
)

// database makes all checks that need it. Without it there is one finding.
func (d *doctor) database(ctx context.Context, clerk clerkSays) {
	pool, err := store.OpenPool(d.cfg.DatabaseURL, 2, nil)
	if err != nil {
		d.find("database-unreachable", "DATABASE_URL: "+d.plain(err), "correct DATABASE_URL")
		return
	}
	defer pool.Close()
	d.pool = pool
	if !d.reach(ctx) {
		return
	}
	d.reachDirect(ctx)
	if readable := d.usersSync(ctx); !d.tables(ctx, readable) {
		return
	}
	d.rollups(ctx)
	d.syncing(ctx, clerk)
}

// reach connects and looks at the server.
func (d *doctor) reach(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	var version int
	var readOnly bool
	err := d.pool.QueryRow(bounded, "select current_setting('server_version_num')::int, current_setting('default_transaction_read_only')::bool or pg_is_in_recovery()").Scan(&version, &readOnly)
	if err != nil {
		d.find("database-unreachable", d.plain(err), "check host, port, user, password and database name in DATABASE_URL, and that this machine may connect (firewall, IP allow-list, a suspended project)")
		return false
	}
	if major := version / 10_000; major < 15 || major > 18 {
		d.find("database-version", fmt.Sprintf("The server is PostgreSQL %d; Segue is tested with 15 to 18.", major), "move the database to PostgreSQL 15, 16, 17 or 18")
	}
	if readOnly {
		d.find("database-read-only", "DATABASE_URL leads to a replica, or to a server or role that is set to read-only.", "point DATABASE_URL at the primary; a replica goes into DATABASE_REPLICA_URL")
	}
	return true
}

// reachDirect connects where migrations and LISTEN do.
func (d *doctor) reachDirect(ctx context.Context) {
	if d.cfg.DatabaseDirectURL == d.cfg.DatabaseURL {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.cfg.DatabaseDirectURL)
	if err != nil {
		d.find("database-direct-unreachable", d.plain(err), "set DATABASE_DIRECT_URL to the server itself, reachable from here; migrations and subscriptions use it")
		return
	}
	_ = conn.Close(ctx)
}

// usersSync tells apart why the table cannot be read, and shows the mode.
func (d *doctor) usersSync(ctx context.Context) (good bool) {
	d.check(ctx, "neon_auth.users_sync", func(ctx context.Context, tx pgx.Tx) error {
		mode, err := store.DetectUsersSync(ctx, tx)
		grant, refused := errors.AsType[*store.GrantError](err)
		switch {
		case errors.Is(err, store.ErrNoUsersSync):
			return d.noUsersSync(ctx, tx)
		case refused:
			d.find("users-sync-no-grant", fmt.Sprintf("Role %q lacks a right; PostgreSQL then says \"permission denied\", which is not the same as the table missing.", grant.Role), grant.SQL)
			return nil
		case err != nil && mode == "":
			return err
		case err != nil:
			d.find("users-sync-shape", d.plain(err), "ALTER TABLE neon_auth.users_sync as said above, or rename a table of the app's own out of the way")
			return nil
		}
		good = true
		return d.showMode(ctx, tx, mode)
	})
	return good
}

// noUsersSync tells which of the reasons it is that the table is not there.
func (d *doctor) noUsersSync(ctx context.Context, tx pgx.Tx) error {
	var database string
	var newAuth, tables bool
	var others []string
	err := tx.QueryRow(ctx, `
select current_database()::text,
  exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'neon_auth' and c.relname = 'user'),
  exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and c.relname in ('chat_messages', 'message_feedback', 'track_likes')),
  array(select datname::text from pg_database where datallowconn and not datistemplate and datname not in ('postgres', current_database()) order by 1 limit 6)`).
		Scan(&database, &newAuth, &tables, &others)
	if err != nil {
		return err
	}
	const make = "segue migrate up makes the table, and Segue fills it from Clerk"
	u, _ := url.Parse(d.cfg.DatabaseURL)
	neon := u != nil && strings.HasSuffix(host(u), ".neon.tech")
	switch {
	case newAuth:
		d.find("users-sync-new-neon-auth", `There is neon_auth."user": since December 2025 Neon Auth keeps its own users and has no users_sync for new projects. It never took users from Clerk.`, make+"; unset USERS_SYNC if it is neon")
	case d.cfg.UsersSync == "neon", !tables && (neon || len(others) > 0):
		detail := fmt.Sprintf("DATABASE_URL names database %q, which has neither the table nor any of the app's.", database)
		if tables {
			detail = fmt.Sprintf("USERS_SYNC=neon, but database %q does not have the table. Neon Auth makes it on one branch and database only; a branch made before that has none.", database)
		}
		if len(others) > 0 {
			detail += " This server also has: " + strings.Join(others, ", ") + "."
		}
		d.find("users-sync-other-database", detail, "point DATABASE_URL at the branch and database that has it; if this is the right one: "+make)
	case tables:
		d.find("users-sync-missing", "Neon Auth was not enabled when this database or branch was made. Segue does not need it.", make+"; segue adopt --apply does so too, where it is needed first")
	default:
		d.find("users-sync-missing", "Neon Auth was not enabled when this database or branch was made. Segue does not need it.", make)
	}
	return nil
}

func (d *doctor) showMode(ctx context.Context, tx pgx.Tx, detected store.Mode) error {
	var writable bool
	if err := tx.QueryRow(ctx, "select has_table_privilege('neon_auth.users_sync', 'insert') and has_table_privilege('neon_auth.users_sync', 'update')").Scan(&writable); err != nil {
		return err
	}
	why := "its columns are plain and this role may write it"
	d.mode = detected
	switch {
	case detected == store.ModeNeon:
		why = "its columns are generated, as Neon Auth makes them"
	case !writable:
		d.mode, why = store.ModeNeon, "this role may not write it"
	}
	if set := store.Mode(d.cfg.UsersSync); set != "" {
		if set != d.mode {
			d.find("mode-overridden", fmt.Sprintf("USERS_SYNC=%s, but the table looks like %s: %s. If that is a mistake, users are filled by nobody or by two.", set, d.mode, why), "unset USERS_SYNC, unless you know that it is right")
		}
		d.mode, why = set, "USERS_SYNC says so"
	}
	detail := "Segue, from Clerk: " + why + "."
	if d.mode == store.ModeNeon {
		detail = "Neon Auth: " + why + "; Segue never writes it."
	}
	d.find("users-sync-mode", detail, "none needed")
	return nil
}

// tables looks at form, rights, keys and indexes. It reports whether the rest
// can be looked at: Segue's own tables are there, and users_sync can be read.
func (d *doctor) tables(ctx context.Context, usersReadable bool) bool {
	d.check(ctx, "the tables' form", d.legacy)
	migrated := d.migrations(ctx)
	if !usersReadable {
		return false
	}
	d.check(ctx, "foreign keys", d.foreignKeys)
	d.check(ctx, "orphans", d.orphans)
	if !migrated {
		return false
	}
	d.check(ctx, "indexes", d.indexes)
	d.check(ctx, "rights", d.grants)
	return true
}

// legacy leaves foreign keys to their own findings.
func (d *doctor) legacy(ctx context.Context, tx pgx.Tx) error {
	found, err := store.FindLegacy(ctx, tx)
	if err != nil {
		return err
	}
	var lines []string
	for _, l := range found {
		if !strings.Contains(l.Problem, "foreign key") {
			lines = append(lines, l.String())
		}
	}
	if len(lines) > 0 {
		d.find("legacy-tables", strings.Join(lines, "; ")+".", "segue adopt shows how each row and column is brought over; segue adopt --apply does it")
	}
	return nil
}

func (d *doctor) migrations(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	list, err := store.MigrationStatus(ctx, d.cfg.DatabaseURL)
	if err != nil {
		d.incomplete("migrations", err)
		return true
	}
	var pending, newer []string
	for _, m := range list {
		switch {
		case m.Applied.IsZero():
			pending = append(pending, m.File)
		case m.File == "":
			newer = append(newer, fmt.Sprint(m.Version))
		}
	}
	if len(newer) > 0 {
		d.find("migrations-newer", "It has migrations that this binary does not know: "+strings.Join(newer, ", ")+". That is fine while versions overlap.", "none needed")
	}
	if len(pending) > 0 {
		d.find("migrations-pending", strings.Join(pending, ", ")+".", "segue migrate up")
	}
	return len(pending) == 0
}

func (d *doctor) grants(ctx context.Context, tx pgx.Tx) error {
	var role string
	var lacking []string
	err := tx.QueryRow(ctx, `
select quote_ident(current_user), array(select t.name from unnest(array['public.chat_messages', 'public.message_feedback', 'public.track_likes']) t(name)
  where not (has_table_privilege(t.name, 'select') and has_table_privilege(t.name, 'insert') and has_table_privilege(t.name, 'update') and has_table_privilege(t.name, 'delete'))
  union all select 'schema segue' where not has_schema_privilege('segue', 'usage'))`).Scan(&role, &lacking)
	if err != nil || len(lacking) == 0 {
		return err
	}
	tables := slices.DeleteFunc(slices.Clone(lacking), func(s string) bool { return s == "schema segue" })
	var fix []string
	if len(tables) > 0 {
		fix = append(fix, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s;", strings.Join(tables, ", "), role))
	}
	if len(tables) < len(lacking) {
		fix = append(fix, fmt.Sprintf("GRANT USAGE ON SCHEMA segue TO %[1]s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA segue TO %[1]s; GRANT USAGE ON ALL SEQUENCES IN SCHEMA segue TO %[1]s;", role))
	}
	d.find("grants-missing", fmt.Sprintf("Role %s may not read and write %s.", role, strings.Join(lacking, ", ")), strings.Join(fix, " "))
	return nil
}

// rollups recounts a sample.
func (d *doctor) rollups(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	const sample = 50
	drift, err := store.CheckRollups(ctx, d.pool, sample)
	if err != nil {
		d.incomplete("statistics", err)
		return
	}
	if len(drift) == 0 {
		return
	}
	first := drift[0]
	d.find("rollups-drift", fmt.Sprintf("Of a sample, %d numbers differ; for example %s of %s is %q where a recount gives %q. Somebody wrote with the triggers off, or into segue's own tables.",
		len(drift), first.What, first.ID, first.Stored, first.Counted),
		"SELECT segue.recount_users(ARRAY(SELECT clerk_id FROM segue.user_totals UNION SELECT id FROM neon_auth.users_sync)); SELECT segue.recount_tracks();")
}
