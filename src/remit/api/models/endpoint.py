"""Chat completions, responses and embeddings, each a turn of a model through the door."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from remit.api.depth import LEVELS_MAX, is_too_deep
from remit.api.models.answers import error_of, event, is_usage_only
from remit.api.models.conversation import PREVIOUS, gone_on
from remit.api.models.entering import Entered, Enters
from remit.control_plane import ControlPlane
from remit.errors import InvalidInput, RemitError, ToolUnreachable, UnknownTool
from remit.gateway import Answer
from remit.tools import Tool

_BODY_BYTES_MAX = 20 * 1024 * 1024
#: The agent's own name for the prompt that its instructions were made of, `NAME` or `NAME@VERSION`.
PROMPT_HEADER = "x-remit-prompt"
_KEY_HEADER = "idempotency-key"
_NAME_MAX = 200
_PATHS = {"/chat/completions": "chat", "/responses": "responses", "/embeddings": "embeddings"}


class ModelsEndpoint:
    """The routes below `/v1`."""

    def __init__(self, plane: ControlPlane, enters: Enters) -> None:
        self._plane = plane
        self._enters = enters

    def routes(self, prefix: str = "/v1") -> list[Route]:
        """Every route, below `prefix`."""
        asked = [
            Route(prefix + path, self._route_of(operation), methods=["POST"]) for path, operation in _PATHS.items()
        ]
        return [*asked, Route(f"{prefix}/models", self._models, methods=["GET"])]

    def _route_of(self, operation: str) -> Any:
        async def route(request: Request) -> Response:
            try:
                body = await _body(request)
                entered = await self._enters(request, body)
                return await self._ask(request, entered, operation, _read(body))
            except RemitError as error:
                return _told(error)

        return route

    async def _models(self, request: Request) -> Response:
        try:
            entered = await self._enters(request, b"")
            usable = entered.session.usable(entered.bounds.tools)
            names = sorted({tool.local_name for tool in usable if _is_model(tool)})
        except RemitError as error:
            return _told(error)
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "remit"} for name in names]
        return JSONResponse({"object": "list", "data": models})

    async def _ask(self, request: Request, entered: Entered, operation: str, asked: dict[str, Any]) -> Response:
        model, streams = asked.pop("model", None), asked.pop("stream", None)
        if not isinstance(model, str) or not model:
            raise InvalidInput("`model` is missing: name one of `GET /v1/models`.")
        if not isinstance(streams, bool | None):
            raise InvalidInput("`stream` is neither true nor false.")
        tools = self._chain(entered, model)
        if operation == "responses" and asked.get(PREVIOUS) is not None:
            asked = await gone_on(entered.session, asked)
        turn = _Turn(entered, operation, asked, _prompt(request), request.headers.get(_KEY_HEADER, "")[:_NAME_MAX])
        if streams and operation != "embeddings":
            return await _streamed(turn, tools)
        answer = await turn.first_of(tools)
        return JSONResponse(answer.content, headers=_headers(entered, answer))

    def _chain(self, entered: Entered, model: str) -> list[Tool]:
        """The model that is asked for, and those that stand in for it where it cannot be reached.

        Raises:
            UnknownTool: this agent has no such model.
        """
        allowed = {tool.name: tool for tool in _models_of(entered)}
        found = [
            tool
            for tool in allowed.values()
            if model in {tool.local_name, tool.name, f"{tool.source}/{tool.local_name}"}
        ]
        if len(found) != 1:
            names = sorted({tool.local_name for tool in allowed.values()})
            told = "Several sources offer it; name it SOURCE/MODEL." if found else "This agent may not use it."
            raise UnknownTool(
                f"The model is {model[:_NAME_MAX]!r}. {told}",
                hint=f"Models of this agent: {', '.join(names) or 'none'}. Grant one in the agent's `tools`.",
            )
        (first,) = found
        source = self._plane.core.door.controls.registry.sources.get(first.source)
        instead = source.fallbacks(first.local_name) if source is not None else ()
        return [first, *(allowed[name] for name in instead if name in allowed)]


class _Turn:
    """One request of an agent."""

    def __init__(self, entered: Entered, operation: str, asked: Mapping[str, Any], prompt: str, key: str) -> None:
        self.entered = entered
        self.operation = operation
        self.asked = asked
        self.prompt = prompt
        self.key = key

    async def first_of(self, tools: list[Tool], on_part: Any = None) -> Answer:
        """The answer of the first model that gives one; a stream is never begun twice.

        Raises:
            Refusal, ToolFailed, ToolUnreachable: as the door says of the last that was asked.
        """
        begun = False

        def passing(part: Any) -> None:
            nonlocal begun
            begun = True
            on_part(part)

        for place, tool in enumerate(tools, 1):
            try:
                return await self._ask(tool, passing if on_part else None)
            except ToolUnreachable:
                if place == len(tools) or begun:
                    raise
        raise AssertionError("there is at least one model")

    async def _ask(self, tool: Tool, on_part: Any) -> Answer:
        instructions = _instructions(self.operation, self.asked)
        return await self.entered.session.call(
            tool.name,
            {"model": tool.local_name, "operation": self.operation, "request": self.asked},
            bounds=self.entered.bounds,
            idempotency_key=self.key,
            prompt=(self.prompt, instructions),
            on_part=on_part,
        )


async def _streamed(turn: _Turn, tools: list[Tool]) -> Response:
    """Answer with a stream, or with an error while nothing has been sent yet."""
    parts: asyncio.Queue[Any] = asyncio.Queue()
    asking = asyncio.create_task(turn.first_of(tools, parts.put_nowait))
    asking.add_done_callback(lambda _: parts.put_nowait(_END))
    first = await parts.get()
    if first is _END:
        answer = asking.result()  # on record already, or the whole came at once
        return StreamingResponse(_recorded(turn, answer), media_type="text/event-stream")
    return StreamingResponse(_pieces(turn, asking, parts, first), media_type="text/event-stream")


_END = object()


async def _pieces(
    turn: _Turn, asking: asyncio.Task[Answer], parts: asyncio.Queue[Any], first: Any
) -> AsyncIterator[bytes]:
    part = first
    while part is not _END:
        if not (turn.operation == "chat" and is_usage_only(part) and not _wants_usage(turn)):
            yield event(part, name=part["type"] if turn.operation == "responses" else "")
        part = await parts.get()
    error = asking.exception()
    if isinstance(error, RemitError):
        _, told = error_of(error)
        yield event(told, name="error" if turn.operation == "responses" else "")
        return
    if error is not None:
        raise error
    if turn.operation == "chat":
        yield b"data: [DONE]\n\n"


async def _recorded(turn: _Turn, answer: Answer) -> AsyncIterator[bytes]:
    """A whole answer as a stream: it came from the record."""
    if turn.operation == "responses":
        yield event({"type": "response.completed", "response": answer.content}, name="response.completed")
        return
    for chunk in _chunks(answer.content):
        if not (is_usage_only(chunk) and not _wants_usage(turn)):
            yield event(chunk)
    yield b"data: [DONE]\n\n"


def _chunks(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A completion that stands on record, as a client that asked for a stream takes it."""
    head = {name: answer[name] for name in ("id", "created", "model") if name in answer}
    head["object"] = "chat.completion.chunk"
    chunks = []
    for choice in answer.get("choices", ()):
        message = dict(choice.get("message") or {})
        if message.get("tool_calls"):
            message["tool_calls"] = [{"index": n, **call} for n, call in enumerate(message["tool_calls"])]
        index = choice.get("index", 0)
        chunks.append({**head, "choices": [{"index": index, "delta": message, "finish_reason": None}]})
        ended = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}
        chunks.append({**head, "choices": [ended]})
    if answer.get("usage"):
        chunks.append({**head, "choices": [], "usage": answer["usage"]})
    return chunks


