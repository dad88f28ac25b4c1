"""The memories of a home: who keeps how much, what it says, its erasure, and what holds it back."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.seen import missions_seen
from remit.errors import InvalidInput, NotFound, RightsExceeded, StreamMoved
from remit.identity import Principal, Right, require, rights_of
from remit.ledger import Commit
from remit.state import Memory, Scope, Standing
from remit.state.memory import SCOPES, Written

#: How often a change is prepared anew because the memory moved meanwhile.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Memories:
    """Memories of one home.

    A person sees their own, those of missions that they see, and that of the tenant; whoever may read the ledger sees
    all. A person may have their own erased; whoever may erase, every one.
    """

    core: Core

    async def all(self, by: Principal) -> list[dict[str, Any]]:
        """The scopes that this person sees, with how much stands there; no note is opened."""
        missions = await missions_seen(self.core, by)
        found = [(Scope.of(name), Standing(**told)) for name, told in await self.core.store.records(SCOPES)]
        return [_listed(scope, standing) for scope, standing in found if self._sees(scope, by, missions)]

    async def show(self, scope: str, by: Principal, text: str = "") -> dict[str, Any]:
        """The notes of one scope, the newest first; with `text`, those that hold its words, the best first.

        Raises:
            InvalidInput: it is no scope.
            NotFound: nothing stands there.
            RightsExceeded: this person does not see it.
        """
        asked = Scope.of(scope)
        if not self._sees(asked, by, await missions_seen(self.core, by)):
            raise RightsExceeded(
                f"{by.id} does not see the memory {scope}.",
                hint="Ask someone who may read the ledger (auditor, owner).",
                rule="memory_not_seen",
            )
        standing = await self._standing(asked)
        memory, now_us = self._memory, self.core.now_us
        notes = await (memory.search(asked, text, now_us) if text else memory.notes(asked, now_us))
        return {
            **_listed(asked, standing),
            "found": [
                {
                    "key": note.key,
                    "value": note.value,
                    "by": note.by,
                    "mission": note.mission,
                    "trusted": note.label.trusted,
                    "confidentiality": note.label.confidentiality.value,
                    "at": iso(note.at_us),
                    "expires_at": iso(note.expires_at_us),
                }
                for note in notes
            ],
        }

    async def erase(self, scope: str, basis: str, by: Principal) -> dict[str, Any]:
        """Destroy the scope's key with all its notes; that it was done, on what basis and how much, is on record.

        Raises:
            InvalidInput: it is no scope, or there is no basis.
            NotFound: nothing stands there.
            LegalHold: nothing is erased there.
            RightsExceeded: it is not this person's own, and they may not erase.
        """
        asked = Scope.of(scope)
        if asked != Scope("person", by.id) or not by.active:
            require(by, Right.ERASE)
        if not basis.strip():
            raise InvalidInput("An erasure needs its basis: who asked for it, or which rule does.")
        standing = await self._standing(asked)
        await self._write(lambda: self._memory.erase(asked, basis, by.actor, self.core.now_us))
        self.core.door.vault.forget(standing.space)
        return {"scope": scope, "erased": standing.notes, "keys_destroyed": int(bool(standing.space))}

    async def hold(self, scope: str, reason: str, by: Principal) -> dict[str, Any]:
        """Keep everybody, retention included, from erasing anything in this scope.

        Raises:
            InvalidInput: it is no scope, or there is no reason.
            RightsExceeded: this person may not hold memory back.
        """
        require(by, Right.ERASE)
        if not reason.strip():
            raise InvalidInput("A legal hold needs its reason.")
        asked = Scope.of(scope)
        held = await self._write(lambda: self._memory.hold(asked, reason, by.id, by.actor, self.core.now_us))
        return _listed(asked, held.standing)

    async def release(self, scope: str, by: Principal) -> dict[str, Any]:
        """End a legal hold.

        Raises:
            NotFound: there is none.
            RightsExceeded: this person may not release it.
        """
        require(by, Right.ERASE)
        asked = Scope.of(scope)
        free = await self._write(lambda: self._memory.release(asked, by.actor, self.core.now_us))
        return _listed(asked, free.standing)

    async def sweep(self) -> int:
        """Take away every note whose time is over; how many."""
        gone = 0
        for name, told in await self.core.store.records(SCOPES):
            expired = await self._memory.expired(Scope.of(name), self.core.now_us, "remit") if told["notes"] else None
            if expired is None:
                continue
            with contextlib.suppress(StreamMoved):  # somebody writes there now: what has lapsed is taken the next time
                await self.core.store.commit(Commit(expired.entries, expired.writes, expect=expired.expect))
                gone += told["notes"] - expired.standing.notes
        return gone

    # --- inside

    @property
    def _memory(self) -> Memory:
        return Memory(self.core.door.vault, self.core.store)

    async def _standing(self, scope: Scope) -> Standing:
        standing = await self._memory.standing(scope)
        if not standing.seq:
            raise NotFound(f"Nothing was ever kept in {scope.name}.", hint="`remit memory list` shows what there is.")
        return standing

    async def _write(self, prepare: Callable[[], Awaitable[Written]]) -> Written:
        """Write what is prepared; anew where agents write to the same memory meanwhile."""
        for _ in range(_TRIES):
            written = await prepare()
            try:
                await self.core.store.commit(Commit(written.entries, written.writes, expect=written.expect))
            except StreamMoved:
                continue
            return written
        raise StreamMoved("The memory kept moving; nothing was changed.", hint="Try it again.")

    @staticmethod
    def _sees(scope: Scope, by: Principal, missions: frozenset[str]) -> bool:
        if Right.READ_LEDGER in rights_of(by):
            return True
        if not by.active:
            return False
        return scope.kind == "tenant" or scope == Scope("person", by.id) or scope.owner in missions


def _listed(scope: Scope, standing: Standing) -> dict[str, Any]:
    hold = standing.hold
    held = None if hold is None else {"reason": hold["reason"], "by": hold["by"], "at": iso(hold["at_us"])}
    return {"scope": scope.name, "notes": standing.notes, "bytes": standing.bytes, "hold": held}
