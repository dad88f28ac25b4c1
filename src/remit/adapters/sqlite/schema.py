"""The tables, as numbered steps; `PRAGMA user_version` holds how many were taken.

A step is never changed after a release; a new one is added below.
"""

#: Marks the file as a Remit store ("RMIT").
APPLICATION_ID = 0x524D4954

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE entry (
        idx INTEGER PRIMARY KEY,
        stream TEXT NOT NULL,
        seq INTEGER NOT NULL,
        fact TEXT,
        hash TEXT NOT NULL,
        closes INTEGER NOT NULL,
        canonical BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX entry_by_stream ON entry (stream, seq);
    CREATE UNIQUE INDEX entry_by_fact ON entry (stream, fact) WHERE fact IS NOT NULL;
    CREATE TABLE blob (
        space TEXT NOT NULL,
        cid TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (space, cid)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE record (
        tbl TEXT NOT NULL,
        key TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (tbl, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE balance (
        name TEXT PRIMARY KEY,
        lim INTEGER NOT NULL,
        used INTEGER NOT NULL CHECK (used >= 0),
        held INTEGER NOT NULL CHECK (held >= 0),
        CHECK (used + held <= lim)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lease (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, holder TEXT NOT NULL) STRICT;
    INSERT INTO lease VALUES (1, 0, '');
    """,
    # A lease has a name: where many processes drive, each mission has its own.
    """
    ALTER TABLE lease RENAME TO lease_of_home;
    CREATE TABLE lease (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO lease SELECT 'home', epoch, holder FROM lease_of_home WHERE epoch > 0;
    DROP TABLE lease_of_home;
    """,
    # Names that are noted once, until an instant.
    """
    CREATE TABLE once (space TEXT NOT NULL, name TEXT NOT NULL, until_us INTEGER NOT NULL, PRIMARY KEY (space, name))
        STRICT, WITHOUT ROWID;
    CREATE INDEX once_by_end ON once (until_us);
    """,
)
