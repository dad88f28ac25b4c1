"""Halts: stop a tenant, an agent, a tool or a mission now, and lift it again."""

import re
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.resources import Resources
from remit.errors import InvalidInput, NotFound
from remit.gateway import halts_stream
from remit.identity import Principal, Right, require
from remit.ledger import Commit, Draft, PutRecord

_SCOPE = re.compile(r"tenant|(agent|tool|mission)/[A-Za-z0-9@._-]{1,200}")


@dataclass(frozen=True, slots=True)
class Halts:
    """Halts of one home; they need no driver, and the one that runs sees them within a second."""

    core: Core

    async def all(self) -> list[dict[str, Any]]:
        """What stands still, why, and by whose word."""
        return [
            {"scope": scope, "reason": halt["reason"], "by": halt["by"], "at": iso(halt["at_us"])}
            for scope, halt in await self.core.store.records("halt")
        ]

    async def set(self, scope: str, reason: str, by: Principal) -> dict[str, Any]:
        """Stop now: no new claim and no new call in this scope.

        Raises:
            InvalidInput: not a scope.
            RightsExceeded: this person may not halt.
        """
        require(by, Right.HALT)
        if not _SCOPE.fullmatch(scope):
            raise InvalidInput(f"{scope!r} is no scope: tenant, agent/NAME[@VERSION], tool/SOURCE__TOOL or mission/ID.")
        halt = {"reason": reason, "by": by.id, "at_us": self.core.now_us}
        await self._write(scope, halt, "halt.set", by)
        return {"scope": scope, "halted": True}

    async def lift(self, scope: str, by: Principal) -> dict[str, Any]:
        """Let the scope go on.

        Raises:
            NotFound: it does not stand still.
        """
        require(by, Right.HALT)
        if await self.core.store.record("halt", scope) is None:
            raise NotFound(f"There is no halt of {scope}.", hint="`remit halt --list` shows what stands still.")
        await self._write(scope, None, "halt.lifted", by)
        return {"scope": scope, "halted": False}

    async def _write(self, scope: str, halt: dict[str, Any] | None, kind: str, by: Principal) -> None:
        core = self.core
        draft = Draft(halts_stream(core.door.tenant), kind, {"scope": scope}, by.actor, core.now_us)
        await core.store.commit(Commit((draft,), (PutRecord("halt", scope, halt),)))
        await Resources(core).reload()
