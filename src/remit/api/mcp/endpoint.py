"""The endpoint itself: from an HTTP request to a method and back, in both forms of the protocol."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from remit import __version__
from remit.api.entering import Arrived, Entrance
from remit.api.mcp import methods
from remit.api.mcp.clients import Client, Clients, Listening
from remit.api.mcp.exchange import Exchange, respond
from remit.api.mcp.lines import ASKABLE, CallLine, Questions
from remit.api.mcp.listening import Listeners
from remit.api.mcp.methods import Ask
from remit.api.mcp.modern import Paused, Pauses, check_envelope, check_mirrors
from remit.api.mcp.wire import (
    HANDSHAKE_VERSIONS,
    INVALID_PARAMS,
    INVALID_REQUEST,
    JSON,
    META,
    METHOD_NOT_FOUND,
    MODERN_VERSIONS,
    STATUS_OF,
    STREAM,
    Rejected,
    answer,
    failure,
    parsed,
)
from remit.control_plane import ControlPlane
from remit.errors import NotFound, RemitError
from remit.gateway import OnBehalf, Relay
from remit.ids import MissionId
from remit.registry import REQUESTS

PREFIX = "/mcp"
_BODY_BYTES_MAX = 4 << 20
_LENGTH_DIGITS_MAX = 20
_ID_HEADER = b"mcp-session-id"
_IDENTITY = {"name": "remit", "title": "Remit", "version": __version__}
#: What callers may keep of lists and of what is offered; nobody else may be shown it.
_FRESH: Mapping[str, Any] = {"ttlMs": 0, "cacheScope": "private"}
_CACHEABLE = frozenset({"tools/list", "server/discover", "resources/read", *methods.LISTS})


class McpEndpoint:
    """An ASGI application for `/mcp` and `/mcp/SOURCE`."""

    def __init__(self, plane: ControlPlane, entrance: Entrance) -> None:
        self._plane = plane
        self._entrance = entrance
        door = plane.core.door
        self._clients = Clients(door.vault.home_digest if door.member else None)
        self._pauses = Pauses()
        self._listeners = Listeners(plane)
        self._aside: set[asyncio.Task[Any]] = set()
        entrance.when_closed(self._hang_up)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        headers = dict(raw)
        number: Any = None
        try:
            body = await _read(receive, headers)
            source = self._source(scope["path"])
            arrived = await self._entrance.enter(Request(scope), body)
            if scope["method"] == "POST":
                message = _message(headers, body)
                number = message.get("id")
                await self._post(message, raw, headers, source, arrived, receive, send)
            elif scope["method"] == "GET":
                await self._listen(headers, source, arrived, receive, send)
            elif scope["method"] == "DELETE":
                await self._delete(headers, source, arrived, send)
            else:
                await respond(send, 405, headers=[(b"allow", b"POST, GET, DELETE")])
        except Rejected as no:
            await respond(send, no.status or STATUS_OF.get(no.code, 200), orjson.dumps(failure(number, no.to_json())))
        except RemitError as no:
            extra = [(b"www-authenticate", b"Bearer")] if no.status == 401 else []
            told = failure(number, {"code": INVALID_REQUEST, "message": str(no), "data": no.to_json()})
            await respond(send, no.status, orjson.dumps(told), headers=extra)

    # --- who comes, and whether the request is one

    def _source(self, path: str) -> str:
        name = path.removeprefix(PREFIX).strip("/")
        core = self._plane.core
        if name and name not in core.door.controls.registry.sources and name not in core.built_in:
            raise NotFound(f"{name[:64]!r} is no tool source.", hint="`/mcp` has the tools of all sources.")
        return name

    def _client(self, headers: Mapping[str, str], source: str, arrived: Arrived) -> Client:
        name = headers.get("mcp-session-id")
        if not name:
            raise Rejected(
                INVALID_REQUEST, "The header Mcp-Session-Id is missing: begin with `initialize`.", status=400
            )
        client = self._clients.find(name, arrived.whose, source)
        if client is None:
            raise Rejected(INVALID_REQUEST, "This session has ended, or is not yours: begin anew.", status=404)
        version = headers.get("mcp-protocol-version", client.version)
        if version not in HANDSHAKE_VERSIONS:
            raise Rejected(INVALID_REQUEST, "This version of the protocol was not agreed on.", status=400)
        return client

    # --- POST

    async def _post(
        self,
        message: dict[str, Any],
        raw: list[tuple[str, str]],
        headers: Mapping[str, str],
        source: str,
        arrived: Arrived,
        receive: Receive,
        send: Send,
    ) -> None:
        streams = STREAM.decode() in headers.get("accept", "")
        if headers.get("mcp-protocol-version") in MODERN_VERSIONS or _says_version(message):
            if "id" not in message or "method" not in message:
                await respond(send, 202)
                return
            check_envelope(message, headers, raw)
            exchange = Exchange(send, receive, streams=streams, hang_up_is_cancel=True)
            await self._modern(message, raw, source, arrived, exchange, receive, send)
            return
        if message.get("method") == "initialize" and "id" in message:
            await self._initialize(message, source, arrived, send)
            return
        client = self._client(headers, source, arrived)
        if "method" not in message:
            client.questions.answered(message["id"], {k: message[k] for k in ("result", "error") if k in message})
            await respond(send, 202)
        elif "id" not in message:
            self._notified(client, message)
            await respond(send, 202)
        else:
            exchange = Exchange(
                send,
                receive,
                streams=streams,
                hang_up_is_cancel=False,
                keep=lambda: self._clients.shelf.open(client.id),
                primes=_primes(client),
            )
            await self._request(client, message, arrived, exchange)

    async def _initialize(self, message: dict[str, Any], source: str, arrived: Arrived, send: Send) -> None:
        params = message.get("params") or {}
        wanted, can = params.get("protocolVersion"), params.get("capabilities")
        if not isinstance(wanted, str) or not isinstance(can, dict):
            raise Rejected(INVALID_PARAMS, "`initialize` names a protocolVersion and capabilities.", status=400)
        version = wanted if wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
        client = self._clients.open(arrived.whose, source, version, can)
        ask = self._ask(arrived, source, params, self._line(client, arrived, None, lambda _: None))
        result = {
            "protocolVersion": version,
            "capabilities": await methods.capabilities(ask),
            "serverInfo": {**_IDENTITY, "name": f"remit/{source}" if source else "remit"},
        }
        body = orjson.dumps(answer(message["id"], result))
        await respond(send, 200, body, headers=[(_ID_HEADER, client.id.encode())])

    def _notified(self, client: Client, message: Mapping[str, Any]) -> None:
        if message["method"] == "notifications/cancelled":
            number = (message.get("params") or {}).get("requestId")
            line = client.in_flight.get(number) if isinstance(number, int | str) else None
            if line is not None:
                line.leave()

    async def _request(self, client: Client, message: dict[str, Any], arrived: Arrived, exchange: Exchange) -> None:
        number, method, params = message["id"], message["method"], message.get("params") or {}
        if method in {"logging/setLevel", "resources/subscribe"}:
            client.private = True
        line = self._line(client, arrived, _token(params), exchange.emit)
        client.in_flight[number] = line
        exchange.begin(line)
        try:
            told = answer(number, await self._dispatch(self._ask(arrived, client.source, params, line), method))
        except Rejected as no:
            told = failure(number, no.to_json())
        finally:
            line.emit = None
            client.in_flight.pop(number, None)
        await exchange.finish(told)

    async def _dispatch(self, ask: Ask, method: str) -> Mapping[str, Any]:
        """What both forms of the protocol have, and what only the one with a handshake has."""
        match method:
            case "tools/call":
                return await methods.call_tool(ask)
            case "tools/list":
                return await methods.list_tools(ask)
            case "ping":
                return {}
            case "logging/setLevel":
                return await methods.set_level(ask)
        return await self._other(ask, method)

    async def _other(self, ask: Ask, method: str) -> Mapping[str, Any]:
        if method in methods.LISTS:
            return await methods.listed(ask, method)
        if method in REQUESTS:
            return await methods.governed(ask, method)
        raise Rejected(METHOD_NOT_FOUND, f"{method[:64]!r} is no method here.")

    # --- the protocol without a handshake

    async def _modern(
        self,
        message: dict[str, Any],
        raw: list[tuple[str, str]],
        source: str,
        arrived: Arrived,
        exchange: Exchange,
        receive: Receive,
        send: Send,
    ) -> None:
        number, method, params = message["id"], message["method"], message.get("params") or {}
        if method == "subscriptions/listen":
            await self._listeners.modern(number, params, arrived, source, receive, send)
            return
        can = params["_meta"][f"{META}clientCapabilities"]
        line = CallLine(
            _owner(arrived, source, can, private=False),
            can,
            token=_token(params),
            emit=exchange.emit,
            questions=Questions(),
        )
        ask = self._ask(arrived, source, params, line)
        exchange.begin(line)
        try:
            if method == "tools/call" and isinstance(name := params.get("name"), str):
                tool = ask.tool(name)
                check_mirrors(tool.input_schema if tool else {}, params.get("arguments"), raw)
            result = dict(await self._answered(ask, method, arrived, exchange))
        except Rejected as no:
            await exchange.finish(failure(number, no.to_json()), status=no.status or STATUS_OF.get(no.code, 200))
            return
        finally:
            line.emit = None
        result.setdefault("resultType", "complete")
        if method in _CACHEABLE and result["resultType"] == "complete":
            result = {**_FRESH, **result}
        result["_meta"] = {**(result.get("_meta") or {}), f"{META}serverInfo": _IDENTITY}
        await exchange.finish(answer(number, result))

    async def _answered(self, ask: Ask, method: str, arrived: Arrived, exchange: Exchange) -> Mapping[str, Any]:
        if method == "server/discover":
            return {"supportedVersions": list(MODERN_VERSIONS), "capabilities": await methods.capabilities(ask)}
        if method in {"ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}:
            raise Rejected(METHOD_NOT_FOUND, f"{method} is not part of this version of the protocol.")
        params = ask.params
        rest = {key: value for key, value in params.items() if key not in {"_meta", "inputResponses", "requestState"}}
        whose = (arrived.whose, ask.source, method, orjson.dumps(rest, option=orjson.OPT_SORT_KEYS))
        if "requestState" in params:
            paused = self._pauses.resume(params["requestState"], whose, params.get("inputResponses"))
            paused.line.emit = exchange.emit
        elif not (ask.source and ASKABLE & ask.line.capabilities.keys()):
            return await self._dispatch(ask, method)
        else:
            questions = Questions()
            line = CallLine(
                ask.line.owner, ask.line.capabilities, token=_token(params), emit=exchange.emit, questions=questions
            )
            ask.line.when_gone(line.leave)
            asked = Ask(ask.plane, ask.session, ask.bounds, ask.source, params, line)
            paused = Paused(whose, asyncio.ensure_future(self._dispatch(asked, method)), line, questions)
            line.pause = paused.ask
        result = await paused.next()
        if result is None:
            paused.line.emit = None
            return self._pauses.keep(paused)
        return result

    # --- GET and DELETE

    async def _listen(
        self, headers: Mapping[str, str], source: str, arrived: Arrived, receive: Receive, send: Send
    ) -> None:
        if headers.get("mcp-protocol-version") in MODERN_VERSIONS or not headers.get("mcp-session-id"):
            await respond(send, 405, headers=[(b"allow", b"POST")])
            return
        if STREAM.decode() not in headers.get("accept", ""):
            await respond(send, 406)
            return
        client, after = self._client(headers, source, arrived), 0
        if (last := headers.get("last-event-id")) is not None:
            found = self._clients.shelf.find(client.id, last)
            if found is None:
                told = "What came after this event is not kept any more, or was never told to you: listen anew."
                raise Rejected(INVALID_REQUEST, told, status=400)
            replay, after = found
            if client.listening is None or replay is not client.listening.replay:
                await self._listeners.resumed(replay, after, receive, send)
                return
        elif client.listening is not None and client.listening.connected:
            raise Rejected(INVALID_REQUEST, "This session listens already.", status=409)
        else:
            if client.listening is not None:
                client.listening.replay.end()
            client.listening = Listening(self._clients.shelf.open(client.id))
        await self._listeners.handshake(client.listening, after, arrived, source, receive, send, primes=_primes(client))

    async def _delete(self, headers: Mapping[str, str], source: str, arrived: Arrived, send: Send) -> None:
        client = self._client(headers, source, arrived)
        owner = _owner(arrived, source, client.capabilities, private=client.private)
        self._clients.end(client)
        others = (_owner_of(other, arrived) for other in self._clients.of(client.whose))
        if owner and owner not in others:
            self._spawn(self._hung_up(source, owner))
        await respond(send, 204)

    # --- parts

    def _ask(self, arrived: Arrived, source: str, params: Mapping[str, Any], line: CallLine) -> Ask:
        return Ask(self._plane, arrived.session, arrived.bounds, source, params, line)

    def _line(
        self, client: Client, arrived: Arrived, token: Any, emit: Callable[[Mapping[str, Any]], None]
    ) -> CallLine:
        owner = _owner(arrived, client.source, client.capabilities, private=client.private)
        return CallLine(owner, client.capabilities, token=token, emit=emit, ear=client, questions=client.questions)

    def _hang_up(self, mission: MissionId) -> None:
        for name in self._plane.core.door.controls.registry.sources:
            self._spawn(self._hung_up(name, f"{mission}|"))

    async def _hung_up(self, source: str, owner: str) -> None:
        transport = self._plane.core.transports.get(source)
        for one in transport.everyone() if isinstance(transport, OnBehalf) else (transport,):
            if isinstance(one, Relay):
                await one.hang_up(owner)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)


def _owner_of(client: Client, arrived: Arrived) -> str:
    return _owner(arrived, client.source, client.capabilities, private=client.private)


def _owner(arrived: Arrived, source: str, can: Mapping[str, Any], *, private: bool) -> str:
    """Who has a session with the source of its own: all callers of one agent's session that can be asked the same."""
    askable = sorted(ASKABLE & can.keys())
    if not source or not (askable or private):
        return ""
    return f"{arrived.session.mission}|{','.join(askable) or 'private'}"


