"""The journal: one transaction for entries, records, bodies and balances."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from remit.ids import StreamId
from remit.ledger.entry import Draft, Entry


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Store bytes once under their content's name; a second time changes nothing."""

    space: str
    cid: str
    data: bytes
    #: Bytes of what was packed and encrypted into `data`; 0 where whoever made it does not say.
    plain_size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PutRecord:
    """Store a small JSON document under a table and key; None removes it."""

    table: str
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class OpenBalance:
    """Create a bounded balance, or set the limit of one that exists; never below what is used and held."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class MoveBalance:
    """Add to what is used and held; refused where `used + held` would pass the limit."""

    name: str
    used: int = 0
    held: int = 0


Write = PutBlob | PutRecord | OpenBalance | MoveBalance


#: The lease of whoever drives all missions of a home; where many drive, each mission has a lease of its own.
HOME_LEASE = "home"


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes durable together or not at all."""

    entries: tuple[Draft, ...] = ()
    writes: tuple[Write, ...] = ()
    #: The streams must stand exactly here, whether the commit writes to them or not. Decisions name their own stream;
    #: intents name the tenant's stream of halts, so that none is written after a halt that its process has not seen.
    expect: tuple[tuple[StreamId, int], ...] = ()
    #: Decisions, claims and intents of a driver: its lease's epoch must be the current one.
    epoch: int | None = None
    #: Which lease `epoch` counts.
    lease: str = HOME_LEASE
    #: Further leases with their epochs, each of which must be current as well.
    also: tuple[tuple[str, int], ...] = ()
    #: Claims and intents: these streams must not be closed.
    open: tuple[StreamId, ...] = ()

    @property
    def leases(self) -> tuple[tuple[str, int], ...]:
        """Every lease that must be current, with its epoch."""
        return self.also if self.epoch is None else ((self.lease, self.epoch), *self.also)


@dataclass(frozen=True, slots=True)
class Balance:
    """A bounded balance: `limit >= used + held`, always."""

    name: str
    limit: int
    used: int
    held: int


class Journal(Protocol):
    """The one unit of work, and reading it back."""

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Make `commit` durable and return its entries in their places.

        Raises:
            StreamMoved: a decision was taken on an older head, or an intent before a halt.
            FactExists: one of the facts is on record already.
            MissionEnded: a claim or an intent on a closed stream.
            DriverReplaced: this epoch is over.
            BudgetExhausted: a balance would pass its limit.
            NoBudget: a balance does not exist.
            StoreUnreachable: the store could not be written.
        In each case nothing of `commit` was written.
        """
        ...

    async def read(self, stream: StreamId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of one stream, oldest first, from `after` (exclusive); an unknown stream has none."""
        ...

    async def read_prefix(self, prefix: str, *, after_idx: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of every stream whose name starts with `prefix`, in the order they were written.

        What a mission's own prefix (`step/MISSION/`) costs does not grow with the record.
        """
        ...


class Rows(Protocol):
    """The record as it is stored, byte for byte, for whoever verifies or exports it."""

    async def rows(self, *, after_idx: int = 0, limit: int = 1000) -> Sequence[tuple[int, bytes, str]]:
        """Place, canonical bytes and stored hash of each entry from `after_idx` (exclusive); nothing is checked."""
        ...


class Records(Protocol):
    """The documents, bodies and balances that commits wrote."""

    async def record(self, table: str, key: str) -> Any | None:
        """One document, or None."""
        ...

    async def records(self, table: str, prefix: str = "") -> Sequence[tuple[str, Any]]:
        """Keys and documents of a table whose key starts with `prefix`, by key."""
        ...

    async def blob(self, space: str, cid: str) -> bytes | None:
        """A body's stored bytes, or None."""
        ...

    async def balance(self, name: str) -> Balance | None:
        """A balance, or None where none was opened."""
        ...

    async def holding(self, prefix: str) -> Sequence[str]:
        """The names of the balances that start with `prefix` and hold something, in their order."""
        ...


class Lease(Protocol):
    """Who drives."""

    async def take(self, holder: str, lease: str = HOME_LEASE) -> int:
        """Take a lease over from whoever has it and return its new epoch; older epochs are refused from now on.

        A lease that nobody ever took stands at 0.
        """
        ...


class Once(Protocol):
    """Names that are noted once, whichever process of the home notes them."""

    async def once(self, space: str, name: str, *, until_us: int, now_us: int) -> bool:
        """Note a name up to an instant, durably; False where it stands already and its time is not over.

        It is beside the record: no entry, and no change that others must look at.

        Raises:
            StoreUnreachable: whether it was noted is not known; take it as noted.
        """
        ...


@runtime_checkable
class Shared(Protocol):
    """A store to which processes on several machines write: a lock in one home's folder is not seen by the others."""

    async def hold(self) -> None:
        """Be the one that drives this home, until `release` or the end of this process; a courtesy, no proof.

        Raises:
            HomeBusy: another process drives it.
        """
        ...

    def release(self) -> None:
        """Let another process drive it."""
        ...

    async def health(self) -> tuple[bool, str]:
        """Whether the server keeps what it confirms, and what there is to know of it, in words."""
        ...


class Store(Journal, Rows, Records, Lease, Once, Protocol):
    """All that one storage technology gives."""

    async def changed(self) -> bool:
        """True where another process has written since this was last asked."""
        ...

    async def place(self) -> int:
        """The place of the last entry; 0 where there is none."""
        ...

    async def heads(self, prefix: str, *, after_idx: int = 0) -> Sequence[tuple[StreamId, int]]:
        """Each stream with this prefix that was written after this place, and the number of its last entry, by name."""
        ...

    async def close(self) -> None:
        """Finish what was accepted and let go of the store."""
        ...
