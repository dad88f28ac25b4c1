"""The document of `kind: Policy`: what an author writes, checked, as the rules' own data."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    model_validator,
)

from remit.policy import conditions, patterns
from remit.policy.conditions import Condition
from remit.policy.decision import PATIENT, Patience
from remit.quantities import Money
from remit.resources import Path, Problem, RawResource, content_hash, validate

#: The role that is asked where a policy names nobody.
APPROVER = "approver"
APPROVAL_EXPIRES_HOURS = 168

#: Kinds of personal data that a policy may have masked or tokenised.
PersonalData = Literal["email", "phone", "iban", "card", "ip_address", "national_id"]

_AGENT = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a plain number such as 5000, not {value!r}")  # noqa: TRY004  pydantic catches it
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected a decimal amount such as '5000.00', not {value!r}")  # noqa: TRY004  likewise
    return value


def _agent(value: str) -> str:
    if not _AGENT.fullmatch(value):
        raise ValueError(f"{value!r} is no agent's name: expected the registered name in full, or '*' alone")
    return value


def _hours(value: Any) -> int | float:
    """From 3.6 seconds to a year; a whole number stays one, so that a policy's hash stays as it was."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.001 <= value <= 8760:
        raise ValueError(f"expected a number of hours from 0.001 to 8760, not {value!r}")
    return value


