package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ai-dj/segue/internal/store"
)

// syncing looks at whether users come, and go.
func (d *doctor) syncing(ctx context.Context, clerk clerkSays) {
	if d.mode == store.ModeSegue {
		if len(d.cfg.ClerkWebhookSecrets) == 0 {
			d.find("webhook-secret-unset", "POST /webhooks/clerk answers 404, so changes and deletions at Clerk are seen at the next sync only.",
				"add the endpoint https://…/webhooks/clerk in Clerk's dashboard (events user.*, session.*) and set CLERK_WEBHOOK_SIGNING_SECRET to its signing secret")
		}
		d.check(ctx, "webhooks", func(ctx context.Context, tx pgx.Tx) error { return d.webhooks(ctx, tx, clerk) })
		d.check(ctx, "sync", d.lastSync)
		d.check(ctx, "the number of users", func(ctx context.Context, tx pgx.Tx) error { return d.countUsers(ctx, tx, clerk) })
	}
	d.check(ctx, "erasing", d.backlog)
}

func (d *doctor) webhooks(ctx context.Context, tx pgx.Tx, clerk clerkSays) error {
	var last *time.Time
	var lag float64
	var instances []string
	err := tx.QueryRow(ctx, `
with latest as (select * from segue.webhook_inbox order by received_at desc limit 20)
select (select max(received_at) from latest), coalesce((select percentile_cont(0.5) within group (order by extract(epoch from received_at - event_at)) from latest), 0)::float8,
  array(select distinct instance_id from latest where instance_id is not null order by 1)`).Scan(&last, &lag, &instances)
	if err != nil {
		return err
	}
	if last == nil {
		if len(d.cfg.ClerkWebhookSecrets) > 0 {
			d.find("webhooks-never", "The secret is set, but Clerk has delivered nothing yet.", "look at the endpoint's deliveries in Clerk's dashboard: its URL must be this deployment's /webhooks/clerk, its secret CLERK_WEBHOOK_SIGNING_SECRET")
		}
		return nil
	}
	if len(instances) > 1 || clerk.instance != "" && len(instances) == 1 && instances[0] != clerk.instance {
		detail := "The latest are of " + strings.Join(instances, " and ") + "."
		if clerk.instance != "" {
			detail += " CLERK_SECRET_KEY is of " + clerk.instance + "."
		}
		d.find("webhook-other-instance", detail+" Users of a development instance end up in production, or the other way round.", "let only the instance of CLERK_SECRET_KEY deliver here, and give the other one an endpoint of its own")
	}
	const late = time.Minute
	if typical := time.Duration(lag * float64(time.Second)); typical > late {
		d.find("webhooks-late", fmt.Sprintf("Half of the latest came more than %s after the event; the last came at %s.", typical.Round(time.Second), last.UTC().Format(time.RFC3339)), "look at failed deliveries in Clerk's dashboard: they are repeated later and later")
	}
	return nil
}

func (d *doctor) lastSync(ctx context.Context, tx pgx.Tx) error {
	var completed *time.Time
	var failure *string
	if err := tx.QueryRow(ctx, "select completed_at, failure from segue.sync_state").Scan(&completed, &failure); err != nil {
		return err
	}
	if failure != nil {
		d.find("sync-failed", d.plain(fmt.Errorf("%s", *failure)), "segue sync tells more; it goes on where it stopped")
	}
	if d.cfg.ClerkSecretKey == "" {
		return nil
	}
	if completed == nil {
		d.find("sync-never", "Users who signed up before Segue came appear on their first write only.", "segue sync")
		return nil
	}
	if every := d.cfg.SyncEvery; every > 0 && time.Since(*completed) > 2*every {
		d.find("sync-stale", fmt.Sprintf("The last complete one was at %s; SYNC_EVERY is %s.", completed.UTC().Format(time.RFC3339), every), "segue sync now; then look in segue serve's log why it does not")
	}
	return nil
}

// countUsers allows for users who come and go while it counts.
func (d *doctor) countUsers(ctx context.Context, tx pgx.Tx, clerk clerkSays) error {
	if !clerk.counted {
		return nil
	}
	var live int
	if err := tx.QueryRow(ctx, "select count(*) from neon_auth.users_sync where deleted_at is null").Scan(&live); err != nil {
		return err
	}
	off, allowed := live-clerk.users, max(2, clerk.users/100)
	if max(off, -off) > allowed {
		d.find("users-count-differs", fmt.Sprintf("Clerk counts %d, users_sync has %d live ones. After a sync that still differs, they are of different instances.", clerk.users, live), "segue sync")
	}
	return nil
}

// backlog is what the sweep should have done a day ago.
func (d *doctor) backlog(ctx context.Context, tx pgx.Tx) error {
	if d.cfg.EraseAfter < 0 {
		return nil
	}
	var due, open int
	err := tx.QueryRow(ctx, `
select (select count(*) from neon_auth.users_sync u where u.deleted_at <= now() - $1::interval - interval '1 day' and (
    exists (select from public.chat_messages where clerk_id = u.id) or exists (select from public.message_feedback where clerk_id = u.id)
    or exists (select from public.track_likes where clerk_id = u.id))),
  (select count(*) from segue.erasures where finished_at is null and started_at < now() - interval '1 day')`, d.cfg.EraseAfter).Scan(&due, &open)
	if err != nil || due+open == 0 {
		return err
	}
	d.find("erase-backlog", fmt.Sprintf("%d users are a day past ERASE_AFTER and still have rows; %d erasures were begun and not finished.", due, open), "keep one segue serve running: it sweeps at start and hourly; its log says what stops it. segue erase USER does one now")
	return nil
}
