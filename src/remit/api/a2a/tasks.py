"""Messages and tasks of the protocol, as asking for a skill and looking at a mission."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from a2a.server.context import ServerCallContext
from a2a.server.routes.common import DefaultServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types import CancelTaskRequest, GetTaskRequest, SendMessageRequest, SubscribeToTaskRequest, Task
from a2a.utils.errors import (
    A2AError,
    InternalError,
    InvalidParamsError,
    InvalidRequestError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from starlette.requests import Request
from starlette.responses import Response

from remit.api.a2a.streams import Event, Streams
from remit.api.a2a.unbuilt import Unbuilt
from remit.api.a2a.wire import ENDED, WAITING, task_of, wanted_of
from remit.api.entering import Arrived
from remit.control_plane import Skills, Wanted
from remit.errors import Fault, MissionEnded, Misuse, NotFound, RemitError
from remit.missions import MissionStatus

#: How long an answer is waited for before the task is shown as it stands.
_WAIT_SECONDS = 25.0
_LOOK_SECONDS, _LOOK_SECONDS_MAX = 0.02, 0.5


class Tasks:
    """Reads and writes the protocol for all agents of a home."""

    def __init__(self, skills: Skills) -> None:
        self._dispatcher = JsonRpcDispatcher(_Handler(skills), _Contexts())

    async def respond(self, request: Request, arrived: Arrived, agent: str) -> Response:
        """The answer to one request of an agent that was let in."""
        request.state.arrived, request.state.agent = arrived, agent
        response: Response = await self._dispatcher.handle_requests(request)
        return response


class _Contexts(DefaultServerCallContextBuilder):
    """Hands on who came, and to which agent; the library need not see the token."""

    def build(self, request: Request) -> ServerCallContext:
        context = super().build(request)
        context.state["headers"] = {k: v for k, v in request.headers.items() if k == "a2a-version"}
        context.state["host"] = request.headers.get("host", "")
        context.state["arrived"], context.state["agent"] = request.state.arrived, request.state.agent
        return context


class _Handler(Unbuilt):
    """What the protocol's methods do here."""

    def __init__(self, skills: Skills) -> None:
        self._skills = skills
        self._streams = Streams(skills)

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        arrived, agent = _who(context)
        task = params.message.task_id
        try:
            mission = task or await self._skills.ask(arrived.identity, arrived.session, _wanted(agent, params, context))
            async for event in self._streams.of(arrived, agent, mission, past_waiting=False):
                yield event
        except RemitError as no:
            raise _told(no, about_task=bool(task)) from None

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Event]:
        arrived, agent = _who(context)
        try:
            if task_of(await self._skills.look(arrived.identity, agent, params.id)).status.state in ENDED:
                raise UnsupportedOperationError("The task has ended; look at it with GetTask.")
            async for event in self._streams.of(arrived, agent, params.id, past_waiting=True):
                yield event
        except RemitError as no:
            raise _told(no, about_task=True) from None

    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task:
        arrived, agent = _who(context)
        try:
            mission = params.message.task_id
            if not mission:
                wanted = _wanted(agent, params, context)
                mission = await self._skills.ask(arrived.identity, arrived.session, wanted)
            seconds = 0.0 if params.configuration.return_immediately else _WAIT_SECONDS
            return await self._followed(arrived, agent, mission, seconds)
        except RemitError as no:
            raise _told(no, about_task=bool(params.message.task_id)) from None

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        arrived, agent = _who(context)
        try:
            return task_of(await self._skills.look(arrived.identity, agent, params.id))
        except RemitError as no:
            raise _told(no, about_task=True) from None

    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        arrived, agent = _who(context)
        try:
            await self._skills.cancel(arrived.identity, agent, params.id)
            return task_of(await self._skills.look(arrived.identity, agent, params.id))
        except MissionEnded:
            raise TaskNotCancelableError from None
        except RemitError as no:
            raise _told(no, about_task=True) from None

    async def _followed(self, arrived: Arrived, agent: str, mission: str, seconds: float) -> Task:
        """The task once it has ended or waits for a person, or as it stands when the time is over."""
        loop = asyncio.get_running_loop()
        until, wait = loop.time() + seconds, _LOOK_SECONDS
        while True:
            standing = await self._skills.look(arrived.identity, agent, mission)
            task = task_of(standing)
            if task.status.state in ENDED | WAITING:
                return task
            while not await self._skills.moved(standing):
                if loop.time() >= until:
                    return task
                await asyncio.sleep(wait)
                wait = min(wait * 1.3, _LOOK_SECONDS_MAX)
            if standing.status is not MissionStatus.WORKING or loop.time() >= until:
                return task


def _who(context: ServerCallContext) -> tuple[Arrived, str]:
    return context.state["arrived"], context.state["agent"]


def _wanted(agent: str, params: SendMessageRequest, context: ServerCallContext) -> Wanted:
    return wanted_of(agent, params, host=context.state["host"])


def _told(error: RemitError, *, about_task: bool) -> A2AError:
    """An error of the catalogue as one of the protocol, with code, rule and hint as its data."""
    data: Mapping[str, str] = {"code": error.code, "rule": error.rule, "hint": error.advice or ""}
    words = " ".join(part for part in (error.title, error.detail) if part)
    if about_task and isinstance(error, NotFound):
        return TaskNotFoundError(words, dict(data))
    kind = InternalError if isinstance(error, Fault) else InvalidParamsError if isinstance(error, Misuse) else None
    return (kind or InvalidRequestError)(f"{words} Rule: {error.rule}.", dict(data))
