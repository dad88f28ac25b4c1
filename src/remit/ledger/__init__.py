"""The ledger: entries in chained streams, and the journal that writes them in one transaction with everything else.

An entry is never updated. Stores are adapters of `Store`; what they accept is decided here, by `settle`.
"""

from remit.ledger.entry import GENESIS, Draft, Entry, leaf_hash, parse
from remit.ledger.journal import (
    Balance,
    Commit,
    Journal,
    Lease,
    MoveBalance,
    OpenBalance,
    PutBlob,
    PutRecord,
    Records,
    Rows,
    Store,
    Write,
)
from remit.ledger.writer import Batch, Head, Result, View, settle

__all__ = [
    "GENESIS",
    "Balance",
    "Batch",
    "Commit",
    "Draft",
    "Entry",
    "Head",
    "Journal",
    "Lease",
    "MoveBalance",
    "OpenBalance",
    "PutBlob",
    "PutRecord",
    "Records",
    "Result",
    "Rows",
    "Store",
    "View",
    "Write",
    "leaf_hash",
    "parse",
    "settle",
]
