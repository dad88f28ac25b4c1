"""Saving and restoring working state: prepares what a commit must write, and reads it back with every hash checked."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remit.errors import InvalidInput, NotFound, StoreCorrupted
from remit.ids import StreamId
from remit.ledger import Draft, Journal, PutBlob, PutRecord, Records, Write
from remit.state.segments import joined
from remit.state.snapshot import SLICES_MAX, Binding, Change, Manifest, Owner
from remit.state.vault import Pointer, Vault
from remit.tools import Label

#: Table of the store: by owner, the newest snapshot.
HEADS = "state-head"
SAVED = "state.saved"
#: The tiers of a state as a pointer names them, besides `tool:NAME`.
GOAL, REFLECTIONS, ALL_TOOLS = "goal", "reflections", "tools"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot in its place."""

    owner: Owner
    #: From 1; the place of its entry in the owner's stream.
    seq: int
    hash: str
    #: The body's name of its manifest.
    cid: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Restored:
    """A working state as it was read back; what was not asked for is left out."""

    snapshot: Snapshot
    goal: Any
    tools: Mapping[str, Any]
    reflections: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What makes a snapshot durable: all of it in one commit, or nothing."""

    snapshot: Snapshot
    entries: tuple[Draft, ...] = ()
    writes: tuple[Write, ...] = ()
    #: The owner's stream must stand exactly here.
    expect: tuple[tuple[StreamId, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """Who saves, and what the work had read by then."""

    actor: str
    at_us: int
    binding: Binding
    label: Label
    upto: int = 0


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The working states of one home."""

    vault: Vault
    records: Records
    journal: Journal

    async def head(self, owner: Owner) -> Snapshot | None:
        """The newest snapshot, or None where nothing was saved.

        Raises:
            StoreCorrupted: it is not what was saved.
        """
        told = await self.records.record(HEADS, owner.key)
        return None if told is None else await self._at(owner, told["seq"], told["hash"], told["manifest"])

    async def at(self, owner: Owner, seq: int) -> Snapshot:
        """The snapshot with this number.

        Raises:
            NotFound: there is none.
            StoreCorrupted: it is not what was saved.
        """
        entries = await self.journal.read(owner.stream, after=seq - 1, limit=1) if seq > 0 else ()
        if not entries:
            raise NotFound(f"There is no snapshot {seq} of {owner.key}.")
        told = entries[0].payload
        return await self._at(owner, seq, told["hash"], told["manifest"])

    async def save(self, owner: Owner, change: Change, by: Writer) -> Prepared:
        """Prepare the next snapshot; where nothing would change it is the one that stands, and nothing is written.

        Raises:
            StateTooLarge, InvalidInput: nothing is prepared.
        """
        change.check()
        await self.vault.load_space(owner.mission)
        before = await self.head(owner)
        old = before.manifest if before else Manifest()
        bodies: list[PutBlob] = []
        slices = dict(old.tools)
        for name, value in change.tools.items():
            if value is None:
                slices.pop(name, None)
            else:
                slices[name] = self._sealed(owner, value, slices.get(name, ""), bodies)
        if len(slices) > SLICES_MAX:
            raise InvalidInput(f"There would be {len(slices)} slices; {SLICES_MAX} are kept.")
        goal = old.goal if change.goal is None else self._sealed(owner, change.goal, old.goal, bodies)
        reflections = old.reflections
        if change.reflection is not None:
            reflections = await self._grown(owner, old.reflections, change.reflection, bodies)
        label = old.label.join(by.label)
        parent = before.hash if before else old.parent
        new = Manifest(parent, goal, slices, reflections, by.binding, label, old.epoch, by.upto)
        if before is not None and new.same_content(old):
            return Prepared(before)
        return self._prepared(owner, before, new, by, bodies)

    async def fork(self, source: Snapshot, owner: Owner, by: Writer) -> Prepared:
        """Prepare a first state for `owner` that begins where another's stood: one manifest, whatever it holds.

        Its bodies stay where they are: a fork into another mission is readable for as long as that mission's key.

        Raises:
            InvalidInput: the owner has a state already.
        """
        if await self.head(owner) is not None:
            raise InvalidInput(
                f"{owner.key} has a working state already.", hint="Rewind it, or fork into another step."
            )
        await self.vault.load_space(owner.mission)
        held = replace(source.manifest, parent=source.hash, epoch=1, upto=0)
        if source.owner.mission != owner.mission:
            held = _elsewhere(held, source.owner.mission)
        return self._prepared(owner, None, held, by, [])

    async def rewind(self, owner: Owner, seq: int, by: Writer) -> Prepared:
        """Prepare to go on from an earlier snapshot: what came after stays on record, and its pointers are stale.

        Raises:
            NotFound: there is no such snapshot.
        """
        source, head = await self.at(owner, seq), await self.head(owner)
        assert head is not None, "an owner with a snapshot has a newest one"
        again = replace(source.manifest, parent=source.hash, epoch=head.manifest.epoch + 1)
        return self._prepared(owner, head, again, by, [])

    async def restore(self, snapshot: Snapshot, tiers: Collection[str] | None = None) -> Restored:
        """Read the state back, or those tiers of it; each body is what its name says.

        Raises:
            NotFound: a body is gone, as its mission's key was destroyed.
            StoreCorrupted: a body is not what was saved.
        """
        held, owner = snapshot.manifest, snapshot.owner
        names = [name for name in held.tools if _granted(f"tool:{name}", tiers)]
        segments = [cid for _, cid in held.reflections] if _granted(REFLECTIONS, tiers) else []
        goal = [held.goal] if held.goal and _granted(GOAL, tiers) else []
        values = await self._open_all(owner, [*goal, *(held.tools[name] for name in names), *segments])
        slices = dict(zip(names, values[len(goal) :], strict=False))
        log = tuple(entry for segment in values[len(goal) + len(names) :] for entry in segment)
        return Restored(snapshot, values[0] if goal else None, slices, log)

    # --- inside

    async def _at(self, owner: Owner, seq: int, digest: str, cid: str) -> Snapshot:
        (told,) = await self._open_all(owner, [cid])
        manifest = Manifest.from_json(told)
        if manifest.snap_hash != digest:
            raise StoreCorrupted(f"Snapshot {seq} of {owner.key} does not give the hash under which it was saved.")
        return Snapshot(owner, seq, digest, cid, manifest)

    async def _open_all(self, owner: Owner, cids: Iterable[str]) -> list[Any]:
        return await asyncio.gather(*(self._open(owner, cid) for cid in cids))

    async def _open(self, owner: Owner, cid: str) -> Any:
        space, _, name = cid.rpartition("/")
        pointer = Pointer(space or owner.mission, name)
        value = await self.vault.open(pointer)
        if self.vault.digest(pointer.space, value) != name:
            raise StoreCorrupted(f"The body {name} of {pointer.space} is not what its name says.")
        return value

    def _sealed(self, owner: Owner, value: Any, before: str, bodies: list[PutBlob]) -> str:
        """The body's name; it is written only where it differs from what stood there."""
        cid = self.vault.digest(owner.mission, value)
        if cid != before:
            pointer, body = self.vault.seal(owner.mission, value)
            bodies.append(body)
            return pointer.cid
        return cid

    async def _grown(
        self, owner: Owner, segments: tuple[tuple[int, str], ...], reflection: Any, bodies: list[PutBlob]
    ) -> tuple[tuple[int, str], ...]:
        taken = joined([count for count, _ in segments])
        kept, merged = segments[: len(segments) - taken], segments[len(segments) - taken :]
        held = await self._open_all(owner, [cid for _, cid in merged])
        log = [*(entry for segment in held for entry in segment), reflection]
        return (*kept, (len(log), self._sealed(owner, log, "", bodies)))

    def _prepared(
        self, owner: Owner, before: Snapshot | None, manifest: Manifest, by: Writer, bodies: list[PutBlob]
    ) -> Prepared:
        pointer, body = self.vault.seal(owner.mission, manifest.to_json())
        at, digest = (before.seq if before else 0), manifest.snap_hash
        payload = {
            "hash": digest,
            "parent": manifest.parent,
            "manifest": pointer.cid,
            "policy": manifest.binding.policy,
            "agent": manifest.binding.agent,
            "epoch": manifest.epoch,
            "bodies": len(bodies),
            "bytes": len(body.data) + sum(len(one.data) for one in bodies),
        }
        snapshot = Snapshot(owner, at + 1, digest, pointer.cid, manifest)
        head = PutRecord(HEADS, owner.key, {"seq": at + 1, "hash": digest, "manifest": pointer.cid})
        draft = Draft(owner.stream, SAVED, payload, by.actor, by.at_us)
        return Prepared(snapshot, (draft,), (*bodies, body, head), ((owner.stream, at),))


def _granted(tier: str, tiers: Collection[str] | None) -> bool:
    return tiers is None or tier in tiers or (tier.startswith("tool:") and ALL_TOOLS in tiers)


def _elsewhere(manifest: Manifest, space: str) -> Manifest:
    def placed(cid: str) -> str:
        return cid if not cid or "/" in cid else f"{space}/{cid}"

    return replace(
        manifest,
        goal=placed(manifest.goal),
        tools={name: placed(cid) for name, cid in manifest.tools.items()},
        reflections=tuple((count, placed(cid)) for count, cid in manifest.reflections),
    )
