"""Cases of policies as data: what a call should get, and whether it does.

A case names an agent, a tool, the call's arguments and what came before, and says what policy should answer and by
which rules. It brings policies of its own, or is decided on those that are given.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from remit.policy.decision import Decision, PolicyAnswer, Request
from remit.policy.document import Policy, load_policy
from remit.policy.evaluate import PolicySet
from remit.policy.rates import RatesFields
from remit.quantities import Money, Rates
from remit.resources import Problem, RawResource, read_mapping, read_resources, validate
from remit.tools import Role, Tier, Tool


def _money(value: Any) -> Any:
    if not isinstance(value, str) or len(value.split()) != 2:
        raise ValueError(f"expected CURRENCY AMOUNT such as 'EUR 90.00', not {value!r}")
    currency, amount = value.split()
    Money.of(amount, currency)
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected a decimal amount such as '90.00', not {value!r}")  # noqa: TRY004  pydantic catches it
    Money.of(str(value), "USD")
    return value


Sums = dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], Annotated[Any, BeforeValidator(_decimal)]]
MoneyText = Annotated[str, BeforeValidator(_money)]


class ToolFields(BaseModel):
    name: str = Field(description="`SOURCE__TOOL`.", pattern="^[A-Za-z0-9_.-]+__[A-Za-z0-9_.-]+$")
    tier: Literal["read-only", "restricted-write", "critical"] = Field(
        "critical", description="How much harm it can do."
    )
    roles: list[str] | dict[str, str] = Field(
        default_factory=list, description="Role to argument; in a list each role is an argument of the same name."
    )


class RequestFields(BaseModel):
    agent: str = Field(description="The agent's name.")
    agent_version: str = Field("1", description="Its version.")
    principal: str = Field("", description="The person it acts for.")
    mission: str = Field("", description="The mission.")
    skill: str = Field("", description="The skill that it carries out.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="The call's arguments.")
    amount: MoneyText | None = Field(
        None,
        description="What the `amount` role holds, as `CURRENCY AMOUNT`; read from the arguments where not written.",
    )
    payee: str | None = Field(None, description="The payee, likewise.")
    payee_name: str | None = Field(None, description="The payee's name, as a directory knows it.")
    mission_spent: Sums = Field(default_factory=dict, description="What the mission spent before, by currency.")
    payee_spent: Sums = Field(default_factory=dict, description="What this payee got of it, by currency.")
    reflections: int = Field(1, description="Reflections of the mission, with this one.", ge=0)
    turns: int = Field(1, description="Turns of the agent, with this one.", ge=0)


class ExpectedFields(BaseModel):
    answer: PolicyAnswer = Field(description="`permit`, `ask` or `deny`.")
    denies: list[str] | None = Field(None, description="The rules that deny, all of them; not looked at if left out.")
    asks: list[str] | None = Field(None, description="The rules that ask, all of them; not looked at if left out.")
    says: list[str] = Field(default_factory=list, description="Rules that speak, among others.")
    obliges: list[tuple[str, list[str]]] | None = Field(
        None, description="Rule and approvers of each obligation, all of them; not looked at if left out."
    )
    message: str = Field("", description="A part of what some rule says.")
    shadow: PolicyAnswer | None = Field(None, description="What it would be with policies in shadow enforced too.")


class CaseFields(BaseModel):
    description: str = Field("", description="What it shows, in a sentence.")
    policies: list[dict[str, Any]] | None = Field(
        None, description="Policies of its own: the fields of each, `name` first; in place of those that are given."
    )
    text: str | None = Field(None, description="The same as a resource file is written.")
    agents: list[str] | None = Field(
        None, description="Agents that are registered; where not written, those that its own policies name."
    )
    rates: dict[str, str] | None = Field(None, description="What one unit of each currency is worth in US dollars.")
    tool: ToolFields | str | None = Field(None, description="A tool by name, or its `name`, `tier` and `roles`.")
    request: dict[str, Any] = Field(default_factory=dict, description="The call: see below.")
    expected: ExpectedFields | None = Field(None, description="What policy should answer: see below.")


class CaseFile(CaseFields):
    """One case, or several that share what stands above them."""

    cases: list[CaseFields] | None = Field(
        None, description="Several cases; each takes from the top what it does not say itself."
    )


@dataclass(frozen=True, slots=True)
class Basis:
    """What cases are decided on where they bring nothing of their own."""

    policies: PolicySet
    tools: Mapping[str, Tool] = field(default_factory=dict)
    rates: Rates | None = None


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One call, and what policy should make of it."""

    file: str
    line: int
    description: str
    request: RequestFields
    #: Fields of the request that were written.
    written: frozenset[str]
    #: A tool by its name is looked up in the basis.
    tool: Tool | str
    #: None: those of the basis.
    own: PolicySet | None
    expected: ExpectedFields


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, what policy answered, and in what that is not what was expected."""

    case: PolicyCase
    #: None where it could not be asked.
    decision: Decision | None
    faults: tuple[str, ...]


def read_cases(files: Iterable[tuple[str, str]]) -> tuple[list[PolicyCase], list[Problem]]:
    """The cases in files (name and text), and everything that is wrong with them; a wrong case is left out."""
    cases: list[PolicyCase] = []
    problems: list[Problem] = []
    for name, text in files:
        raw, found = read_mapping(text, name)
        problems += found
        document = None
        if raw is not None:
            document, found = validate(raw, CaseFile)
            problems += found
        if raw is None or document is None:
            continue
        listed = document.cases
        if listed is None:
            cases += _case(raw, (), document, document, problems)
        for index, one in enumerate(listed or ()):
            cases += _case(raw, ("cases", index), document, one, problems)
    return cases, problems


def judge(case: PolicyCase, basis: Basis) -> Judged:
    """Ask policy, and compare."""
    tool = basis.tools.get(case.tool) if isinstance(case.tool, str) else case.tool
    if tool is None:
        return Judged(
            case, None, (f"there is no tool {case.tool!r}: write its name, tier and roles, or apply its source",)
        )
    try:
        request = _request(case, tool)
    except ValueError as error:
        return Judged(case, None, (f"the amount cannot be read: {error}",))
    decision = (case.own or basis.policies).decide(request)
    return Judged(case, decision, tuple(_faults(case.expected, decision)))


def _faults(expected: ExpectedFields, decision: Decision) -> Iterator[str]:
    if decision.answer != expected.answer:
        yield f"answer: expected {expected.answer}, got {decision.answer}"
    for name, effect, wanted in (("denies", "deny", expected.denies), ("asks", "ask", expected.asks)):
        spoke = [told.rule for told in decision.spoken if told.effect == effect]
        if wanted is not None and sorted(spoke) != sorted(wanted):
            yield f"{name}: expected {_listed(wanted)}, got {_listed(spoke)}"
    silent = [rule for rule in expected.says if rule not in {told.rule for told in decision.spoken}]
    if silent:
        yield f"says: {_listed(silent)} did not speak"
    owed = [(one.rule, list(one.approvers)) for one in decision.obligations]
    if expected.obliges is not None and owed != expected.obliges:
        yield f"obliges: expected {expected.obliges}, got {owed}"
    if not any(expected.message in told.message for told in decision.spoken):
        yield f"message: nothing says {expected.message!r}"
    would = decision.shadow.answer if decision.shadow else None
    if expected.shadow is not None and would != expected.shadow:
        yield f"shadow: expected {expected.shadow}, got {would or 'nothing in shadow'}"


def _listed(rules: Sequence[str]) -> str:
    return ", ".join(rules) or "none"


# --- Reading


def _case(
    raw: RawResource, path: tuple[str | int, ...], shared: CaseFields, one: CaseFields, problems: list[Problem]
) -> Iterator[PolicyCase]:
    def wrong(where: tuple[str | int, ...], message: str) -> None:
        problems.append(raw.problem((*path, *where), message))

    before = len(problems)
    fields = _part(raw, (("request",), (*path, "request")), {**shared.request, **one.request})
    request, found = validate(fields, RequestFields)
    problems += found
    tool = one.tool or shared.tool
    expected = one.expected or shared.expected
    if tool is None:
        wrong((), "the case names no tool: write `tool`")
    if expected is None:
        wrong((), "the case expects nothing: write `expected`")
    elif expected.answer == "deny" and expected.obliges:
        wrong(("expected", "obliges"), "a denial obliges to nothing: leave this out")
    own = _own_policies(raw, path, shared, one, problems)
    if request is not None and tool is not None and expected is not None and len(problems) == before:
        yield PolicyCase(
            file=raw.file,
            line=raw.line_of(path),
            description=one.description,
            request=request,
            written=frozenset(fields.fields),
            tool=tool if isinstance(tool, str) else _tool(tool),
            own=own,
            expected=expected,
        )


def _tool(written: ToolFields) -> Tool:
    roles = written.roles if isinstance(written.roles, dict) else {role: role for role in written.roles}
    declared = tuple(Role(name, argument.removeprefix("$."), frozenset()) for name, argument in roles.items())
    return Tool(written.name, written.name.split("__", 1)[0], "", {}, Tier(written.tier), roles=declared)


def _own_policies(
    raw: RawResource, path: tuple[str | int, ...], shared: CaseFields, one: CaseFields, problems: list[Problem]
) -> PolicySet | None:
    rates = _rates(raw, path, {**(shared.rates or {}), **(one.rates or {})}, problems)
    bearer, where = (one, path) if one.policies is not None or one.text is not None else (shared, ())
    policies: list[Policy] = []
    if bearer.text is not None:
        resources, found = read_resources(bearer.text, f"{raw.file}:text")
        problems += [problem for problem in found if problem.severity == "error"]
    elif bearer.policies is not None:
        resources = [
            _part(raw, [(*where, "policies", n)], fields, kind="Policy") for n, fields in enumerate(bearer.policies)
        ]
    else:
        return None
    for resource in resources:
        policy, found = load_policy(resource)
        problems += [problem for problem in found if problem.severity == "error"]
        policies += [policy] if policy is not None else []
    agents = one.agents if one.agents is not None else shared.agents
    known = agents if agents is not None else [agent for policy in policies for agent in policy.agents]
    return PolicySet.compile(policies, rates, known)


def _part(
    raw: RawResource, paths: Sequence[tuple[str | int, ...]], fields: Mapping[str, Any], *, kind: str = ""
) -> RawResource:
    """`fields` as a document by itself, with the lines at which they stand in `raw`; later paths go before."""
    lines = {path[len(at) :]: line for at in paths for path, line in raw.lines.items() if path[: len(at)] == at}
    return RawResource(kind, str(fields.get("name", "")), fields, raw.file, lines.get((), raw.line), lines)


def _rates(
    raw: RawResource, path: tuple[str | int, ...], written: Mapping[str, str], problems: list[Problem]
) -> Rates | None:
    if not written:
        return None
    fields = {"base": "USD", "on": "2000-01-01", "rates": dict(written)}
    line = raw.line_of((*path, "rates"))
    lines: dict[tuple[str | int, ...], int] = {("rates",): line, **{("rates", name): line for name in written}}
    table, found = validate(RawResource("", "", fields, raw.file, line, lines), RatesFields)
    problems += found
    return None if table is None else Rates(table.base, date(2000, 1, 1), table.rates)


# --- The request


def _request(case: PolicyCase, tool: Tool) -> Request:
    given = case.request
    return Request(
        agent=given.agent,
        agent_version=given.agent_version,
        principal=given.principal,
        mission=given.mission,
        skill=given.skill,
        tool=tool,
        arguments=given.arguments,
        amount=_written_money(given.amount) if "amount" in case.written else tool.amount_of(given.arguments),
        payee=given.payee if "payee" in case.written else tool.value_of("payee", given.arguments),
        payee_name=given.payee_name,
        mission_spent=_sums(given.mission_spent),
        payee_spent=_sums(given.payee_spent),
        reflections=given.reflections,
        turns=given.turns,
    )


def _written_money(text: str | None) -> Money | None:
    if text is None:
        return None
    currency, amount = text.split()
    return Money.of(amount, currency)


def _sums(written: Mapping[str, Any]) -> dict[str, int]:
    return {currency: Money.of(str(amount), currency).micros for currency, amount in written.items()}
