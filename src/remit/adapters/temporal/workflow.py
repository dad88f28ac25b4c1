"""One small workflow for each mission: have it carried, wait until it is woken or due, again, until it has ended.

It holds no business logic and nothing of the mission but its name, so it never changes with what missions do.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

#: Names that stand in Temporal's histories.
WORKFLOW, ACTIVITY, WAKE = "remit-mission", "remit-carry", "wake"
#: A worker that is silent for so long has died, and another one takes the mission over.
SILENCE_SECONDS = 6.0
#: How long a mission may be carried in one piece.
_CARRY_DAYS = 7
#: Between the tries of carrying a mission that no worker could carry.
_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_interval=timedelta(seconds=4)
)


@dataclass(frozen=True)
class Carried:
    """What a worker says of a mission that it has put down."""

    ended: bool
    #: After how many seconds time alone makes something due; None for never.
    wake_seconds: float | None = None
    #: There is work, and this worker takes none any more.
    moves: bool = False


@workflow.defn(name=WORKFLOW)
class MissionWorkflow:
    """Schedules one mission."""

    def __init__(self) -> None:
        self._woken = False

    @workflow.run
    async def run(self, mission: str) -> None:
        """Have the mission carried until it has ended."""
        while True:
            self._woken = False
            carried: Carried = await workflow.execute_activity(
                ACTIVITY,
                mission,
                result_type=Carried,
                start_to_close_timeout=timedelta(days=_CARRY_DAYS),
                heartbeat_timeout=timedelta(seconds=SILENCE_SECONDS),
                retry_policy=_RETRY,
            )
            if carried.ended:
                return
            if not carried.moves:
                await self._until_due(carried.wake_seconds)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(mission)

    async def _until_due(self, seconds: float | None) -> None:
        timeout = None if seconds is None else timedelta(seconds=max(seconds, 0.0))
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=timeout)
        except TimeoutError:
            return

    @workflow.signal(name=WAKE)
    def wake(self) -> None:
        """Something happened to the mission."""
        self._woken = True
