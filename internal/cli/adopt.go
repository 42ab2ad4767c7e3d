package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ai-dj/segue/internal/adopt"
	"github.com/ai-dj/segue/internal/clerk"
	"github.com/ai-dj/segue/internal/store"
)

type adoptCmd struct {
	Apply     bool `help:"Do what the plan says, in one transaction."`
	DropUsers bool `help:"Move the old users table to segue_orphans too."`
	Truncate  bool `help:"Delete all rows instead of keeping them, as the guide does. Asks twice."`
	Yes       bool `help:"Answer the questions of --truncate with yes."`
}

// Help says what is promised.
func (adoptCmd) Help() string {
	return "Without --apply it reads only, and prints what would happen to each row and column. Rows that cannot be tied to a Clerk id move to segue_orphans, with the reason. docs/adopt.md tells more."
}

// Run prints the plan, or does it and prints what was done.
func (c adoptCmd) Run(ctx context.Context, s Streams) error {
	cfg, err := s.database()
	if err != nil {
		return err
	}
	job := adopt.Config{URL: cfg.DatabaseDirectURL, Mode: store.Mode(cfg.UsersSync), DropUsers: c.DropUsers, Truncate: c.Truncate}
	if cfg.ClerkSecretKey != "" {
		job.Clerk = clerk.New(clerk.Config{SecretKey: cfg.ClerkSecretKey, URL: cfg.ClerkAPIURL})
	}
	if !c.Apply {
		plan, err := adopt.MakePlan(ctx, job)
		return s.showPlan(plan, err)
	}
	if c.Truncate && !c.Yes {
		if err := s.confirmTwice(); err != nil {
			return err
		}
	}
	if s.Terminal {
		job.Step = func(what string) { _, _ = fmt.Fprintln(s.Err, "· "+what) }
	}
	plan, err := adopt.Apply(ctx, job)
	return s.showPlan(plan, err)
}

// showPlan prints a plan; one that is blocked is a problem found.
func (s Streams) showPlan(plan *adopt.Plan, err error) error {
	if plan == nil {
		return err
	}
	if printing := plan.Print(s.Out); printing != nil {
		return printing
	}
	if errors.Is(err, adopt.ErrBlocked) || len(plan.Blockers) > 0 {
		return errFound
	}
	return err
}

// confirmTwice asks a person before rows are deleted.
func (s Streams) confirmTwice() error {
	if !s.Terminal {
		return usage("--truncate deletes every message, rating and like: say --yes where nobody can be asked")
	}
	in := bufio.NewReader(s.In)
	for _, q := range []struct{ ask, want string }{
		{"--truncate deletes every message, rating and like. Without it they are kept. Type yes to go on: ", "yes"},
		{"There is no way back. Type truncate to delete them: ", "truncate"},
	} {
		_, _ = fmt.Fprint(s.Err, q.ask)
		answer, _ := in.ReadString('\n') // an end of input is no yes
		if strings.TrimSpace(answer) != q.want {
			return errors.New("nothing was changed")
		}
	}
	return nil
}
