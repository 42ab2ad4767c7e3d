package plans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// explainer has PostgreSQL explain statements, on one connection.
type explainer struct {
	conn    *pgx.Conn
	inside  bool     // auto_explain is there, which tells of statements inside functions and triggers
	texts   bool     // the plans are wanted as texts too
	notices []string // since the last look
	n       int      // statements prepared so far
}

// plan is a statement as PostgreSQL runs it.
type plan struct {
	statement
	literals []string // the arguments, as SQL
	mode     mode
	variants []variant // the plan that runs; and where that is a custom one, the generic one
	took     time.Duration
}

// variant is one plan of a statement.
type variant struct {
	mode   mode
	root   *node
	text   string
	inside []inner
}

// inner is a statement that ran inside of another: in a function, a trigger, or for a foreign key.
type inner struct {
	sql   string
	root  *node
	text  string
	times int
}

// mode is how PostgreSQL plans a prepared statement: once for all arguments, or
// anew at each execution.
type mode string

const (
	generic mode = "generic"
	custom  mode = "custom"
)

// likeTheGateway sets what each of its connections does (internal/store/pool.go).
const likeTheGateway = "select set_config('random_page_cost', '1.1', false) where current_setting('random_page_cost') = '4'"

func newExplainer(t testing.TB, url string) *explainer {
	t.Helper()
	e := &explainer{}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal("EXPLAIN_DATABASE_URL cannot be parsed")
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { e.notices = append(e.notices, n.Message) }
	if e.conn, err = pgx.ConnectConfig(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.conn.Close(context.Background()) })
	if err := e.run(t.Context(), likeTheGateway); err != nil {
		t.Fatal(err)
	}
	e.inside = e.run(t.Context(), "load 'auto_explain'", "set auto_explain.log_min_duration = 0", "set auto_explain.log_nested_statements = on",
		"set auto_explain.log_analyze = on", "set auto_explain.log_buffers = on", "set auto_explain.log_timing = off", "set auto_explain.log_level = notice") == nil
	return e
}

// run sends statements without arguments.
func (e *explainer) run(ctx context.Context, texts ...string) error {
	for _, text := range texts {
		if _, err := e.conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// explain runs the statements of one operation, in a transaction that is rolled
// back, and gives the plans of those that touch a table of ours. before, where
// not empty, is done first.
func (e *explainer) explain(ctx context.Context, before string, list []statement) (plans []*plan, err error) {
	if err := e.run(ctx, "begin", before); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.run(ctx, "rollback", "deallocate all")) }()
	for _, s := range list {
		if setting.MatchString(s.sql) {
			if err := e.run(ctx, s.sql); err != nil {
				return nil, err
			}
		}
		if !explainable.MatchString(s.sql) {
			continue
		}
		p, err := e.one(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.sql, err)
		}
		if p.ours() {
			plans = append(plans, p)
		}
	}
	return plans, nil
}

var (
	setting     = regexp.MustCompile(`(?i)^\s*set\s`) // undone by the rollback
	explainable = regexp.MustCompile(`(?i)^\s*(select|with|insert|update|delete)\b`)
)

// one explains a statement, and leaves it done once.
func (e *explainer) one(ctx context.Context, s statement) (*plan, error) {
	e.n++
	name := fmt.Sprintf("plan%d", e.n)
	prepared, err := e.conn.Prepare(ctx, name, s.sql)
	if err != nil {
		return nil, err
	}
	p := &plan{statement: s, mode: custom}
	if p.literals, err = e.literals(prepared, s.args); err != nil {
		return nil, err
	}
	execute := "execute " + name
	if len(p.literals) > 0 {
		execute += "(" + strings.Join(p.literals, ", ") + ")"
	}
	own, err := e.mode(ctx, name, execute)
	if err != nil {
		return nil, err
	}
	p.mode = own
	modes := []mode{own}
	if own == custom {
		modes = []mode{generic, custom}
	}
	if err := e.run(ctx, "savepoint before"); err != nil {
		return nil, err
	}
	var last string
	if last, err = e.setting(ctx, "plan_cache_mode"); err != nil {
		return nil, err
	}
	for i, m := range modes {
		v := variant{mode: m}
		if err := e.run(ctx, "rollback to before", "set local plan_cache_mode = force_"+string(m)+"_plan"); err != nil {
			return nil, err
		}
		if e.texts {
			if err := e.textually(ctx, execute, s.sql, &v); err != nil {
				return nil, err
			}
			if err := e.run(ctx, "rollback to before", "set local plan_cache_mode = force_"+string(m)+"_plan"); err != nil {
				return nil, err
			}
		}
		start := time.Now()
		if err := e.structured(ctx, execute, s.sql, &v); err != nil {
			return nil, err
		}
		if i == len(modes)-1 {
			p.took = time.Since(start)
		}
		p.variants = append([]variant{v}, p.variants...)
	}
	return p, e.run(ctx, "set local plan_cache_mode = "+last)
}

// mode is what PostgreSQL comes to by itself: after five executions it takes the
// generic plan, unless plans made for the arguments looked cheaper, planning included.
func (e *explainer) mode(ctx context.Context, name, execute string) (mode, error) {
	for range 7 {
		if err := e.run(ctx, "explain "+execute); err != nil {
			return "", err
		}
	}
	e.notices = nil
	var taken int64
	err := e.conn.QueryRow(ctx, "select generic_plans from pg_prepared_statements where name = $1", pgx.QueryExecModeExec, name).Scan(&taken)
	if taken > 0 {
		return generic, err
	}
	return custom, err
}

