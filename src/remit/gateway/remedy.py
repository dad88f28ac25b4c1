"""What would permit a call that the door refuses: YAML for a person to look at, never applied by itself.

It holds names that stand in the call or in the refusal already, and placeholders for the rest.
"""

import re
from collections.abc import Callable
from typing import Any

from remit.budgets import CURRENCY
from remit.errors import (
    BudgetExhausted,
    FlowRefused,
    LoopStopped,
    NoBudget,
    NoPolicy,
    NotGranted,
    PinBroken,
    PolicyDenied,
    RemitError,
    RightsExceeded,
    UnknownTool,
)
from remit.gateway.call import Call, Caller
from remit.gateway.controls import Controls
from remit.policy import Decision, Request, remedy
from remit.quantities import Money
from remit.resources import sketch

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}")
_PATCH = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def remedy_for(
    no: RemitError, caller: Caller, call: Call, controls: Controls, asked: tuple[Decision, Request] | None
) -> str:
    """YAML of what would permit the call; empty where no resource would.

    `asked` is what policy was asked and answered, where the call came that far.
    """
    if isinstance(no, (NoPolicy, PolicyDenied)):
        if asked is None:
            return ""
        return remedy(asked[0], asked[1], controls.policies.policies, controls.rates)
    if not _NAME.fullmatch(call.tool):
        return ""  # an agent may write anything there
    for kind, told in _BY_KIND.items():
        if isinstance(no, kind):
            return told(no, caller, call.tool, controls)
    return ""


def _not_granted(no: RemitError, caller: Caller, tool: str, _controls: Controls) -> str:
    if no.rule == "agent_grant":
        return _new_version(caller, {"tools": [tool]}, "granted the tool beside those that it has")
    return ""  # a token is no resource: another one is asked for


def _rights(no: RemitError, caller: Caller, tool: str, _controls: Controls) -> str:
    if no.rule == "principal_unknown":
        return sketch("Principal", caller.principal, {"roles": ["operator"]}, "A new principal.", whole=True)
    if no.rule == "principal_inactive":
        return sketch("Principal", caller.principal, {"active": True}, "Only where this person may act again.")
    return sketch("Principal", caller.principal, {"tools": [tool]}, "Beside the tools that stand there.")


def _unknown_tool(_no: RemitError, _caller: Caller, tool: str, controls: Controls) -> str:
    source, _, local = tool.partition("__")
    if not local:
        return ""
    tools = {local: {"tier": "read-only"}}
    if source in controls.registry.sources:
        note = "Where the source offers it: declare it and apply the source again. Undeclared tools are critical."
        return sketch("ToolSource", source, {"tools": tools}, note)
    note = "A new source; COMMAND starts its MCP server. Say what harm the tool can do: its tier."
    return sketch("ToolSource", source, {"mcp": {"command": ["COMMAND"]}, "tools": tools}, note, whole=True)


def _pin(_no: RemitError, _caller: Caller, tool: str, _controls: Controls) -> str:
    note = "Compare the definitions; applying the source's file as it stands accepts the new one."
    return sketch("ToolSource", tool.partition("__")[0], {}, note)


def _budget(no: RemitError, _caller: Caller, _tool: str, controls: Controls) -> str:
    if not isinstance(no, BudgetExhausted) or not no.balance:
        return ""
    limit = {"amount": Money(no.needed, CURRENCY).text, "currency": CURRENCY}
    if no.balance.startswith("tenant/"):
        names = sorted(controls.registry.names.of("Budget"))
        note = "The least limit that covers this call; it holds at once."
        return sketch("Budget", names[0] if len(names) == 1 else "BUDGET", {"limit": limit}, note)
    note = "The least budget that covers this call. WORKFLOW is that of this mission; it holds for new missions."
    return sketch("Workflow", "WORKFLOW", {"budget": limit}, note)


def _no_budget(_no: RemitError, _caller: Caller, _tool: str, _controls: Controls) -> str:
    limit = {"amount": "10.00", "currency": CURRENCY}
    return sketch("Budget", "tenant", {"limit": limit}, "A budget of the tenant; choose its limit.", whole=True)


def _flow(no: RemitError, _caller: Caller, tool: str, controls: Controls) -> str:
    role = controls.registry.tool(tool).role(no.rule.removeprefix("flow_"))
    if role is None:
        return ""
    origins = sorted(origin.value for origin in role.origins)
    declared = {"path": f"$.{role.argument}", "from": origins, "strict": False}
    note = "Not strict: a person is asked instead. Better: take the value from where it may come."
    source, _, local = tool.partition("__")
    return sketch("ToolSource", source, {"tools": {local: {"roles": {role.name: declared}}}}, note)


def _loop(no: RemitError, caller: Caller, tool: str, _controls: Controls) -> str:
    if no.rule == "R5":
        return _new_version(caller, {"max_turns": caller.turns_max + 1}, "with one turn more")
    if no.rule in {"R1", "R2"}:
        source, _, local = tool.partition("__")
        note = "Where asking the same again is meant: then it counts as no loop."
        return sketch("ToolSource", source, {"tools": {local: {"poll": True}}}, note)
    return ""


def _new_version(caller: Caller, fields: dict[str, Any], what: str) -> str:
    name, _, version = caller.agent.partition("@")
    number = _PATCH.match(version)
    following = f"{number[1]}.{number[2]}.{int(number[3]) + 1}" if number else "VERSION"
    note = f"A new version of the agent, {what}; all else as in {version}."
    return sketch("Agent", name, {"version": following, **fields}, note)


_BY_KIND: dict[type[RemitError], Callable[[RemitError, Caller, str, Controls], str]] = {
    NotGranted: _not_granted,
    RightsExceeded: _rights,
    UnknownTool: _unknown_tool,
    PinBroken: _pin,
    BudgetExhausted: _budget,
    NoBudget: _no_budget,
    FlowRefused: _flow,
    LoopStopped: _loop,
}
