"""Pins: the definitions of tools that people accepted, and what a source offers now in their place."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from remit.ledger import PutRecord
from remit.quantities import Money
from remit.registry.differences import differences
from remit.tools import Confidentiality, Origin, Role, Tier, Tool

#: The table of the store that holds accepted tools, by full name.
TOOL_TABLE = "tool"


@dataclass(frozen=True, slots=True)
class PinChange:
    """A tool that is not what was accepted."""

    tool: str
    change: Literal["changed", "gone", "new"]
    #: What changed, in words; empty where the tool is gone or new.
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.change == "gone":
            return f"{self.tool} is not offered any more"
        if self.change == "new":
            return f"{self.tool} is offered, but nobody accepted it yet"
        return f"{self.tool} has changed: {'; '.join(self.what)}"

    @property
    def accepted(self) -> str:
        """The same, as it is told to the person who accepts it by applying its source."""
        return f"{self.tool} is new" if self.change == "new" else str(self)


def compare_pins(accepted: Iterable[Tool], offered: Iterable[Tool]) -> tuple[PinChange, ...]:
    """What differs between the tools that were accepted and those that a source offers now, by name."""
    before = {tool.name: tool for tool in accepted}
    now = {tool.name: tool for tool in offered}
    changes = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            changes.append(PinChange(name, "gone"))
        elif name not in before:
            changes.append(PinChange(name, "new"))
        elif before[name].pin != now[name].pin:
            what = differences(_pinned(before[name]), _pinned(now[name]))
            changes.append(PinChange(name, "changed", tuple(map(str, what))))
    return tuple(changes)


def accept_tools(offered: Iterable[Tool], before: Iterable[Tool] = ()) -> tuple[PutRecord, ...]:
    """Records that make `offered` the accepted tools of their source; those of `before` that are gone are removed.

    A tool that stands accepted as it is gives no record.
    """
    known = {tool.name: tool for tool in before}
    now = {tool.name: tool for tool in offered}
    gone = [PutRecord(TOOL_TABLE, name, None) for name in sorted(known.keys() - now.keys())]
    new = [PutRecord(TOOL_TABLE, name, tool_to_json(now[name])) for name in sorted(now) if known.get(name) != now[name]]
    return (*gone, *new)


def tool_to_json(tool: Tool) -> dict[str, Any]:
    """An accepted tool as it stands in the store, with its pin."""
    return {
        **_pinned(tool),
        "source": tool.source,
        "cost": {"micros": tool.cost.micros, "currency": tool.cost.currency} if tool.cost else None,
        "timeout_seconds": tool.timeout_seconds,
        "model": tool.model,
        "pin": tool.pin,
    }


def tool_from_json(value: dict[str, Any]) -> Tool:
    """Read an accepted tool back from the store."""
    cost = value["cost"]
    return Tool(
        name=value["name"],
        source=value["source"],
        model=value.get("model", False),
        description=value["description"],
        input_schema=value["input"],
        tier=Tier(value["tier"]),
        idempotent=value["idempotent"],
        directory=value["directory"],
        extracts=value["extracts"],
        roles=tuple(
            Role(
                name,
                role["argument"],
                frozenset(map(Origin, role["from"])),
                strict=role["strict"],
                allow=tuple(role.get("allow", ())),
            )
            for name, role in value["roles"].items()
        ),
        cost=Money(cost["micros"], cost["currency"]) if cost else None,
        timeout_seconds=value["timeout_seconds"],
        confidentiality=Confidentiality(value.get("confidentiality", Confidentiality.INTERNAL)),
        clearance=Confidentiality(value["clearance"]) if value.get("clearance") else None,
        extra=value.get("extra", {}),
    )


def _pinned(tool: Tool) -> dict[str, Any]:
    """All that the pin covers, under the words of the resource file."""
    return {
        "name": tool.name,
        "description": tool.description,
        "input": dict(tool.input_schema),
        "tier": tool.tier.value,
        "idempotent": tool.idempotent,
        "directory": tool.directory,
        "extracts": dict(tool.extracts),
        "roles": {
            role.name: {
                "argument": role.argument,
                "from": sorted(origin.value for origin in role.origins),
                "strict": role.strict,
                **({"allow": list(role.allow)} if role.allow else {}),
            }
            for role in sorted(tool.roles, key=lambda role: role.name)
        },
        **({"extra": dict(tool.extra)} if tool.extra else {}),
        **({} if tool.confidentiality is Confidentiality.INTERNAL else {"confidentiality": tool.confidentiality.value}),
        **({"clearance": tool.clearance.value} if tool.clearance else {}),
    }
