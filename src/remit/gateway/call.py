"""A call on its way through the door: who asks, for what, and what may come of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remit.gateway.transport import Line
from remit.ids import ApprovalId, MissionId, PrincipalId, StepId, StreamId
from remit.policy import PATIENT, Patience


def step_stream(mission: MissionId, step: StepId, attempt: int) -> StreamId:
    """The stream of one attempt at a step: its calls stand there."""
    return StreamId(f"step/{mission}/{step}/{attempt}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the token that a call came with leaves of its agent's grants."""

    #: Tool patterns.
    tools: tuple[str, ...] = ("*",)
    #: The token's name; empty where none bounds what may be spent.
    token: str = ""
    #: The most that may be spent under the token, in US dollar micro-units.
    budget_usd_micros: int = 0
    #: The mission whose budget must cover the call as well: an agent that works in it asked for this one.
    parent: str = ""
    #: The missions above that one, the nearest first: their budgets must cover it too.
    further: tuple[str, ...] = ()
    #: The tokens from which `token` was narrowed and that bound spending too.
    tokens_above: tuple[str, ...] = ()


#: Of a call that came with no token.
UNBOUND = Bounds()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, on whose behalf, from where."""

    tenant: str
    principal: PrincipalId
    mission: MissionId
    step: StepId
    attempt: int
    #: `NAME@VERSION`; `remit@...` for calls that Remit makes itself.
    agent: str
    skill: str
    #: Tool patterns of the agent's version and of the mission: a tool must match both.
    agent_tools: tuple[str, ...]
    mission_tools: tuple[str, ...]
    #: The lease's epoch under which this run was claimed.
    epoch: int
    #: Which lease that epoch counts; empty for the mission's own.
    lease: str = field(default="", kw_only=True)
    #: Further leases with their epochs that an intent must be under.
    also: tuple[tuple[str, int], ...] = field(default=(), kw_only=True)
    #: The mission's limit, which bounds each agent's balance.
    budget_usd_micros: int
    #: The agent version's cap on turns of a model in one mission.
    turns_max: int = 1000
    #: The agent version's cap on turns in one step after its first; None for no bound of its own.
    reflections_max: int | None = field(default=None, kw_only=True)
    #: True where a person confirms each write of this agent.
    in_the_loop: bool = False
    #: What the token that the agent came with leaves of all this.
    bounds: Bounds = UNBOUND
    #: The skills that led here, this step's own included, the outermost first, each as `SKILL@MISSION/STEP`, or as it
    #: was told by whoever handed the work on; an agent elsewhere is told them.
    ancestry: tuple[str, ...] = ()
    #: The first attempt since a person had the step done again: a write that its tool refused before is made anew.
    first_attempt: int = 1
    #: The most turns of models in the mission, of all its agents; 0 for no bound of its own.
    mission_turns_max: int = 0
    #: What was held in the mission for this step's calls when the step that it undoes began, in US dollar micro-units.
    reserve_usd_micros: int = 0

    @property
    def agent_name(self) -> str:
        """The agent without its version."""
        return self.agent.split("@", 1)[0]

    @property
    def stream(self) -> StreamId:
        """The stream of this step's attempt."""
        return step_stream(self.mission, self.step, self.attempt)

    @property
    def mission_stream(self) -> StreamId:
        """The mission's own stream."""
        return StreamId(f"mission/{self.mission}")


@dataclass(frozen=True, slots=True)
class Leave:
    """A person's verdict on exactly this call."""

    approval: ApprovalId
    by: str
    #: Keyed hash of the arguments, the tool's pin, the policy's hash; the call's key where it confirms an effect.
    binds: tuple[str, ...]
    #: It answers that an effect of unknown outcome did take place.
    confirms_effect: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call as proposed."""

    tool: str
    arguments: Mapping[str, Any]
    #: The how-manieth call of this tool with these arguments in this run, from 0; or the name that its caller gave it.
    occurrence: int | str = 0
    #: Rules for which the planner wants a person to look first.
    ask_rules: tuple[str, ...] = ()
    leave: Leave | None = None
    #: For a turn of a model: the name of the prompt that the agent's version registers, or what the agent calls it;
    #: and a keyed hash of the instructions.
    prompt: tuple[str, str] | None = None
    #: Takes the pieces of an answer as they come, where the source gives it in pieces.
    on_part: Callable[[Any], None] | None = field(default=None, compare=False)
    #: The keyed name under which these arguments are stored already; empty where they are not.
    sealed: str = ""
    #: Where the source's words and questions go meanwhile; not on record.
    line: Line | None = None
    #: When the caller will not wait any longer for the answer; 0 for what the source's own limit says.
    timeout_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """One reason why a person must answer before the call is made."""

    rule: str
    message: str


class Suspended(BaseException):
    """The call waits for a person; nothing was held or done.

    Not an `Exception`, so that an agent's broad handler cannot swallow it: the run is given up and goes on later.
    """

    def __init__(
        self,
        call: Call,
        *,
        key: str,
        binds: tuple[str, ...],
        questions: tuple[Question, ...],
        approvers: tuple[str, ...],
        expires_hours: float,
        about: str = "approval",
        patience: Patience = PATIENT,
    ) -> None:
        super().__init__(f"{call.tool} waits for a person")
        self.call = call
        self.key = key
        self.binds = binds
        self.questions = questions
        self.approvers = approvers
        self.expires_hours = expires_hours
        self.about = about
        self.patience = patience


class Interrupted(BaseException):
    """The run must be given up here without blame: a halt, or this driver was replaced."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause
