"""The store in memory."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import orjson

from remit.errors import RemitError
from remit.ids import DEFAULT_TENANT, StreamId
from remit.ledger import HOME_LEASE, Balance, Batch, Commit, Entry, Head, leaf_hash, parse, settle


class MemoryStore:
    """Everything in dictionaries; commits apply at once, one after the other."""

    def __init__(self, tenant: str = DEFAULT_TENANT) -> None:
        self.tenant = tenant
        self._epochs: dict[str, int] = {}
        self._canonical: list[bytes] = []
        self._streams: dict[StreamId, list[int]] = {}
        self._heads: dict[StreamId, Head] = {}
        self._facts: set[tuple[StreamId, str]] = set()
        self._blobs: dict[tuple[str, str], bytes] = {}
        self._records: dict[str, dict[str, bytes]] = {}
        self._balances: dict[str, Balance] = {}
        self._once: dict[tuple[str, str], int] = {}

    # --- what the writer looks at

    def head(self, stream: StreamId) -> Head:
        """Where the stream stands."""
        return self._heads.get(stream, Head())

    def has_fact(self, stream: StreamId, fact: str) -> bool:
        """True where the stream holds this fact."""
        return (stream, fact) in self._facts

    def epoch(self, lease: str = HOME_LEASE) -> int:
        """The lease's epoch."""
        return self._epochs.get(lease, 0)

    def last_idx(self) -> int:
        """How many entries there are."""
        return len(self._canonical)

    # --- the ports

    async def once(self, space: str, name: str, *, until_us: int, now_us: int) -> bool:
        """Note a name."""
        self._once = {noted: until for noted, until in self._once.items() if until >= now_us}
        if (space, name) in self._once:
            return False
        self._once[space, name] = until_us
        return True

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        """Apply one commit."""
        (result,) = self.apply([commit])
        if isinstance(result, RemitError):
            raise result
        return result

    def apply(self, commits: Sequence[Commit]) -> list[tuple[Entry, ...] | RemitError]:
        """Apply a batch as one transaction would, and return each member's result."""
        batch, results = settle(_MemoryView(self), commits, tenant=self.tenant)
        self._write(batch)
        return results

    async def read(self, stream: StreamId, *, after: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of one stream."""
        places = self._streams.get(stream, [])
        return [self._entry(idx) for idx in places[after : after + limit]]

    async def read_prefix(self, prefix: str, *, after_idx: int = 0, limit: int = 1000) -> Sequence[Entry]:
        """Entries of all streams with this prefix."""
        places = sorted(
            idx
            for stream, held in self._streams.items()
            if stream.startswith(prefix)
            for idx in held[bisect_right(held, after_idx) :]
        )
        return [self._entry(idx) for idx in places[:limit]]

    async def rows(self, *, after_idx: int = 0, limit: int = 1000) -> Sequence[tuple[int, bytes, str]]:
        """The stored bytes and hashes."""
        held = self._canonical[after_idx : after_idx + limit]
        return [(after_idx + place, canonical, leaf_hash(canonical)) for place, canonical in enumerate(held, 1)]

    async def record(self, table: str, key: str) -> Any | None:
        """One document."""
        found = self._records.get(table, {}).get(key)
        return None if found is None else orjson.loads(found)

    async def records(self, table: str, prefix: str = "") -> Sequence[tuple[str, Any]]:
        """Documents by prefix."""
        held = self._records.get(table, {})
        return [(key, orjson.loads(held[key])) for key in sorted(held) if key.startswith(prefix)]

    async def blob(self, space: str, cid: str) -> bytes | None:
        """A body."""
        return self._blobs.get((space, cid))

    async def balance(self, name: str) -> Balance | None:
        """A balance."""
        return self._balances.get(name)

    async def holding(self, prefix: str) -> Sequence[str]:
        """Balances that hold something."""
        return sorted(name for name, known in self._balances.items() if name.startswith(prefix) and known.held)

    async def take(self, holder: str, lease: str = HOME_LEASE) -> int:  # noqa: ARG002 -- nobody else can look into this process
        """Take the lease."""
        self._epochs[lease] = epoch = self.epoch(lease) + 1
        return epoch

    async def changed(self) -> bool:
        """Nobody else writes here."""
        return False

    async def place(self) -> int:
        """The last entry's place."""
        return len(self._canonical)

    async def heads(self, prefix: str, *, after_idx: int = 0) -> Sequence[tuple[StreamId, int]]:
        """Streams and their last entries' numbers."""
        return sorted(
            (stream, len(held))
            for stream, held in self._streams.items()
            if stream.startswith(prefix) and held[-1] > after_idx
        )

    async def close(self) -> None:
        """Nothing to let go of."""

    # --- inside

    def _entry(self, idx: int) -> Entry:
        return parse(self._canonical[idx - 1], idx=idx)

    def _write(self, batch: Batch) -> None:
        # First of all, so that a value that is no JSON leaves nothing half written.
        values = {place: orjson.dumps(record.value) for place, record in batch.records.items()}
        for entry, canonical in batch.entries:
            self._canonical.append(canonical)
            self._streams.setdefault(entry.stream, []).append(entry.idx)
            if entry.fact is not None:
                self._facts.add((entry.stream, entry.fact))
        for blob in batch.blobs:
            self._blobs.setdefault((blob.space, blob.cid), blob.data)
        for (table, key), record in batch.records.items():
            if record.value is None:
                self._records.get(table, {}).pop(key, None)
            else:
                self._records.setdefault(table, {})[key] = values[table, key]
        self._balances.update(batch.balances)
        self._heads.update(batch.heads)


class _MemoryView:
    """The writer's view: plain look-ups (the store's own `balance` is a coroutine)."""

    def __init__(self, store: MemoryStore) -> None:
        self.head = store.head
        self.has_fact = store.has_fact
        self.epoch = store.epoch
        self.last_idx = store.last_idx
        self._balances = store._balances  # noqa: SLF001 -- one module, two faces of one store

    def balance(self, name: str) -> Balance | None:
        return self._balances.get(name)
