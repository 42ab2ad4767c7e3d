-- Live events: what anybody did to the three tables, for whoever subscribes.
--
-- While somebody watches (a row in segue.watchers) every statement that adds or removes rows leaves a line per row in
-- segue.events, and its transaction one empty NOTIFY on the channel "segue". While nobody watches it only looks.
-- docs/adr/0006-notify.md says why it is so, and what it costs.

-- +goose Up
-- A change is an event where the row is news again (a rating that was replaced) and otherwise only moves its owner's numbers.
-- +goose StatementBegin
create function segue.announce_changed() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if pg_try_advisory_xact_lock_shared(7330004) and not exists (select from segue.watchers where until > now()) then
    return null;
  end if;
  if tg_argv[0] = 'feedback' then
    insert into segue.events (kind, clerk_id, id) select 'feedback', clerk_id, id::text from fresh;
  end if;
  insert into segue.events (kind, clerk_id, id)
    select 'stats', clerk_id, clerk_id from (select clerk_id from stale union select clerk_id from fresh) c;
  if found then
    perform pg_notify('segue', '');
  end if;
  return null;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create function segue.announce_removed() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if pg_try_advisory_xact_lock_shared(7330004) and not exists (select from segue.watchers where until > now()) then
    return null;
  end if;
  insert into segue.events (kind, clerk_id, id) select distinct 'stats', clerk_id, clerk_id from stale;
  if found then
    perform pg_notify('segue', '');
  end if;
  return null;
end $$;
-- +goose StatementEnd

-- Clerk revoked a session ('session', its id) or a person was deleted ('user', theirs): every replica closes their
-- sockets. Written whether or not somebody watches; it is rare.
-- +goose StatementBegin
create function segue.announce(kind text, id text) returns void
language sql security definer set search_path = pg_catalog as $$
  insert into segue.events (kind, id) values (kind, id);
  select pg_notify('segue', '');
$$;
-- +goose StatementEnd

-- Where users_sync is Segue's own, whoever marks a person as deleted announces it. Neon's table is left alone; there
-- the watchers look at their own callers' rows now and then.
-- +goose StatementBegin
create function segue.announce_user() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  perform segue.announce('user', old.id);
  return null;
end $$;
-- +goose StatementEnd
-- +goose StatementBegin
do $$ begin
  if exists (select from pg_attribute where attrelid = 'neon_auth.users_sync'::regclass and attname = 'id' and attgenerated = '') then
    create trigger segue_announce_deleted after update of deleted_at on neon_auth.users_sync
      for each row when (old.deleted_at is null and new.deleted_at is not null) execute function segue.announce_user();
    create trigger segue_announce_erased after delete on neon_auth.users_sync
      for each row execute function segue.announce_user();
  end if;
end $$;
-- +goose StatementEnd

create trigger segue_announce_changed after update on public.chat_messages
  referencing old table as stale new table as fresh for each statement execute function segue.announce_changed('message');
create trigger segue_announce_removed after delete on public.chat_messages
  referencing old table as stale for each statement execute function segue.announce_removed();

create trigger segue_announce_changed after update on public.message_feedback
  referencing old table as stale new table as fresh for each statement execute function segue.announce_changed('feedback');
create trigger segue_announce_removed after delete on public.message_feedback
  referencing old table as stale for each statement execute function segue.announce_removed();

create trigger segue_announce_changed after update on public.track_likes
  referencing old table as stale new table as fresh for each statement execute function segue.announce_changed('like');
create trigger segue_announce_removed after delete on public.track_likes
  referencing old table as stale for each statement execute function segue.announce_removed();

-- +goose Down
drop trigger if exists segue_announce_deleted on neon_auth.users_sync;
drop trigger if exists segue_announce_erased on neon_auth.users_sync;
drop function segue.announce_user();
drop trigger segue_announce_changed on public.chat_messages;
drop trigger segue_announce_removed on public.chat_messages;
drop trigger segue_announce_changed on public.message_feedback;
drop trigger segue_announce_removed on public.message_feedback;
drop trigger segue_announce_changed on public.track_likes;
drop trigger segue_announce_removed on public.track_likes;
drop function segue.announce_changed(), segue.announce_removed(), segue.announce(text, text);
