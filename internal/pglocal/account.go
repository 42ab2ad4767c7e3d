//go:build unix

package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as; the zero account is whoever we are.
type account struct {
	name       string
	credential *syscall.Credential
}

// unprivileged is the account to use: PostgreSQL refuses to run as root.
func unprivileged() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return account{}, err
		}
		return account{name, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL does not run as root, and this machine has neither user postgres nor nobody: run as another user")
}

// command prepares a program under the account, in a session of its own: a
// Ctrl-C in the terminal is for us, and we stop the server in our own time.
// The environment is small so that nobody's PG… variables change the server.
func (a account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
	return cmd
}

// own gives path to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// reaches reports whether the account may enter dir: every directory on the
// way, as far as it exists, must let it through.
func (a account) reaches(dir string) error {
	if a.credential == nil {
		return nil
	}
	for {
		if info, err := os.Stat(dir); err == nil && !a.mayEnter(info) {
			return fmt.Errorf("user %s, which runs PostgreSQL for root, cannot enter %s", a.name, dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func (a account) mayEnter(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return true
	case stat.Uid == a.credential.Uid:
		return info.Mode()&0o100 != 0
	case stat.Gid == a.credential.Gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// rootDir is where root's server lives when root's own cache directory is
// closed to the account that runs it. Unlike /var/tmp, nobody else can make it first.
const rootDir = "/var/lib/segue"

// DefaultDir is where `segue dev` keeps its server: "segue" in the user's cache
// directory. Root's (/root/.cache) is usually closed to the unprivileged user
// that has to run the server; then it is /var/lib/segue.
func DefaultDir() (string, error) {
	who, err := unprivileged()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		dir := filepath.Join(cache, "segue")
		if who.reaches(dir) == nil {
			return dir, nil
		}
	}
	if who.credential != nil {
		return rootDir, nil
	}
	return "", err
}

// prepareDir makes dir. For root it must let the server's account through; the
// directories in it that hold data are closed to everybody else.
func prepareDir(dir string, who account) (string, error) {
	if dir == "" {
		return "", errors.New("pglocal: Config.Dir is empty")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	mode := os.FileMode(0o700)
	if who.credential != nil {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return "", err
	}
	return dir, who.reaches(dir)
}
