"""The group writer: decides, for a batch of commits in order, what is written and which members are refused.

Plain functions over a small view of the store, so that every store gives the same answers. A member that is refused
leaves no trace and does not fail the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remit.errors import (
    BudgetExhausted,
    DriverReplaced,
    FactExists,
    MissionEnded,
    NoBudget,
    RemitError,
    StreamMoved,
)
from remit.ids import StreamId
from remit.ledger.entry import GENESIS, Draft, Entry, place
from remit.ledger.journal import Balance, Commit, MoveBalance, OpenBalance, PutBlob, PutRecord


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream stands."""

    seq: int = 0
    hash: str = GENESIS
    closed: bool = False


class View(Protocol):
    """What the writer must know of the store, inside its transaction."""

    def head(self, stream: StreamId) -> Head:
        """Where the stream stands; an unknown stream stands at its genesis."""
        ...

    def has_fact(self, stream: StreamId, fact: str) -> bool:
        """True where the stream holds an entry with this fact."""
        ...

    def epoch(self, lease: str) -> int:
        """A lease's current epoch; 0 where nobody ever took it."""
        ...

    def balance(self, name: str) -> Balance | None:
        """A balance, or None."""
        ...

    def last_idx(self) -> int:
        """How many entries the tenant's record holds."""
        ...


@dataclass(slots=True)
class Batch:
    """What one transaction writes, netted: each balance and record once."""

    entries: list[tuple[Entry, bytes]] = field(default_factory=list)
    blobs: list[PutBlob] = field(default_factory=list)
    records: dict[tuple[str, str], PutRecord] = field(default_factory=dict)
    balances: dict[str, Balance] = field(default_factory=dict)
    heads: dict[StreamId, Head] = field(default_factory=dict)


Result = tuple[Entry, ...] | RemitError


def settle(view: View, commits: Iterable[Commit], *, tenant: str) -> tuple[Batch, list[Result]]:
    """Check each commit against the store and the members before it; return what to write and each one's result."""
    writer = _Writer(view, tenant)
    results: list[Result] = []
    for commit in commits:
        try:
            results.append(writer.accept(commit))
        except RemitError as refused:
            results.append(refused)
    return writer.batch, results


class _Writer:
    def __init__(self, view: View, tenant: str) -> None:
        self.view = view
        self.tenant = tenant
        self.batch = Batch()
        self.facts: set[tuple[StreamId, str]] = set()
        self.epochs: dict[str, int] = {}
        self.idx = -1

    def accept(self, commit: Commit) -> tuple[Entry, ...]:
        self._check(commit)
        balances = self._balances(commit)  # the last thing that can refuse
        placed = self._place(commit.entries)
        self.batch.entries.extend(placed)
        self.batch.balances.update(balances)
        for write in commit.writes:
            if isinstance(write, PutBlob):
                self.batch.blobs.append(write)
            elif isinstance(write, PutRecord):
                self.batch.records[write.table, write.key] = write
        return tuple([entry for entry, _ in placed])

    def head(self, stream: StreamId) -> Head:
        found = self.batch.heads.get(stream)
        return self.view.head(stream) if found is None else found

    def _check(self, commit: Commit) -> None:
        for lease, epoch in commit.leases:
            standing = self.epochs.get(lease)
            if standing is None:
                standing = self.epochs[lease] = self.view.epoch(lease)
            if epoch != standing:
                raise DriverReplaced(f"Epoch {epoch} is over; the lease {lease} is at {standing}.")
        for stream in commit.open:
            if self.head(stream).closed:
                raise MissionEnded(f"{stream} is closed.")
        for stream, seq in commit.expect:
            standing = self.head(stream).seq
            if standing != seq:
                raise StreamMoved(f"{stream} stands at {standing}, not at {seq}.")
        self._check_facts(commit.entries)

    def _check_facts(self, drafts: Sequence[Draft]) -> None:
        told: set[tuple[StreamId, str]] = set()
        for draft in drafts:
            if draft.fact is None:
                continue
            fact = (draft.stream, draft.fact)
            if fact in told or self._on_record(*fact):
                raise FactExists(f"{draft.fact} in {draft.stream}.")
            told.add(fact)

    def _on_record(self, stream: StreamId, fact: str) -> bool:
        if (stream, fact) in self.facts:
            return True
        # A stream that the store does not know yet holds no fact: most step streams are new, and need no look-up.
        return self.view.head(stream).seq > 0 and self.view.has_fact(stream, fact)

    def _place(self, drafts: Sequence[Draft]) -> list[tuple[Entry, bytes]]:
        if self.idx < 0:
            self.idx = self.view.last_idx()
        placed: list[tuple[Entry, bytes]] = []
        for draft in drafts:
            head = self.head(draft.stream)
            pinned = None
            if draft.pins is not None:
                pin = self.head(draft.pins)
                pinned = (str(draft.pins), pin.seq, pin.hash)
            seq = head.seq + 1
            canonical, digest = place(draft, tenant=self.tenant, seq=seq, prev=head.hash, pinned=pinned)
            self.idx += 1
            entry = Entry(
                self.tenant, draft.stream, seq, draft.kind, draft.version, draft.payload, draft.actor, draft.at_us,
                draft.fact, draft.cause, draft.closes, pinned, head.hash, digest, self.idx,
            )  # fmt: skip
            self.batch.heads[draft.stream] = Head(seq, digest, closed=head.closed or draft.closes)
            if draft.fact is not None:
                self.facts.add((draft.stream, draft.fact))
            placed.append((entry, canonical))
        return placed

    def _balances(self, commit: Commit) -> dict[str, Balance]:
        moved: dict[str, Balance] = {}

        def current(name: str) -> Balance | None:
            return moved.get(name) or self.batch.balances.get(name) or self.view.balance(name)

        for write in commit.writes:
            if isinstance(write, OpenBalance):
                opened = current(write.name)
                used, held = (0, 0) if opened is None else (opened.used, opened.held)
                moved[write.name] = _bounded(Balance(write.name, write.limit, used, held))
            elif isinstance(write, MoveBalance):
                standing = current(write.name)
                if standing is None:
                    raise NoBudget(f"There is no budget {write.name}.")
                used, held = standing.used + write.used, standing.held + write.held
                moved[write.name] = _bounded(Balance(write.name, standing.limit, used, held))
        return moved


def _bounded(balance: Balance) -> Balance:
    if balance.used + balance.held > balance.limit:
        raise BudgetExhausted(
            f"{balance.name}: limit {balance.limit}, used {balance.used} and held {balance.held} micro-units "
            "with this.",
            balance=balance.name,
            needed=balance.used + balance.held,
        )
    assert balance.held >= 0, f"{balance.name} would hold {balance.held}: something was settled twice"
    return balance
