"""`kind: Agent`: an immutable release of an agent, and the skills that it offers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StrictStr, Tag, field_validator

from remit.identity import ToolPattern
from remit.quantities import Money
from remit.registry.limits import CallLimits, LimitsOfCalls, call_limits
from remit.registry.schemas import AmountDocument, CodeReference, Document, JsonSchema, ResourceName, SkillName, by_form
from remit.registry.version import Semver
from remit.resources import content_hash

#: Fields that may change after a version was applied: where it stands, not what it is.
MUTABLE = frozenset({"stage"})

#: What one session of a connected agent may spend where its version does not say.
_SESSION_BUDGET = Money(5_000_000, "USD")

Stage = Literal["production", "staging", "retired"]


class Autonomy(StrEnum):
    """How far an agent goes by itself; policy and tiers may always ask for more."""

    FULL = "full"
    IN_THE_LOOP = "in_the_loop"
    ON_THE_LOOP = "on_the_loop"


class SkillDocument(Document):
    """A skill that the agent offers."""

    name: SkillName = Field(description="What callers ask for, such as `payables.match`.")
    description: StrictStr = Field(description="What it does, for people and for models that choose.", min_length=1)
    input: JsonSchema = Field(default_factory=dict, description="JSON Schema of what it takes; anything by default.")
    output: JsonSchema = Field(default_factory=dict, description="JSON Schema of what it gives; anything by default.")


class RunDocument(Document):
    """How the agent is run; exactly one."""

    python: CodeReference | None = Field(None, description="`module:function` that runs a step of this agent.")
    connected: Literal[True] | None = Field(
        None,
        description="True: a program of its own, in any language, that comes to the door with a token. It takes no "
        "steps of missions, so it offers no skills.",
    )
    a2a: Any = Field(None, description="Not built in this release: an agent that is reached over A2A.")
    http: Any = Field(None, description="Not built in this release: an agent that is reached over HTTP.")


class PromptFile(Document):
    """A prompt that stands in a file of its own."""

    file: StrictStr = Field(description="Path, relative to the resource file and not above it.", min_length=1)


Prompt = Annotated[Annotated[StrictStr, Tag("text")] | Annotated[PromptFile, Tag("fields")], Discriminator(by_form)]


class AgentDocument(Document):
    """`kind: Agent` as it stands in a file."""

    name: ResourceName = Field(description="The agent's name: letters, digits, `-` and `_`.")
    version: StrictStr = Field(description="Semantic version; content under one number never changes.")
    stage: Stage = Field(
        "production", description="`production` serves callers, `staging` waits, `retired` is kept for the record."
    )
    description: StrictStr = Field("", description="What the agent is for.")
    skills: tuple[SkillDocument, ...] = Field(
        (), description="What it offers; at least one, except where `run` says `connected`."
    )
    run: RunDocument = Field(description="How it is run.")
    tools: tuple[ToolPattern, ...] = Field((), description="Patterns of the tools it is granted; none by default.")
    model: StrictStr | None = Field(None, description="Not built in this release: the model it asks for.", min_length=1)
    prompts: dict[StrictStr, Prompt] = Field(
        default_factory=dict,
        description="Named prompts: the text, or `{file: PATH}`. They are part of the version, whose code reads them "
        "as `context.prompts`.",
    )
    autonomy: Autonomy = Field(
        Autonomy.ON_THE_LOOP,
        description="`full`, `on_the_loop` (people watch) or `in_the_loop` (people confirm each write).",
    )
    max_turns: int = Field(
        20, description="The most calls to a model in one mission, of all its steps together.", ge=1, le=1000
    )
    budget: AmountDocument | None = Field(
        None,
        description="The most that one session of a `connected` agent may spend on models and priced tools; 5 US "
        "dollars by default. Within missions, their own budget holds.",
    )
    limits: LimitsOfCalls | None = Field(None, description="How often it may call, how many at once, and its weight.")
    reflection_cap: int | None = Field(
        None,
        description="How often one step may go over its work again: turns of a model after its first, in all its"
        " attempts together. `max_turns` and policies may bound it further.",
        ge=0,
        le=1000,
    )

    @field_validator("version")
    @classmethod
    def _semver(cls, version: str) -> str:
        Semver.parse(version)
        return version

    @field_validator("skills")
    @classmethod
    def _once_each(cls, skills: tuple[SkillDocument, ...]) -> tuple[SkillDocument, ...]:
        names = [skill.name for skill in skills]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"skill {name!r} stands {names.count(name)} times")
        return skills


@dataclass(frozen=True, slots=True)
class Skill:
    """What an agent offers; callers ask for a skill, never for an agent."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """An immutable release of an agent."""

    name: str
    version: str
    stage: Stage
    description: str
    skills: tuple[Skill, ...]
    #: `module:function`; empty for an agent that is connected from outside.
    python: str
    #: Patterns of granted tools.
    tools: tuple[str, ...]
    model: str | None
    prompts: Mapping[str, str]
    autonomy: Autonomy
    max_turns: int
    #: Turns of a model in one step after its first; None for no bound of its own.
    reflection_cap: int | None
    limits: CallLimits
    #: Of one session of a connected agent.
    budget: Money
    #: Of everything but the stage, prompts with their text.
    hash: str
    #: The document as it was applied.
    written: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ref(self) -> str:
        """`NAME@VERSION`."""
        return f"{self.name}@{self.version}"

    @property
    def connected(self) -> bool:
        """True for a program of its own, which comes to the door with a token."""
        return not self.python

    @property
    def actor(self) -> str:
        """How the ledger names this version."""
        return f"agent:{self.ref}"

    @property
    def semver(self) -> Semver:
        """The number, to compare."""
        return Semver.parse(self.version)

    def skill(self, name: str) -> Skill | None:
        """The skill, or None where this version does not offer it."""
        return next((skill for skill in self.skills if skill.name == name), None)


def version_hash(fields: Mapping[str, Any]) -> str:
    """The hash that a version is bound to: all fields but the mutable ones."""
    return content_hash({key: value for key, value in fields.items() if key not in MUTABLE})


def agent_version(document: AgentDocument, fields: Mapping[str, Any]) -> AgentVersion:
    """The document as the rest of Remit sees it; `fields` are what it was read from, prompts with their text."""
    assert document.run.python is not None or document.run.connected, "apply refuses every other runtime"
    return AgentVersion(
        name=document.name,
        version=document.version,
        stage=document.stage,
        description=document.description,
        skills=tuple(Skill(s.name, s.description, s.input, s.output) for s in document.skills),
        python=document.run.python or "",
        tools=document.tools,
        model=document.model,
        prompts={name: text for name, text in document.prompts.items() if isinstance(text, str)},
        autonomy=document.autonomy,
        max_turns=document.max_turns,
        reflection_cap=document.reflection_cap,
        limits=call_limits(document.limits),
        budget=document.budget.money if document.budget else _SESSION_BUDGET,
        hash=version_hash(fields),
        written=fields,
    )
