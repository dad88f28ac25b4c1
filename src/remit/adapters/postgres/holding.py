"""One process at a time drives a home, on whatever machine it runs: a courtesy lock; the lease's epoch is the proof."""

import time

import psycopg

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import connect, translated
from remit.errors import HomeBusy
from remit.ledger import HOME_LEASE

#: Together with a number for the tenant, what no other program on the database is likely to lock: "RMIT".
_DRIVES = 0x524D4954
_LOCK = """
    SELECT pg_try_advisory_lock(%s, hashtext(%s)), (SELECT holder FROM lease WHERE tenant = %s AND name = %s)
"""


#: How often, and after which pauses, the lock is tried: the server takes a moment to see that a session has ended.
_TRIES, _PAUSE_SECONDS = 25, 0.01


class Holding:
    """A session that holds the lock until it is let go or lost."""

    def __init__(self, address: StoreAddress, tenant: str) -> None:
        self._address = address
        self._tenant = tenant
        self._session: psycopg.Connection | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            HomeBusy: another process has it.
        """
        with translated(self._address):
            session = connect(self._address, self._tenant, writes=True)
            try:
                self._lock(session)
            except BaseException:
                session.close()
                raise
        self._session = session

    def _lock(self, session: psycopg.Connection) -> None:
        names = (_DRIVES, self._tenant, self._tenant, HOME_LEASE)
        for _ in range(_TRIES):
            row = session.execute(_LOCK, names).fetchone()
            if row is not None and row[0]:
                return
            time.sleep(_PAUSE_SECONDS)
        raise HomeBusy(f"{(row and row[1]) or 'Another process'} drives it.")

    def let_go(self) -> None:
        """Let another process have it."""
        if self._session is not None:
            self._session.close()
            self._session = None
