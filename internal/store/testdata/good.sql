-- The AI-DJ domain, as every peer sees it.
create schema if not exists neon_auth;

-- raw_json is the auth provider's copy; the plain columns are kept beside it.
create table neon_auth.users_sync (
  raw_json   jsonb not null,
  id         text primary key generated always as (raw_json->>'id') stored,
  name       text generated always as (raw_json->>'display_name') stored,
  email      text generated always as (raw_json->>'primary_email') stored,
  created_at timestamptz not null default now(),
  updated_at timestamptz,
  deleted_at timestamptz
);

create table public.chat_messages (
  id         uuid primary key default gen_random_uuid(),
  clerk_id   text not null references neon_auth.users_sync(id) on delete cascade,
  session_id text,
  role       text not null check (role in ('user','assistant')),
  content    text not null,
  created_at timestamptz not null default now()
);

create table public.message_feedback (
  id         uuid primary key default gen_random_uuid(),
  clerk_id   text not null references neon_auth.users_sync(id) on delete cascade,
  message_id uuid not null references public.chat_messages(id) on delete cascade,
  rating     smallint not null check (rating in (-1,1)),
  comment    text,
  created_at timestamptz not null default now(),
  unique (clerk_id, message_id)
);

create table public.track_likes (
  id         uuid primary key default gen_random_uuid(),
  clerk_id   text not null references neon_auth.users_sync(id) on delete cascade,
  track_id   text not null,
  title      text,
  artist     text,
  created_at timestamptz not null default now(),
  unique (clerk_id, track_id)
);
create index chat_messages_clerk_created on public.chat_messages (clerk_id, created_at desc, id desc);
create index chat_messages_created       on public.chat_messages (created_at desc, id desc);
create index message_feedback_message    on public.message_feedback (message_id);
create index message_feedback_created    on public.message_feedback (clerk_id, created_at desc, id desc);
create index track_likes_clerk_created   on public.track_likes (clerk_id, created_at desc, id desc);

