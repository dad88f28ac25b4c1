"""Records of sidecars: taken in order and once, kept as they came, and shown beside this home's own."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.sidecars import RECORDS, Enrolled
from remit.errors import FactExists, NotFound, RecordRefused
from remit.identity import Principal, Right, require
from remit.ids import DEFAULT_TENANT, StreamId
from remit.ledger import GENESIS, Commit, Draft, Entry, PutBlob, PutRecord, Write, parse
from remit.ledger.export import full
from remit.ledger.seal import PublicKey
from remit.ledger.tree import CompactRange
from remit.ledger.verify import Verifier
from remit.sidecars import Row, Standing, check_rows, mission_of, streams_of, unpack

#: Tables of the store: heads of a sidecar's streams, and which sidecar holds a mission.
HEADS, MISSIONS = "sidecar-head", "sidecar-mission"
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class SidecarRecords:
    """What sidecars sent on."""

    core: Core

    async def standing(self, ident: str) -> CompactRange:
        """The tree over what has come from this sidecar."""
        told = await self.core.store.record(RECORDS, ident)
        return CompactRange.from_json(told["tree"]) if told else CompactRange()

    async def take(self, one: Enrolled, lines: bytes, seal: str, *, after: int) -> int:
        """Take the next rows of a sidecar's record; how many entries there are now.

        Raises:
            RecordRefused: they do not go on from where the record stands, were changed, or are not sealed.
        """
        if not one.vkey:
            raise RecordRefused("The sidecar has not joined.", rule="record_seal")
        tree = await self.standing(one.id)
        if after != tree.size:
            raise RecordRefused(f"Entry {tree.size + 1} is next, and {after + 1} came.", rule="record_gap")
        rows = unpack(lines, after=after)
        store = self.core.store
        heads = {
            stream: (found[0], found[1]) if (found := await store.record(HEADS, f"{one.id}/{stream}")) else (0, GENESIS)
            for stream in sorted(streams_of(rows))
        }
        now = check_rows(Standing(tree, heads), rows, seal, PublicKey.parse(one.vkey))
        await self._write(one, lines, rows, seal, now)
        return now.tree.size

    async def show(
        self, ident: str, by: Principal, *, mission: str = "", after: int = 0, limit: int = 200
    ) -> list[dict[str, Any]]:
        """Entries of a sidecar's record in the order in which it wrote them; of one mission alone, where one is named.

        Raises:
            RightsExceeded: this person may not read the ledger.
            NotFound: nothing came from such a sidecar.
        """
        require(by, Right.READ_LEDGER)
        found: list[dict[str, Any]] = []
        for idx, canonical, digest in [row async for row in self._rows(ident)]:
            entry = parse(canonical, idx=idx)
            if idx <= after or (mission and mission not in entry.stream.split("/")[1:2]):
                continue
            shown = {"idx": idx, "entry": entry.ref, "at": iso(entry.at_us), "kind": entry.kind}
            found.append({**shown, "actor": entry.actor, "payload": entry.payload, "hash": digest})
            if len(found) == limit:
                break
        return found

    async def export(self, ident: str, by: Principal) -> list[bytes]:
        """Lines of an export of a sidecar's record, under its own key, that a stranger can verify.

        Raises:
            RightsExceeded, NotFound: as `show`.
        """
        require(by, Right.READ_LEDGER)
        rows = [row async for row in self._rows(ident)]
        notes, vkey = await self._seals(ident)
        return list(full(rows, notes, tenant=DEFAULT_TENANT, vkey=vkey))

    async def verify(self, ident: str, by: Principal) -> dict[str, Any]:
        """Check what is kept of a sidecar's record against its chain and the seals that came with it.

        Raises:
            RightsExceeded, NotFound: as `show`.
        """
        require(by, Right.READ_LEDGER)
        notes, vkey = await self._seals(ident)
        verifier = Verifier(PublicKey.parse(vkey))
        seals = {int(note.split("\n", 2)[1]): note for note in notes}
        async for idx, canonical, digest in self._rows(ident):
            verifier.entry(idx, canonical, digest)
            if (note := seals.pop(idx, None)) is not None:
                verifier.seal(note)
        for note in seals.values():
            verifier.seal(note)
        verdict = verifier.finish()
        return {
            **asdict(verdict),
            "first_bad": verdict.first_bad._asdict() if verdict.first_bad else None,
            "vkey": vkey,
        }

    async def calls_of(self, mission: str, step: str) -> tuple[str, list[Entry]] | None:
        """The sidecar that holds a mission, and the entries of one of its steps; None where none holds it."""
        held = await self.core.store.record(MISSIONS, mission)
        if held is None:
            return None
        entries = [parse(canonical, idx=idx) async for idx, canonical, _ in self._rows(held["sidecar"])]
        return held["sidecar"], [entry for entry in entries if entry.stream.startswith(f"step/{mission}/{step}/")]

    # --- inside

    async def _write(self, one: Enrolled, lines: bytes, rows: list[Row], seal: str, now: Standing) -> None:
        digest = sha256(lines).hexdigest()
        first, size = now.tree.size - len(rows) + 1, now.tree.size
        told = {"tree": now.tree.to_json(), "at_us": self.core.now_us, "vkey": one.vkey, "name": one.name}
        writes: list[Write] = [PutBlob(f"sidecar/{one.id}", digest, lines), PutRecord(RECORDS, one.id, told)]
        writes += [PutRecord(HEADS, f"{one.id}/{stream}", list(head)) for stream, head in now.heads.items()]
        begun = [mission for _, canonical, _ in rows if (mission := mission_of(canonical)) is not None]
        writes += [PutRecord(MISSIONS, mission, {"sidecar": one.id}) for mission in begun]
        payload = {"sidecar": one.id, "first": first, "last": size, "lines": digest, "seal": seal}
        draft = Draft(
            one.stream, "sidecar.recorded", payload, f"sidecar:{one.id}", self.core.now_us, fact=f"rows/{first}"
        )
        try:
            await self.core.store.commit(Commit((draft,), tuple(writes)))
        except FactExists as twice:
            raise RecordRefused(f"Entry {first} is on record already.", rule="record_gap") from twice

    async def _batches(self, ident: str) -> list[dict[str, Any]]:
        stream, after, found = StreamId(f"sidecar/{ident}"), 0, []
        while page := await self.core.store.read(stream, after=after, limit=_PAGE):
            found += [dict(entry.payload) for entry in page if entry.kind == "sidecar.recorded"]
            after = page[-1].seq
        return found

    async def _rows(self, ident: str) -> Any:
        for batch in await self._batches(ident):
            lines = await self.core.store.blob(f"sidecar/{ident}", batch["lines"])
            kept = unpack(lines, after=batch["first"] - 1) if lines is not None else []
            for row in kept:
                yield row

    async def _seals(self, ident: str) -> tuple[list[str], str]:
        told = await self.core.store.record(RECORDS, ident)
        if told is None:
            raise NotFound(f"No record came from a sidecar {ident}.", hint="`remit sidecars list` shows them.")
        return [batch["seal"] for batch in await self._batches(ident)], str(told["vkey"])
