package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ai-dj/segue/internal/store"
)

type exportCmd struct {
	User string `arg:"" help:"A Clerk user id, user_…"`
	Yes  bool   `help:"Do not ask."`
}

// Help says what comes out.
func (exportCmd) Help() string {
	return "Writes one JSON object to standard output: the person's row, messages, ratings and likes, with all their columns. On a terminal it asks first, because the data are personal."
}

// Run streams the person's data.
func (c exportCmd) Run(ctx context.Context, s Streams) error {
	if s.Terminal && !c.Yes {
		if err := s.confirm("Print everything stored of " + c.User + "?"); err != nil {
			return err
		}
	}
	return s.withSystem(func(system *store.System) error { return system.Export(ctx, c.User, s.Out) })
}

type eraseCmd struct {
	User string `arg:"" help:"A Clerk user id, user_…"`
	Yes  bool   `help:"Do not ask; needed where there is no terminal."`
}

// Help says what is lost.
func (eraseCmd) Help() string {
	return "Deletes every message, rating and like of the person, for good, and leaves a tombstone without name and e-mail. Consider: segue export USER > FILE"
}

// Run erases the person and prints the counts.
func (c eraseCmd) Run(ctx context.Context, s Streams) error {
	if !c.Yes {
		if !s.Terminal {
			return usage("erase deletes for good: confirm with --yes")
		}
		if err := s.confirm("Erase everything of " + c.User + ", for good?"); err != nil {
			return err
		}
	}
	return s.withSystem(func(system *store.System) error {
		e, err := system.Erase(ctx, c.User)
		if err != nil {
			return err
		}
		return s.print("erased %d messages, %d ratings, %d likes of %s, and %d ratings others gave on those messages\n",
			e.Messages, e.Feedback, e.Likes, c.User, e.OthersFeedback)
	})
}

var errDeclined = errors.New("not confirmed, nothing was done")

// confirm asks a person at the terminal; anything but yes declines.
func (s Streams) confirm(question string) error {
	_, _ = fmt.Fprintf(s.Err, "%s [y/N] ", question)
	line, _ := bufio.NewReader(s.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// withSystem does something with Segue's own rights on users' rows.
func (s Streams) withSystem(do func(*store.System) error) error {
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	return s.withPool(func(pool *pgxpool.Pool) error {
		return do(store.NewSystem(pool, store.UsersMode(cfg.UsersSync)))
	})
}
