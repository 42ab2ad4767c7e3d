-- An ai-dj database as the guide's readers have them, before its Step 3.
create table public.users (
  id                 serial primary key,
  clerk_id           text unique,
  spotify_session_id text,
  display_name       text,
  email              text
);
create table public.chat_messages (
  id         serial primary key,
  user_id    integer not null references public.users (id),
  clerk_id   text,
  session_id text,
  role       text not null,
  content    text not null,
  created_at timestamp default now()
);
create table public.message_feedback (
  id         serial primary key,
  user_id    integer references public.users (id),
  message_id integer references public.chat_messages (id),
  rating     text,
  created_at timestamp default now()
);
create table public.track_likes (
  id         serial primary key,
  user_id    integer references public.users (id),
  track_id   text not null,
  created_at timestamp default now()
);
