-- Rollups: what everybody did, counted by the database for every writer (docs/adr/0005-rollups.md).
--
-- A statement that adds or removes rows only appends to a journal, segue.user_changes and segue.track_changes: appending
-- waits for nobody, so writers of one busy person do not queue up and no order of writes can deadlock. One statement in
-- a few hundred folds the journal into the totals. A total is therefore its row plus its journal, read in one snapshot.

-- +goose Up

create table segue.user_totals (
  clerk_id        text primary key,
  messages        bigint not null,
  likes           bigint not null,
  feedback_up     bigint not null,
  feedback_down   bigint not null,
  first_active_at timestamptz,
  last_active_at  timestamptz
) with (fillfactor = 70);
comment on table segue.user_totals is 'What each person did in all, up to what segue.user_changes still holds. Nobody with zeros is here.';
-- The leaderboards. Ties go by id, bytewise.
create index user_totals_messages on segue.user_totals (messages desc, clerk_id collate "C");
create index user_totals_likes on segue.user_totals (likes desc, clerk_id collate "C");
create index user_totals_last on segue.user_totals (last_active_at desc, clerk_id collate "C");

create table segue.activity_hourly (
  clerk_id      text not null,
  hour          timestamptz not null, -- a whole hour of UTC
  messages      integer not null,
  likes         integer not null,
  feedback_up   integer not null,
  feedback_down integer not null,
  primary key (clerk_id, hour)
) with (fillfactor = 90);
create index activity_hourly_hour on segue.activity_hourly (hour);
comment on table segue.activity_hourly is 'What each person did in each hour, up to what segue.user_changes still holds.';

create table segue.track_totals (
  track_id text primary key,
  likes    bigint not null
) with (fillfactor = 70);
create index track_totals_likes on segue.track_totals (likes desc, track_id collate "C");
comment on table segue.track_totals is 'Likes of each track by anyone, deleted people included, up to what segue.track_changes still holds.';

-- The journal. It is small and busy, so it is vacuumed by rows and not by share; and so that what waits for vacuum costs
-- its readers nothing, they start where folding left off: xid is the writing transaction, segue.folded the oldest one
-- that may have anything to fold.
create table segue.user_changes (
  xid           xid8 not null default pg_current_xact_id(),
  clerk_id      text not null,
  at            timestamptz not null,
  messages      integer not null default 0,
  likes         integer not null default 0,
  feedback_up   integer not null default 0,
  feedback_down integer not null default 0
) with (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0);
create index user_changes_xid on segue.user_changes (xid);
create index user_changes_clerk on segue.user_changes (clerk_id);
comment on table segue.user_changes is 'Rows added (positive) and removed (negative) that segue.user_totals and segue.activity_hourly do not count yet.';

create table segue.track_changes (
  xid      xid8 not null default pg_current_xact_id(),
  track_id text not null,
  likes    integer not null
) with (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_scale_factor = 0);
create index track_changes_xid on segue.track_changes (xid);
comment on table segue.track_changes is 'Likes added and removed that segue.track_totals does not count yet.';

create table segue.folded (upto xid8 not null);
insert into segue.folded values ('0');
comment on table segue.folded is 'No transaction before this one has anything left in the journal.';

-- Where to start reading the journal. A mark from the future came with a dump of another cluster and says nothing here.
-- +goose StatementBegin
create function segue.unfolded_from() returns xid8
language sql stable as $$
  select case when upto <= pg_snapshot_xmin(pg_current_snapshot()) then upto else '0' end from segue.folded
$$;
-- +goose StatementEnd

-- The journal as readers want it: all that is not folded. PostgreSQL plans for a table as it finds it, and this one it
-- mostly finds empty: left alone it would keep a plan that reads the whole table, dead rows and all.
-- +goose StatementBegin
create function segue.unfolded_users() returns setof segue.user_changes
language plpgsql stable rows 250 set enable_seqscan = off as $$
begin
  return query select * from segue.user_changes where xid >= segue.unfolded_from();
end
$$;
-- +goose StatementEnd
-- +goose StatementBegin
create function segue.unfolded_tracks() returns setof segue.track_changes
language plpgsql stable rows 250 set enable_seqscan = off as $$
begin
  return query select * from segue.track_changes where xid >= segue.unfolded_from();
end
$$;
-- +goose StatementEnd

