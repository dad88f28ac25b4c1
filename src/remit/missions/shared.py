"""A session that several processes work in: the agent's calls come in through whichever of them its requests reach.

One of them at a time may write intents, under the session's lease; whoever finds it taken takes it back, reads what the
others wrote, and makes the call then. Nothing was done by a call whose intent was refused. Calls that another process
carries are left to it while it lives, and settled as after a crash once it does not.
"""

import asyncio
import logging
import math
from hashlib import sha256
from typing import Any, Protocol

from remit.errors import DriverReplaced, FactExists, RemitError
from remit.gateway import Answer, Bounds, Call, Recorded
from remit.ids import MissionId
from remit.ledger import Commit, PutRecord
from remit.missions.active import ActiveMission
from remit.missions.labels import label_before
from remit.missions.perform import Performer
from remit.missions.session import Session, Wish

_LOG = logging.getLogger("remit.door")
#: Table of the store: by mission and key, calls whose outcome is not known and that nobody carries.
LEFT = "left-open"
#: How often a call is made anew because another process took the session meanwhile.
_TRIES_MAX = 40
_PAUSE_SECONDS_MAX = 0.04
#: A request is let in, and makes its call, within this time: what its agent knew when it sent it is folded.
_OF_LATE_SECONDS = 0.05
#: How often it is looked whether a call that another process carries has ended.
_LOOK_SECONDS = 0.1
#: How often it is looked whether whoever carries calls of this session still lives.
_CHECK_SECONDS = 1.0


class Company(Protocol):
    """The other processes through which an agent may work in one session."""

    async def regain(self, mission: MissionId) -> int:
        """Take the session's lease and return its new epoch; what others weigh under an older one is refused."""
        ...

    async def lives(self, name: str) -> bool:
        """True where the process that wrote this name into a call's intent may still carry the call."""
        ...

    async def look(self) -> None:
        """See at once what other processes changed of resources, keys and halts."""
        ...

    async def is_left(self, call: str) -> bool:
        """True where the process that carried this call has said that it does not any more."""
        ...