def _wants_usage(turn: _Turn) -> bool:
    options = turn.asked.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))


def _models_of(entered: Entered) -> list[Tool]:
    """The models that this agent may ask in OpenAI's form."""
    return [tool for tool in entered.session.tools(entered.bounds.tools) if _is_model(tool)]


def _is_model(tool: Tool) -> bool:
    return tool.model and tool.source != "model"


def _names_of(tool: Tool) -> tuple[str, str, str]:
    return tool.local_name, tool.name, f"{tool.source}/{tool.local_name}"


def _prompt(request: Request) -> str:
    return request.headers.get(PROMPT_HEADER, "")[:_NAME_MAX]


def _instructions(operation: str, asked: Mapping[str, Any]) -> str:
    """What stands above the conversation: what an agent's prompt is made of."""
    if operation == "responses":
        told = asked.get("instructions")
        return told if isinstance(told, str) else ""
    messages = asked.get("messages")
    texts = [
        message.get("content")
        for message in (messages if isinstance(messages, list) else ())
        if isinstance(message, Mapping) and message.get("role") in ("system", "developer")
    ]
    return orjson.dumps(texts).decode() if texts else ""


def _headers(entered: Entered, answer: Answer) -> dict[str, str]:
    return {"x-remit-mission": entered.session.mission, "x-remit-recorded": "true" if answer.recorded else "false"}


def _told(error: RemitError) -> Response:
    status, body = error_of(error)
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if error.retry_after_seconds:
        headers["retry-after"] = str(math.ceil(error.retry_after_seconds))
    return JSONResponse(body, status_code=status, headers=headers)


async def _body(request: Request) -> bytes:
    """The whole body, bounded.

    Raises:
        InvalidInput: it is larger.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > _BODY_BYTES_MAX:
            raise InvalidInput(f"The request has more than {_BODY_BYTES_MAX} bytes.")
        parts.append(part)
    return b"".join(parts)


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(body)
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None
    if not isinstance(asked, dict):
        raise InvalidInput("The body is not a JSON object.")
    if is_too_deep(asked, body):
        raise InvalidInput(f"Lists and objects stand more than {LEVELS_MAX} deep.")
    return asked
