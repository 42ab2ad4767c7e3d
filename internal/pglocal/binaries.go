//go:build unix

package pglocal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const oldestVersion = 15

// findBinaries gives a directory with initdb and postgres: $SEGUE_PG_BIN, then
// what the machine has, then a download into dir (from $SEGUE_PG_MIRROR in place
// of Maven Central). Data of an earlier run needs the major version that made it.
func findBinaries(ctx context.Context, dir, data string, progress func(string)) (string, error) {
	if bin := os.Getenv("SEGUE_PG_BIN"); bin != "" {
		if version(bin) < oldestVersion {
			return "", fmt.Errorf("SEGUE_PG_BIN must be a directory with initdb and postgres of PostgreSQL %d or newer", oldestVersion)
		}
		return bin, fits(bin, data)
	}
	found := installed(ctx)
	downloaded := filepath.Join(dir, "postgresql", "bin")
	if version(downloaded) >= oldestVersion {
		found = append(found, downloaded)
	}
	for _, bin := range found {
		if fits(bin, data) == nil {
			return bin, nil
		}
	}
	if len(found) > 0 {
		return "", fits(found[0], data)
	}
	progress("no PostgreSQL on this machine, downloading one (about 30 MB, once)")
	return downloaded, download(ctx, os.Getenv("SEGUE_PG_MIRROR"), filepath.Dir(downloaded))
}

// installed lists the machine's own binaries, best first.
func installed(ctx context.Context) []string {
	var bins []string
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		bins = append(bins, strings.TrimSpace(string(out)))
	}
	var versioned []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                                             // Debian and Ubuntu
		"/usr/pgsql-*/bin",                                                      // Red Hat
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", // Homebrew
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		versioned = append(versioned, matches...)
	}
	slices.SortStableFunc(versioned, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	bins = append(bins, versioned...)
	if postgres, err := exec.LookPath("postgres"); err == nil {
		bins = append(bins, filepath.Dir(postgres))
	}
	return slices.DeleteFunc(bins, func(bin string) bool { return version(bin) < oldestVersion })
}

var versionNumber = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version is the major version of the binaries in bin, 0 when they are not
// complete: Debian's client packages have a pg_config but no server.
func version(bin string) int {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	m := versionNumber.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1])) // digits, by the expression
	return n
}

// fits reports whether the binaries can run the data.
func fits(bin, data string) error {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if made := strings.TrimSpace(string(text)); made != strconv.Itoa(version(bin)) {
		return fmt.Errorf("the data in %s was made by PostgreSQL %s, and this machine has %d: start with fresh data, or set SEGUE_PG_BIN", data, made, version(bin))
	}
	return nil
}

// download fetches PostgreSQL for this system through embedded-postgres, which
// knows where the builds are, checks their sum and unpacks them. It can do so
// only as part of a start, so it starts a server of its own on a scratch
// directory. As root that start fails, after the unpacking, which is all we want.
func download(ctx context.Context, mirror, into string) error {
	scratch, err := os.MkdirTemp("", "segue-download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	port, err := choosePort(0)
	if err != nil {
		return err
	}
	cfg := embeddedpostgres.DefaultConfig().Version(embeddedpostgres.V18).Port(uint32(port)).
		BinariesPath(into).CachePath(filepath.Join(scratch, "cache")).
		RuntimePath(filepath.Join(scratch, "run")).DataPath(filepath.Join(scratch, "data")).Logger(io.Discard)
	if mirror != "" {
		cfg = cfg.BinaryRepositoryURL(mirror)
	}
	// The library takes no context; a cancelled download is left to the process's end.
	done := make(chan error, 1)
	go func() { done <- startAndStop(cfg) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if version(filepath.Join(into, "bin")) < oldestVersion {
		return fmt.Errorf("no PostgreSQL found, and the download did not work: install PostgreSQL %d or newer, or set SEGUE_PG_BIN to its bin directory: %w", oldestVersion, err)
	}
	return nil
}

func startAndStop(cfg embeddedpostgres.Config) error {
	server := embeddedpostgres.NewDatabase(cfg)
	if err := server.Start(); err != nil {
		return err
	}
	return server.Stop()
}
