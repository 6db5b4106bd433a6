-- One row per account. `row` holds what the protocol reasons about, as JSON of the format named beside it; the columns
-- repeat what is searched for, and `due_at` (microseconds) is kept in its column alone.
CREATE TABLE account (
    provider   TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    format     INTEGER NOT NULL,
    gone       INTEGER NOT NULL,
    due_at     INTEGER,
    row        TEXT    NOT NULL,
    payload    BLOB    NOT NULL,
    PRIMARY KEY (provider, id)
) STRICT;

CREATE INDEX account_due ON account (provider, due_at) WHERE due_at IS NOT NULL;

-- Which account holds or has presented which refresh token, by keyed hash.
CREATE TABLE presented (
    provider    TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    id          TEXT NOT NULL,
    PRIMARY KEY (fingerprint, provider, id)
) STRICT, WITHOUT ROWID;

-- The latest time (microseconds) any process has written, because SQLite has no clock of its own.
CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    seen INTEGER NOT NULL
) STRICT;

INSERT INTO clock (only, seen) VALUES (1, 0);

-- The store's identity and whatever was pinned: written once.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('identity', randomblob(16));
