"""Memory: notes that agents keep beyond a step, in four scopes, each under a key that can be destroyed.

A note is a key and a JSON value. It stands encrypted in one record, together with the label under which it was written:
whoever reads it has read that. What a note says never stands in the ledger; that it was written, and by whom, does.
Nothing here commits: each method says what a commit must write.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from remit.errors import InvalidInput, LegalHold, MemoryFull, MemoryTooWide, NotFound, StoreCorrupted
from remit.ids import StreamId
from remit.ledger import Draft, PutRecord, Records, Write
from remit.state.snapshot import check_size
from remit.state.vault import Pointer, Vault
from remit.tools import Confidentiality, Label

#: Tables of the store: by scope, what stands there; by scope and the key's keyed name, one note.
SCOPES, NOTES = "memory-scope", "memory"
#: How long a note stands after it was last written, in days, by kind of scope.
DAYS: Mapping[str, int] = {"mission": 30, "agent": 180, "person": 365, "tenant": 365}
#: What is confidential is kept only where those who read it worked for the same person or in the same mission.
_NARROW = frozenset({"mission", "person"})
NOTES_MAX = 1_000
NOTE_BYTES_MAX = 16 * 1024
KEY_CHARS_MAX = 200
FOUND_MAX = 20
_DAY_US = 86_400 * 1_000_000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory: a mission's (its shared context), an agent's, a person's, or the whole tenant's."""

    kind: str
    owner: str

    @property
    def name(self) -> str:
        """`KIND/OWNER`."""
        return f"{self.kind}/{self.owner}"

    @property
    def stream(self) -> StreamId:
        """Where what happens to it stands in the ledger."""
        return StreamId(f"memory/{self.name}")

    @classmethod
    def of(cls, name: str) -> "Scope":
        """The scope of this name.

        Raises:
            InvalidInput: it is none.
        """
        kind, _, owner = name.partition("/")
        if kind not in DAYS or not owner:
            raise InvalidInput(f"{name[:80]!r} is no scope: {', '.join(f'{kind}/NAME' for kind in DAYS)}.")
        return cls(kind, owner)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a scope without opening a note."""

    #: The head of its stream.
    seq: int = 0
    #: Under which data key its notes stand; empty where none was made, or it was destroyed.
    space: str = ""
    notes: int = 0
    bytes: int = 0
    #: Who holds it back from erasure, why and since when; None where nobody does.
    hold: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {name: getattr(self, name) for name in ("seq", "space", "notes", "bytes", "hold")}


@dataclass(frozen=True, slots=True)
class Note:
    """One note as it was read back."""

    key: str
    value: Any
    label: Label
    #: `NAME@VERSION` of the agent that wrote it, and in which mission.
    by: str
    mission: str
    at_us: int
    expires_at_us: int


@dataclass(frozen=True, slots=True)
class NoteWriter:
    """Who writes, and what the work had read by then."""

    actor: str
    by: str
    mission: str
    label: Label
    at_us: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit must write, all of it or nothing."""

    entries: tuple[Draft, ...]
    writes: tuple[Write, ...]
    expect: tuple[tuple[StreamId, int], ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Memory:
    """The memories of one home."""

    vault: Vault
    records: Records

    async def standing(self, scope: Scope) -> Standing:
        """What is known of the scope; an unknown one holds nothing."""
        told = await self.records.record(SCOPES, scope.name)
        return Standing() if told is None else Standing(**told)

    async def write(self, scope: Scope, key: str, value: Any, by: NoteWriter, *, days: int | None = None) -> Written:
        """Write a note, in place of the one that stands under this key.

        Raises:
            InvalidInput: the key or the days are none that are taken.
            StateTooLarge: the note is too large.
            MemoryFull: the scope takes no more notes.
            MemoryTooWide: what is confidential does not go there.
        """
        _check_key(key)
        check_size("The note", value, NOTE_BYTES_MAX)
        most = DAYS[scope.kind]
        if days is not None and not 1 <= days <= most:
            raise InvalidInput(f"A note in {scope.kind} is kept for 1 to {most} days.")
        if by.label.confidentiality is Confidentiality.CONFIDENTIAL and scope.kind not in _NARROW:
            raise MemoryTooWide(f"The work has read what is confidential, and {scope.kind} is read more widely.")
        before = await self.standing(scope)
        space, made = before.space, []
        if space:
            await self.vault.load_space(space)
        else:
            space, key_record = self.vault.fresh_space(f"memory/{scope.name}")
            made = [key_record]
        name = self._record(scope, space, key)
        old = await self.records.record(NOTES, name)
        if old is None and before.notes >= NOTES_MAX:
            raise MemoryFull(f"{scope.name} holds {before.notes} notes.")
        body = {
            "key": key,
            "value": value,
            "label": [by.label.trusted, by.label.confidentiality.value],
            "by": by.by,
            "mission": by.mission,
        }
        pointer, sealed = self.vault.seal(space, body)
        data = b64encode(sealed.data).decode()
        kept = {
            "space": space,
            "cid": pointer.cid,
            "data": data,
            "at_us": by.at_us,
            "expires_at_us": by.at_us + (days or most) * _DAY_US,
        }
        size = len(data) - (len(old["data"]) if old else 0)
        after = replace(before, space=space, notes=before.notes + (old is None), bytes=before.bytes + size)
        payload = {"note": name.rpartition("/")[2], "new": old is None, "mission": by.mission}
        written = _written(scope, before, after, "memory.written", payload, by.actor, by.at_us)
        return replace(written, writes=(*made, PutRecord(NOTES, name, kept), *written.writes))

    async def read(self, scope: Scope, key: str, now_us: int) -> Note | None:
        """The note under this key, or None where none stands any more."""
        _check_key(key)
        standing = await self.standing(scope)
        if not standing.space:
            return None
        await self.vault.load_space(standing.space)
        name = self._record(scope, standing.space, key)
        kept = await self.records.record(NOTES, name)
        return await self._open(name, kept) if kept is not None and kept["expires_at_us"] > now_us else None

    async def notes(self, scope: Scope, now_us: int) -> list[Note]:
        """Every note of the scope, the newest first."""
        kept = await self.records.records(NOTES, f"{scope.name}/")
        found = [await self._open(name, value) for name, value in kept if value["expires_at_us"] > now_us]
        return sorted(found, key=lambda note: (-note.at_us, note.key))

    async def search(self, scope: Scope, text: str, now_us: int, limit: int = FOUND_MAX) -> list[Note]:
        """The notes that hold most of the words of `text`, in their key or value; the newest of equal ones first."""
        words = _words(text)
        rated = [(len(words & _words(_text_of(note))), note) for note in await self.notes(scope, now_us)]
        best = sorted((pair for pair in rated if pair[0]), key=lambda pair: -pair[0])
        return [note for _, note in best[: min(limit, FOUND_MAX)]]

    async def forget(self, scope: Scope, keys: Iterable[str], actor: str, at_us: int) -> Written:
        """Take these notes away.

        Raises:
            NotFound: one of them is not there.
            LegalHold: nothing is erased here.
        """
        standing = await self.standing(scope)
        if standing.space:
            await self.vault.load_space(standing.space)
        names = []
        for key in keys:
            name = self._record(scope, standing.space, key) if standing.space else ""
            if not name or await self.records.record(NOTES, name) is None:
                raise NotFound(f"There is no such note in {scope.name}.")
            names.append(name)
        return await self._without(scope, standing, names, "memory.forgotten", actor, at_us)

    async def expired(self, scope: Scope, now_us: int, actor: str) -> Written | None:
        """Take away what has stood for its time; None where nothing has, or a hold keeps it."""
        standing = await self.standing(scope)
        kept = await self.records.records(NOTES, f"{scope.name}/")
        names = [name for name, value in kept if value["expires_at_us"] <= now_us]
        if not names or standing.hold is not None:
            return None
        return await self._without(scope, standing, names, "memory.expired", actor, now_us)

    async def erase(self, scope: Scope, basis: str, actor: str, at_us: int) -> Written:
        """Destroy the scope's key with all that was written under it; copies of the store become unreadable, too.

        Raises:
            LegalHold: nothing is erased here.
        """
        standing = await self.standing(scope)
        _check_hold(scope, standing)
        names = [name for name, _ in await self.records.records(NOTES, f"{scope.name}/")]
        after = Standing(standing.seq)
        payload = {"scope": scope.name, "notes": len(names), "keys": int(bool(standing.space)), "basis": basis}
        written = _written(scope, standing, after, "memory.erased", payload, actor, at_us)
        key = [PutRecord("key", standing.space, None)] if standing.space else []
        gone = [*key, *(PutRecord(NOTES, name, None) for name in names)]
        return replace(written, writes=(*gone, *written.writes))

    async def hold(self, scope: Scope, reason: str, by: str, actor: str, at_us: int) -> Written:
        """Keep the scope from being erased until it is released."""
        standing = await self.standing(scope)
        held = replace(standing, hold={"reason": reason, "by": by, "at_us": at_us})
        return _written(scope, standing, held, "memory.held", {"scope": scope.name}, actor, at_us)

    async def release(self, scope: Scope, actor: str, at_us: int) -> Written:
        """End a hold.

        Raises:
            NotFound: there is none.
        """
        standing = await self.standing(scope)
        if standing.hold is None:
            raise NotFound(f"{scope.name} is under no legal hold.")
        after = replace(standing, hold=None)
        return _written(scope, standing, after, "memory.released", {"scope": scope.name}, actor, at_us)

    # --- inside

    def _record(self, scope: Scope, space: str, key: str) -> str:
        return f"{scope.name}/{self.vault.digest(space, key)}"

    async def _open(self, name: str, kept: Mapping[str, Any]) -> Note:
        body = await self.vault.unseal(Pointer(kept["space"], kept["cid"]), b64decode(kept["data"]))
        if name.rpartition("/")[2] != self.vault.digest(kept["space"], body["key"]):
            raise StoreCorrupted(f"A note of {name.rpartition('/')[0]} stands under another's name.")
        trusted, confidentiality = body["label"]
        label = Label(trusted, Confidentiality(confidentiality))
        return Note(
            body["key"], body["value"], label, body["by"], body["mission"], kept["at_us"], kept["expires_at_us"]
        )

    async def _without(
        self, scope: Scope, standing: Standing, names: list[str], kind: str, actor: str, at_us: int
    ) -> Written:
        _check_hold(scope, standing)
        gone = [await self.records.record(NOTES, name) for name in names]
        size = sum(len(value["data"]) for value in gone if value is not None)
        after = replace(standing, notes=standing.notes - len(names), bytes=standing.bytes - size)
        payload = {"scope": scope.name, "notes": len(names)}
        written = _written(scope, standing, after, kind, payload, actor, at_us)
        return replace(written, writes=(*(PutRecord(NOTES, name, None) for name in names), *written.writes))


def _written(
    scope: Scope, before: Standing, after: Standing, kind: str, payload: Mapping[str, Any], actor: str, at_us: int
) -> Written:
    moved = replace(after, seq=before.seq + 1)
    draft = Draft(scope.stream, kind, payload, actor, at_us)
    return Written((draft,), (PutRecord(SCOPES, scope.name, moved.to_json()),), ((scope.stream, before.seq),), moved)


def _check_hold(scope: Scope, standing: Standing) -> None:
    if standing.hold is not None:
        raise LegalHold(f"{scope.name} is held back by {standing.hold['by']}.")


def _check_key(key: str) -> None:
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise InvalidInput(f"The key of a note has 1 to {KEY_CHARS_MAX} characters.")


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _text_of(note: Note) -> str:
    value = note.value if isinstance(note.value, str) else orjson.dumps(note.value).decode()
    return f"{note.key} {value}"