Number = Annotated[Any, BeforeValidator(_number)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
Tool = Annotated[str, AfterValidator(patterns.checked)]
Hours = Annotated[float, PlainValidator(_hours)]
Agent = Annotated[str, AfterValidator(_agent)]


class AmountFields(BaseModel):
    amount: Annotated[Any, BeforeValidator(_decimal)]
    currency: str

    @model_validator(mode="after")
    def _is_money(self) -> "AmountFields":
        _limit(self, "")
        return self


#: A plain number means US dollars.
Limit = Annotated[
    Annotated[AmountFields, Tag("money")] | Annotated[Number, Tag("number")],
    Discriminator(lambda value: "money" if isinstance(value, (dict, AmountFields)) else "number"),
]


def _limit(value: Any, currency: str) -> Money:
    if isinstance(value, AmountFields):
        value, currency = value.amount, value.currency
    money = Money.of(str(value), currency)
    if money.micros < 0:
        raise ValueError(f"a limit is not below zero, but this is {money}")
    return money


def _us_dollars(value: Any) -> Any:
    if not isinstance(value, AmountFields):
        _limit(value, "USD")
    return value


class ConditionFields(BaseModel):
    name: Text
    when: Annotated[str, AfterValidator(conditions.checked)]
    effect: Literal["deny", "ask"]
    message: str = ""


class PolicyFields(BaseModel):
    """The fields as written; a number alone is an amount in US dollars."""

    name: Text
    description: str = ""
    agent: Agent | None = None
    agents: list[Agent] | None = None
    tools: list[Tool] | None = None
    deny_tools: list[Tool] = []
    spending_limit_usd: Annotated[Number, AfterValidator(_us_dollars)] | None = None
    spending_limit: AmountFields | None = None
    require_approval_if_over: Annotated[Limit, AfterValidator(_us_dollars)] | None = None
    require_approval: list[Tool] = []
    allowed_vendors: list[Text] | None = None
    allowed_accounts: list[Text] | None = None
    reflection_loop_cap: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    max_turns: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    escalation: Text | None = None
    approvers: Annotated[list[Text], Field(min_length=1)] | None = None
    approval_expires_hours: Hours = APPROVAL_EXPIRES_HOURS
    approval_remind_hours: Annotated[list[Hours], Field(max_length=20)] = []
    approval_escalate_hours: Hours | None = None
    approval_escalate_to: Annotated[list[Text], Field(min_length=1)] | None = None
    conditions: list[ConditionFields] = []
    redact: Annotated[list[PersonalData], Field(min_length=1)] | None = None
    redact_by: Literal["mask", "tokenise"] = "mask"
    mode: Literal["enforce", "shadow"] = "enforce"


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, ready to be compiled into a `PolicySet`."""

    name: str
    description: str = ""
    #: Exact registered names, `NAME` or `NAME-vVERSION`; `*` is every agent.
    agents: tuple[str, ...] = ("*",)
    #: What the policy permits and its rules speak of.
    tools: tuple[str, ...] = ("*",)
    #: Refused whatever another policy permits.
    deny_tools: tuple[str, ...] = ()
    #: Of the whole mission, holds included.
    spending_limit: Money | None = None
    #: Of a call together with what its payee got in the mission before.
    approval_limit: Money | None = None
    #: Tools that ask each time.
    require_approval: tuple[str, ...] = ()
    allowed_vendors: tuple[str, ...] | None = None
    allowed_accounts: tuple[str, ...] | None = None
    reflection_loop_cap: int | None = None
    max_turns: int | None = None
    #: Roles or principals, any of whom may answer; None where the author named nobody (then it is `APPROVER`).
    approvers: tuple[str, ...] | None = None
    approval_expires_hours: float = APPROVAL_EXPIRES_HOURS
    patience: Patience = PATIENT
    conditions: tuple[Condition, ...] = ()
    #: Kinds of personal data that are taken out of the tool's answer; empty where it stays as it is.
    redact: tuple[str, ...] = ()
    #: `mask` or `tokenise`.
    redact_by: str = "mask"
    #: True: it is evaluated and recorded, and neither permits nor denies.
    shadow: bool = False
    #: The hash of the fields as they were written.
    hash: str = ""
    source: RawResource | None = field(default=None, compare=False, repr=False)

    def problem(self, path: Path, message: str, severity: Literal["error", "warning"] = "error") -> Problem:
        """A problem of the field at `path`, at its line where the policy was read from a file."""
        if self.source is None:
            return Problem(self.name, 1, "", message, severity)
        return self.source.problem(path, message, severity)


def load_policy(raw: RawResource) -> tuple[Policy | None, list[Problem]]:
    """The policy that `raw` declares, and everything that is wrong with it; a policy with an error is None."""
    fields, problems = validate(raw, PolicyFields)
    problems += _together(raw)
    if fields is None or any(problem.severity == "error" for problem in problems):
        return None, problems
    spending = fields.spending_limit if fields.spending_limit is not None else fields.spending_limit_usd
    approval = fields.require_approval_if_over
    agents = fields.agents if fields.agents is not None else [fields.agent or "*"]
    asked = fields.approvers or ([fields.escalation] if fields.escalation else None)
    policy = Policy(
        name=fields.name,
        description=fields.description,
        agents=tuple(agents),
        tools=("*",) if fields.tools is None else tuple(fields.tools),
        deny_tools=tuple(fields.deny_tools),
        spending_limit=None if spending is None else _limit(spending, "USD"),
        approval_limit=None if approval is None else _limit(approval, "USD"),
        require_approval=tuple(fields.require_approval),
        allowed_vendors=None if fields.allowed_vendors is None else tuple(fields.allowed_vendors),
        allowed_accounts=None if fields.allowed_accounts is None else tuple(fields.allowed_accounts),
        reflection_loop_cap=fields.reflection_loop_cap,
        max_turns=fields.max_turns,
        approvers=None if asked is None else _people(asked),
        approval_expires_hours=fields.approval_expires_hours,
        patience=Patience(
            tuple(sorted(set(fields.approval_remind_hours))),
            fields.approval_escalate_hours or 0,
            _people(fields.approval_escalate_to or ()),
        ),
        conditions=tuple(
            Condition.of(one.name, one.when, effect=one.effect, message=one.message) for one in fields.conditions
        ),
        redact=tuple(sorted(set(fields.redact or ()))),
        redact_by=fields.redact_by,
        shadow=fields.mode == "shadow",
        hash=content_hash(raw.fields),
        source=raw,
    )
    return policy, problems


def _people(named: Iterable[str]) -> tuple[str, ...]:
    return tuple(APPROVER if one == "human_review" else one for one in named)


def check_agents(policy: Policy, known_agents: Collection[str]) -> list[Problem]:
    """One problem for each agent that `policy` names and nobody registered.

    It is an error in a full document. A bare `policy:` document is only warned of and stays inactive, so that one
    copied from elsewhere loads before its agent is registered.
    """
    known = known_agents if isinstance(known_agents, (set, frozenset, Mapping)) else frozenset(known_agents)
    bare = policy.source is not None and policy.source.bare
    told = "so the policy is inactive until it is" if bare else "register it first, or mend the name"
    return [
        policy.problem(
            _agent_path(policy, index),
            f"no agent {agent!r} is registered: {told}",
            "warning" if bare else "error",
        )
        for index, agent in enumerate(policy.agents)
        if agent != "*" and agent not in known
    ]


def _agent_path(policy: Policy, index: int) -> Path:
    single = policy.source is not None and "agent" in policy.source.fields
    return ("agent",) if single else ("agents", index)


def _together(raw: RawResource) -> list[Problem]:
    """What is wrong between fields that are right each by itself."""
    problems = []
    fields = raw.fields
    for one, other in (("agent", "agents"), ("spending_limit_usd", "spending_limit")):
        if fields.get(one) is not None and fields.get(other) is not None:
            problems.append(raw.problem((other,), f"write either {one} or {other}, not both"))
    if fields.get("agent") is None and fields.get("agents") is None:
        told = "no agent is named, so the policy holds for every agent; write agents: ['*'] to say so"
        problems.append(raw.problem((), told, "warning"))
    if "redact_by" in fields and fields.get("redact") is None:
        problems.append(raw.problem(("redact_by",), "there is nothing to redact: write redact, or leave this out"))
    problems += _never(raw)
    seen: set[str] = set()
    conditions_written = fields.get("conditions")
    for index, condition in enumerate(conditions_written if isinstance(conditions_written, list) else []):
        name = condition.get("name") if isinstance(condition, dict) else None
        if isinstance(name, str) and name in seen:
            problems.append(raw.problem(("conditions", index, "name"), f"a condition {name!r} stands before this one"))
        seen.add(str(name))
    return problems


def _never(raw: RawResource) -> list[Problem]:
    """Reminders and escalations that could not take place."""
    fields, problems = raw.fields, []
    ends = fields.get("approval_expires_hours", APPROVAL_EXPIRES_HOURS)
    escalates, to = fields.get("approval_escalate_hours"), fields.get("approval_escalate_to")
    if (escalates is None) != (to is None):
        path = ("approval_escalate_hours",) if to is None else ("approval_escalate_to",)
        problems.append(raw.problem(path, "write approval_escalate_hours and approval_escalate_to together"))
    reminds = fields.get("approval_remind_hours")
    told: list[tuple[Path, Any]] = [(("approval_escalate_hours",), escalates)]
    told += [
        (("approval_remind_hours", at), one) for at, one in enumerate(reminds if isinstance(reminds, list) else [])
    ]
    problems += [
        raw.problem(path, f"the question lapses after {ends} hours, before this could take place")
        for path, hours in told
        if isinstance(hours, int | float) and isinstance(ends, int | float) and hours >= ends
    ]
    return problems
