"""The kinds of resource that the registry owns, and what is checked of each beyond its fields."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from remit.identity import PrincipalDocument
from remit.registry.agent import AgentDocument
from remit.registry.flow_check import check_flow
from remit.registry.names import Names, suggestion
from remit.registry.source import BUILT, ROLE_NAMES, TRANSPORTS, ToolSourceDocument
from remit.registry.subscription import SubscriptionDocument, check_subscription
from remit.registry.trigger import TriggerDocument
from remit.registry.trigger_check import check_trigger
from remit.registry.workflow import WorkflowDocument
from remit.resources import Path, Problem, RawResource
from remit.tools import Tier

#: Kinds that have a name, but no room yet.
NOT_BUILT = ("Dataset", "Mission", "Tenant")
_AGENT_RUNTIMES = ("python", "connected", "a2a", "http")
#: Forms of a source, besides `mcp.url`, that Remit calls itself: it can inject a credential and check the address.
_REACHED: tuple[str, ...] = ("models", "openapi", "soap", "a2a")
#: Field to the forms that take it, and what another form has instead.
_ELSEWHERE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "credential": ((*_REACHED, "sql"), "a server that Remit starts receives it as a variable: `as: {env: NAME}`"),
    "network": (_REACHED, "a server that Remit starts has none, or all of it: `mcp: {network: true}`"),
}

Check = Callable[[RawResource, Names], list[Problem]]


def no_check(raw: RawResource, names: Names) -> list[Problem]:  # noqa: ARG001 - the form of a check
    """Nothing beyond the fields."""
    return []


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource: what its fields are, and what is checked of them against everything else."""

    name: str
    #: None where `check` judges the fields as well.
    model: type[BaseModel] | None
    #: Is asked only where the fields are well-formed.
    check: Check = no_check


def _check_agent(raw: RawResource, names: Names) -> list[Problem]:
    problems = [*_one_of(raw, ("run",), _AGENT_RUNTIMES, ("python", "connected")), *_check_tools(raw, names)]
    skills = raw.fields.get("skills", [])
    if raw.fields["run"].get("connected"):
        if skills:
            problems.append(
                raw.problem(("skills",), "an agent that is `connected` takes no steps, so it offers no skills")
            )
    elif not skills:
        problems.append(raw.problem(("skills",), "expected at least one skill"))
    problems += _not_built(raw, "model", "the home's model answers every agent; leave this out")
    if names.current.get(raw.name) != raw.fields["version"]:
        return problems
    for index, skill in enumerate(skills):
        others = sorted(names.skills.get(skill["name"], frozenset()) - {raw.name})
        if others:
            problems.append(
                raw.problem(
                    ("skills", index, "name"),
                    f"skill {skill['name']!r} is offered by agent {others[0]!r} too; a skill has one production agent: "
                    "rename it here, or set `stage: retired` there",
                )
            )
    return problems


def _check_source(raw: RawResource, _names: Names) -> list[Problem]:
    problems = _one_of(raw, (), TRANSPORTS, BUILT)
    server = raw.fields.get("mcp")
    if server is not None:
        problems += _one_of(raw, ("mcp",), ("command", "url"), ("command", "url"))
        if server.get("command") == []:
            problems.append(raw.problem(("mcp", "command"), "the command is empty: name a program"))
    if raw.fields.get("env") and "command" not in (server or ()):
        problems.append(raw.problem(("env",), "`env` is for a server that Remit starts (`mcp.command`)"))
    problems += _check_reach(raw, server or {})
    if "models" in raw.fields and raw.fields.get("tools"):
        problems.append(raw.problem(("tools",), "a model declares itself under `models`: leave this out"))
    statements = (raw.fields.get("sql") or {}).get("statements", {})
    for tool, declared in raw.fields.get("tools", {}).items():
        if tool in statements and declared.get("tier") == Tier.READ:
            problems.append(raw.problem(("tools", tool, "tier"), "a statement writes: its tier is not read-only"))
        if "input" in declared and (server is not None or "openapi" in raw.fields):
            told = "the schema that an MCP server or a service's description gives counts: leave this out"
            problems.append(raw.problem(("tools", tool, "input"), told))
        problems += [
            raw.problem(("tools", tool, "roles", role), f"no rule knows the role {role!r}{near}", "warning")
            for role in declared.get("roles", {})
            if role not in ROLE_NAMES and (near := suggestion(role, ROLE_NAMES))
        ]
    return problems


