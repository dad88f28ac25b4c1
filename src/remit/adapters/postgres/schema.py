"""The tables, as numbered steps; the table `schema_step` holds how many were taken.

A step is never changed after a release; a new one is added below. Every key begins with the tenant, and row-level
security shows a session the rows of its tenant alone (`remit.tenant`). Entries and bodies have no rule for changing or
removing them: to a role that is bound by row-level security they are append-only.
"""

import psycopg

from remit.errors import InvalidSetting, StoreCorrupted, StoreTooNew

_TENANT = "tenant = current_setting('remit.tenant', true)"
#: Any number that other programs on the same server are unlikely to lock: "RMIT".
_UPGRADE_LOCK = 0x524D4954
_OLDEST_SERVER = 130_000
_TABLES = "SELECT 1 FROM pg_tables WHERE schemaname = 'remit'"

STEPS: tuple[str, ...] = (
    f"""
    -- One row for each tenant: who writes holds it, so the record has one order and no gap.
    CREATE TABLE log (
        tenant text COLLATE "C" PRIMARY KEY,
        last_idx bigint NOT NULL DEFAULT 0 CHECK (last_idx >= 0),
        version bigint NOT NULL DEFAULT 0,
        home text NOT NULL DEFAULT '',
        filling boolean NOT NULL DEFAULT false
    ) WITH (fillfactor = 20);
    CREATE TABLE lease (
        tenant text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        epoch bigint NOT NULL,
        holder text NOT NULL,
        PRIMARY KEY (tenant, name)
    ) WITH (fillfactor = 50);
    -- The last transaction of each process that writes: what a lost connection left in doubt is looked up here.
    CREATE TABLE writer (
        tenant text COLLATE "C" NOT NULL,
        id uuid NOT NULL,
        written bigint NOT NULL,
        seen timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant, id)
    ) WITH (fillfactor = 20);
    CREATE TABLE entry (
        tenant text COLLATE "C" NOT NULL,
        idx bigint NOT NULL CHECK (idx > 0),
        stream text COLLATE "C" NOT NULL,
        seq bigint NOT NULL CHECK (seq > 0),
        fact text COLLATE "C",
        hash text COLLATE "C" NOT NULL,
        closes boolean NOT NULL,
        canonical bytea NOT NULL,
        PRIMARY KEY (tenant, idx)
    );
    CREATE UNIQUE INDEX entry_by_stream ON entry (tenant, stream, seq);
    CREATE UNIQUE INDEX entry_by_fact ON entry (tenant, stream, fact) WHERE fact IS NOT NULL;
    CREATE INDEX entry_closing ON entry (tenant, stream) WHERE closes;
    CREATE TABLE blob (
        tenant text COLLATE "C" NOT NULL,
        space text COLLATE "C" NOT NULL,
        cid text COLLATE "C" NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (tenant, space, cid)
    );
    ALTER TABLE blob ALTER COLUMN data SET STORAGE EXTERNAL;
    CREATE TABLE record (
        tenant text COLLATE "C" NOT NULL,
        tbl text COLLATE "C" NOT NULL,
        key text COLLATE "C" NOT NULL,
        value bytea NOT NULL,
        PRIMARY KEY (tenant, tbl, key)
    );
    CREATE TABLE balance (
        tenant text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        lim bigint NOT NULL,
        used bigint NOT NULL CHECK (used >= 0),
        held bigint NOT NULL CHECK (held >= 0),
        PRIMARY KEY (tenant, name),
        CHECK (used + held <= lim)
    ) WITH (fillfactor = 50);
    {
        "".join(
            f'''
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_reads ON {table} FOR SELECT USING ({_TENANT});
            CREATE POLICY tenant_adds ON {table} FOR INSERT WITH CHECK ({_TENANT});
            '''
            for table in ("log", "lease", "writer", "entry", "blob", "record", "balance")
        )
    }
    {
        "".join(
            f'''
            CREATE POLICY tenant_changes ON {table} FOR UPDATE USING ({_TENANT}) WITH CHECK ({_TENANT});
            CREATE POLICY tenant_removes ON {table} FOR DELETE USING ({_TENANT});
            '''
            for table in ("log", "lease", "writer", "record", "balance")
        )
    }
    """,
    f"""
    -- Names that are noted once, until an instant: beside the record, and no part of it.
    CREATE TABLE once (
        tenant text COLLATE "C" NOT NULL,
        space text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        until_us bigint NOT NULL,
        PRIMARY KEY (tenant, space, name)
    );
    CREATE INDEX once_by_end ON once (tenant, until_us);
    ALTER TABLE once ENABLE ROW LEVEL SECURITY;
    ALTER TABLE once FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant_reads ON once FOR SELECT USING ({_TENANT});
    CREATE POLICY tenant_adds ON once FOR INSERT WITH CHECK ({_TENANT});
    CREATE POLICY tenant_changes ON once FOR UPDATE USING ({_TENANT}) WITH CHECK ({_TENANT});
    CREATE POLICY tenant_removes ON once FOR DELETE USING ({_TENANT});
    """,
)


def prepare(connection: psycopg.Connection, shown: str) -> None:
    """Make or upgrade the tables where that is needed.

    Raises:
        StoreTooNew: a newer release has upgraded them.
        StoreCorrupted: the schema holds something else.
        InvalidSetting: this server or this database cannot hold a store.
    """
    if connection.info.server_version < _OLDEST_SERVER:
        raise InvalidSetting(
            f"{shown} runs on PostgreSQL {connection.info.server_version // 10_000}; 13 is the oldest."
        )
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        raise InvalidSetting(f"{shown} stores text as {encoding}.", hint="Make the database with ENCODING 'UTF8'.")
    if _steps_taken(connection, shown) < len(STEPS):
        _upgrade(connection, shown)


def _steps_taken(connection: psycopg.Connection, shown: str) -> int:
    # Rows of the catalogue, and no function that looks a name up: that one may answer from before another's upgrade.
    if connection.execute(f"{_TABLES} AND tablename = 'schema_step'").fetchone() is None:
        return 0
    found = connection.execute("SELECT taken FROM remit.schema_step").fetchone()
    if found is None:
        raise StoreCorrupted(f"{shown} does not say which schema it has.")
    if found[0] > len(STEPS):
        raise StoreTooNew(f"{shown} is at schema {found[0]}; this release knows {len(STEPS)}.")
    return int(found[0])


def _upgrade(connection: psycopg.Connection, shown: str) -> None:
    with connection.transaction():
        # Another process may be upgrading: what counts is what was taken once it is this one's turn.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_UPGRADE_LOCK,))
        taken = _steps_taken(connection, shown)
        if taken == 0:
            _make(connection, shown)
        for step in STEPS[taken:]:
            connection.execute(step.encode())
        connection.execute("UPDATE remit.schema_step SET taken = %s", (len(STEPS),))


def _make(connection: psycopg.Connection, shown: str) -> None:
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'remit'").fetchone() is None:
        connection.execute("CREATE SCHEMA remit")
    elif connection.execute(_TABLES).fetchone() is not None:
        raise StoreCorrupted(f"The schema remit of {shown} holds tables, but not those of a Remit store.")
    connection.execute("CREATE TABLE remit.schema_step (taken int NOT NULL)")
    connection.execute("INSERT INTO remit.schema_step VALUES (0)")
