-- Keys of programs. Of a key only its SHA-256 is kept; `id` is the part of it that may be shown.
CREATE TABLE api_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Words, separated by spaces.
    rights TEXT COLLATE "C" NOT NULL,
    site TEXT COLLATE "C",
    source_prefix TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    revoked_at BIGINT
);

-- Answers to requests that named an Idempotency-Key. Without `status` a request is being worked on
-- by `owner`.
CREATE TABLE idempotency (
    api_key TEXT COLLATE "C" NOT NULL REFERENCES api_key (id),
    key TEXT COLLATE "C" NOT NULL,
    request_hash TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    status BIGINT,
    response TEXT COLLATE "C",
    PRIMARY KEY (api_key, key)
);
CREATE INDEX idempotency_started ON idempotency (started_at);
