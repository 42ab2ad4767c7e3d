package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/clerktest"
	"github.com/ai-dj/segue/internal/pglocal"
	"github.com/ai-dj/segue/internal/sample"
	"github.com/ai-dj/segue/internal/store"
)

// stage is what the runs have in common: the database, the binary, who there is.
type stage struct {
	dir, binary, url string
	pg               *pglocal.Server // nil: somebody else's
	key              clerktest.Key
	users            []user
}

// user is somebody with messages to ask for.
type user struct {
	id       string
	messages []string
}

func newStage(ctx context.Context) (s *stage, err error) {
	s = &stage{url: os.Getenv("DATABASE_URL"), key: clerktest.NewKey("ins_load")}
	if s.dir, err = os.MkdirTemp("", "load-"); err != nil {
		return nil, err
	}
	s.binary = filepath.Join(s.dir, "segue")
	err = os.Chmod(s.dir, 0o711) // run by root, PostgreSQL runs as somebody else
	if err == nil {
		if out, failed := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "github.com/ai-dj/segue").CombinedOutput(); failed != nil {
			err = fmt.Errorf("go build: %w: %s", failed, out)
		}
	}
	if err == nil && s.url == "" {
		err = s.startPostgreSQL(ctx)
	}
	if err == nil {
		err = s.findUsers(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startPostgreSQL starts one that flushes to the disk as in production.
func (s *stage) startPostgreSQL(ctx context.Context) (err error) {
	if s.pg, err = pglocal.Start(ctx, pglocal.Config{Dir: filepath.Join(s.dir, "pg")}); err != nil {
		return err
	}
	if s.url, err = s.pg.Database(ctx, "load"); err != nil {
		return err
	}
	if err := store.Migrate(ctx, s.url, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, s.url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := sample.Load(ctx, pool, time.Now()); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, "vacuum analyze")
	return err
}

func (s *stage) findUsers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `select u.id, array(select id::text from public.chat_messages where clerk_id = u.id limit 100)
		from neon_auth.users_sync u where deleted_at is null and exists (select from public.chat_messages where clerk_id = u.id) order by id limit 1000`)
	if err != nil {
		return err
	}
	s.users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (u user, err error) {
		return u, row.Scan(&u.id, &u.messages)
	})
	if err == nil && len(s.users) == 0 {
		err = errors.New("nobody in the database has any messages")
	}
	return err
}

func (s *stage) close() error {
	var err error
	if s.pg != nil {
		err = s.pg.Stop()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// gateway is one `segue serve`.
type gateway struct {
	addr, admin, log string
	cmd              *exec.Cmd
}

func (s *stage) serve(ctx context.Context, conns int) (*gateway, error) {
	g := &gateway{addr: freeAddr(), admin: freeAddr(), log: filepath.Join(s.dir, "segue.log")}
	log, err := os.Create(g.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g.cmd = exec.Command(s.binary, "serve") // it ends by stop, when its clients have left
	g.cmd.Env = append(os.Environ(), "DATABASE_URL="+s.url, "DATABASE_MAX_CONNS="+strconv.Itoa(conns), "CLERK_JWT_KEY="+s.key.PEM(), "RATE_LIMIT=0",
		"ADDR="+g.addr, "ADMIN_ADDR="+g.admin)
	g.cmd.Stderr = log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		if resp, err := http.Get("http://" + g.addr + "/readyz"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return g, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.Join(fmt.Errorf("segue serve is not ready: %s", g.lastWords()), g.stop())
}

func (g *gateway) stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return g.cmd.Wait()
}

func (g *gateway) lastWords() string {
	text, _ := os.ReadFile(g.log)
	return string(text[max(0, len(text)-1000):])
}

// usage is what the gateway uses at a time.
type usage struct {
	at         time.Time
	rss        float64 // MB
	cpu        float64 // seconds since it was started
	goroutines float64
}

var (
	rssLine       = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
	cpuLine       = regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`)
	goroutineLine = regexp.MustCompile(`(?m)^go_goroutines (\S+)$`)
)

func (g *gateway) sample() (usage, error) {
	s := usage{at: time.Now()}
	resp, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil {
		return s, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		return s, err
	}
	for _, line := range []struct {
		to   *float64
		form *regexp.Regexp
		text []byte
	}{{&s.rss, rssLine, status}, {&s.cpu, cpuLine, metrics}, {&s.goroutines, goroutineLine, metrics}} {
		found := line.form.FindSubmatch(line.text)
		if found == nil {
			return s, fmt.Errorf("the gateway does not tell %s", line.form)
		}
		if *line.to, err = strconv.ParseFloat(string(found[1]), 64); err != nil {
			return s, err
		}
	}
	s.rss /= 1024
	return s, nil
}

// settled is how many goroutines are left when they have not become fewer for a second.
func (g *gateway) settled() (float64, error) {
	fewest := 0.0
	for same := 0; same < 10; same++ {
		s, err := g.sample()
		if err != nil {
			return 0, err
		}
		if fewest == 0 || s.goroutines < fewest {
			fewest, same = s.goroutines, 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fewest, nil
}

func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // no free port on the machine
	}
	defer l.Close()
	return strings.Clone(l.Addr().String())
}
