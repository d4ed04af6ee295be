-- Keys of programs. Of a key only its SHA-256 is kept; `id` is the part of it that may be shown.
CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    -- Words, separated by spaces.
    rights TEXT NOT NULL,
    site TEXT,
    source_prefix TEXT,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- Answers to requests that named an Idempotency-Key. Without `status` a request is being worked on
-- by `owner`.
CREATE TABLE idempotency (
    api_key TEXT NOT NULL REFERENCES api_key (id),
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    owner TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    status INTEGER,
    response TEXT,
    PRIMARY KEY (api_key, key)
) STRICT;
CREATE INDEX idempotency_started ON idempotency (started_at);
