"""What each method of the protocol does: all that touches a tool, a resource or a prompt goes through the door."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from remit.api.mcp import rendering
from remit.api.mcp.lines import CallLine
from remit.api.mcp.wire import INVALID_PARAMS, METHOD_NOT_FOUND, Rejected
from remit.control_plane import ControlPlane
from remit.errors import ApprovalPending, RemitError, ToolUnreachable
from remit.gateway import Answer, Bounds, Relay, transport_of
from remit.identity import Behalf
from remit.missions import Session
from remit.registry import REQUESTS
from remit.tools import Label, Tool

_PAGE = 200
_WAIT_SECONDS_MAX = 300.0
_LOOK_SECONDS = 0.25
_TELL_SECONDS = 2.0
_NAME_MAX = 200
#: Fields of `_meta` that a caller may set for the door.
WAIT, KEY = "remit/wait-seconds", "remit/idempotency-key"
#: Lists of a source, and the governed request that a caller must be granted to see each.
LISTS = {
    "resources/list": "resources/read",
    "resources/templates/list": "resources/read",
    "prompts/list": "prompts/get",
}
_ENVELOPE = frozenset({"_meta", "inputResponses", "requestState"})


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of an agent, on its way in."""

    plane: ControlPlane
    session: Session
    #: Of the token that it came with.
    bounds: Bounds
    #: The source whose path it came to; empty for the joint one.
    source: str
    params: Mapping[str, Any]
    line: CallLine

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the caller says about the request itself."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    def usable(self) -> dict[str, Tool]:
        """What the agent may use now on this path, by the name that the path gives it; models have their own way in."""
        return {
            tool.local_name if self.source else tool.name: tool
            for tool in self.session.usable(self.bounds.tools)
            if not tool.model and (not self.source or tool.source == self.source)
        }

    def tool(self, name: str) -> Tool | None:
        """A registered tool by the name that this path gives it, granted or not."""
        return self.plane.core.door.controls.registry.tools.get(self.full(name))

    def full(self, name: str) -> str:
        """The door's name for what this path calls `name`."""
        return f"{self.source}__{name}" if self.source else name

    def relay(self) -> Relay | None:
        """The source's transport, where the source speaks MCP."""
        if not self.source:
            return None
        behalf = Behalf(self.session.principal, self.session.agent)
        transport = transport_of(self.plane.core.transports, self.source, behalf)
        return cast("Relay", transport) if isinstance(transport, Relay) else None


async def capabilities(ask: Ask) -> dict[str, Any]:
    """What this path offers this agent: what the source does, as far as the agent may use it."""
    offered: dict[str, Any] = {"tools": {"listChanged": True}}
    relay = ask.relay()
    if relay is None:
        return offered
    try:
        said = (await relay.offers()).get("capabilities") or {}
    except ToolUnreachable:
        return offered  # tools that were accepted stand; each call says that the source cannot be reached
    usable = ask.usable()
    for capability, request in (("resources", "resources/read"), ("prompts", "prompts/get")):
        if isinstance(said.get(capability), dict) and request in usable:
            offered[capability] = said[capability]
    if said.get("completions") is not None and "completion/complete" in usable:
        offered["completions"] = said["completions"]
    if said.get("logging") is not None:
        offered["logging"] = said["logging"]
    return offered


async def list_tools(ask: Ask) -> Mapping[str, Any]:
    """One page of what the agent may use now; the cursor is the last name of the page before."""
    after = ask.params.get("cursor", "")
    if not isinstance(after, str):
        raise Rejected(INVALID_PARAMS, "The cursor is not one that was given out.")
    usable = {name: tool for name, tool in ask.usable().items() if tool.local_name not in REQUESTS}
    names = sorted(name for name in usable if name > after)
    page: dict[str, Any] = {"tools": [rendering.definition(usable[name], name) for name in names[:_PAGE]]}
    if len(names) > _PAGE:
        page["nextCursor"] = names[_PAGE - 1]
    return page