def _primes(client: Client) -> bool:
    """Whether the caller's protocol knows events that hold nothing but a place to go on from."""
    return client.version == HANDSHAKE_VERSIONS[-1]


def _token(params: Mapping[str, Any]) -> Any:
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    return token if isinstance(token, (int, str)) else None


def _says_version(message: Mapping[str, Any]) -> bool:
    meta = (message.get("params") or {}).get("_meta")
    return isinstance(meta, dict) and f"{META}protocolVersion" in meta


def _message(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON.decode():
        raise Rejected(INVALID_REQUEST, "The body must be sent as application/json.", status=415)
    accepted = headers.get("accept", "*/*")
    if not any(kind in accepted for kind in ("application/json", "application/*", "*/*")):
        raise Rejected(INVALID_REQUEST, "The answer is application/json or text/event-stream: accept both.", status=406)
    return parsed(body)


async def _read(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The body, bounded.

    Raises:
        Rejected: it is longer than is taken; the rest is not read.
    """
    stated = headers.get("content-length", "0")
    long = Rejected(INVALID_REQUEST, f"The body is longer than {_BODY_BYTES_MAX} bytes.", status=413)
    # Digits of other scripts, and more of them than a number of that size has, are left to the count below.
    if stated.isascii() and stated.isdigit() and len(stated) <= _LENGTH_DIGITS_MAX and int(stated) > _BODY_BYTES_MAX:
        raise long
    chunks, size = [], 0
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise Rejected(INVALID_REQUEST, "The caller left.", status=400)
        chunks.append(part.get("body", b""))
        size += len(chunks[-1])
        if size > _BODY_BYTES_MAX:
            raise long
        if not part.get("more_body"):
            return b"".join(chunks)
