-- One row per account. `row` holds what the protocol reasons about, as JSON of the format named beside it; the columns
-- repeat what is searched for, and `due_at` (microseconds) is kept in its column alone. Every write adds one to
-- `revision`, which is what a change compares. Names are compared byte by byte.
CREATE TABLE solekey.account (
    provider   text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    generation bigint NOT NULL,
    format     bigint NOT NULL,
    gone       boolean NOT NULL,
    due_at     bigint,
    changed_at bigint NOT NULL,
    row        text   NOT NULL,
    payload    bytea  NOT NULL,
    PRIMARY KEY (provider, id)
);

CREATE INDEX account_due ON solekey.account (provider, due_at) WHERE due_at IS NOT NULL;

-- Rows that were changed later than now, which happens once a clock has stepped back.
CREATE INDEX account_changed ON solekey.account (provider, changed_at);

-- Which account holds or has presented which refresh token, by keyed hash.
CREATE TABLE solekey.presented (
    provider    text    COLLATE "C" NOT NULL,
    fingerprint text    COLLATE "C" NOT NULL,
    id          text    COLLATE "C" NOT NULL,
    -- A login brought it that does not share it.
    exclusive   boolean NOT NULL,
    PRIMARY KEY (fingerprint, provider, id)
);

-- Of two logins with one token at the same instant one wins.
CREATE UNIQUE INDEX presented_exclusive ON solekey.presented (fingerprint) WHERE exclusive;

-- The store's identity and whatever was pinned: written once.
CREATE TABLE solekey.meta (
    name  text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL
);

INSERT INTO solekey.meta (name, value) VALUES ('identity', decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));
