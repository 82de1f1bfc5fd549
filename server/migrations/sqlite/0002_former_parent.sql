-- Projection: what a unit lay in before, from `since` to the day before `until`.
CREATE TABLE former_parent (
    parent BLOB    NOT NULL CHECK (length(parent) = 16),
    unit   BLOB    NOT NULL CHECK (length(unit) = 16),
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (parent, unit, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX former_parent_unit ON former_parent (unit);
