"""The registry: who offers which skill, and which tools there are. A new one is built when something is applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from remit.errors import NotFound, RightsExceeded, StoreCorrupted, UnknownSkill, UnknownTool
from remit.identity import Principal, PrincipalDocument, covers
from remit.registry.agent import AgentDocument, AgentVersion, agent_version
from remit.registry.limits import UNLIMITED, CallLimits
from remit.registry.names import Names, names_in, suggestion
from remit.registry.source import ToolSource, ToolSourceDocument, tool_source
from remit.registry.stored import StoredResource
from remit.registry.subscription import Subscription, SubscriptionDocument, subscription
from remit.registry.trigger import Trigger, TriggerDocument, trigger
from remit.registry.workflow import Workflow, WorkflowDocument, workflow
from remit.tools import Tool

D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Registry:
    """One consistent view of everything that was applied; every lookup is of constant time."""

    #: By `NAME@VERSION`, every stage.
    versions: Mapping[str, AgentVersion] = field(default_factory=dict)
    sources: Mapping[str, ToolSource] = field(default_factory=dict)
    #: Accepted tools by full name.
    tools: Mapping[str, Tool] = field(default_factory=dict)
    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    subscriptions: Mapping[str, Subscription] = field(default_factory=dict)
    #: Those who have left, too.
    principals: Mapping[str, Principal] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    _by_skill: Mapping[str, AgentVersion] = field(default_factory=dict)
    _by_user: Mapping[str, Principal] = field(default_factory=dict)
    #: Answers of `tools_granted`; always the same for the same question.
    _granted: dict[tuple[str, tuple[str, ...]], Mapping[str, Tool]] = field(default_factory=dict, compare=False)

    @classmethod
    def build(cls, records: Iterable[StoredResource], tools: Iterable[Tool] = ()) -> "Registry":
        """The registry of these documents and accepted tools; kinds that others own are passed over.

        Raises:
            StoreCorrupted: a stored document is not what this release can read.
        """
        stored = tuple(records)
        names = names_in((resource.kind, resource.name, resource.fields) for resource in stored)
        agents = [agent_version(_read(one, AgentDocument), one.fields) for one in stored if one.kind == "Agent"]
        versions = {version.ref: version for version in agents}
        current = {name: versions[f"{name}@{number}"] for name, number in names.current.items()}
        sources = [tool_source(_read(one, ToolSourceDocument)) for one in stored if one.kind == "ToolSource"]
        workflows = [workflow(_read(one, WorkflowDocument)) for one in stored if one.kind == "Workflow"]
        triggers = [trigger(_read(one, TriggerDocument)) for one in stored if one.kind == "Trigger"]
        told = [subscription(_read(one, SubscriptionDocument)) for one in stored if one.kind == "Subscription"]
        people = [_read(one, PrincipalDocument).principal() for one in stored if one.kind == "Principal"]
        return cls(
            versions=MappingProxyType(versions),
            sources=MappingProxyType({source.name: source for source in sources}),
            tools=MappingProxyType({tool.name: tool for tool in sorted(tools, key=lambda tool: tool.name)}),
            workflows=MappingProxyType({one.name: one for one in workflows}),
            triggers=MappingProxyType({one.name: one for one in triggers}),
            subscriptions=MappingProxyType({one.name: one for one in told}),
            principals=MappingProxyType({person.id: person for person in people}),
            names=names,
            _by_skill={skill: current[min(offering)] for skill, offering in names.skills.items()},
            _by_user={person.os_user: person for person in people if person.os_user and person.active},
        )

    # --- Skills and agents ------------------------------------------------------------------------------------------

    def resolve(self, skill: str) -> AgentVersion:
        """The current production version of the agent that offers `skill`.

        Raises:
            UnknownSkill: no agent's current production version offers it.
        """
        version = self._by_skill.get(skill)
        if version is None:
            elsewhere = sorted(one.ref for one in self.versions.values() if one.skill(skill))
            told = f"; in another stage or superseded: {', '.join(elsewhere)}" if elsewhere else ""
            raise UnknownSkill(f"The skill is {skill!r}{told or suggestion(skill, self._by_skill)}")
        return version

    def other_version(self, skill: str) -> AgentVersion | None:
        """The newest version in production of the skill's agent, besides the current one, that offers the skill too."""
        current = self.resolve(skill)
        others = [
            one
            for one in self.versions.values()
            if one.name == current.name and one != current and one.stage == "production" and one.skill(skill)
        ]
        return max(others, key=lambda one: one.semver, default=None)

    def agent(self, name: str) -> AgentVersion:
        """The version `NAME@VERSION`, or the current production version of `NAME`.

        Raises:
            NotFound: there is none.
        """
        ref = name if "@" in name else f"{name}@{self.names.current.get(name)}"
        version = self.versions.get(ref)
        if version is None:
            known = self.versions if "@" in name else self.names.of("Agent")
            others = sorted(one.ref for one in self.versions.values() if one.name == name)
            told = f" in production; there are {', '.join(others)}" if others else suggestion(name, known)
            raise NotFound(f"There is no agent {name!r}{told}")
        return version

    # --- Tools ------------------------------------------------------------------------------------------------------

    def tool(self, name: str) -> Tool:
        """The accepted tool with this full name, `SOURCE__TOOL`.

        Raises:
            UnknownTool: nobody accepted such a tool.
        """
        tool = self.tools.get(name)
        if tool is None:
            raise UnknownTool(f"The tool is {name!r}{suggestion(name, self.tools)}")
        return tool

    def tools_granted(self, version: AgentVersion, workflow_patterns: tuple[str, ...]) -> Mapping[str, Tool]:
        """The tools that both the agent's version and its mission's workflow were granted, by full name."""
        key = (version.ref, workflow_patterns)
        granted = self._granted.get(key)
        if granted is None:
            granted = MappingProxyType(
                {
                    name: tool
                    for name, tool in self.tools.items()
                    if covers(version.tools, name) and covers(workflow_patterns, name)
                }
            )
            self._granted[key] = granted
        return granted

    def polls(self, name: str) -> bool:
        """True where asking this tool the same again is meant, so that it counts as no loop."""
        tool = self.tools.get(name)
        if tool is not None and tool.own:
            return True
        source = self.sources.get(tool.source) if tool else None
        declared = source.tools.get(tool.local_name) if tool and source else None
        return declared is not None and declared.poll

    def stand_ins(self, name: str) -> tuple[str, ...]:
        """Full names of the tools that are called where this one's source does not answer, in order."""
        tool = self.tools.get(name)
        source = self.sources.get(tool.source) if tool else None
        return source.fallbacks(tool.local_name) if tool and source and not tool.model else ()

    def limits_of(self, tool: Tool) -> tuple[CallLimits, CallLimits]:
        """What the tool and its source may take."""
        source = self.sources.get(tool.source)
        if source is None:
            return UNLIMITED, UNLIMITED
        declared = source.tools.get(tool.local_name)
        return declared.limits if declared else UNLIMITED, source.limits

    def source(self, name: str) -> ToolSource:
        """The source of tools with this name.

        Raises:
            NotFound: there is none.
        """
        source = self.sources.get(name)
        if source is None:
            raise NotFound(f"There is no tool source {name!r}{suggestion(name, self.sources)}")
        return source

    # --- Workflows and people ---------------------------------------------------------------------------------------

    def workflow(self, name: str) -> Workflow:
        """The workflow with this name.

        Raises:
            NotFound: there is none.
        """
        found = self.workflows.get(name)
        if found is None:
            raise NotFound(f"There is no workflow {name!r}{suggestion(name, self.workflows)}")
        return found

    def principal(self, name: str) -> Principal:
        """The principal, who must be active: who has left acts no more, nor does anything on their behalf.

        Raises:
            RightsExceeded: there is no such principal, or it is not active.
        """
        person = self.principals.get(name)
        if person is None:
            raise RightsExceeded(
                f"There is no principal {name!r}{suggestion(name, self.principals)}",
                hint="Apply a `kind: Principal` with this name.",
                rule="principal_unknown",
            )
        if not person.active:
            raise RightsExceeded(
                f"Principal {name!r} is not active, so nothing is done on their behalf.",
                hint="Submit the mission again for someone who is, or set `active: true` and apply.",
                rule="principal_inactive",
            )
        return person

    def principal_of(self, os_user: str) -> Principal | None:
        """The active principal that this account of the operating system acts as, or None."""
        return self._by_user.get(os_user)


def _read(stored: StoredResource, model: type[D]) -> D:
    try:
        return model.model_validate_json(orjson.dumps(stored.fields))
    except ValidationError as error:
        raise StoreCorrupted(f"Resource {stored.key} cannot be read: {error.errors()[0]['msg']}.") from error
