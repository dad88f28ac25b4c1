"""A worker: carries the missions that Temporal gives it, and hands them on before it ends."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from remit.adapters.temporal.scheduler import TemporalScheduler
from remit.adapters.temporal.workflow import ACTIVITY, SILENCE_SECONDS, Carried, MissionWorkflow
from remit.drivers import WorkerCounts
from remit.errors import DriverReplaced, RemitError, SchedulerUnreachable, StoreTooNew, StoreUnreachable
from remit.ids import MissionId
from remit.missions import Rest

_LOG = logging.getLogger("remit.driver")
_HEARTBEAT_SECONDS = SILENCE_SECONDS / 3
#: A mission that cannot be carried is tried again after so long, or when it is woken.
_STANDS_STILL_SECONDS = 300.0
#: Another process carries it: after so long it is looked at again, in case that process has died.
_ELSEWHERE_SECONDS = 15.0
#: So many workers in a row died with a mission: it may be what kills them, and gets a rest.
_DEATHS_MAX, _REST_SECONDS = 10, 60.0


@dataclass(slots=True)
class MissionWorker:
    """Listens for the missions of one pool."""

    scheduler: TemporalScheduler
    counts: WorkerCounts
    carry: Callable[[MissionId], Coroutine[None, None, Rest]]
    #: Ends what is under way, and takes nothing more.
    drain: Callable[[], Coroutine[None, None, None]]
    now_us: Callable[[], int]
    #: How long what is under way may take once the worker is told to end.
    grace_seconds: float = 30.0

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Work until `stop` is set; then end steps under way, hand the missions on, and return.

        Raises:
            SchedulerUnreachable: Temporal did not answer at the start; later it is waited for.
        """
        worker = Worker(
            await self.scheduler.client(),
            task_queue=self.scheduler.address.queue(self.counts.pool),
            workflows=[MissionWorkflow],
            activities=[self.carried],
            max_concurrent_activities=self.counts.slots,
            # A beat goes out when it is made: held back, it would leave little of the silence that is borne.
            max_heartbeat_throttle_interval=timedelta(seconds=_HEARTBEAT_SECONDS),
            default_heartbeat_throttle_interval=timedelta(seconds=_HEARTBEAT_SECONDS),
            graceful_shutdown_timeout=timedelta(seconds=self.grace_seconds),
            workflow_runner=SandboxedWorkflowRunner(
                restrictions=SandboxRestrictions.default.with_passthrough_modules("remit")
            ),
        )
        running = asyncio.create_task(self._poll(worker))
        self.counts.polling = True
        ready()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self.counts.polling, self.counts.draining = False, True
        if not running.done():
            draining = asyncio.create_task(self.drain())
            await worker.shutdown()
            await asyncio.gather(running, draining)
        await running

    async def _poll(self, worker: Worker) -> None:
        try:
            await worker.run()
        except (RPCError, RuntimeError) as error:  # the library says so, too, that the namespace could not be looked up
            raise SchedulerUnreachable(
                f"Temporal at {self.scheduler.address.target} gives no missions to this worker."
            ) from error

    @activity.defn(name=ACTIVITY)
    async def carried(self, mission: str) -> Carried:
        """Carry one mission as far as it goes here."""
        deaths = _deaths()
        if deaths >= _DEATHS_MAX:
            _LOG.error("mission %s rests: %d workers in a row died with it", mission, deaths)
            self.counts.put_down["rested"] += 1
            return Carried(ended=False, wake_seconds=_REST_SECONDS)
        beating = asyncio.create_task(_beat(deaths + 1))
        self.counts.under_way += 1
        how = "failed"
        try:
            carried, how = await self._carry(MissionId(mission))
        except DriverReplaced:
            how = "replaced"
            return Carried(ended=False, wake_seconds=_ELSEWHERE_SECONDS)
        except (StoreUnreachable, StoreTooNew):
            raise  # another worker may reach the store, or know what this one does not: the scheduler tries again
        except RemitError as error:
            _LOG.error("mission %s stands still: %s", mission, error.code)
            return Carried(ended=False, wake_seconds=_STANDS_STILL_SECONDS)
        else:
            return carried
        finally:
            self.counts.under_way -= 1
            self.counts.put_down[how] += 1
            beating.cancel()
            activity.heartbeat(0)  # this worker did not die with it

    async def _carry(self, mission: MissionId) -> tuple[Carried, str]:
        rest = await self.carry(mission)
        how = "ended" if rest.ended else "moved" if rest.moves else "queued" if rest.queued else "waits"
        if rest.wake_at_us is None:
            return Carried(rest.ended, None, rest.moves), how
        return Carried(rest.ended, max(rest.wake_at_us - self.now_us(), 0) / 1_000_000, rest.moves), how


def _deaths() -> int:
    """How many workers before this one fell silent while they carried the mission."""
    told = activity.info().heartbeat_details
    return int(told[0]) if told else 0


async def _beat(deaths: int) -> None:
    while True:
        activity.heartbeat(deaths)
        await asyncio.sleep(_HEARTBEAT_SECONDS)
