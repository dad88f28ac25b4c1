"""What is told of policies beside what is registered: dead, shadowed and contradictory rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from remit.gateway.enforce import MODEL_SOURCE
from remit.policy import Policy, Surroundings, check, load_policy
from remit.registry import Registry, ToolSource, tools_of
from remit.resources import Problem, read_resources
from remit.tools import Tool


def policies_of(files: Sequence[tuple[str, str]]) -> list[Policy]:
    """The valid policies that stand in these files, with their lines."""
    raws = [raw for name, text in files for raw in read_resources(text, name)[0] if raw.kind == "Policy"]
    loaded = [load_policy(raw)[0] for raw in raws]
    return [policy for policy in loaded if policy is not None]


def findings(
    stored: Iterable[Policy], files: Sequence[tuple[str, str]], registry: Registry, tools: Iterable[Tool]
) -> list[Problem]:
    """What is found in policies once those of `files` stand in place of stored ones of the same names."""
    given = {policy.name: policy for policy in policies_of(files)}
    after = {**{policy.name: policy for policy in stored}, **given}
    return check(after.values(), _surroundings(registry, tools))


def declared_tools(sources: Mapping[str, ToolSource]) -> list[Tool]:
    """The tools that files declare, without asking their sources; of their arguments only those with a role count."""
    found: list[Tool] = []
    for source in sources.values():
        definitions = []
        for name, declared in source.tools.items():
            properties: dict[str, object] = {role.argument: {} for role in declared.roles}
            definitions.append({"name": name, "inputSchema": {"type": "object", "properties": properties}})
        found += tools_of(source, definitions)
    return found


def _surroundings(registry: Registry, tools: Iterable[Tool]) -> Surroundings:
    granted: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for version in registry.versions.values():
        patterns = version.tools if version.stage != "retired" else ()
        granted[version.name] += patterns
        granted[f"{version.name}-v{version.version}"] += patterns
    people = [person for person in registry.principals.values() if person.active]
    return Surroundings(
        tools={tool.name: tool for tool in tools},
        granted=granted,
        agents={version.name for version in registry.versions.values()},
        skills={skill.name for version in registry.versions.values() for skill in version.skills},
        people={*(person.id for person in people), *(role for person in people for role in person.roles)},
        built_in={MODEL_SOURCE},
    )
