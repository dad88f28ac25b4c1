"""The record: look at it, seal it, export it, verify it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from remit.control_plane.core import Core, iso
from remit.identity import Principal, Right, require
from remit.ids import StreamId
from remit.ledger import Commit, PutRecord
from remit.ledger.export import Row, extract, full, mission_streams
from remit.ledger.seal import PublicKey, extend
from remit.ledger.tree import CompactRange
from remit.ledger.verify import verify_rows

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Ledger:
    """The record of one home."""

    core: Core

    async def show(self, by: Principal, *, mission: str = "", after: int = 0, limit: int = 200) -> list[dict[str, Any]]:
        """Entries in the order they were written, of everything or of one mission and its steps."""
        require(by, Right.READ_LEDGER)
        store = self.core.store
        if mission:
            entries = sorted(
                [
                    *await store.read(StreamId(f"mission/{mission}"), limit=100_000),
                    *await store.read_prefix(f"step/{mission}/", limit=100_000),
                ],
                key=lambda entry: entry.idx,
            )
            entries = [entry for entry in entries if entry.idx > after][:limit]
        else:
            entries = list(await store.read_prefix("", after_idx=after, limit=limit))
        return [
            {
                "idx": entry.idx,
                "entry": entry.ref,
                "at": iso(entry.at_us),
                "kind": entry.kind,
                "actor": entry.actor,
                "payload": entry.payload,
                "hash": entry.hash,
            }
            for entry in entries
        ]

    async def seal(self) -> int:
        """Sign the head of the tree over everything that is durable; returns how many entries are sealed."""
        core = self.core
        standing = await core.store.record("seal-state", "range")
        past = CompactRange.from_json(standing) if standing else CompactRange()
        size = past.size
        while rows := await core.store.rows(after_idx=past.size, limit=_PAGE):
            past = past.extended(bytes.fromhex(digest) for _, _, digest in rows)
        if past.size == size:
            return size
        now, seal = extend(past, (), core.signer)
        writes = (
            PutRecord("seal-state", "range", now.to_json()),
            PutRecord("seal", f"{seal.size:020d}", {"note": seal.note, "at_us": core.now_us}),
        )
        await core.store.commit(Commit((), writes))
        self._leave_witness(seal.note)
        return now.size

    async def export(self, by: Principal, *, mission: str = "") -> list[bytes]:
        """Lines of an export that a stranger can verify: of everything, or of one mission with its proofs."""
        require(by, Right.READ_LEDGER)
        await self.seal()
        rows = await self._all_rows()
        notes = await self._notes()
        tenant, vkey = self.core.door.tenant, self.core.signer.public.vkey
        if not mission:
            return list(full(rows, notes, tenant=tenant, vkey=vkey))
        streams = mission_streams(mission)
        wanted = await self._rows_of(mission, rows)
        leaves = [bytes.fromhex(digest) for _, _, digest in rows]
        return list(
            extract(
                wanted,
                leaves=lambda size: leaves[:size],
                note=notes[-1] if notes else None,
                tenant=tenant,
                vkey=vkey,
                streams=streams,
            )
        )

    async def verify(self) -> dict[str, Any]:
        """Check every stored entry against its chain and the seals; names the first that was touched."""
        verdict = verify_rows(self.core.signer.public, await self._all_rows(), await self._notes())
        return {**asdict(verdict), "first_bad": verdict.first_bad._asdict() if verdict.first_bad else None}

    @property
    def key(self) -> PublicKey:
        """The key that checks this record's seals; keep a copy away from this machine."""
        return self.core.signer.public

    # --- inside

    async def _all_rows(self) -> list[Row]:
        found: list[Row] = []
        while page := await self.core.store.rows(after_idx=found[-1][0] if found else 0, limit=_PAGE):
            found += page
        return found

    async def _rows_of(self, mission: str, rows: list[Row]) -> Iterator[Row]:
        wanted = {
            entry.idx
            for entry in (
                *await self.core.store.read(StreamId(f"mission/{mission}"), limit=100_000),
                *await self.core.store.read_prefix(f"step/{mission}/", limit=100_000),
            )
        }
        return (row for row in rows if row[0] in wanted)

    async def _notes(self) -> list[str]:
        return [value["note"] for _, value in await self.core.store.records("seal")]

    def _leave_witness(self, note: str) -> None:
        # A head that leaves the store: whoever rewrites the record must rewrite every copy of this file as well.
        with (self.core.home / "seals.log").open("a", encoding="utf-8") as file:
            file.write(note + "\n")
