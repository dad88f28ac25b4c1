"""A permitted call is carried to its source: pin looked at once more, credential injected there, a halt may cut it."""

import asyncio
from functools import lru_cache
from typing import cast

from remit.errors import Halted, PersonCredentialMissing, PinBroken, StreamMoved, ToolUnavailable, ToolUnreachable
from remit.gateway.ancestry import told_outside
from remit.gateway.call_log import Recorded
from remit.gateway.limits import Asks
from remit.gateway.record import settle, write_off
from remit.gateway.transport import (
    Asker,
    Checking,
    Delegating,
    Handed,
    Recording,
    Relay,
    Streaming,
    ToolResult,
    Transport,
)
from remit.gateway.way import Answer, Way, now_us
from remit.registry import UNLIMITED
from remit.tools import Tool

#: How often a tool of Remit's own is carried out anew because others wrote at the same time.
_MOVED_MAX = 50


def asks_for(way: Way, tool: Tool) -> Asks:
    """Whose limits the call counts against."""
    registry, caller = way.door.controls.registry, way.caller
    version = registry.versions.get(caller.agent)
    of_tool, of_source = registry.limits_of(tool)
    return Asks(caller.tenant, caller.agent_name, tool, version.limits if version else UNLIMITED, of_tool, of_source)


def check_with_source(way: Way, tool: Tool) -> None:
    """Where the source knows more about arguments than a schema can say, it looks at them.

    Raises:
        InvalidArguments: they cannot be meant, or ask for what would pass by the door.
    """
    transport = way.transport(tool)
    if transport is not None and _checks(type(transport)):
        cast("Checking", transport).check(tool, way.call.arguments)


async def look_at_pin(way: Way, tool: Tool) -> None:
    """The pin once more, now that the source may be connected: what it offers is what was accepted, or no call.

    Raises:
        PinBroken: it offers something else.
        ToolUnreachable: it cannot be asked.
    """
    transport = way.transport(tool)
    try:
        await way.door.pins.look(way.door.controls.registry, transport, tool, way.to_be_sent(tool).line)
    except ToolUnreachable as silent:
        _count_silence(way, tool, silent)
        raise


async def carry_out(way: Way, tool: Tool, recorded: Recorded, *, again: bool = False) -> Answer:
    """Make the call that stands on record, and put its outcome there.

    Raises:
        Halted: a halt cut it.
        ToolFailed: the tool said no.
        ToolUnreachable: it did not answer; a write stays open then, unless it certainly did nothing.
    """
    admission = way.door.admission
    hold = recorded.permit["hold"]
    try:
        transport = way.transport(tool)
        if transport is None:
            raise ToolUnavailable(f"The source {tool.source} is not connected.")
        await _still_pinned(way, transport, tool)
        result = await _in_time(way, transport, tool)
    except Halted:
        await write_off(way.door, recorded, way.log, used=hold)
        raise
    except ToolUnreachable as silent:
        _count_silence(way, tool, silent)
        # Certain of this sending alone: what an earlier one did under the same key, it cannot say; nor what a driver
        # that took over has sent under it meanwhile, so that only the current one may say that a write did nothing.
        sure = isinstance(silent, ToolUnavailable) and not again
        fence = (way.lease, way.caller.epoch) if tool.sink else None
        if not tool.sink or sure:
            await write_off(way.door, recorded, way.log, used=0 if sure else hold, fence=fence)
        # A write whose effect is not known stays open: the next attempt finishes it under the same key.
        raise
    admission.answered(tool.source)
    for _ in range(_MOVED_MAX):
        try:
            return await settle(way, tool, recorded, result)
        except StreamMoved:
            if result.effects is None:
                raise
            result = await _carry(way, transport, tool)  # nothing was written: made anew on what is there now
    raise StreamMoved(f"What {tool.name} changes kept moving; nothing was written.")


