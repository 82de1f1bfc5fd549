-- Every hot table starts its key with the scope, so that rows can be placed by scope on several machines.

CREATE TABLE row (
    -- Registers and events, each with one position in its bucket.
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    ty      INTEGER NOT NULL CHECK (ty BETWEEN 0 AND 255),
    id      BLOB    NOT NULL CHECK (length(id) = 16),
    class   INTEGER NOT NULL CHECK (class BETWEEN 0 AND 2),
    quarter INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    ver     INTEGER NOT NULL,
    gone    INTEGER NOT NULL CHECK (gone IN (0, 1)),
    body    BLOB    NOT NULL,
    PRIMARY KEY (scope, ty, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX row_feed ON row (scope, class, quarter, seq);

CREATE TABLE place (
    -- In which scope a live row is.
    ty    INTEGER NOT NULL,
    id    BLOB    NOT NULL CHECK (length(id) = 16),
    scope BLOB    NOT NULL CHECK (length(scope) = 16),
    PRIMARY KEY (ty, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE bucket (
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    class   INTEGER NOT NULL,
    quarter INTEGER NOT NULL,
    gen     INTEGER NOT NULL,
    head    INTEGER NOT NULL,
    floor   INTEGER NOT NULL,
    cnt     INTEGER NOT NULL,
    sum     INTEGER NOT NULL,
    PRIMARY KEY (scope, class, quarter)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    epoch        INTEGER NOT NULL PRIMARY KEY,
    device       BLOB    NOT NULL CHECK (length(device) = 16),
    user         BLOB    NOT NULL CHECK (length(user) = 16),
    parent       INTEGER,
    parent_at    INTEGER,
    last_n       INTEGER NOT NULL,
    chain        BLOB    NOT NULL CHECK (length(chain) = 32),
    durable_upto INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE op (
    -- What was decided, in the transaction that applied it.
    epoch    INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    chain    BLOB    NOT NULL CHECK (length(chain) = 32),
    outcome  BLOB    NOT NULL,
    body     BLOB,
    received INTEGER NOT NULL,
    PRIMARY KEY (epoch, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX op_kept ON op (epoch, n) WHERE body IS NOT NULL;

CREATE TABLE op_uid (
    -- What makes an op exactly once, whatever identity it arrives under.
    uid   BLOB    NOT NULL PRIMARY KEY CHECK (length(uid) = 16),
    epoch INTEGER NOT NULL,
    n     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    phone        TEXT    NOT NULL UNIQUE,
    display_name TEXT    NOT NULL,
    unit         BLOB    NOT NULL CHECK (length(unit) = 16),
    grants_rev   INTEGER NOT NULL,
    active       INTEGER NOT NULL CHECK (active IN (0, 1)),
    phc          TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX user_unit ON user (unit);

CREATE TABLE role_grant (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user       BLOB    NOT NULL CHECK (length(user) = 16),
    role       TEXT    NOT NULL,
    unit       BLOB    NOT NULL CHECK (length(unit) = 16),
    valid_from INTEGER NOT NULL,
    valid_to   INTEGER,
    ended_rev  INTEGER,
    ended_at   INTEGER,
    decision   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX role_grant_user ON role_grant (user);
CREATE INDEX role_grant_unit ON role_grant (unit);

CREATE TABLE device (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user       BLOB    NOT NULL CHECK (length(user) = 16),
    public_key BLOB    NOT NULL,
    label      TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    revoked    INTEGER,
    last_seen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_user ON device (user);

CREATE TABLE session (
    id          INTEGER NOT NULL PRIMARY KEY,
    user        BLOB    NOT NULL CHECK (length(user) = 16),
    device      BLOB    CHECK (device IS NULL OR length(device) = 16),
    refresh_gen INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    last_used   INTEGER NOT NULL,
    revoked     INTEGER
) STRICT;
CREATE INDEX session_user ON session (user);

CREATE TABLE enrolment (
    code_hash BLOB    NOT NULL PRIMARY KEY CHECK (length(code_hash) = 32),
    user      BLOB    NOT NULL CHECK (length(user) = 16),
    given_by  BLOB    NOT NULL CHECK (length(given_by) = 16),
    expires   INTEGER NOT NULL,
    used      INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    scope BLOB    NOT NULL CHECK (length(scope) = 16),
    seq   INTEGER NOT NULL,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),
    body  BLOB    NOT NULL,
    PRIMARY KEY (scope, seq)
) STRICT, WITHOUT ROWID;

-- Projections: what can be computed again from the rows.

CREATE TABLE visit (
    scope     BLOB    NOT NULL CHECK (length(scope) = 16),
    id        BLOB    NOT NULL CHECK (length(id) = 16),
    team      BLOB    NOT NULL,
    author    BLOB    NOT NULL,
    household BLOB,
    day       INTEGER NOT NULL,
    status    TEXT    NOT NULL,
    void      INTEGER NOT NULL,
    disputed  INTEGER NOT NULL,
    flags     INTEGER NOT NULL,
    kinds     TEXT    NOT NULL,
    received  INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    content   BLOB    NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 16),
    ver       INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX visit_queue ON visit (scope, status, received, id);

CREATE TABLE count (
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    month   INTEGER NOT NULL,
    team    BLOB    NOT NULL,
    kind    TEXT    NOT NULL,
    outcome TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (scope, month, team, kind, outcome, status)
) STRICT, WITHOUT ROWID;

CREATE TABLE member_day (
    author BLOB    NOT NULL CHECK (length(author) = 16),
    day    INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (author, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE unit_parent (
    parent BLOB NOT NULL CHECK (length(parent) = 16),
    unit   BLOB NOT NULL CHECK (length(unit) = 16) UNIQUE,
    PRIMARY KEY (parent, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
