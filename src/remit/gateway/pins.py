"""Pins at a call: what a source offers now against the definitions that a person accepted.

A server may change what its tools say or take after it was accepted. Until a person accepts that, too, by applying the
source again, a tool that differs is not called.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from remit.errors import PinBroken, RemitError
from remit.gateway.transport import Line, Offering, Transport
from remit.registry import Registry, compare_pins, tools_of
from remit.tools import Tool

_Definitions = Sequence[Mapping[str, Any]]


class PinWatch:
    """What each source was last seen to offer, compared once for each change of either side."""

    def __init__(self) -> None:
        self._offered: dict[str, _Definitions] = {}
        #: Source to what was compared, and which tools are not what was accepted.
        self._compared: dict[str, tuple[Registry, _Definitions, Mapping[str, str]]] = {}

    def broken(self, registry: Registry, tool: Tool) -> str:
        """How the tool was last seen to differ; empty where nothing is known against it. Nothing is connected."""
        offered = self._offered.get(tool.source)
        return "" if offered is None else self._changes(registry, tool.source, offered).get(tool.name, "")

    async def look(self, registry: Registry, transport: Transport | None, tool: Tool, line: Line | None = None) -> None:
        """Connect where need be, and look at what the source offers now.

        Raises:
            PinBroken: it is something else than what was accepted.
            ToolUnreachable: it cannot be asked; nothing was called.
        """
        if transport is None or not _offers(type(transport)):
            return
        self._offered[tool.source] = await cast("Offering", transport).offered(line)
        if change := self.broken(registry, tool):
            # The new definition is the server's own text: an agent does not get to read it here.
            raise PinBroken(f"{tool.name} is {change} since it was accepted.")

    def _changes(self, registry: Registry, source: str, offered: _Definitions) -> Mapping[str, str]:
        compared = self._compared.get(source)
        if compared is None or compared[0] is not registry or not _same(compared[1], offered):
            compared = (registry, offered, _changes(registry, source, offered))
            self._compared[source] = compared
        return compared[2]


def _same(one: _Definitions, other: _Definitions) -> bool:
    return one is other or one == other


def _changes(registry: Registry, source: str, offered: _Definitions) -> Mapping[str, str]:
    accepted = [tool for tool in registry.tools.values() if tool.source == source]
    try:
        now = tools_of(registry.source(source), offered)
    except RemitError:
        return {tool.name: "offered in a form that cannot be used" for tool in accepted}
    words = {"changed": "defined otherwise", "gone": "not offered any more"}
    return {pin.tool: words[pin.change] for pin in compare_pins(accepted, now) if pin.change in words}


@lru_cache(maxsize=64)
def _offers(transport: type) -> bool:
    return issubclass(transport, Offering)
