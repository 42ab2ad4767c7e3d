-- The life of a user row (contract §5): what came in by webhook, what is known of each user's age, how far the
-- backfill is, and what was erased. None of it refers to users_sync by a foreign key: it outlives the rows it is about.

-- +goose Up
create table segue.webhook_inbox (
  svix_id     text primary key,       -- a repeat of a delivery has the same
  type        text not null,
  user_id     text,
  instance_id text,                   -- which Clerk instance sent it; doctor compares
  event_at    timestamptz not null,   -- Clerk's clock
  received_at timestamptz not null default now()
);
create index webhook_inbox_received on segue.webhook_inbox (received_at);
comment on table segue.webhook_inbox is 'Webhook deliveries that took effect, for 40 days, so that repeats change nothing.';

create table segue.user_versions (
  user_id    text primary key,
  updated_ms bigint not null default -1, -- Clerk's updated_at of what users_sync holds; -1: Segue did not write it
  event_ms   bigint not null default -1, -- when Clerk said so; breaks ties of updated_ms
  deleted_at timestamptz,                -- remembered here too, for when somebody hard-deletes the tombstone
  seen_run   bigint                      -- the last backfill that found the user at Clerk
);
comment on table segue.user_versions is 'How new what we know of each user is. users_sync itself has no room for it.';

create table segue.sync_state (
  one           boolean primary key default true check (one), -- row
  run           bigint not null default 0,
  phase         text not null default 'idle' check (phase in ('idle', 'users', 'missing')),
  created_after bigint not null default 0,      -- the cursor of phase 'users'
  page_offset   bigint not null default 0,
  offset_only   boolean not null default false,
  total         bigint not null default 0,      -- users at Clerk, as counted when the run began
  seen          bigint not null default 0,      -- entries of pages; overlaps count twice
  created       bigint not null default 0,
  updated       bigint not null default 0,
  deleted       bigint not null default 0,
  started_at    timestamptz,
  progressed_at timestamptz,
  ended_at      timestamptz,                    -- the last end, good or bad
  completed_at  timestamptz,                    -- the last good end
  failure       text,                           -- why the last end was a bad one
  claimed_until timestamptz,                    -- one replica's turn at the repeated run
  since         timestamptz not null default now()
);
comment on table segue.sync_state is 'How far the backfill from Clerk is: a run that was killed goes on from here.';
insert into segue.sync_state default values;

create table segue.erasures (
  id              bigint generated always as identity primary key,
  user_id         text not null,
  cause           text not null check (cause in ('sweep', 'operator', 'self')),
  messages        bigint not null default 0,
  feedback        bigint not null default 0,
  likes           bigint not null default 0,
  others_feedback bigint not null default 0,    -- other people's ratings of the erased messages
  started_at      timestamptz not null default now(),
  finished_at     timestamptz                   -- null: under way, or killed and to be taken up again
);
create unique index erasures_open on segue.erasures (user_id) where finished_at is null;
comment on table segue.erasures is 'Which persons'' data were erased, when and why, and how many rows that were.';

-- +goose Down
drop table segue.webhook_inbox, segue.user_versions, segue.sync_state, segue.erasures;
