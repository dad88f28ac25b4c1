"""Planning an apply: what files would change, or all that is wrong with them. Nothing is read or written here."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from remit.errors import InvalidResource, VersionExists
from remit.ledger import PutRecord
from remit.registry.agent import version_hash
from remit.registry.differences import Difference, differences
from remit.registry.files import beside, prompt_files
from remit.registry.flow_check import skills_of
from remit.registry.kinds import NOT_BUILT, Kind
from remit.registry.names import Names, names_in, suggestion
from remit.registry.stored import TABLE, StoredResource, resource_key
from remit.resources import Problem, RawResource, read_resources, validate


@dataclass(frozen=True, slots=True)
class Change:
    """What applying does to one resource."""

    action: Literal["created", "updated", "unchanged"]
    kind: str
    #: The resource's name; for an agent `NAME@VERSION`.
    name: str
    #: The file that it stands in, as it was named.
    file: str
    line: int
    #: Field by field; empty unless updated.
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.action}"


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """All or none: where one problem is an error there are no changes and no resources to write."""

    changes: tuple[Change, ...]
    #: Errors and warnings, by file and line.
    problems: tuple[Problem, ...]
    #: What is created or updated.
    resources: tuple[StoredResource, ...]
    #: Keys of agent versions that the files would change.
    conflicts: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep everything from being applied."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that do not."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def records(self) -> tuple[PutRecord, ...]:
        """What to write, without the time of applying."""
        return tuple(PutRecord(TABLE, resource.key, resource.to_json()) for resource in self.resources)

    def records_at(self, at_us: int) -> tuple[PutRecord, ...]:
        """What to write, applied at this instant: microseconds since 1970-01-01 UTC."""
        stamped = (replace(resource, applied_at_us=at_us) for resource in self.resources)
        return tuple(PutRecord(TABLE, resource.key, resource.to_json()) for resource in stamped)

    def require_valid(self) -> None:
        """Return where everything may be applied.

        Raises:
            VersionExists: the only errors are versions that exist with other content.
            InvalidResource: there are others. Either names every error at its line.
        """
        if not self.errors:
            return
        told = "\n".join(map(str, self.errors))
        raise (VersionExists if len(self.conflicts) == len(self.errors) else InvalidResource)(told)


def plan_apply(
    files: Sequence[tuple[str, str]],
    stored: Mapping[str, StoredResource],
    kinds: Mapping[str, Kind],
    *,
    prompts: Mapping[str, str] | None = None,
    built_in: Collection[str] = (),
) -> ApplyPlan:
    """Plan what the texts of `files` (path and text) change in `stored` (by key).

    The outcome does not depend on the order of `files`. `prompts` holds the texts of the prompt files that agents name,
    `built_in` the names of tool sources that are there without a resource, which no file may take.
    """
    problems: list[Problem] = []
    raws = []
    for name, text in sorted(files):
        found, wrong = read_resources(text, name)
        problems += wrong
        raws += [_with_prompts(raw, prompts or {}, problems) for raw in found]
    formed = [raw for raw in raws if _well_formed(raw, kinds, problems)]
    unique = _once_each(raws, problems)
    before = names_in((resource.kind, resource.name, resource.fields) for resource in stored.values())
    names = names_in([*_after(stored, unique), *(("ToolSource", name, {}) for name in built_in)])
    for raw in formed:
        problems += kinds[raw.kind].check(raw, names)
    problems += [
        raw.problem(("name",), f"{raw.name!r} is the name of a source that Remit itself brings: choose another")
        for raw in unique.values()
        if raw.kind == "ToolSource" and raw.name in built_in
    ]
    problems += _lost_skills(unique.values(), stored, before, names)
    conflicts = _changed_versions(unique, stored, problems)
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.where, problem.message))
    if any(problem.severity == "error" for problem in problems):
        return ApplyPlan((), tuple(problems), (), conflicts)
    changes = tuple(_change(key, unique[key], stored.get(key)) for key in sorted(unique))
    written = tuple(
        _resource(unique[key])
        for key, change in zip(sorted(unique), changes, strict=True)
        if change.action != "unchanged"
    )
    return ApplyPlan(changes, tuple(problems), written)


def _with_prompts(raw: RawResource, prompts: Mapping[str, str], problems: list[Problem]) -> RawResource:
    """The agent with the text of its prompt files in place of their paths."""
    named = prompt_files(raw)
    if not named:
        return raw
    texts = dict(raw.fields["prompts"])
    for prompt, relative in named.items():
        path = beside(raw.file, relative)
        if path is None:
            told = f"{relative!r} leads out of the folder of this file"
            problems.append(raw.problem(("prompts", prompt, "file"), told))
        elif path not in prompts:
            told = f"there is no readable text file {relative!r} beside this file"
            problems.append(raw.problem(("prompts", prompt, "file"), told))
        elif len(raw.fields["prompts"][prompt]) == 1:
            texts[prompt] = prompts[path]
    return replace(raw, fields={**raw.fields, "prompts": texts})


def _well_formed(raw: RawResource, kinds: Mapping[str, Kind], problems: list[Problem]) -> bool:
    kind = kinds.get(raw.kind)
    if kind is None:
        built = ", ".join(sorted(kinds))
        if raw.kind in NOT_BUILT:
            told = f"kind {raw.kind!r} is not built in this release; built are {built}"
        else:
            near = suggestion(raw.kind, [*kinds, *NOT_BUILT])
            told = f"unknown kind {raw.kind!r}{near or f'; known are {built}'}"
        problems.append(raw.problem(("kind",), told))
        return False
    if kind.model is None:
        return True
    model, wrong = validate(raw, kind.model)
    problems += wrong
    return model is not None


def _once_each(raws: Iterable[RawResource], problems: list[Problem]) -> dict[str, RawResource]:
    """The resources by key; a second one under the same key is a problem that names the first."""
    unique: dict[str, RawResource] = {}
    for raw in raws:
        key = resource_key(raw.kind, raw.name, raw.fields)
        first = unique.setdefault(key, raw)
        if first is raw:
            continue
        place = f"{first.file}:{first.line}"
        if raw.kind == "Agent":
            other = "with other content" if version_hash(raw.fields) != version_hash(first.fields) else "a second time"
            told = (
                f"version {raw.fields.get('version')!r} of agent {raw.name!r} stands here {other}; the first is {place}"
            )
            problems.append(raw.problem(("version",), f"{told}: give this one a new version number, or take it out"))
        else:
            told = f"{raw.kind} {raw.name!r} stands here a second time; the first is {place}"
            problems.append(raw.problem(("name",), told))
    return unique


def _after(
    stored: Mapping[str, StoredResource], unique: Mapping[str, RawResource]
) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    """What will stand once all is applied."""
    for key, resource in stored.items():
        if key not in unique:
            yield resource.kind, resource.name, resource.fields
    for raw in unique.values():
        yield raw.kind, raw.name, raw.fields


def _lost_skills(
    raws: Iterable[RawResource], stored: Mapping[str, StoredResource], before: Names, after: Names
) -> Iterator[Problem]:
    """Skills that a stored workflow asks for, and that these files take away."""
    raws = tuple(raws)
    replaced = {raw.name for raw in raws if raw.kind == "Workflow"}
    asked = {
        skill: r.name
        for r in stored.values()
        if r.kind == "Workflow" and r.name not in replaced
        for skill in skills_of(r.fields)
    }
    for skill in sorted(asked.keys() & (before.skills.keys() - after.skills.keys())):
        for raw in raws:
            if raw.kind == "Agent" and raw.name in before.skills[skill]:
                told = f"no production agent would offer the skill {skill!r}, for which workflow {asked[skill]!r} asks"
                yield raw.problem((), told)


def _changed_versions(
    unique: Mapping[str, RawResource], stored: Mapping[str, StoredResource], problems: list[Problem]
) -> tuple[str, ...]:
    """Stored versions of agents that the files would change; each is a problem."""
    changed = []
    for key, raw in unique.items():
        old = stored.get(key)
        if raw.kind != "Agent" or old is None or version_hash(raw.fields) == version_hash(old.fields):
            continue
        what = ", ".join(d.where for d in differences(old.fields, raw.fields) if d.where != "stage")
        told = (
            f"version {raw.fields.get('version')!r} of agent {raw.name!r} exists (from {old.file}) "
            f"and differs in {what}; a version is immutable: give the new content a new version number"
        )
        problems.append(raw.problem(("version",), told))
        changed.append(key)
    return tuple(changed)


def _change(key: str, raw: RawResource, old: StoredResource | None) -> Change:
    name = key.removeprefix(f"{raw.kind}/")
    if old is None:
        return Change("created", raw.kind, name, raw.file, raw.line)
    changed = tuple(differences(old.fields, raw.fields))
    return Change("updated" if changed else "unchanged", raw.kind, name, raw.file, raw.line, changed)


def _resource(raw: RawResource) -> StoredResource:
    return StoredResource(raw.kind, raw.name, raw.fields, PurePosixPath(raw.file).name, raw.bare)
