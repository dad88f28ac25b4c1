"""Names that resources may refer to, as they will stand once everything in the files is applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from remit.identity import covers
from remit.registry.version import Semver

_NO_NAMES: frozenset[str] = frozenset()


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, else empty."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    near = get_close_matches(name.casefold(), sorted(by_folded), n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


@dataclass(frozen=True, slots=True)
class Names:
    """What there is, stored and in the files together."""

    #: Kind to the names of its resources.
    resources: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Agent to its current production version.
    current: Mapping[str, str] = field(default_factory=dict)
    #: Skill to the agents whose current production version offers it.
    skills: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Names of agents in every form in which a policy may write them: `NAME`, and `NAME-vVERSION` of each version.
    agents: frozenset[str] = _NO_NAMES
    #: Declared tools by full name; a source may offer more.
    tools: frozenset[str] = _NO_NAMES
    #: The operating system's account to the active principals that it is bound to.
    os_users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: Workflow to those whose missions its own begin.
    workflows: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, kind: str) -> frozenset[str]:
        """The names of every resource of this kind."""
        return self.resources.get(kind, _NO_NAMES)

    def reaches(self, pattern: str) -> bool:
        """True where a pattern of tools may stand for some tool: a declared one, or one of a known source."""
        source, mark, _ = pattern.partition("__")
        if mark and "*" not in source:
            return source in self.of("ToolSource")
        return any(covers([pattern], tool) for tool in self.tools) or (
            "*" in pattern and any(covers([source], name) for name in self.of("ToolSource"))
        )


def names_in(documents: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Names:
    """The names in documents of (kind, name, fields); fields of the wrong type are passed over."""
    resources: dict[str, set[str]] = {}
    versions: dict[str, dict[Semver, tuple[str, Mapping[str, Any]]]] = {}
    agents: set[str] = set()
    tools: set[str] = set()
    os_users: dict[str, set[str]] = {}
    workflows: dict[str, set[str]] = {}
    for kind, name, fields in documents:
        resources.setdefault(kind, set()).add(name)
        if kind == "Agent":
            agents |= {name, f"{name}-v{fields.get('version')}"}
            if fields.get("stage", "production") == "production" and (number := _semver(fields)) is not None:
                versions.setdefault(name, {})[number] = (str(fields["version"]), fields)
        elif kind == "ToolSource":
            tools |= {f"{name}__{tool}" for tool in _mapping(fields.get("tools"))}
        elif kind == "Workflow":
            steps = _mapping(fields.get("steps")).values()
            begun = [_mapping(step).get("workflow") for step in steps]
            workflows[name] = {one for one in begun if isinstance(one, str)}
        elif kind == "Principal" and fields.get("active", True) and isinstance(fields.get("os_user"), str):
            os_users.setdefault(fields["os_user"], set()).add(name)
    current = {name: found[max(found)] for name, found in versions.items()}
    skills: dict[str, set[str]] = {}
    for name, (_, fields) in current.items():
        for skill in _skills(fields):
            skills.setdefault(skill, set()).add(name)
    return Names(
        resources=_frozen(resources),
        current={name: version for name, (version, _) in current.items()},
        skills=_frozen(skills),
        agents=frozenset(agents),
        tools=frozenset(tools),
        os_users=_frozen(os_users),
        workflows=_frozen(workflows),
    )


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {key: frozenset(names) for key, names in sets.items()}


def _semver(fields: Mapping[str, Any]) -> Semver | None:
    try:
        return Semver.parse(fields["version"])
    except (KeyError, TypeError, ValueError):
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _skills(fields: Mapping[str, Any]) -> list[str]:
    skills = fields.get("skills")
    found = [_mapping(skill).get("name") for skill in skills] if isinstance(skills, list) else []
    return [name for name in found if isinstance(name, str)]
