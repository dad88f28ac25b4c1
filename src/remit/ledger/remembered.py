"""A writer's view of a store, which keeps in memory what nobody else can have changed between two transactions."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence

from remit.ids import StreamId
from remit.ledger.journal import Balance, Commit
from remit.ledger.writer import Batch, Head

#: Heads, balances, facts and epochs kept between transactions; beyond it they are read again.
_KEPT_MAX = 50_000


class RememberedView(ABC):
    """The `View` of a store; a subclass says how each thing is looked up where it is not known."""

    def __init__(self) -> None:
        self._heads: dict[StreamId, Head] = {}
        self._balances: dict[str, Balance] = {}
        self._last_idx: int | None = None
        self._epochs: dict[str, int] = {}
        #: Streams that began under this view: all facts that they hold are known.
        self._facts: dict[StreamId, set[str]] = {}
        self._facts_count = 0

    @abstractmethod
    def look_up_heads(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Head]:
        """Where these streams stand; those that have no entry may be left out."""

    @abstractmethod
    def look_up_fact(self, stream: StreamId, fact: str) -> bool:
        """True where the stream holds the fact."""

    @abstractmethod
    def look_up_balance(self, name: str) -> Balance | None:
        """A balance, or None."""

    @abstractmethod
    def look_up_epoch(self, lease: str) -> int:
        """The lease's epoch; 0 where nobody ever took it."""

    @abstractmethod
    def look_up_last_idx(self) -> int:
        """How many entries there are."""

    # --- between transactions

    @property
    def full(self) -> bool:
        """True where so much is kept that it is better read again."""
        return max(len(self._heads), len(self._balances), self._facts_count, len(self._epochs)) > _KEPT_MAX

    def unknown_streams(self, commits: Iterable[Commit]) -> list[StreamId]:
        """Streams that these commits append to, expect, want open or pin, and of which nothing is known, each once."""
        return list({stream: None for stream in _streams(commits) if stream not in self._heads})

    def learn_heads(self, streams: Sequence[StreamId], found: Mapping[StreamId, Head]) -> None:
        """Keep what was found of these streams; of those that were not found, that they have no entry."""
        self._heads.update(dict.fromkeys(streams, Head()))
        self._heads.update(found)

    def forget(self) -> None:
        """Keep nothing: another process has written, or a transaction was rolled back."""
        self._heads.clear()
        self._balances.clear()
        self._facts.clear()
        self._facts_count = 0
        self._last_idx = None
        self._epochs.clear()

    def remember(self, batch: Batch) -> None:
        """Keep what this batch has made durable."""
        self._heads.update(batch.heads)
        self._balances.update(batch.balances)
        if not batch.entries:
            return
        self._last_idx = batch.entries[-1][0].idx
        for entry, _ in batch.entries:
            if entry.seq == 1:
                self._facts[entry.stream] = set()
            if entry.fact is not None and (facts := self._facts.get(entry.stream)) is not None:
                facts.add(entry.fact)
                self._facts_count += 1

    # --- View

    def head(self, stream: StreamId) -> Head:
        """Where the stream stands."""
        if stream not in self._heads:
            self.learn_heads([stream], self.look_up_heads([stream]))
        return self._heads[stream]

    def has_fact(self, stream: StreamId, fact: str) -> bool:
        """True where the stream holds this fact."""
        facts = self._facts.get(stream)
        return self.look_up_fact(stream, fact) if facts is None else fact in facts

    def epoch(self, lease: str) -> int:
        """A lease's current epoch."""
        epoch = self._epochs.get(lease)
        if epoch is None:
            epoch = self._epochs[lease] = self.look_up_epoch(lease)
        return epoch

    def balance(self, name: str) -> Balance | None:
        """A balance, or None."""
        balance = self._balances.get(name)
        if balance is None and (balance := self.look_up_balance(name)) is not None:
            self._balances[name] = balance
        return balance

    def last_idx(self) -> int:
        """How many entries the tenant's record holds."""
        if self._last_idx is None:
            self._last_idx = self.look_up_last_idx()
        return self._last_idx


def _streams(commits: Iterable[Commit]) -> Iterator[StreamId]:
    for commit in commits:
        yield from commit.open
        yield from (stream for stream, _ in commit.expect)
        for draft in commit.entries:
            yield draft.stream
            if draft.pins is not None:
                yield draft.pins
