"""The store on PostgreSQL: many processes on many machines write to one record."""

from remit.adapters.postgres.address import StoreAddress
from remit.adapters.postgres.pages import PostgresPages
from remit.adapters.postgres.store import PostgresStore

__all__ = ["PostgresPages", "PostgresStore", "StoreAddress"]
