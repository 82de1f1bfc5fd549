-- The phone's store. One file per user. Everything below `base` and `op` is derived and can be rebuilt from them.

CREATE TABLE kv (
    -- Single values: who we are, what the server last said, when to try again.
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ident (
    -- Short local numbers for ids (16 bytes), outboxes and versions (8 bytes) that appear again and again.
    lid INTEGER NOT NULL PRIMARY KEY,
    id  BLOB    NOT NULL UNIQUE CHECK (length(id) IN (8, 16))
) STRICT;

CREATE TABLE bucket (
    -- How far each bucket was read, and the proof of what it holds.
    lid         INTEGER NOT NULL PRIMARY KEY,
    scope       INTEGER NOT NULL,                             -- ident
    class       INTEGER NOT NULL,
    quarter     INTEGER NOT NULL,
    staged      INTEGER NOT NULL CHECK (staged IN (0, 1)),    -- 1: waits for the swap after a server restore
    gen         INTEGER NOT NULL,
    seq         INTEGER NOT NULL,                             -- the cursor
    mac         BLOB    NOT NULL CHECK (length(mac) = 8),
    cnt         INTEGER NOT NULL,                             -- digest: rows
    sum         INTEGER NOT NULL,                             -- digest: wrapping sum, as a signed number
    mark        INTEGER NOT NULL DEFAULT 0,                   -- rows of the current load carry this mark
    reloading   INTEGER NOT NULL DEFAULT 0 CHECK (reloading BETWEEN 0 AND 2), -- 1 afresh, 2 and lower versions win
    recount_day INTEGER NOT NULL DEFAULT 0,                   -- server day of the last recount
    reload_day  INTEGER NOT NULL DEFAULT 0,                   -- server day of the last reload for a difference
    UNIQUE (scope, class, quarter, staged)
) STRICT;

CREATE TABLE base (
    -- Exactly what the server's buckets hold, tombstones too.
    ty     INTEGER NOT NULL,
    id     BLOB    NOT NULL CHECK (length(id) = 16),
    bucket INTEGER NOT NULL REFERENCES bucket (lid),
    ver    INTEGER NOT NULL,                                  -- rotated left by 16, so that it stays short
    gone   INTEGER NOT NULL,                                  -- 1: a tombstone
    mark   INTEGER NOT NULL,
    row    BLOB    NOT NULL,                                  -- packed, see store/pack.rs
    PRIMARY KEY (ty, id, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    -- Rows whose tombstone has arrived; they stay visible until a response is complete.
    ty    INTEGER NOT NULL,
    id    BLOB    NOT NULL CHECK (length(id) = 16),
    scope INTEGER NOT NULL,
    ver   INTEGER NOT NULL,
    row   BLOB    NOT NULL,
    PRIMARY KEY (ty, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE overlay (
    -- Rows as predicted from the ops that the base does not show yet.
    ty    INTEGER NOT NULL,
    id    BLOB    NOT NULL CHECK (length(id) = 16),
    scope INTEGER NOT NULL,
    ver   INTEGER NOT NULL,
    row   BLOB    NOT NULL,
    PRIMARY KEY (ty, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    -- The lives of this file's outbox; the one with the highest rowid is the current one.
    lid          INTEGER NOT NULL PRIMARY KEY,
    epoch        INTEGER NOT NULL UNIQUE,                     -- 64 random bits, as a signed number
    parent_epoch INTEGER,
    parent_n     INTEGER,                                     -- first number that is not part of the parent's past
    last_n       INTEGER NOT NULL,
    last_chain   BLOB    NOT NULL CHECK (length(last_chain) = 32),
    floor_n      INTEGER NOT NULL,                            -- everything up to here need not be sent again
    floor_chain  BLOB    NOT NULL CHECK (length(floor_chain) = 32),
    device       BLOB    NOT NULL CHECK (length(device) = 16)
) STRICT;

CREATE TABLE op (
    -- The outbox: what this phone recorded, in order, until the server calls it durable.
    seq       INTEGER NOT NULL PRIMARY KEY,                   -- order of saving, across epochs
    epoch     INTEGER NOT NULL,
    n         INTEGER NOT NULL,                               -- 1, 2, 3 … without a gap, per epoch
    uid       BLOB    NOT NULL UNIQUE CHECK (length(uid) = 16),
    bytes     BLOB    NOT NULL,                               -- exactly as sent, never rewritten
    chain     BLOB    NOT NULL CHECK (length(chain) = 32),
    state     INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3), -- pending, sent, decided, echoed
    verdict   INTEGER CHECK (verdict BETWEEN 0 AND 3),
    outcome   BLOB,                                           -- as received
    decided   INTEGER,                                        -- server's clock, ms
    durable   INTEGER NOT NULL DEFAULT 0 CHECK (durable IN (0, 1)),
    dismissed INTEGER NOT NULL DEFAULT 0 CHECK (dismissed IN (0, 1)),
    UNIQUE (epoch, n)
) STRICT;

CREATE INDEX op_open ON op (n) WHERE verdict IS NULL;

CREATE TABLE sealed_op (
    -- Ops sealed to the server's key, for a phone that was locked or wiped. Written once the server has such a key.
    epoch  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    key_id BLOB    NOT NULL,
    bytes  BLOB    NOT NULL,
    PRIMARY KEY (epoch, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE draft (
    -- What is being written. Never leaves the phone.
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- the visit's id, or the correction's
    salt    BLOB    NOT NULL CHECK (length(salt) = 16),
    at      INTEGER NOT NULL,                                 -- ms, as the device's clock claimed
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    changed INTEGER NOT NULL,
    body    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE purged (
    -- Scopes that were forgotten, until the server was told.
    scope BLOB    NOT NULL PRIMARY KEY CHECK (length(scope) = 16),
    cnt   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Derived from the visible rows: the overlay where it has the row, else the base.

CREATE TABLE household (
    lid    INTEGER NOT NULL PRIMARY KEY,                      -- ident
    scope  INTEGER NOT NULL,
    closed INTEGER NOT NULL
) STRICT;

-- Folded words, rowid = household. `phone` holds the digits backwards, so that an ending is a prefix.
CREATE VIRTUAL TABLE household_search USING fts5 (
    name, label, landmark, phone,
    tokenize = 'unicode61 remove_diacritics 0', prefix = '1 2 3', detail = 'column'
);
INSERT INTO household_search (household_search, rank) VALUES ('secure-delete', 1);

CREATE TABLE plan (
    lid       INTEGER NOT NULL PRIMARY KEY,                   -- ident
    scope     INTEGER NOT NULL,
    household INTEGER,
    day       INTEGER NOT NULL,
    status    INTEGER NOT NULL,                               -- 0 planned, 1 done, 2 cancelled
    owed      INTEGER NOT NULL                                -- 1: something is still owed from an earlier visit
) STRICT;
CREATE INDEX plan_day ON plan (status, day);

CREATE TABLE visit (
    lid        INTEGER NOT NULL PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    scope      INTEGER NOT NULL,
    household  INTEGER,
    author     INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    status     INTEGER NOT NULL,                              -- place in VisitStatus::ALL
    bits       INTEGER NOT NULL,                              -- 1 void, 2 waiting, 4 disputed; from 8 the flags
    cells      BLOB    NOT NULL,                              -- what it counts in, as shown
    base_cells BLOB                                           -- what it counts in at the server; left out when the same
) STRICT;
CREATE INDEX visit_household ON visit (household, day) WHERE household IS NOT NULL;
CREATE INDEX visit_day ON visit (day);
CREATE INDEX visit_returned ON visit (status) WHERE status = 4;

CREATE TABLE dispute (
    lid        INTEGER NOT NULL PRIMARY KEY,                  -- ident
    scope      INTEGER NOT NULL,
    open       INTEGER NOT NULL,
    subject_ty INTEGER NOT NULL,
    subject    BLOB    NOT NULL CHECK (length(subject) = 16)
) STRICT;
CREATE INDEX dispute_subject ON dispute (subject);

CREATE TABLE cell (
    -- The counts: one row per cell of `count::CountKey`.
    lid       INTEGER NOT NULL PRIMARY KEY,
    village   INTEGER NOT NULL,
    month     INTEGER NOT NULL,
    team      INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    outcome   TEXT    NOT NULL,
    status    INTEGER NOT NULL,
    recorded  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    UNIQUE (month, village, team, kind, outcome, status)
) STRICT;