async def call_tool(ask: Ask) -> Mapping[str, Any]:
    """A call through the door; a refusal is a result that says why."""
    name, arguments = ask.params.get("name"), ask.params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, (dict, type(None))):
        raise Rejected(INVALID_PARAMS, "A call has a `name`, and `arguments` that are an object.")
    tool = ask.tool(name[:_NAME_MAX])
    try:
        return rendering.called(await _through(ask, ask.full(name[:_NAME_MAX]), arguments or {}))
    except RemitError as no:
        return rendering.refused(no, tool)


async def governed(ask: Ask, method: str) -> Mapping[str, Any]:
    """A read of a resource, a prompt or a completion: a call like any other."""
    if not ask.source or ask.tool(method) is None:
        raise Rejected(METHOD_NOT_FOUND, f"{method} is offered by no source on this path.")
    arguments = {name: value for name, value in ask.params.items() if name not in _ENVELOPE}
    try:
        return rendering.requested(await _through(ask, ask.full(method), arguments))
    except RemitError as no:
        raw = getattr(no, "raw", None)
        if raw is not None:
            rendering.called(Answer(None, label=Label(trusted=False), recorded=False, raw=raw))
        raise Rejected.by(no) from None


async def listed(ask: Ask, method: str) -> Mapping[str, Any]:
    """A list of the source's, for those who may read what stands in it."""
    relay = ask.relay()
    if relay is None or LISTS[method] not in ask.usable():
        raise Rejected(METHOD_NOT_FOUND, f"{method} is not offered to this agent on this path.")
    cursor = ask.params.get("cursor")
    params = {"cursor": cursor} if isinstance(cursor, str) else {}
    return await _relayed(relay.request(ask.line, method, params))


async def set_level(ask: Ask) -> Mapping[str, Any]:
    """From which level on the source logs to this agent."""
    relay, level = ask.relay(), ask.params.get("level")
    if relay is None:
        raise Rejected(METHOD_NOT_FOUND, "Nothing on this path logs.")
    if not isinstance(level, str):
        raise Rejected(INVALID_PARAMS, "`level` is missing.")
    return await _relayed(relay.request(ask.line, "logging/setLevel", {"level": level[:20]}))


async def _relayed(asking: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        outcome = await asking
    except RemitError as no:
        raise Rejected.by(no) from None
    error, result = outcome.get("error"), outcome.get("result")
    if isinstance(error, dict):
        raise Rejected(int(error.get("code", 0)), str(error.get("message", "")), data=error.get("data"))
    return result if isinstance(result, dict) else {}


async def _through(ask: Ask, tool: str, arguments: Mapping[str, Any]) -> Answer:
    """Through the door; for a caller that wants to, wait a while for a person's answer.

    Raises:
        ApprovalPending: nobody has answered in that time.
    """
    key = str(ask.meta.get(KEY) or "")[:_NAME_MAX]

    def call() -> Awaitable[Answer]:
        return ask.session.call(tool, arguments, bounds=ask.bounds, idempotency_key=key, line=ask.line)

    wanted = ask.meta.get(WAIT)
    seconds = min(float(wanted), _WAIT_SECONDS_MAX) if isinstance(wanted, (int, float)) else 0.0
    try:
        return await call()
    except ApprovalPending as pending:
        if seconds <= 0:
            raise
        return await _waited(ask, call, pending, seconds)


async def _waited(ask: Ask, call: Callable[[], Awaitable[Answer]], pending: ApprovalPending, seconds: float) -> Answer:
    clock = asyncio.get_running_loop().time
    began = told = clock()
    gone = asyncio.Event()
    ask.line.when_gone(gone.set)
    while clock() - began < seconds and not gone.is_set():
        if clock() - told >= _TELL_SECONDS:
            told = clock()
            waited = {"progress": round(told - began, 1), "total": seconds, "message": str(pending)}
            await ask.line.told("notifications/progress", waited)
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            return await call()
        except ApprovalPending as still:
            pending = still
    raise pending
