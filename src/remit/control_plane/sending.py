"""Sending a sidecar's record on: in order, each entry once, held back while the control plane is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from remit.control_plane.beside import Beside
from remit.errors import RecordRefused
from remit.ledger import Commit, PutRecord, Rows
from remit.ledger.tree import CompactRange
from remit.sidecars import TABLE, Row

#: Of one request; one entry goes however long it is.
_ROWS_MAX, _BYTES_MAX = 500, 2_000_000


class Counted(Rows, Protocol):
    """A store that knows its newest entry."""

    last_idx: int


@dataclass(slots=True)
class Sending:
    """How far one home's record has come."""

    beside: Beside
    store: Counted
    #: The tree over what the control plane is known to have.
    sent: CompactRange = field(default_factory=CompactRange)
    _joined: bool = False

    @property
    def waiting(self) -> int:
        """Entries that the control plane is not known to have."""
        return self.store.last_idx - self.sent.size

    async def count(self) -> None:
        """Find the newest entry, and how far they were sent, before anything is written."""
        kept = await self.beside.core.store.record(TABLE, "sent")
        if kept is not None:
            self.sent = CompactRange.from_json(kept)
        at = self.store.last_idx
        while rows := await self.store.rows(after_idx=at, limit=10_000):
            at = rows[-1][0]
        self.store.last_idx = at

    async def send(self) -> bool:
        """Send what waits, or a part of it; True where more is left.

        Raises:
            ControlUnreachable, SidecarUnknown: nothing more can be sent now; what was not taken is sent again.
        """
        try:
            if not self._joined:
                await self._join()
            return await self._send()
        except RecordRefused as no:
            if no.rule != "record_gap" or not self._joined:
                self.beside.forked = no.detail
                return False
            self._joined = False  # an answer was lost: ask where the record stands
            return True

    async def _join(self) -> None:
        """Find where the control plane stands, and that what it has is what stands here.

        Raises:
            RecordRefused: it has something else.
        """
        key = self.beside.core.signer.public.vkey
        joined = await self.beside.link.join(key)
        tree = self.sent if self.sent.size <= joined.size else CompactRange()
        while tree.size < joined.size:
            rows = await self.store.rows(after_idx=tree.size, limit=min(_ROWS_MAX, joined.size - tree.size))
            if not rows:
                raise RecordRefused(
                    f"It has {joined.size} entries, and here are {tree.size}.", rule="record_of_another"
                )
            tree = tree.extended(bytes.fromhex(digest) for _, _, digest in rows)
        if tree.root.hex() != joined.root:
            raise RecordRefused(
                f"Its first {joined.size} entries are not those of this home.", rule="record_of_another"
            )
        self.sent, self._joined = tree, True

    async def _send(self) -> bool:
        rows = _bounded(await self.store.rows(after_idx=self.sent.size, limit=_ROWS_MAX))
        if not rows:
            return False
        tree = self.sent.extended(bytes.fromhex(digest) for _, _, digest in rows)
        seal = self.beside.core.signer.seal(tree.size, tree.root)
        await self.beside.link.send(rows, seal.note, after=self.sent.size)
        self.sent = tree
        await self.beside.core.store.commit(Commit((), (PutRecord(TABLE, "sent", tree.to_json()),)))
        return self.waiting > 0


def _bounded(rows: Sequence[Row]) -> list[Row]:
    taken: list[Row] = []
    size = 0
    for row in rows:
        size += len(row[1])
        if taken and size > _BYTES_MAX:
            break
        taken.append(row)
    return taken
