"""A task as it goes on, for those who listen instead of looking: what is new of it, piece by piece."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

from a2a.types import Task, TaskArtifactUpdateEvent, TaskStatusUpdateEvent

from remit.api.a2a.wire import ENDED, WAITING, task_of
from remit.api.entering import Arrived
from remit.control_plane import Skills
from remit.errors import Overloaded

#: What one stream gives; the first is the task as it stands.
Event = Task | TaskStatusUpdateEvent | TaskArtifactUpdateEvent
#: Of a home, all agents together: each holds a connection.
STREAMS_MAX = 256
_LOOK_SECONDS, _LOOK_SECONDS_MAX = 0.02, 0.5


class Streams:
    """Who listens to tasks of this home."""

    def __init__(self, skills: Skills) -> None:
        self._skills = skills
        self._open = 0

    async def of(self, arrived: Arrived, agent: str, mission: str, *, past_waiting: bool) -> AsyncGenerator[Event]:
        """The task, then what changes of it, until it has ended, or the token that it is told to has.

        Args:
            arrived: who listens.
            agent: whose task it is.
            mission: the task.
            past_waiting: goes on where a person is asked; else ends there.

        Raises:
            NotFound: this agent began no such task.
            Overloaded: too many listen at once.
        """
        if self._open >= STREAMS_MAX:
            raise Overloaded(f"{STREAMS_MAX} tasks are listened to at once.", retry_after_seconds=5)
        self._open += 1
        try:
            standing = await self._skills.look(arrived.identity, agent, mission)
            told = task_of(standing)
            yield told
            wait = _LOOK_SECONDS
            while not _over(told, past_waiting=past_waiting) and self._skills.hears(arrived.identity):
                if not await self._skills.moved(standing):
                    await asyncio.sleep(wait)
                    wait = min(wait * 1.3, _LOOK_SECONDS_MAX)
                    continue
                before, wait = told, _LOOK_SECONDS
                standing = await self._skills.look(arrived.identity, agent, mission)
                told = task_of(standing)
                for event in _new(before, told):
                    yield event
        finally:
            self._open -= 1


def _over(task: Task, *, past_waiting: bool) -> bool:
    return task.status.state in ENDED or (not past_waiting and task.status.state in WAITING)


def _new(before: Task, now: Task) -> Iterator[Event]:
    """Artifacts first: what says that a task has ended is the last of it."""
    for artifact in now.artifacts[len(before.artifacts) :]:
        yield TaskArtifactUpdateEvent(
            task_id=now.id, context_id=now.context_id, artifact=artifact, append=False, last_chunk=True
        )
    if now.status.state != before.status.state:
        yield TaskStatusUpdateEvent(task_id=now.id, context_id=now.context_id, status=now.status)
