"""What goes on by itself: reading the streams of others, looking at the clock, and telling others."""

import asyncio
import functools
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from remit.control_plane.core import Core
from remit.control_plane.live import LiveEvents, told
from remit.control_plane.triggers import Triggers
from remit.drivers import duty_lease
from remit.errors import DriverReplaced
from remit.gateway import micros_of
from remit.ids import MissionId
from remit.ledger import Commit, PutRecord
from remit.registry import Subscription, Trigger
from remit.triggers import Consumer, Fate, Incoming, Telling, Told, due_at

#: Table of the store: up to which instant each schedule was looked at.
_CLOCK_TABLE = "trigger-clock"
_LOOK_SECONDS = 1.0
#: The duty of whoever looks at the clock.
_CLOCK = "clock"
_FORGET_EVERY_LOOKS = 600


@dataclass(slots=True)
class _Worker:
    """What reads one trigger's stream, or tells one subscription's events."""

    of: Trigger | Subscription
    #: The epoch under which it works, where processes take turns.
    epoch: int
    stop: asyncio.Event
    task: asyncio.Task[None]


@dataclass(slots=True)
class Watch:
    """Reads, looks and tells: in the one process that drives the home, or each by whichever has that duty."""

    core: Core
    triggers: Triggers
    _workers: dict[str, _Worker] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop` is set.

        Raises:
            Fault: the record cannot be written.
        """
        looks = 0
        try:
            while not stop.is_set():
                duties = await self._duties()
                await self._follow(duties)
                if _CLOCK in duties:
                    await self.look_at_the_clock(duties[_CLOCK])
                    if looks % _FORGET_EVERY_LOOKS == 0:
                        await self.triggers.intake.forget()
                looks += 1
                await _until(stop, _LOOK_SECONDS)
        finally:
            await self._end(list(self._workers))

    async def look_at_the_clock(self, epoch: int = 0) -> None:
        """Take the instants of schedules that have come."""
        with suppress(DriverReplaced):  # another process looks now
            await self._look_at_the_clock(((duty_lease(_CLOCK), epoch),) if epoch else ())

    # --- inside

    async def _look_at_the_clock(self, under: tuple[tuple[str, int], ...]) -> None:
        now = self.core.clock.now()
        for trigger in self._active():
            if trigger.schedule is None:
                continue
            form = [trigger.schedule.cron, trigger.schedule.time_zone]
            kept = await self.core.store.record(_CLOCK_TABLE, trigger.name)
            if kept is None or kept["schedule"] != form:
                await self._keep(trigger, form, now, under)  # a new schedule begins now
                continue
            found = due_at(trigger.schedule, after=_instant(kept["at_us"]), now=now)
            if found is not None:
                at = found.astimezone(UTC).isoformat().replace("+00:00", "Z")
                self._told(trigger, await self.triggers.intake.take(trigger, Incoming(at, {"at": at}, at, {})))
                # A crash before this takes the instant again, and finds that it was taken.
                await self._keep(trigger, form, found, under)

    async def _duties(self) -> dict[str, int]:
        """What of all that goes on by itself goes on in this process, with the epoch of each; 0 where it is alone."""
        wanted = (_CLOCK, *self._wanted())
        duties = self.core.driver.duties
        return dict.fromkeys(wanted, 0) if duties is None else await duties.of(wanted)

    def _wanted(self) -> dict[str, Trigger | Subscription]:
        """What the resources say now."""
        told = self.core.door.controls.registry.subscriptions.values()
        return {
            **{f"trigger/{one.name}": one for one in self._active() if one.stream is not None},
            **{f"subscription/{one.name}": one for one in told if one.active},
        }

    async def _follow(self, duties: Mapping[str, int]) -> None:
        """Read and tell what the resources say now and this process is to do, and nothing besides."""
        wanted = {name: one for name, one in self._wanted().items() if name in duties}
        over = [
            name
            for name, worker in self._workers.items()
            if wanted.get(name) != worker.of or duties.get(name) != worker.epoch
        ]
        await self._end(over)
        for name, one in wanted.items():
            if name not in self._workers:
                self._workers[name] = self._begin(name, one, duties[name])

    def _begin(self, name: str, one: Trigger | Subscription, epoch: int) -> _Worker:
        under = ((duty_lease(name), epoch),) if epoch else ()
        worker = self._reading(one) if isinstance(one, Trigger) else self._telling(one, under)
        self.triggers.health[name] = worker.health
        stop = asyncio.Event()
        return _Worker(one, epoch, stop, asyncio.create_task(worker.run(stop)))

    def _reading(self, trigger: Trigger) -> Consumer:
        stream, open_inbox = trigger.stream, self.core.open_inbox
        assert stream is not None
        assert open_inbox is not None, "bootstrap gives the way to streams"
        opening = functools.partial(open_inbox, stream)
        return Consumer(trigger, self.triggers.intake, opening, self._told, self.core.clock, self._jitter)

    def _telling(self, one: Subscription, under: tuple[tuple[str, int], ...]) -> Telling:
        core, open_outbox = self.core, self.core.open_outbox
        assert open_outbox is not None, "bootstrap gives the way to others"
        opening = functools.partial(open_outbox, one.to)
        newest = LiveEvents(core).newest
        return Telling(one, core.store, core.clock, opening, newest, told, self._jitter, under)

    async def _end(self, names: list[str]) -> None:
        workers = [self._workers.pop(name) for name in names]
        for worker in workers:
            worker.stop.set()
        await asyncio.gather(*(worker.task for worker in workers), return_exceptions=True)
        for name in names:
            self.triggers.health.pop(name, None)

    def _active(self) -> list[Trigger]:
        return [one for one in self.core.door.controls.registry.triggers.values() if one.active]

    def _told(self, trigger: Trigger, told: Told) -> None:
        self.triggers.count(trigger, told)
        if told.fate is Fate.TAKEN:
            for mission in told.missions:
                self.core.driver.nudge(MissionId(mission))

    async def _keep(self, trigger: Trigger, form: list[str], at: datetime, under: tuple[tuple[str, int], ...]) -> None:
        kept = {"at_us": micros_of(at), "schedule": form}
        await self.core.store.commit(Commit((), (PutRecord(_CLOCK_TABLE, trigger.name, kept),), also=under))

    def _jitter(self) -> float:
        """From names that nobody can foresee, so that many homes do not come back at one instant."""
        return hashlib.sha256(self.core.ids.new("jitter").encode()).digest()[0] / 255


def _instant(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


async def _until(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
