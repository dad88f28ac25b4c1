"""Reading back what a store of rows holds."""

from remit.errors import StoreCorrupted
from remit.ledger.entry import Entry, parse


def stored_entry(idx: int, stream: str, seq: int, digest: str, canonical: bytes) -> Entry:
    """The entry of a stored row.

    Raises:
        StoreCorrupted: the bytes cannot be read, or do not give the stored hash.
    """
    try:
        entry = parse(canonical, idx=idx)
    except (ValueError, LookupError, TypeError) as error:
        raise StoreCorrupted(f"The entry {stream}@{seq} cannot be read.") from error
    if entry.hash != digest:
        raise StoreCorrupted(f"The entry {stream}@{seq} was changed: its bytes do not give its hash.")
    return entry


def after_prefix(prefix: str) -> str:
    """The first text after every text that starts with `prefix`; names are below U+10FFFF."""
    return prefix + "\U0010ffff"


def is_narrow(prefix: str) -> bool:
    """Whether a prefix names a few streams (`step/MISSION/`), and not a whole kind of them (`step/`).

    Stores look for the few by name, as they stand apart in the record, and walk the many in the order of writing.
    """
    return prefix.count("/") > 1
