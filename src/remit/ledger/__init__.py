"""The ledger: entries in chained streams, and the journal that writes them in one transaction with everything else.

An entry is never updated. Stores are adapters of `Store`; what they accept is decided here, by `settle`.
"""

from remit.ledger.entry import GENESIS, Draft, Entry, leaf_hash, parse
from remit.ledger.journal import (
    HOME_LEASE,
    Balance,
    Commit,
    Journal,
    Lease,
    MoveBalance,
    Once,
    OpenBalance,
    PutBlob,
    PutRecord,
    Records,
    Rows,
    Shared,
    Store,
    Write,
)
from remit.ledger.remembered import RememberedView
from remit.ledger.stored import after_prefix, is_narrow, stored_entry
from remit.ledger.writer import Batch, Head, Result, View, settle

__all__ = [
    "GENESIS",
    "HOME_LEASE",
    "Balance",
    "Batch",
    "Commit",
    "Draft",
    "Entry",
    "Head",
    "Journal",
    "Lease",
    "MoveBalance",
    "Once",
    "OpenBalance",
    "PutBlob",
    "PutRecord",
    "Records",
    "RememberedView",
    "Result",
    "Rows",
    "Shared",
    "Store",
    "View",
    "Write",
    "after_prefix",
    "is_narrow",
    "leaf_hash",
    "parse",
    "settle",
    "stored_entry",
]
