"""The embedded store: one SQLite file in WAL mode, `synchronous=FULL`, one writer that groups commits."""

from remit.adapters.sqlite.leased import LeasedStore
from remit.adapters.sqlite.pages import SqlitePages
from remit.adapters.sqlite.store import SqliteStore

__all__ = ["LeasedStore", "SqlitePages", "SqliteStore"]
