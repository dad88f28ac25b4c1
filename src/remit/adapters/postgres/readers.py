"""Connections that read, each in a thread of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.connection import Away, connect, translated

#: How many statements may be read at once.
_THREADS = 4


class Readers:
    """Reads rows; a server that is away is waited for."""

    def __init__(self, address: StoreAddress, tenant: str) -> None:
        self._address = address
        self._tenant = tenant
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="remit-reader")
        self._own = threading.local()
        self._all: list[psycopg.Connection] = []
        self._away = Away()

    def rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """All rows of a query, in one of the threads."""
        with translated(self._address):
            for last, pause in self._away.pauses():
                connection: psycopg.Connection | None = getattr(self._own, "connection", None)
                try:
                    if connection is None or connection.closed:
                        connection = None
                        connection = self._own.connection = connect(self._address, self._tenant, writes=False)
                        self._all.append(connection)
                    return connection.execute(query.encode(), values, prepare=True, binary=True).fetchall()
                except psycopg.Error as error:
                    if last or not self._away.means(error, connection):
                        raise
                    if connection is not None:
                        self._all.remove(connection)
                        connection.close()
                pause()
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Let go of every connection."""
        self._away.over.set()
        self.threads.shutdown()
        for connection in self._all:
            connection.close()