-- What subscriptions read (00004_notify.sql). It stands here because the triggers for INSERT do both jobs at once: a second
-- trigger on a table costs every INSERT as much again (docs/adr/0005-rollups.md).
create table segue.watchers (
  id    uuid primary key,       -- one row per process that listens
  until timestamptz not null    -- renewed; a process that crashed stops counting when it runs out
);
comment on table segue.watchers is 'Processes that read segue.events. While there are none, the triggers write nothing.';

-- A reader's place in this table is a snapshot, not a number: sequences and clocks follow the order in which
-- transactions write, and a reader needs the order in which they commit. xid tells which snapshots see an event.
create table segue.events (
  seq      bigint generated always as identity,     -- order among events that became visible together
  xid      xid8 not null default pg_current_xact_id(),
  kind     text not null,                           -- message, feedback, like, stats; session, user
  clerk_id text,                                    -- whose row it is; null for session and user
  id       text not null                            -- the row's id; the person's for stats and user, Clerk's for session
);
create index events_xid on segue.events (xid);
comment on table segue.events is 'What happened lately: ids only, readers read the rows. The watchers prune it.';

create table segue.rollups_built (at timestamptz not null);
comment on table segue.rollups_built is 'When the rollups were last counted from the tables. Empty: migrate has not finished counting.';

-- A person's first and last deed, from the tables' own indexes.
-- +goose StatementBegin
create function segue.active_span(person text) returns table (first_at timestamptz, last_at timestamptz)
language sql stable as $$
  select least((select min(created_at) from public.chat_messages where clerk_id = person),
               (select min(created_at) from public.track_likes where clerk_id = person),
               (select min(created_at) from public.message_feedback where clerk_id = person)),
         greatest((select max(created_at) from public.chat_messages where clerk_id = person),
                  (select max(created_at) from public.track_likes where clerk_id = person),
                  (select max(created_at) from public.message_feedback where clerk_id = person))
$$;
-- +goose StatementEnd

-- Folds the journal into the totals, unless somebody else is at it: it never waits. A person's changes are folded all
-- together: then, where none of them took anything away, the first and last deed follow from the journal; where one did,
-- they are looked up. A snapshot older than the lock would still see what another has folded since, and fail; so only READ
-- COMMITTED folds.
-- +goose StatementBegin
create function segue.fold() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  idle      text[];
  people    text[];
  hours     timestamptz[];
  horizon   xid8;
begin
  if current_setting('transaction_isolation') <> 'read committed'
     or not pg_try_advisory_xact_lock(7330003) then
    return;
  end if;
  with taken as (
    delete from segue.user_changes
    where xid >= segue.unfolded_from()
    returning *
  ), hourly as (
    insert into segue.activity_hourly as a
    select clerk_id, date_trunc('hour', at, 'UTC'), sum(messages), sum(likes), sum(feedback_up), sum(feedback_down)
    from taken group by 1, 2
    on conflict (clerk_id, hour) do update set
      messages      = a.messages + excluded.messages,
      likes         = a.likes + excluded.likes,
      feedback_up   = a.feedback_up + excluded.feedback_up,
      feedback_down = a.feedback_down + excluded.feedback_down
    returning a.clerk_id, a.hour, a.messages + a.likes + a.feedback_up + a.feedback_down as deeds
  ), change as (
    select clerk_id, sum(messages) as messages, sum(likes) as likes, sum(feedback_up) as up, sum(feedback_down) as down,
      min(at) as lo, max(at) as hi, bool_or(least(messages, likes, feedback_up, feedback_down) < 0) as removed
    from taken group by clerk_id
  ), total as (
    insert into segue.user_totals
    select c.clerk_id, coalesce(t.messages, 0) + c.messages, coalesce(t.likes, 0) + c.likes,
      coalesce(t.feedback_up, 0) + c.up, coalesce(t.feedback_down, 0) + c.down,
      case when c.removed then (select first_at from segue.active_span(c.clerk_id)) else least(t.first_active_at, c.lo) end,
      case when c.removed then (select last_at from segue.active_span(c.clerk_id)) else greatest(t.last_active_at, c.hi) end
    from change c left join segue.user_totals t on t.clerk_id = c.clerk_id
    on conflict (clerk_id) do update set
      messages        = excluded.messages,
      likes           = excluded.likes,
      feedback_up     = excluded.feedback_up,
      feedback_down   = excluded.feedback_down,
      first_active_at = excluded.first_active_at,
      last_active_at  = excluded.last_active_at
    returning clerk_id, messages + likes + feedback_up + feedback_down as deeds
  )
  select (select array_agg(clerk_id) from total where deeds = 0),
         (select array_agg(clerk_id) from hourly where deeds = 0),
         (select array_agg(hour) from hourly where deeds = 0),
         pg_snapshot_xmin(pg_current_snapshot())
  into idle, people, hours, horizon;
  if idle is not null then
    delete from segue.user_totals where clerk_id = any(idle);
  end if;
  if people is not null then
    delete from segue.activity_hourly a using unnest(people, hours) as z(clerk_id, hour)
    where a.clerk_id = z.clerk_id and a.hour = z.hour;
  end if;

  with taken as (
    delete from segue.track_changes
    where xid >= segue.unfolded_from()
    returning *
  ), total as (
    insert into segue.track_totals as t
    select track_id, sum(likes) from taken group by track_id
    on conflict (track_id) do update set likes = t.likes + excluded.likes
    returning t.track_id, t.likes
  )
  select array_agg(track_id) from total where likes = 0 into idle;
  if idle is not null then
    delete from segue.track_totals where track_id = any(idle);
  end if;
  update segue.folded set upto = horizon;
