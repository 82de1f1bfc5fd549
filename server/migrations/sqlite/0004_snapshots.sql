-- Versions of reports as they were handed in, or as they stood when their period was closed. Never changed.
CREATE TABLE report_snapshot (
    report  BLOB    NOT NULL CHECK (length(report) = 16),
    version INTEGER NOT NULL CHECK (version > 0),
    scope   BLOB    NOT NULL CHECK (length(scope) = 16),
    at      INTEGER NOT NULL,
    by_user BLOB    NOT NULL CHECK (length(by_user) = 16),
    event   TEXT    NOT NULL,
    figures BLOB    NOT NULL CHECK (length(figures) = 32),
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    body    BLOB    NOT NULL,
    PRIMARY KEY (report, version)
) STRICT;
CREATE TRIGGER report_snapshot_stays BEFORE UPDATE ON report_snapshot
BEGIN
    SELECT RAISE(ABORT, 'a version of a report is never changed');
END;