func (e *explainer) setting(ctx context.Context, name string) (value string, err error) {
	err = e.conn.QueryRow(ctx, "select current_setting($1)", pgx.QueryExecModeExec, name).Scan(&value)
	return value, err
}

// literals writes the arguments as SQL.
func (e *explainer) literals(prepared *pgconn.StatementDescription, args []any) ([]string, error) {
	if len(args) != len(prepared.ParamOIDs) {
		return nil, fmt.Errorf("%d arguments for %d parameters", len(args), len(prepared.ParamOIDs))
	}
	list := make([]string, len(args))
	for i, arg := range args {
		text, err := e.conn.TypeMap().Encode(prepared.ParamOIDs[i], pgtype.TextFormatCode, arg, nil)
		switch {
		case err != nil:
			return nil, err
		case text == nil:
			list[i] = "null"
		default:
			list[i] = "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
		}
	}
	return list, nil
}

const options = "analyze, buffers, costs off, timing off, summary off"

// structured explains to v's trees.
func (e *explainer) structured(ctx context.Context, execute, sql string, v *variant) error {
	if err := e.innerFormat(ctx, "json"); err != nil {
		return err
	}
	lines, err := e.lines(ctx, "explain ("+options+", format json) "+execute)
	if err != nil {
		return err
	}
	var top []struct{ Plan *node }
	if err := json.Unmarshal([]byte(lines), &top); err != nil {
		return err
	}
	v.root = top[0].Plan
	err = e.collect(sql, v, func(text string) (string, *node, error) {
		var one struct {
			Text string `json:"Query Text"`
			Plan *node
		}
		err := json.Unmarshal([]byte(text), &one)
		return one.Text, one.Plan, err
	})
	// Whether a write calls segue.fold is left to chance, and nothing to look at: holdFolding.
	v.inside = slices.DeleteFunc(v.inside, func(in inner) bool { return !in.root.touches() })
	return err
}

// textually explains to v's texts.
func (e *explainer) textually(ctx context.Context, execute, sql string, v *variant) error {
	if err := e.innerFormat(ctx, "text"); err != nil {
		return err
	}
	lines, err := e.lines(ctx, "explain ("+options+") "+execute)
	if err != nil {
		return err
	}
	v.text = tidy(lines)
	return e.collect(sql, v, nil)
}

func (e *explainer) innerFormat(ctx context.Context, format string) error {
	e.notices = nil
	if !e.inside {
		return nil
	}
	return e.run(ctx, "set auto_explain.log_format = "+format)
}

func (e *explainer) lines(ctx context.Context, text string) (string, error) {
	results, err := e.conn.PgConn().Exec(ctx, text).ReadAll()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, row := range results[0].Rows {
		lines = append(lines, string(row[0]))
	}
	return strings.Join(lines, "\n"), nil
}

// collect reads what auto_explain told of the statements inside of the one that
// was explained. Of those that ran many times it keeps the first. read takes a
// structured plan apart; nil for texts.
func (e *explainer) collect(sql string, v *variant, read func(string) (string, *node, error)) error {
	seen := map[string]int{}
	for i := range v.inside {
		seen[v.inside[i].sql] = i
		v.inside[i].times = 0
	}
	for _, notice := range e.notices {
		_, text, found := strings.Cut(notice, "plan:\n")
		if !found {
			continue
		}
		var one inner
		if read != nil {
			var err error
			if one.sql, one.root, err = read(text); err != nil {
				return err
			}
		} else {
			one.sql, one.text = splitText(text)
		}
		one.sql = strings.TrimSpace(one.sql)
		if one.sql == strings.TrimSpace(sql) {
			continue // the statement itself
		}
		at, known := seen[one.sql]
		if !known {
			at = len(v.inside)
			seen[one.sql] = at
			v.inside = append(v.inside, one)
		}
		v.inside[at].times++
		if v.inside[at].root == nil {
			v.inside[at].root = one.root
		}
	}
	e.notices = nil
	return nil
}

// splitText takes a text of auto_explain apart: the query's, which may have
// several lines, and the plan's.
func splitText(text string) (sql, plan string) {
	text = strings.TrimPrefix(text, "Query Text: ")
	if at := planStart.FindStringIndex(text); at != nil {
		return text[:at[0]], tidy(text[at[0]+1:])
	}
	return text, ""
}

// planStart is where the first node of a plan begins.
var planStart = regexp.MustCompile(`\n[A-Z][A-Za-z ]*( (on|using) [^\n]*)?  \(cost=`)

var (
	costs    = regexp.MustCompile(`\(cost=[^)]*\) `)
	planning = regexp.MustCompile(`(?m)^Planning:\n(  .*\n?)*`)
)

// tidy takes out of a plan what depends on more than the plan.
func tidy(text string) string {
	return strings.TrimRight(planning.ReplaceAllString(costs.ReplaceAllString(text, ""), ""), "\n ")
}

// ours reports whether the statement touches a table of ours.
func (p *plan) ours() bool {
	for _, v := range p.variants {
		if v.root.touches() {
			return true
		}
		for _, in := range v.inside {
			if in.root.touches() {
				return true
			}
		}
	}
	return false
}