class SharedSession(Session):
    """One process's part in an agent's open step."""

    def __init__(self, performer: Performer, mission: ActiveMission, epoch: int, company: Company) -> None:
        super().__init__(performer, mission, epoch)
        self._company = company
        self._regaining = asyncio.Lock()
        self._settling = asyncio.Lock()
        self._seeing = asyncio.Lock()
        #: Keys of the calls that this process carries now.
        self._mine: set[str] = set()
        #: When what others wrote began to be folded last, by the loop's clock.
        self._seen_at = -math.inf
        #: When calls of others are looked at again, by the loop's clock; None where there were none.
        self._check_at: float | None = None

    async def begin(self) -> None:
        """Claim the step where no process did, and settle what those left open that have died."""
        for left in reversed(range(_TRIES_MAX)):
            self._check_open()
            run = self._run
            run.held = self._held
            try:
                if not run.held.runs:
                    await run.claim()
                # It is claimed once for all of them; the lease says which one may write.
                run.number, run.claimed = self._held.runs, True
                break
            except (DriverReplaced, FactExists):
                if not left:
                    raise
                await self._again(run.epoch)
        await self._settle_left()

    async def _made(self, wish: Wish) -> Answer:
        for left in reversed(range(_TRIES_MAX)):
            epoch = self._run.epoch
            await self._while_carried_elsewhere(wish)
            try:
                return await super()._made(wish)
            except (DriverReplaced, FactExists):
                if not left:
                    raise
                await self._again(epoch)
        raise AssertionError("the last try returns or raises")

    def _place(self, name: str, wish: Wish) -> int | str:
        """As ever; but what other processes wrote of this very call meanwhile counts, too."""
        if not wish.own_key:
            self._remember(name, wish.tool, wish.arguments)
        return super()._place(name, wish)

    async def _through(self, call: Call, bounds: Bounds) -> Answer:
        key = self._key(call.tool, call.arguments, call.occurrence)
        run = self._run
        # What other processes wrote for this very agent is nothing that it departs from.
        run.tape.consumed.update(run.mission.log.writes(run.name))
        was_open = self._is_open(key)
        self._mine.add(key)
        try:
            return await super()._through(call, bounds)
        finally:
            self._mine.discard(key)
            if self._is_open(key) != was_open:
                await self._tell_left(key, None if was_open else True)

    async def close(self, *, failed: str = "", output: Any = None) -> None:
        """End the step, unless another process has ended it by now."""
        try:
            await super().close(failed=failed, output=output)
        except FactExists:
            await self.see()

    async def see(self, *, of_late: bool = False) -> None:
        """Fold what other processes wrote, and settle what those left that have died."""
        clock = asyncio.get_running_loop().time
        asked = clock()
        if of_late and asked - self._seen_at < _OF_LATE_SECONDS:
            return
        async with self._seeing:
            if self._seen_at < asked:  # else another call of this process began to fold since, and has done it
                await self._fold(clock())
        due = self._check_at is not None and clock() >= self._check_at
        if due and not self._settling.locked():
            await self._settle_left()

    # --- parts

    async def _fold(self, began: float) -> None:
        run, mission = self._run, self._mission
        await mission.catch_up(run.door.journal)
        await mission.catch_up_calls(run.door.journal)
        run.held = self._held
        run.tape.label = run.tape.label.join(label_before(mission.state, mission.log, run.held))
        self._seen_at = began

    def _is_open(self, key: str) -> bool:
        recorded = self._mission.log.last(self._run.name, key)
        return recorded is not None and recorded.done is None and recorded.permit["sink"]

    async def _tell_left(self, key: str, told: object) -> None:
        """Let the others know that this process, though it lives, does not carry the call on."""
        try:
            await self._run.door.journal.commit(Commit((), (PutRecord(LEFT, f"{self.mission}/{key}", told),)))
        except RemitError as error:
            _LOG.warning("a call left open was not told of: %s", error.code)  # this process settles it, or its end does

    async def _again(self, stale: int) -> None:
        """Take the lease back, unless another call of this process did; two processes do not go in step."""
        by_chance = sha256(self._run.ids.new("try").encode()).digest()[0] / 255
        await asyncio.sleep(by_chance * _PAUSE_SECONDS_MAX)
        async with self._regaining:
            if self._run.epoch == stale:
                self._run.epoch = await self._company.regain(self.mission)
        # Whoever had it may have died since, with calls that it carried.
        self._check_at = self._check_at or 0.0
        await self.see()
        self._check_open()

    async def _while_carried_elsewhere(self, wish: Wish) -> None:
        """The same write, once more: whoever carries it gets the answer, and this process gives it again."""
        run, key = self._run, self._key(wish.tool, wish.arguments, wish.occurrence)
        while (recorded := run.mission.log.last(run.name, key)) is not None and recorded.done is None:
            if not recorded.permit["sink"] or await self._is_left(recorded):
                return
            await asyncio.sleep(_LOOK_SECONDS)
            await run.mission.catch_up_calls(run.door.journal)

    async def _is_left(self, recorded: Recorded) -> bool:
        """True where nobody carries the call any more."""
        key = recorded.permit["key"]
        if recorded.by == self._run.door.member:
            return key not in self._mine
        return not await self._company.lives(recorded.by) or await self._company.is_left(f"{self.mission}/{key}")

    async def _settle_left(self) -> None:
        async with self._settling:
            run, log = self._run, self._mission.log
            reads = [one for one in log.open_reads() if one.step == run.name]
            others = False
            for recorded in (*reads, *log.open_writes(run.name)):
                if not await self._is_left(recorded):
                    others = others or recorded.by != run.door.member
                elif recorded.permit["sink"]:
                    await self._settle(recorded)
                else:
                    await self._write_off(recorded)
            self._check_at = asyncio.get_running_loop().time() + _CHECK_SECONDS if others else None

    async def _write_off(self, recorded: Recorded) -> None:
        run = self._run
        lease = run.door.session_lease_of(self.mission)
        try:
            await run.door.write_off(recorded, self._mission.log, lease, run.epoch)
        except (FactExists, DriverReplaced):
            return  # its outcome came after all, or another process settles it
