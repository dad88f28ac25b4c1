"""Leave to use a tool: the intersection of person, mission, agent and token, and what people added to a mission's plan.

A mission's tools are fixed by its plan before it reads anything. A tool that person and agent may use and the plan does
not name is asked about: what was read may want it, but only a person adds it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from remit.errors import NotGranted, RightsExceeded
from remit.gateway.call import Caller, Question
from remit.gateway.call_log import CallLog
from remit.gateway.flow import origins_of
from remit.identity import Delegation, LinkKind, Principal, covers
from remit.tools import Label, Tool

_EVERY = ("*",)
#: The rule by which a tool outside the plan is asked about.
OUTSIDE_PLAN = "mission_grant"
_ARGUMENTS_TOLD_MAX = 12


def check_granted(principal: Principal, caller: Caller, tool: Tool, log: CallLog) -> bool:
    """See that everyone in the chain may use the tool; True where only the mission's plan does not name it.

    Raises:
        RightsExceeded: the person may not.
        NotGranted: the agent or the token was not given it, or it works on the leave of an agent that was not.
    """
    outside = not covers(caller.mission_tools, tool.name)
    if outside and caller.bounds.parent:
        # The mission's tools are what another agent's token passes on: nobody here may widen them.
        raise NotGranted(f"The mission was not given {tool.name}.", rule=OUTSIDE_PLAN)
    refusing = _refusing_link(principal, caller.agent_tools, tool.name)
    if refusing is LinkKind.PRINCIPAL:
        raise RightsExceeded(f"{principal.id} may not use {tool.name}, so no agent may on their behalf.")
    if refusing is not None:
        raise NotGranted(f"The {refusing} was not given {tool.name}.", rule=f"{refusing}_grant")
    if caller.bounds.tools != _EVERY and not covers(caller.bounds.tools, tool.name):
        raise NotGranted(f"The token does not name {tool.name}.", rule="token_grant")
    return outside and not log.added(tool)


def ask_outside_plan(
    caller: Caller, tool: Tool, arguments: Mapping[str, Any], log: CallLog, read: Label, digest: Any
) -> Question:
    """The question about a tool that the mission's plan does not name: which tool, which values, and where from."""
    told = [
        f"`{name}` from {', '.join(sorted(origins)) or 'no recorded source'}"
        for name, origins in origins_of(arguments, log.known, digest)
    ]
    if len(told) > _ARGUMENTS_TOLD_MAX:
        told = [*told[:_ARGUMENTS_TOLD_MAX], f"and {len(told) - _ARGUMENTS_TOLD_MAX} more"]
    values = f" Its values: {'; '.join(told)}." if told else ""
    context = "" if read.trusted else " The work has read what came from outside, and that may be what asks for it."
    lasting = (
        "A yes holds for exactly this call."
        if tool.tells
        else "A yes lets this mission read with it from now on, as it was accepted."
    )
    message = f"{tool.name} ({tool.tier.value}) stands in no plan of this mission; {caller.agent} asks for it."
    return Question(OUTSIDE_PLAN, f"{message}{context}{values} {lasting}")


@lru_cache(maxsize=4096)
def _refusing_link(principal: Principal, agent_tools: tuple[str, ...], tool: str) -> LinkKind | None:
    chain = Delegation.of(principal).mission("", _EVERY).agent("", agent_tools)
    link = chain.refused_by(tool)
    return None if link is None else link.kind
