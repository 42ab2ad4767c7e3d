// Package cli is the segue command: its grammar, its help, and one small type a
// subcommand that reads settings, calls the package that does the work, and
// prints. Exit codes: 0 done, 1 failed or found a problem, 2 wrong usage.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"github.com/ai-dj/segue/internal/config"
	"github.com/ai-dj/segue/internal/sample"
	"github.com/ai-dj/segue/internal/telemetry"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Streams is where a command reads, writes and finds its settings.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Lookup func(string) (string, bool)
	// Terminal tells whether a person is at Err and In.
	Terminal bool
}

// System is the process's own streams and environment.
func System() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Lookup: os.LookupEnv, Terminal: isTerminal(os.Stdin) && isTerminal(os.Stderr)}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// grammar is every command. Each has a Run method that gets the context and the streams.
type grammar struct {
	Serve   serveCmd         `cmd:"" help:"Serve the gateway; settings come from the environment."`
	Dev     devCmd           `cmd:"" help:"Run everything on this machine with nothing set up: PostgreSQL, sample data, playground, tokens."`
	Migrate migrateCmd       `cmd:"" help:"Bring the database's schema up to date, or show where it stands."`
	Adopt   adoptCmd         `cmd:"" help:"Bring an existing ai-dj database into the form Segue needs: a plan first, --apply does it."`
	Doctor  doctorCmd        `cmd:"" help:"Check database, users, keys and Clerk, and say what to do."`
	Schema  schemaCmd        `cmd:"" help:"Print the GraphQL schema."`
	Token   tokenCmd         `cmd:"" help:"Mint a token that this machine's segue dev accepts."`
	Sync    syncCmd          `cmd:"" help:"Bring users_sync in step with Clerk, from Clerk's Backend API."`
	Repair  repairCmd        `cmd:"" help:"Count the statistics anew from the tables."`
	Export  exportCmd        `cmd:"" help:"Print everything stored of a person as JSON."`
	Erase   eraseCmd         `cmd:"" help:"Erase everything of a person, for good."`
	Key     keyCmd           `cmd:"" help:"Make, list and revoke API keys for dashboards."`
	Version kong.VersionFlag `help:"Print the version."`
}

const description = `A GraphQL gateway for apps whose users live in Clerk and whose data lives in PostgreSQL.

Start with: segue dev`

// errFound ends a command that did its work and found a problem, which it has printed.
var errFound = errors.New("found a problem")

// Run runs the command that args name and returns the exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	var g grammar
	code := -1
	parser, err := kong.New(&g, kong.Name("segue"), kong.Description(description), kong.Vars{"version": version(), "sampleUser": sample.User},
		kong.Writers(s.Out, s.Err), kong.Exit(func(c int) { code = c }), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(s))
	if err != nil {
		panic(err) // the grammar itself is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if code >= 0 { // --help or --version has printed and is done
		return code
	}
	if err != nil {
		_, _ = fmt.Fprintf(s.Err, "segue: %v\nRun \"segue --help\" for usage.\n", err)
		return exitUsage
	}
	return s.report(command.Run())
}

// report prints why a command failed, in one line, and picks the exit code.
func (s Streams) report(err error) int {
	if err == nil || errors.Is(err, context.Canceled) {
		return exitDone
	}
	if !errors.Is(err, errFound) {
		_, _ = fmt.Fprintf(s.Err, "segue: %v\n", err)
	}
	if _, usage := errors.AsType[*usageError](err); usage {
		return exitUsage
	}
	return exitFailed
}

// usageError is a command that was written wrongly in a way the grammar cannot tell.
type usageError struct{ error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (s Streams) settings() (config.Config, error) { return config.Load(s.Lookup) }

// database is the settings of a command that needs the database and nothing else.
func (s Streams) database() (config.Config, error) {
	cfg, err := s.settings()
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.NeedDatabase()
}

func (s Streams) logger(cfg config.Config) *slog.Logger {
	return telemetry.NewLogger(s.Err, cfg.LogLevel, cfg.LogFormat)
}

func (s Streams) print(format string, args ...any) error {
	_, err := fmt.Fprintf(s.Out, format, args...)
	return err
}

// version is the module's, or the commit the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return info.Main.Version
}
