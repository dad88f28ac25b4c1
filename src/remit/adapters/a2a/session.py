"""Messages to one agent, and tasks that are followed to their end."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import Any, TypeVar, cast

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.client import ClientCallContext
from a2a.client.errors import A2AClientError
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    Task,
)
from a2a.utils.errors import A2AError, InternalError
from google.protobuf.json_format import ParseDict, ParseError

from remit.adapters.a2a import answers
from remit.adapters.a2a.card import BINDINGS
from remit.adapters.a2a.heard import Heard
from remit.adapters.egress import outcome_of
from remit.errors import CredentialRefused, ToolUnavailable, ToolUnreachable
from remit.gateway.transport import ToolResult

T = TypeVar("T")
#: The first wait between two looks at a task, and the longest.
_LOOK_SECONDS, _LOOK_SECONDS_MAX = 0.05, 2.0
_CANCEL_SECONDS = 5.0
_TOLD_MAX = 500
_REFUSED = frozenset({401, 403})
_NOT_NOW = frozenset({429, 503})
#: What the library lets through of an answer that is none.
_NOT_IN_FORM = (ParseError, KeyError, TypeError, ValueError, AttributeError)


class SaidNo(Exception):
    """The agent's own error."""


class Session:
    """One agent under one card."""

    def __init__(self, card: AgentCard, client: httpx.AsyncClient) -> None:
        # The library streams where the card says that the agent does, and else asks for an answer at once.
        config = ClientConfig(
            streaming=True, polling=True, httpx_client=client, supported_protocol_bindings=list(BINDINGS)
        )
        self.card = card
        place = httpx.URL(card.supported_interfaces[0].url)
        self._host = place.host
        #: The host, as requests name it, with its port unless that is the scheme's own.
        self.audience = place.netloc.decode("ascii")
        self._client = ClientFactory(config).create(card)

    async def ask(self, message: Message, *, seconds: float) -> ToolResult:
        """Send a message, and follow what comes of it to its end.

        Raises:
            ToolUnavailable: it was not taken.
            ToolUnreachable: there was no answer in form or in time; the task, if there is one, was told to end.
        """
        heard = Heard()
        try:
            async with asyncio.timeout(seconds):
                await self._listen(message, heard)
                if heard.message is not None:
                    return answers.of_message(heard.message)
                assert heard.task is not None
                return answers.of_task(await self._followed(heard.task))
        except TimeoutError:
            ended = await self._ended(heard.task)
            raise ToolUnreachable(f"The agent was not done in {seconds:g} seconds{ended}.", rule="timeout") from None
        except asyncio.CancelledError:
            # The caller is gone; the time that this takes is bounded.
            await asyncio.shield(asyncio.ensure_future(self._ended(heard.task)))
            raise
        except SaidNo as no:
            return ToolResult(None, error=str(no))

    async def _listen(self, message: Message, heard: Heard) -> None:
        """Send the message, and hear what comes of it for as long as the agent tells by itself.

        Raises:
            ToolUnavailable, ToolUnreachable, SaidNo: nothing came of it that could be followed.
        """
        configuration = SendMessageConfiguration(
            return_immediately=True, accepted_output_modes=["text/plain", "application/json"]
        )
        request = SendMessageRequest(message=message, configuration=configuration)

        stream = cast("AsyncGenerator[StreamResponse]", self._client.send_message(request, context=ClientCallContext()))
        try:
            while (told := await self._in_form(anext(stream, None))) is not None:
                heard.take(told)
                if heard.settled:
                    return
        except (ToolUnreachable, SaidNo):
            if heard.task is None:
                raise
            # The task was taken, and can be looked at: a stream that broke off loses nothing.
        finally:
            await stream.aclose()
        if heard.task is None:
            raise ToolUnreachable(f"{self._host} answered nothing.", rule="not_in_form")

    async def _followed(self, task: Task) -> Task:
        """Look at a task until it has ended or waits."""
        wait = _LOOK_SECONDS
        while task.status.state not in answers.ENDED | answers.WAITING:
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _LOOK_SECONDS_MAX)
            try:
                task = await self._in_form(self._client.get_task(GetTaskRequest(id=task.id)))
            except CredentialRefused:
                raise
            except ToolUnavailable:
                continue  # it was taken; a look that failed changes nothing, and the time is bounded
        return task

    async def _ended(self, task: Task | None) -> str:
        """Tell a task to end; says in words what came of it."""
        if task is None:
            return ""
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                ended = await self._in_form(self._client.cancel_task(CancelTaskRequest(id=task.id)))
        except (ToolUnreachable, SaidNo, TimeoutError):
            return "; it was told to stop, and did not say that it has"
        return f"; it was told to stop, and is {answers.spelled(ended.status.state)}"

    async def _in_form(self, work: Awaitable[T]) -> T:
        """The library's answer; its failures in the catalogue's words.

        Raises:
            SaidNo: the agent's own error.
            ToolUnavailable, CredentialRefused, ToolUnreachable: there is no answer.
        """
        try:
            return await work
        except A2AClientError as error:
            raise self._failed(error) from None
        except InternalError:
            # After that nobody knows what was done.
            raise ToolUnreachable(f"{self._host} had an internal error.", rule="internal_error") from None
        except A2AError as error:
            name = type(error).__name__.removesuffix("Error")
            raise SaidNo(f"{name}: {' '.join(str(error).split())[:_TOLD_MAX]}") from None
        except _NOT_IN_FORM as error:
            raise self._not_in_form(error) from None

    def _failed(self, error: A2AClientError) -> Exception:
        cause = error.__cause__
        if isinstance(cause, httpx.HTTPStatusError):
            status = cause.response.status_code
            told, rule = f"{self._host} answered {status}.", f"http_{status}"
            if status in _REFUSED:
                return CredentialRefused(told, rule=rule)
            return (ToolUnavailable if status in _NOT_NOW else ToolUnreachable)(told, rule=rule)
        if isinstance(cause, httpx.TransportError):
            return outcome_of(cause, self._host)
        if isinstance(cause, json.JSONDecodeError):
            return self._not_in_form(cause)
        told = " ".join(str(error).split())
        if told.startswith("JSON-RPC Error "):
            return SaidNo(told.removeprefix("JSON-RPC Error ")[:_TOLD_MAX])
        return self._not_in_form(error)

    def _not_in_form(self, error: Exception) -> ToolUnreachable:
        return ToolUnreachable(f"{self._host} answered out of form ({type(error).__name__}).", rule="not_in_form")


def message_of(arguments: Mapping[str, Any], *, key: str, metadata: Mapping[str, Any]) -> Message:
    """The message of a call. Its id is the call's key, so that an agent can tell a message that it has had."""
    parts = [Part(text=arguments["text"], media_type="text/plain")] if "text" in arguments else []
    if "data" in arguments:
        parts.append(ParseDict({"data": arguments["data"], "mediaType": "application/json"}, Part()))
    message = Message(message_id=key, role=Role.ROLE_USER, parts=parts)
    message.task_id, message.context_id = arguments.get("task", ""), arguments.get("context", "")
    message.metadata.update(metadata)
    return message
