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
from remit.registry import AgentVersion
from remit.resources import sketch
from remit.tools import Tier

#: Characters of an agent's prompts that are told again with each refusal; longer ones are left where they are.
_PROMPTS_MAX = 20_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}")


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
    for kind, told in KINDS.items():
        if isinstance(no, kind):
            return told(no, caller, call.tool, controls)
    return ""


def _not_granted(no: RemitError, caller: Caller, tool: str, controls: Controls) -> str:
    if no.rule == "agent_grant":
        return _new_version(caller, controls, {"tools": [tool]}, "granted the tool beside those that it has")
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
    # Nobody has looked at this tool: what is proposed is the most careful there is.
    tools = {local: {"tier": Tier.CRITICAL.value}}
    lower = "\nCritical, so a person is asked. Lower the tier once you have looked at what the tool can do."
    if source in controls.registry.sources:
        note = f"Where the source offers it: declare it and apply the source again.{lower}"
        return sketch("ToolSource", source, {"tools": tools}, note)
    note = f"A new source; COMMAND starts its MCP server.{lower}"
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


def _loop(no: RemitError, caller: Caller, tool: str, controls: Controls) -> str:
    if no.rule == "R5":
        return _new_version(caller, controls, {"max_turns": caller.turns_max + 1}, "with one turn more")
    if no.rule == "reflection_cap":
        more = {"reflection_cap": (caller.reflections_max or 0) + 1}
        return _new_version(caller, controls, more, "with one reflection more")
    if no.rule in {"R1", "R2"}:
        source, _, local = tool.partition("__")
        note = "Where asking the same again is meant: then it counts as no loop."
        return sketch("ToolSource", source, {"tools": {local: {"poll": True}}}, note)
    return ""


def _new_version(caller: Caller, controls: Controls, fields: dict[str, Any], what: str) -> str:
    """The whole next version of the agent: a version never changes, so there is none to change in part."""
    registry, name = controls.registry, caller.agent_name
    versions = [one for one in registry.versions.values() if one.name == name]
    base = registry.versions.get(f"{name}@{registry.names.current.get(name)}") or registry.versions.get(caller.agent)
    if base is None:
        return ""  # it is no agent of this home
    written = {key: value for key, value in base.written.items() if key != "name"}
    if "tools" in fields:
        fields = {**fields, "tools": [*dict.fromkeys([*base.tools, *fields["tools"]])]}
    note = (
        f"A new version of the agent, {what}; all else as in {base.version}."
        "\nNew work is done by it once it is applied; what is under way goes on under the version it began with."
    )
    following = {"version": _following(versions), **fields}
    if sum(map(len, base.prompts.values())) > _PROMPTS_MAX:
        return sketch("Agent", name, following, note)
    return sketch("Agent", name, {**written, **following}, note, whole=True)


def _following(versions: list[AgentVersion]) -> str:
    """The next release after the greatest number that there is: no number stands twice."""
    major, minor, patch = max(one.semver for one in versions).core
    return f"{major}.{minor}.{patch + 1}"


#: Refusals besides those of policy, with what tells of each.
KINDS: dict[type[RemitError], Callable[[RemitError, Caller, str, Controls], str]] = {
    NotGranted: _not_granted,
    RightsExceeded: _rights,
    UnknownTool: _unknown_tool,
    PinBroken: _pin,
    BudgetExhausted: _budget,
    NoBudget: _no_budget,
    FlowRefused: _flow,
    LoopStopped: _loop,
}
