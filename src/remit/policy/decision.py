"""What is asked of policy, and what it answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from remit.quantities import Money
from remit.tools import Tool

Effect = Literal["permit", "deny", "ask", "note"]
#: What a decision comes to: made, refused, or made once a person agrees.
PolicyAnswer = Literal["permit", "deny", "ask"]


@dataclass(frozen=True, slots=True)
class Request:
    """One call that an agent proposes, with what its mission did before."""

    agent: str
    #: `2` or `v2`; with the agent's name it is also known as `NAME-v2`.
    agent_version: str
    principal: str
    mission: str
    skill: str
    tool: Tool
    arguments: Mapping[str, Any]
    #: The value of the tool's `amount` role; None where it declares none or the argument was not given.
    amount: Money | None
    #: The value of the tool's `payee` role, likewise.
    payee: str | None
    #: The payee's name. Vendor lists trust it like the payee itself, so it must be known to belong to that payee.
    payee_name: str | None
    #: Currency to micros that sinks of this mission settled or hold, without this call.
    mission_spent: Mapping[str, int]
    #: The same, of this payee alone.
    payee_spent: Mapping[str, int]
    #: Reflections of the mission, with the one that this call belongs to.
    reflections: int
    #: Turns of the agent in the mission, with this one.
    turns: int


class Spoken(NamedTuple):
    """One rule that had something to say about a call."""

    #: The policy's name; empty where the rule is built in.
    policy: str
    rule: str
    effect: Effect
    #: The sentence, or what makes it: most are never read, and a sentence costs more than the comparison it tells of.
    told: str | Callable[[], str]
    #: The same without values that may be personal: for errors and agents. Empty where the sentence holds none.
    plain: str = ""

    @property
    def message(self) -> str:
        """With the values that were compared: for people who may see the call."""
        return self.told if isinstance(self.told, str) else self.told()

    @property
    def public(self) -> str:
        """The message as it may stand in an error."""
        return self.plain or self.message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spoken) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.policy, self.rule, self.effect))

    def to_json(self) -> dict[str, str]:
        """The same as plain values."""
        return {"policy": self.policy, "rule": self.rule, "effect": self.effect, "message": self.message}


@dataclass(frozen=True, slots=True)
class Patience:
    """What happens while nobody answers a question, in hours after it was asked."""

    #: When those who are asked are reminded.
    remind_hours: tuple[float, ...] = ()
    #: When others are asked as well; 0 for never.
    escalate_hours: float = 0
    #: The roles or principals who are asked then.
    escalate_to: tuple[str, ...] = ()

    def join(self, other: "Patience") -> "Patience":
        """Of one question for two reasons: every reminder, the earlier escalation, and all whom either would ask."""
        hours = [each.escalate_hours for each in (self, other) if each.escalate_hours]
        return Patience(
            tuple(sorted({*self.remind_hours, *other.remind_hours})),
            min(hours, default=0),
            tuple(sorted({*self.escalate_to, *other.escalate_to})),
        )


#: Nobody is reminded, and nobody else is asked.
PATIENT = Patience()


@dataclass(frozen=True, slots=True)
class Obligation:
    """What must be met before a permit holds; one that is not met is a deny."""

    #: `approval`: a person agrees. `redact`: personal data in the answer is masked or tokenised.
    kind: str
    rule: str
    policy: str
    message: str
    #: Roles or principals, any of whom may answer; none where nobody is asked.
    approvers: tuple[str, ...]
    #: 0 where nobody is asked.
    expires_hours: float
    #: Of `redact`: the kinds of personal data.
    data: tuple[str, ...] = ()
    #: Of `redact`: `mask` or `tokenise`.
    how: str = ""
    #: Of `approval`: what happens while nobody answers.
    patience: Patience = PATIENT


#: Makes the list of rules that spoke: deciding needs none of them, and with many policies it is long.
Tell = Callable[[], tuple[Spoken, ...]]


@dataclass(frozen=True, slots=True)
class Shadow:
    """What policies in shadow would have made of a decision, had they been enforced beside the others."""

    answer: PolicyAnswer
    #: True where the decision was another.
    differs: bool
    #: Gives what the policies in shadow said.
    tell: Tell

    @property
    def spoken(self) -> tuple[Spoken, ...]:
        """What the policies in shadow said."""
        return self.tell()


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Permit or deny, with every rule that spoke."""

    permit: bool
    #: Gives every rule that spoke.
    tell: Tell
    #: None of a deny.
    obligations: tuple[Obligation, ...]
    #: Of the policies that hold for this agent and tool: a change to another policy leaves it as it was.
    policy_hash: str
    #: None where no policy in shadow speaks of this agent and tool. It changes nothing.
    shadow: Shadow | None = None
    #: Rules of a permit that did more than note, as `POLICY:RULE`, where they are the same for many requests.
    ready: tuple[str, ...] | None = None

    @property
    def spoken(self) -> tuple[Spoken, ...]:
        """Every rule that spoke, made when it is read."""
        return self.tell()

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that did more than note something, as `POLICY:RULE`, in order and each once."""
        return acting(self.spoken) if self.ready is None else self.ready

    @property
    def answer(self) -> PolicyAnswer:
        """Deny, ask a person, or permit."""
        if not self.permit:
            return "deny"
        return "ask" if any(owed.kind == "approval" for owed in self.obligations) else "permit"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((self.permit, self.policy_hash))

    def _compared(self) -> tuple[object, ...]:
        shadow = self.shadow and (self.shadow.answer, self.shadow.differs, self.shadow.spoken)
        return self.permit, self.spoken, self.obligations, self.policy_hash, shadow


def acting(spoken: Iterable[Spoken]) -> tuple[str, ...]:
    """Those that did more than note something, as `POLICY:RULE`, in order and each once."""
    return tuple(sorted({f"{told.policy}:{told.rule}" for told in spoken if told.effect != "note"}))
