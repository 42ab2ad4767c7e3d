-- API keys of dashboards and scripts (contract §6). A key's text is never here,
-- only its hash; the text is sgk_<id>_<secret>.

-- +goose Up
create table segue.api_keys (
  id           text primary key,
  name         text not null check (char_length(name) between 1 and 100),
  hash         bytea not null check (octet_length(hash) = 32),
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz
);