end
$$;
-- +goose StatementEnd

-- The triggers, two functions a table: one for INSERT, which is most of what is written, and one for all else. Statements
-- that changed many rows fold at once, others by chance, so that the journal holds some 250 rows. The gateway throws the
-- die seldom: it folds after every 256th of its inserts, when the rows are written and others need not wait.
--
-- The lock 7330004 is one that silent writers share until their transaction ends, so that a process that starts to watch
-- can wait for them. While it waits, try_lock fails and everybody after it speaks up: nobody is ever blocked but the watcher.
--
-- Setting search_path would cost an INSERT as much as the line in the journal does (docs/adr/0005-rollups.md). So in these
-- three every function and operator is named with its schema, and none may be added without.
-- +goose StatementBegin
create function segue.add_messages() returns trigger
language plpgsql security definer as $$
declare
  changed bigint;
  die     double precision;
begin
  insert into segue.user_changes (clerk_id, at, messages)
  select clerk_id, coalesce(created_at, 'epoch'), 1 from fresh;
  get diagnostics changed = row_count;
  die := pg_catalog.random();
  if die operator(pg_catalog.*) 256 operator(pg_catalog.<) changed
     and (changed operator(pg_catalog.>) 100 or die operator(pg_catalog.*) 4096 operator(pg_catalog.<) changed
       or pg_catalog.current_setting('application_name') operator(pg_catalog.<>) 'segue') then
    perform segue.fold();
  end if;
  if changed operator(pg_catalog.>) 0 and (not pg_catalog.pg_try_advisory_xact_lock_shared(7330004)
      or exists (select from segue.watchers where until operator(pg_catalog.>) pg_catalog.now())) then
    insert into segue.events (kind, clerk_id, id) select 'message', clerk_id, id::pg_catalog.text from fresh;
    perform pg_catalog.pg_notify('segue', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.add_feedback() returns trigger
language plpgsql security definer as $$
declare
  changed bigint;
  die     double precision;
begin
  insert into segue.user_changes (clerk_id, at, feedback_up, feedback_down)
  select clerk_id, coalesce(created_at, 'epoch'), case when rating operator(pg_catalog.>) 0 then 1 else 0 end,
    case when rating operator(pg_catalog.<) 0 then 1 else 0 end
  from fresh;
  get diagnostics changed = row_count;
  die := pg_catalog.random();
  if die operator(pg_catalog.*) 256 operator(pg_catalog.<) changed
     and (changed operator(pg_catalog.>) 100 or die operator(pg_catalog.*) 4096 operator(pg_catalog.<) changed
       or pg_catalog.current_setting('application_name') operator(pg_catalog.<>) 'segue') then
    perform segue.fold();
  end if;
  if changed operator(pg_catalog.>) 0 and (not pg_catalog.pg_try_advisory_xact_lock_shared(7330004)
      or exists (select from segue.watchers where until operator(pg_catalog.>) pg_catalog.now())) then
    insert into segue.events (kind, clerk_id, id) select 'feedback', clerk_id, id::pg_catalog.text from fresh;
    perform pg_catalog.pg_notify('segue', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.add_likes() returns trigger
language plpgsql security definer as $$
declare
  changed bigint;
  die     double precision;
begin
  insert into segue.track_changes (track_id, likes) select track_id, 1 from fresh;
  insert into segue.user_changes (clerk_id, at, likes)
  select clerk_id, coalesce(created_at, 'epoch'), 1 from fresh;
  get diagnostics changed = row_count;
  die := pg_catalog.random();
  if die operator(pg_catalog.*) 256 operator(pg_catalog.<) changed
     and (changed operator(pg_catalog.>) 100 or die operator(pg_catalog.*) 4096 operator(pg_catalog.<) changed
       or pg_catalog.current_setting('application_name') operator(pg_catalog.<>) 'segue') then
    perform segue.fold();
  end if;
  if changed operator(pg_catalog.>) 0 and (not pg_catalog.pg_try_advisory_xact_lock_shared(7330004)
      or exists (select from segue.watchers where until operator(pg_catalog.>) pg_catalog.now())) then
    insert into segue.events (kind, clerk_id, id) select 'like', clerk_id, id::pg_catalog.text from fresh;
    perform pg_catalog.pg_notify('segue', '');
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- An UPDATE that moved nothing (a new text, a new title) leaves nothing in the journal. What was removed is told by the
-- hour. TRUNCATE says of no row what it was, so what is counted is taken back; that is exact only with a snapshot
-- younger than its lock.
-- +goose StatementBegin
create function segue.count_messages() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed bigint;
begin
  case tg_op
  when 'DELETE' then
    insert into segue.user_changes (clerk_id, at, messages)
    select clerk_id, date_trunc('hour', coalesce(created_at, 'epoch'), 'UTC'), -count(*) from stale group by 1, 2;
  when 'UPDATE' then
    insert into segue.user_changes (clerk_id, at, messages)
    select clerk_id, at, sum(n) from (
      select clerk_id, coalesce(created_at, 'epoch') as at, 1 as n from fresh
      union all select clerk_id, coalesce(created_at, 'epoch'), -1 from stale) c
    group by clerk_id, at having sum(n) <> 0;
  else
    perform segue.must_read_committed(tg_table_name);
    insert into segue.user_changes (clerk_id, at, messages)
    select clerk_id, at, -sum(messages) from segue.user_hours() group by clerk_id, at having sum(messages) <> 0;
  end case;
  get diagnostics changed = row_count;
  if random() * 256 < changed then
    perform segue.fold();
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.count_feedback() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed bigint;
begin
  case tg_op
  when 'DELETE' then
    insert into segue.user_changes (clerk_id, at, feedback_up, feedback_down)
    select clerk_id, date_trunc('hour', coalesce(created_at, 'epoch'), 'UTC'),
      -count(*) filter (where rating > 0), -count(*) filter (where rating < 0)
    from stale group by 1, 2;
  when 'UPDATE' then
    insert into segue.user_changes (clerk_id, at, feedback_up, feedback_down)
    select clerk_id, at, sum(up), sum(down) from (
      select clerk_id, coalesce(created_at, 'epoch') as at, (rating > 0)::integer as up, (rating < 0)::integer as down from fresh
      union all
      select clerk_id, coalesce(created_at, 'epoch'), -(rating > 0)::integer, -(rating < 0)::integer from stale) c
    group by clerk_id, at having sum(up) <> 0 or sum(down) <> 0;
  else
    perform segue.must_read_committed(tg_table_name);
    insert into segue.user_changes (clerk_id, at, feedback_up, feedback_down)
    select clerk_id, at, -sum(feedback_up), -sum(feedback_down) from segue.user_hours()
    group by clerk_id, at having sum(feedback_up) <> 0 or sum(feedback_down) <> 0;
  end case;
  get diagnostics changed = row_count;
  if random() * 256 < changed then
    perform segue.fold();
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.count_likes() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  changed bigint;
begin
  case tg_op
  when 'DELETE' then
    insert into segue.track_changes (track_id, likes) select track_id, -count(*) from stale group by track_id;
    insert into segue.user_changes (clerk_id, at, likes)
    select clerk_id, date_trunc('hour', coalesce(created_at, 'epoch'), 'UTC'), -count(*) from stale group by 1, 2;
  when 'UPDATE' then
    insert into segue.track_changes (track_id, likes)
    select track_id, sum(n) from (
      select track_id, 1 as n from fresh union all select track_id, -1 from stale) c
    group by track_id having sum(n) <> 0;
    insert into segue.user_changes (clerk_id, at, likes)
    select clerk_id, at, sum(n) from (
      select clerk_id, coalesce(created_at, 'epoch') as at, 1 as n from fresh
      union all select clerk_id, coalesce(created_at, 'epoch'), -1 from stale) c
    group by clerk_id, at having sum(n) <> 0;
  else
    perform segue.must_read_committed(tg_table_name);
    insert into segue.track_changes (track_id, likes)
    select track_id, -sum(likes) from (
      select track_id, likes from segue.track_totals union all select track_id, likes from segue.track_changes) t
    group by track_id having sum(likes) <> 0;
    insert into segue.user_changes (clerk_id, at, likes)
    select clerk_id, at, -sum(likes) from segue.user_hours() group by clerk_id, at having sum(likes) <> 0;
  end case;
  get diagnostics changed = row_count;
  if random() * 256 < changed then
    perform segue.fold();
  end if;
  return null;
end
$$;
-- +goose StatementEnd

-- What is counted at present by person and hour, journal included.
-- +goose StatementBegin
create function segue.user_hours()
returns table (clerk_id text, at timestamptz, messages integer, likes integer, feedback_up integer, feedback_down integer)
language sql stable as $$
  select * from segue.activity_hourly
  union all
  select clerk_id, date_trunc('hour', at, 'UTC'), messages, likes, feedback_up, feedback_down from segue.user_changes
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.must_read_committed(truncated text) returns void
language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'truncate % in a READ COMMITTED transaction: no other can see what it removes, and segue''s totals would be wrong', truncated
      using errcode = 'feature_not_supported';
  end if;
end
$$;
-- +goose StatementEnd

-- Counts people anew from the tables, and drops their journal, in one snapshot: what that snapshot does not see is in
-- the journal still. So nothing has to stop while the rollups are built or repaired, and any number of people may be
-- counted at a time.
-- +goose StatementBegin
create function segue.recount_users(people text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform segue.wait_to_recount();
  with dropped as (
    delete from segue.user_changes where clerk_id = any(people)
  ), deed as (
    select clerk_id, coalesce(created_at, 'epoch') as at, 1 as messages, 0 as likes, 0 as up, 0 as down
    from public.chat_messages where clerk_id = any(people)
    union all select clerk_id, coalesce(created_at, 'epoch'), 0, 1, 0, 0
    from public.track_likes where clerk_id = any(people)
    union all select clerk_id, coalesce(created_at, 'epoch'), 0, 0, (rating > 0)::integer, (rating < 0)::integer
    from public.message_feedback where clerk_id = any(people)
  ), hourly as (
    insert into segue.activity_hourly as a
    select clerk_id, date_trunc('hour', at, 'UTC'), sum(messages), sum(likes), sum(up), sum(down) from (
      select * from deed
      union all select clerk_id, hour, 0, 0, 0, 0 from segue.activity_hourly where clerk_id = any(people)) h
    group by 1, 2
    on conflict (clerk_id, hour) do update set
      messages      = excluded.messages,
      likes         = excluded.likes,
      feedback_up   = excluded.feedback_up,
      feedback_down = excluded.feedback_down
    where (a.messages, a.likes, a.feedback_up, a.feedback_down) is distinct from
      (excluded.messages, excluded.likes, excluded.feedback_up, excluded.feedback_down)
  )
  insert into segue.user_totals as t
  select p.id, coalesce(sum(messages), 0), coalesce(sum(likes), 0), coalesce(sum(up), 0), coalesce(sum(down), 0), min(at), max(at)
  from unnest(people) as p(id) left join deed on deed.clerk_id = p.id
  group by p.id
  on conflict (clerk_id) do update set
    messages        = excluded.messages,
    likes           = excluded.likes,
    feedback_up     = excluded.feedback_up,
    feedback_down   = excluded.feedback_down,
    first_active_at = excluded.first_active_at,
    last_active_at  = excluded.last_active_at
  where (t.messages, t.likes, t.feedback_up, t.feedback_down, t.first_active_at, t.last_active_at) is distinct from
    (excluded.messages, excluded.likes, excluded.feedback_up, excluded.feedback_down, excluded.first_active_at, excluded.last_active_at);
  delete from segue.user_totals
  where clerk_id = any(people) and messages = 0 and likes = 0 and feedback_up = 0 and feedback_down = 0;
  delete from segue.activity_hourly
  where clerk_id = any(people) and messages = 0 and likes = 0 and feedback_up = 0 and feedback_down = 0;
end
$$;
-- +goose StatementEnd

-- Counts all tracks anew, in the same way.
-- +goose StatementBegin
create function segue.recount_tracks() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform segue.wait_to_recount();
  with dropped as (
    delete from segue.track_changes
  )
  insert into segue.track_totals as t
  select track_id, sum(likes) from (
    select track_id, count(*) as likes from public.track_likes group by track_id
    union all select track_id, 0 from segue.track_totals) l
  group by track_id
  on conflict (track_id) do update set likes = excluded.likes where t.likes <> excluded.likes;
  delete from segue.track_totals where likes = 0;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.wait_to_recount() returns void
language plpgsql as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'recount in a READ COMMITTED transaction' using errcode = 'feature_not_supported';
  end if;
  perform pg_advisory_xact_lock(7330003);
end
$$;
-- +goose StatementEnd

-- Counting anew is migrate's and repair's. Folding is harmless and may be anybody's.
revoke execute on function segue.recount_users(text[]), segue.recount_tracks() from public;

-- Making a trigger waits for the writers of its table and makes new ones wait behind it. Give up rather than stop
-- them for long: migrate can be run again.
set local lock_timeout = '10s';
lock table public.chat_messages, public.message_feedback, public.track_likes in share row exclusive mode;

create trigger segue_count_added after insert on public.chat_messages
  referencing new table as fresh for each statement execute function segue.add_messages();
create trigger segue_count_changed after update on public.chat_messages
  referencing old table as stale new table as fresh for each statement execute function segue.count_messages();
create trigger segue_count_removed after delete on public.chat_messages
  referencing old table as stale for each statement execute function segue.count_messages();
create trigger segue_count_truncated after truncate on public.chat_messages
  for each statement execute function segue.count_messages();

create trigger segue_count_added after insert on public.message_feedback
  referencing new table as fresh for each statement execute function segue.add_feedback();
create trigger segue_count_changed after update on public.message_feedback
  referencing old table as stale new table as fresh for each statement execute function segue.count_feedback();
create trigger segue_count_removed after delete on public.message_feedback
  referencing old table as stale for each statement execute function segue.count_feedback();
create trigger segue_count_truncated after truncate on public.message_feedback
  for each statement execute function segue.count_feedback();

create trigger segue_count_added after insert on public.track_likes
  referencing new table as fresh for each statement execute function segue.add_likes();
create trigger segue_count_changed after update on public.track_likes
  referencing old table as stale new table as fresh for each statement execute function segue.count_likes();
create trigger segue_count_removed after delete on public.track_likes
  referencing old table as stale for each statement execute function segue.count_likes();
create trigger segue_count_truncated after truncate on public.track_likes
  for each statement execute function segue.count_likes();

-- +goose Down
drop trigger segue_count_added on public.chat_messages;
drop trigger segue_count_changed on public.chat_messages;
drop trigger segue_count_removed on public.chat_messages;
drop trigger segue_count_truncated on public.chat_messages;
drop trigger segue_count_added on public.message_feedback;
drop trigger segue_count_changed on public.message_feedback;
drop trigger segue_count_removed on public.message_feedback;
drop trigger segue_count_truncated on public.message_feedback;
drop trigger segue_count_added on public.track_likes;
drop trigger segue_count_changed on public.track_likes;
drop trigger segue_count_removed on public.track_likes;
drop trigger segue_count_truncated on public.track_likes;
drop function segue.unfolded_users(), segue.unfolded_tracks(), segue.unfolded_from(),
  segue.add_messages(), segue.add_feedback(), segue.add_likes(),
  segue.count_messages(), segue.count_feedback(), segue.count_likes(), segue.must_read_committed(text),
  segue.user_hours(), segue.fold(), segue.recount_users(text[]), segue.recount_tracks(), segue.wait_to_recount(),
  segue.active_span(text);
drop table segue.user_totals, segue.activity_hourly, segue.track_totals, segue.user_changes, segue.track_changes,
  segue.folded, segue.rollups_built, segue.events, segue.watchers;