def did_nothing(way: Way, silent: ToolUnreachable) -> bool:
    """True where another source may be asked: nothing was written, nor can have been."""
    tool = way.door.controls.registry.tools.get(way.call.tool)
    if tool is None or not tool.sink:
        return tool is not None
    recorded = way.log.last(way.caller.step, way.key)
    return isinstance(silent, ToolUnavailable) and (recorded is None or recorded.done is not None)


def _count_silence(way: Way, tool: Tool, silent: ToolUnreachable) -> None:
    """What the source itself is to blame for counts against it; that one person has no credential there does not."""
    if not isinstance(silent, PersonCredentialMissing):
        way.door.admission.unreachable(tool.source)


async def _still_pinned(way: Way, transport: Transport, tool: Tool) -> None:
    """A source that connected anew since the intent was recorded is looked at anew; nothing was sent yet."""
    try:
        await way.door.pins.look(way.door.controls.registry, transport, tool, way.to_be_sent(tool).line)
    except PinBroken as broken:
        raise ToolUnavailable(broken.detail, rule=broken.rule) from broken


async def _in_time(way: Way, transport: Transport, tool: Tool) -> ToolResult:
    """Hand the call to its transport, for as long as its caller waits.

    Raises:
        ToolUnreachable: it did not answer in that time; what it did is not known.
    """
    seconds = way.call.timeout_seconds
    if not seconds:
        return await _carry(way, transport, tool)
    try:
        async with asyncio.timeout(seconds):
            return await _carry(way, transport, tool)
    except TimeoutError as slow:
        raise ToolUnreachable(f"{tool.name} did not answer within {seconds:g} s.", rule="step_timeout") from slow


async def _carry(way: Way, transport: Transport, tool: Tool) -> ToolResult:
    """Hand the call to its transport.

    Raises:
        Halted: a halt cut it; what it did is not known.
    """
    door, caller, call, key = way.door, way.caller, way.to_be_sent(tool), way.key
    task = asyncio.current_task()
    assert task is not None
    door.under_way[task] = (caller, tool)
    try:
        if tool.model and isinstance(transport, Streaming):
            # What policy wants masked comes whole, whoever listens.
            on_part = call.on_part if way.redaction is not None else door.live.heard(caller, tool.name, call.on_part)
            if on_part is not None:
                return await transport.stream(tool, call.arguments, idempotency_key=key, on_part=on_part)
        if call.line is not None and _relays(type(transport)):
            return await cast("Relay", transport).call_on(call.line, tool, call.arguments, idempotency_key=key)
        if _delegates(type(transport)):
            hand_on = cast("Delegating", transport).delegate
            above = told_outside(door.vault, caller)
            hops = await door.came_with(above)
            handed = Handed(above, hops, caller.agent)
            return await hand_on(tool, call.arguments, idempotency_key=key, handed=handed)
        if tool.own and _records(type(transport)):
            return await cast("Recording", transport).record(_asker(way), tool, call.arguments)
        return await transport.call(tool, call.arguments, idempotency_key=key)
    except asyncio.CancelledError:
        if task not in door.cut:
            raise
        task.uncancel()
        raise Halted(f"The call of {tool.name} was cut.") from None
    finally:
        door.cut.discard(task)
        door.under_way.pop(task, None)


def _asker(way: Way) -> Asker:
    caller = way.caller
    return Asker(
        caller.tenant,
        caller.principal,
        caller.mission,
        caller.step,
        caller.agent,
        caller.stream,
        way.tape.label,
        way.log.last_effect(caller.step),
        now_us(way.door.clock),
    )


# Asking a protocol itself costs as much as a decision of policy does: it is asked once for each kind of transport.


@lru_cache(maxsize=64)
def _checks(transport: type) -> bool:
    return issubclass(transport, Checking)


@lru_cache(maxsize=64)
def _relays(transport: type) -> bool:
    return issubclass(transport, Relay)


@lru_cache(maxsize=64)
def _delegates(transport: type) -> bool:
    return issubclass(transport, Delegating)


@lru_cache(maxsize=64)
def _records(transport: type) -> bool:
    return issubclass(transport, Recording)
