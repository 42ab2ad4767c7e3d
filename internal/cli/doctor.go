package cli

import (
	"context"

	"github.com/ai-dj/segue/internal/doctor"
)

type doctorCmd struct {
	JSON bool `help:"Print the findings as JSON."`
}

// Help says what is looked at.
func (doctorCmd) Help() string {
	return "Reads only. Checks settings, database, users_sync, foreign keys, orphans, Clerk's keys, sync and webhooks, and says for each finding what to do; docs/doctor.md lists all. Exits 1 when there is an error."
}

// Run prints what was found.
func (c doctorCmd) Run(ctx context.Context, s Streams) error {
	var report doctor.Report
	if cfg, err := s.settings(); err != nil {
		report = doctor.BadSetting(err)
	} else {
		report = doctor.Examine(ctx, doctor.Config{Settings: cfg})
	}
	show := report.Print
	if c.JSON {
		show = report.JSON
	}
	if err := show(s.Out); err != nil {
		return err
	}
	if !report.OK {
		return errFound
	}
	return nil
}