def _variable(raw: RawResource) -> str | None:
    """The variable in which a server receives the credential, where it is declared so."""
    sent = (raw.fields.get("credential") or {}).get("as")
    return str(sent["env"]) if isinstance(sent, Mapping) and "env" in sent else None


def _check_reach(raw: RawResource, server: Mapping[str, object]) -> list[Problem]:
    """What is said of addresses, credentials and the network must be for such a source."""
    problems = []
    variable = _variable(raw)
    for key, (forms, instead) in _ELSEWHERE.items():
        taken = "url" in server or any(form in raw.fields for form in forms)
        if key in raw.fields and not taken and not (key == "credential" and variable and "command" in server):
            problems.append(raw.problem((key,), f"`{key}` is for a source that Remit calls over a network; {instead}"))
    if "network" in server and "command" not in server:
        problems.append(raw.problem(("mcp", "network"), "`mcp.network` is for a server that Remit starts"))
    if variable is not None and "command" not in server:
        told = "`as: {env: ...}` is for a server that Remit starts (`mcp.command`)"
        problems.append(raw.problem(("credential", "as"), told))
    if variable is not None and variable in (raw.fields.get("env") or ()):
        problems.append(raw.problem(("env",), f"{variable} is what the credential is sent as: leave it out here"))
    if "certificate" in (raw.fields.get("credential") or {}) and ("sql" in raw.fields or "command" in server):
        told = "a client certificate is shown over HTTPS: it is for sources at an https:// address"
        problems.append(raw.problem(("credential", "certificate"), told))
    if "exchange" in (raw.fields.get("credential") or {}) and ("sql" in raw.fields or "command" in server):
        told = "an exchanged token is sent over HTTP: give each person a secret with `per_person`"
        problems.append(raw.problem(("credential", "exchange"), told))
    return problems


def _check_workflow(raw: RawResource, names: Names) -> list[Problem]:
    problems = _check_tools(raw, names)
    return [*problems, *check_flow(raw, names)]


def _check_principal(raw: RawResource, names: Names) -> list[Problem]:
    user = raw.fields.get("os_user")
    others = sorted(names.os_users.get(user or "", frozenset()) - {raw.name})
    if others and raw.fields.get("active", True):
        return [raw.problem(("os_user",), f"account {user!r} is bound to principal {others[0]!r} already")]
    return []


def _check_tools(raw: RawResource, names: Names) -> list[Problem]:
    return [
        raw.problem(
            ("tools", index),
            f"{pattern!r} stands for no known tool{suggestion(pattern, names.tools)}",
            "warning",
        )
        for index, pattern in enumerate(raw.fields.get("tools", []))
        if not names.reaches(pattern)
    ]


def _not_built(raw: RawResource, key: str, instead: str) -> list[Problem]:
    if raw.fields.get(key) is None:
        return []
    return [raw.problem((key,), f"`{key}` of an agent is not built in this release: {instead}")]


def _one_of(raw: RawResource, at: Path, known: Iterable[str], built: Iterable[str]) -> list[Problem]:
    """Exactly one of `known` must stand at `at`, and it must be one of those that this release builds."""
    fields: Mapping[str, object] = raw.fields[str(at[0])] if at else raw.fields
    built = tuple(built)
    present = [key for key in known if key in fields]
    either = " or ".join(f"`{key}`" for key in built)
    if not present:
        return [raw.problem(at, f"expected {either}")]
    problems = [
        raw.problem((*at, key), f"`{key}` is not built in this release; {either} is")
        for key in present
        if key not in built
    ]
    if len(present) > 1:
        problems.append(raw.problem((*at, present[1]), f"exactly one may stand: `{present[0]}` is there already"))
    problems += [
        raw.problem((*at, key), f"`{key}` is empty") for key in present if key in built and fields[key] is None
    ]
    return problems


#: The registry's own kinds; those of policies, budgets and approvals are added where the product is put together.
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Agent", AgentDocument, _check_agent),
        Kind("ToolSource", ToolSourceDocument, _check_source),
        Kind("Workflow", WorkflowDocument, _check_workflow),
        Kind("Principal", PrincipalDocument, _check_principal),
        Kind("Trigger", TriggerDocument, check_trigger),
        Kind("Subscription", SubscriptionDocument, check_subscription),
    )
}
