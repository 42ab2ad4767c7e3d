//go:build unix

package pglocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockDir takes the directory for this process. The lock goes with the
// process, so a crash leaves none behind; the pid in the file is for messages.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		text := make([]byte, 20)
		n, _ := f.Read(text)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n])))
		return nil, &RunningError{Dir: dir, PID: pid}
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// watchScript waits for the end of its standard input. The other end of that
// pipe is open in our process alone, so the system closes it when we end, even
// by SIGKILL. $1 is the server's pid, $2 what to remove.
const watchScript = `read -r _
kill -INT "$1" && kill -CONT "$1"
if [ -n "$2" ]; then
	while kill -0 "$1"; do sleep 0.1; done
	rm -rf "$2"
fi`

// watch starts the process that stops the server when this one is gone.
// (Pdeathsig would be less, but it follows a thread and is Linux only.)
// It runs as we do, not as the server does, so that it may remove Dir.
func watch(server int, remove string) (*watcher, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := account{}.command(context.Background(), "/bin/sh", "-c", watchScript, "segue-watcher", strconv.Itoa(server), remove)
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the server's watcher: %w", err), w.Close())
	}
	return &watcher{cmd, w}, nil
}

// watcher holds the pipe whose closing the script waits for.
type watcher struct {
	cmd  *exec.Cmd
	pipe *os.File
}

// dismiss ends the watcher before it sees the pipe close.
func (w *watcher) dismiss() {
	w.cmd.Process.Kill()
	w.cmd.Wait()
	w.pipe.Close()
}

// stopLeftover ends a server that an earlier process left on this data. We
// hold the directory's lock, so nobody is using it any more.
func stopLeftover(ctx context.Context, data string, progress func(string)) error {
	pid, err := serverPID(data)
	if err != nil || pid == 0 {
		return err
	}
	progress(fmt.Sprintf("stopping a PostgreSQL that an earlier run left behind (process %d)", pid))
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		if err := errors.Join(syscall.Kill(pid, sig), syscall.Kill(pid, syscall.SIGCONT)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", pid, err)
		}
		if gone(ctx, data, pid) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("process %d, a PostgreSQL on %s, does not stop: end it with kill -9 %d", pid, data, pid)
}

// gone waits for a process that is not our child, so only asking works.
func gone(ctx context.Context, data string, pid int) bool {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for runsOn(pid, data) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// serverPID is the process that serves data, 0 when there is none.
func serverPID(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0, nil // a stale file, which PostgreSQL replaces
	}
	if !runsOn(pid, data) {
		// PostgreSQL would take whoever has the pid now for a server.
		return 0, os.Remove(filepath.Join(data, "postmaster.pid"))
	}
	return pid, nil
}

// runsOn tells a server on data from a stranger that has got its pid since:
// we start servers with the data directory on their command line.
func runsOn(pid int, data string) bool {
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if _, noProc := os.Stat("/proc/self/cmdline"); noProc != nil {
		args, err = exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	}
	return err == nil && bytes.Contains(args, []byte(data)) && bytes.Contains(args, []byte("postgres"))
}
