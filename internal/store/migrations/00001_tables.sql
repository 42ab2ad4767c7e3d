-- The tables of the contract (§7) on a database that lacks them. What is there
-- already was checked before this file runs and is left as it is; of indexes,
-- only those that no existing one can do the work of are added.

-- +goose Up

-- +goose StatementBegin
do $$
begin
  if to_regnamespace('neon_auth') is null then
    create schema neon_auth;
  end if;

  -- Where Neon Auth owns the table it is there already.
  if to_regclass('neon_auth.users_sync') is null then
    create table neon_auth.users_sync (
      id         text primary key,
      email      text,
      name       text,
      created_at timestamptz,
      updated_at timestamptz,
      deleted_at timestamptz
    );
    -- Reads order users by this expression: Neon's created_at may be null.
    create index users_sync_created on neon_auth.users_sync ((coalesce(created_at, 'epoch'::timestamptz)) desc, id desc);
    create index users_sync_deleted on neon_auth.users_sync (deleted_at) where deleted_at is not null;
  end if;

  if to_regclass('public.chat_messages') is null then
    create table public.chat_messages (
      id         uuid primary key default gen_random_uuid(),
      clerk_id   text not null references neon_auth.users_sync (id) on delete cascade,
      session_id text,
      role       text not null check (role in ('user', 'assistant', 'system')),
      content    text not null,
      created_at timestamptz not null default now()
    );
  end if;

  if to_regclass('public.message_feedback') is null then
    create table public.message_feedback (
      id         uuid primary key default gen_random_uuid(),
      clerk_id   text not null references neon_auth.users_sync (id) on delete cascade,
      message_id uuid not null references public.chat_messages (id) on delete cascade,
      rating     smallint not null check (rating in (-1, 1)),
      comment    text,
      created_at timestamptz not null default now(),
      unique (clerk_id, message_id)
    );
  end if;

  if to_regclass('public.track_likes') is null then
    create table public.track_likes (
      id         uuid primary key default gen_random_uuid(),
      clerk_id   text not null references neon_auth.users_sync (id) on delete cascade,
      track_id   text not null,
      title      text,
      artist     text,
      created_at timestamptz not null default now(),
      unique (clerk_id, track_id)
    );
  end if;
end
$$;
-- +goose StatementEnd

-- Makes an index unless a complete one on the table starts with the same
-- columns in the same order. PostgreSQL names it: a name of ours may be taken.
-- +goose StatementBegin
create function pg_temp.ensure_index(on_table regclass, columns text) returns void language plpgsql as $$
declare
  wanted text := 'btree (' || columns;
begin
  if not exists (
    select from pg_index i
    cross join lateral substring(pg_get_indexdef(i.indexrelid) from ' USING (.*)$') as has
    where i.indrelid = on_table and i.indisvalid and i.indpred is null
      and left(has, length(wanted)) = wanted and substr(has, length(wanted) + 1, 1) in (',', ')')
  ) then
    execute format('create index on %s (%s)', on_table, columns);
  end if;
end
$$;
-- +goose StatementEnd

-- A person's own rows and everyone's, newest first: the keysets of all lists.
select pg_temp.ensure_index('public.chat_messages',    'clerk_id, created_at DESC, id DESC');
select pg_temp.ensure_index('public.message_feedback', 'clerk_id, created_at DESC, id DESC');
select pg_temp.ensure_index('public.track_likes',      'clerk_id, created_at DESC, id DESC');
select pg_temp.ensure_index('public.chat_messages',    'created_at DESC, id DESC');
select pg_temp.ensure_index('public.message_feedback', 'created_at DESC, id DESC');
select pg_temp.ensure_index('public.track_likes',      'created_at DESC, id DESC');
-- Ratings of a message, and their going with it; likes of a track, the newest of which names it.
select pg_temp.ensure_index('public.message_feedback', 'message_id, created_at DESC, id DESC');
select pg_temp.ensure_index('public.track_likes',      'track_id, created_at DESC, id DESC');
