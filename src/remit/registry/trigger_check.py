"""What is checked of a trigger beyond its fields: one source, one effect, and that what it speaks of is there."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cel_expr_python import cel

from remit.registry.names import Names, suggestion
from remit.registry.trigger import PATH
from remit.resources import Path, Problem, RawResource

_FORMS = ("webhook", "api", "nats", "redis", "schedule")
_EFFECTS = ("submit", "deliver")
#: A reference within a text.
REFERENCE = re.compile(rf"\$\{{({PATH})\}}")
_ANY = re.compile(r"\$\{[^}]*\}?")
_ROOTS = ("id", "body", "headers", "subject", "at")

_ENV = cel.NewEnv(variables={"event": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})


def condition(when: str) -> Any:
    """The compiled condition.

    Raises:
        ValueError: it is no CEL expression over `event` that can be true or false.
    """
    try:
        program = _ENV.compile(when)
    except (RuntimeError, TypeError) as error:
        lines = str(error).replace("INVALID_ARGUMENT: ", "").removesuffix(" [INVALID_ARGUMENT]").splitlines()
        told = lines[0].removeprefix("ERROR: <input>:").strip() if lines else "not Unicode text"
        raise ValueError(f"this is no valid condition: {told}; known is event") from None
    kind = program.return_type()
    if not (kind == cel.Type.BOOL or kind == cel.Type.DYN):  # noqa: PLR1714 -- types of CEL have no hash
        raise ValueError(f"the condition gives {kind.name()}: expected one that is true or false")
    return program


def check_trigger(raw: RawResource, names: Names) -> list[Problem]:
    """All that is wrong with a trigger whose fields are well-formed."""
    fields = raw.fields
    problems = [*_one(raw, ("on",), _FORMS), *_one(raw, (), _EFFECTS), *_unknown_places(raw)]
    if when := fields.get("when"):
        try:
            condition(when)
        except ValueError as error:
            problems.append(raw.problem(("when",), str(error)))
    if submit := fields.get("submit"):
        for key, kind in (("workflow", "Workflow"), ("principal", "Principal")):
            if submit[key] not in names.of(kind):
                near = suggestion(submit[key], names.of(kind))
                problems.append(raw.problem(("submit", key), f"there is no {kind} {submit[key]!r}{near}"))
        problems += _references(raw, submit.get("inputs", {}), ("submit", "inputs"))
    for technology in ("nats", "redis"):
        problems += check_credential(raw, ("on", technology), ("bearer", "basic"))
    if schedule := fields["on"].get("schedule"):
        problems += _check_schedule(raw, schedule)
    return [*problems, *_check_credentials(raw)]


def _check_credentials(raw: RawResource) -> Iterator[Problem]:
    for technology in ("nats", "redis"):
        sent = ((raw.fields["on"].get(technology) or {}).get("credential") or {}).get("as")
        if sent is not None and not isinstance(sent, str):
            told = "such a server has no place for that: expected `bearer` or `basic`"
            yield raw.problem(("on", technology, "credential", "as"), told)


def check_credential(raw: RawResource, at: tuple[str, ...], forms: tuple[str, ...]) -> list[Problem]:
    """That the credential below `at`, where there is one, is Remit's own and of one of these forms."""
    fields: Any = raw.fields
    for part in at:
        fields = fields.get(part) or {}
    given = fields.get("credential") or {}
    problems = [
        raw.problem((*at, "credential", key), "nobody's own secret is meant here: write `ref`")
        for key in ("per_person", "exchange")
        if given.get(key) is not None
    ]
    if given and given.get("as", "bearer") not in forms:
        problems.append(raw.problem((*at, "credential", "as"), f"expected {' or '.join(forms)}"))
    return problems


def _one(raw: RawResource, at: tuple[str, ...], known: tuple[str, ...]) -> list[Problem]:
    fields = raw.fields[at[0]] if at else raw.fields
    present = [key for key in known if fields.get(key) is not None]
    if len(present) == 1:
        return []
    told = f"expected one of {', '.join(f'`{key}`' for key in known)}"
    return [raw.problem((*at, present[1]) if present else at, told if not present else f"{told}, not several")]


def _unknown_places(raw: RawResource) -> list[Problem]:
    places: list[tuple[Path, str]] = [(("verified", n), one) for n, one in enumerate(raw.fields.get("verified", []))]
    if place := raw.fields.get("id"):
        places.append((("id",), place))
    if place := (raw.fields.get("deliver") or {}).get("mission"):
        places.append((("deliver", "mission"), place))
    return [raw.problem(at, _no_root(place)) for at, place in places if not _has_root(place)]


def _references(raw: RawResource, value: Any, at: Path) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _references(raw, below, (*at, key))
    elif isinstance(value, list):
        for place, below in enumerate(value):
            yield from _references(raw, below, (*at, place))
    elif isinstance(value, str):
        for found in _ANY.findall(value):
            match = REFERENCE.fullmatch(found)
            if match is None:
                yield raw.problem(at, f"{found[:60]!r} is no reference: expected one such as ${{event.body.order.id}}")
            elif not _has_root(match[1]):
                yield raw.problem(at, _no_root(match[1]))


def _has_root(place: str) -> bool:
    return place.split(".")[1] in _ROOTS


def _no_root(place: str) -> str:
    return f"an event has no {place.split('.')[1]!r}: expected {', '.join(f'event.{root}' for root in _ROOTS)}"


def _check_schedule(raw: RawResource, schedule: dict[str, Any]) -> Iterator[Problem]:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 -- only where there is a schedule

    zone = schedule.get("time_zone", "UTC")
    try:
        begins = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield raw.problem(("on", "schedule", "time_zone"), f"there is no time zone {zone!r}")
        return
    try:
        next(CronSim(schedule["cron"], begins))
    except (CronSimError, StopIteration):
        told = "this is no schedule that ever comes: expected five fields, such as 0 7 * * MON-FRI"
        yield raw.problem(("on", "schedule", "cron"), told)
