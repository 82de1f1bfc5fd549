-- Markets (12), campaigns (13), targets (14) and courses held (19) go into a class of their own, that of notices (3).
-- Positions are kept per class: the rows keep theirs; the register bucket that they leave gets a new generation, so that
-- phones load it afresh. Counts and sums of both buckets are computed by the program in the same transaction.
CREATE TABLE row_4 (
    -- Registers and events, each with one position in its bucket.
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    ty      INTEGER NOT NULL CHECK (ty BETWEEN 0 AND 255),
    id      BLOB    NOT NULL CHECK (length(id) = 16),
    class   INTEGER NOT NULL CHECK (class BETWEEN 0 AND 3),
    quarter INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    ver     INTEGER NOT NULL,
    gone    INTEGER NOT NULL CHECK (gone IN (0, 1)),
    body    BLOB    NOT NULL,
    PRIMARY KEY (scope, ty, id)
) STRICT, WITHOUT ROWID;
INSERT INTO row_4 (scope, ty, id, class, quarter, seq, ver, gone, body)
SELECT scope, ty, id, CASE WHEN ty IN (12, 13, 14, 19, 22) THEN 3 ELSE class END, quarter, seq, ver, gone, body FROM row;
DROP TABLE row;
ALTER TABLE row_4 RENAME TO row;
CREATE UNIQUE INDEX row_feed ON row (scope, class, quarter, seq);

UPDATE bucket SET gen = gen + 1 WHERE class = 1 AND scope IN (SELECT scope FROM row WHERE class = 3);
INSERT INTO bucket (scope, class, quarter, gen, head, floor, cnt, sum)
SELECT scope, 3, 0, 0, max(seq), 0, 0, 0 FROM row WHERE class = 3 GROUP BY scope;
