"""The embedded store: one SQLite file in WAL mode, `synchronous=FULL`, one writer that groups commits."""

from remit.adapters.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
