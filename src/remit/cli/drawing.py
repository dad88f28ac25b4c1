"""A workflow as a picture: for a terminal, as Mermaid, as DOT."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: Where a step stands, to its mark, the terminal's colour and the picture's.
_LOOKS: Mapping[str, tuple[str, str, str]] = {
    "": ("o", "", "#ffffff"),
    "pending": ("o", "", "#ffffff"),
    "ready": ("o", "", "#ffffff"),
    "running": (">", "cyan", "#cfe8ff"),
    "parked": ("~", "cyan", "#cfe8ff"),
    "waiting": ("?", "yellow", "#fff2c4"),
    "blocked": ("?", "yellow", "#fff2c4"),
    "succeeded": ("+", "green", "#d3f2d3"),
    "failed": ("x", "red", "#f8d0d0"),
    "refused": ("x", "red", "#f8d0d0"),
    "skipped": ("-", "bright_black", "#e6e6e6"),
}

Step = Mapping[str, Any]


def ranks(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps in the order in which they can come: each stands below all that it waits for."""
    by_name = {step["id"]: step for step in steps}
    depth: dict[str, int] = {}
    left = sorted(by_name)
    while left:
        known = [name for name in left if all(other in depth for other in by_name[name]["after"] if other in by_name)]
        for name in known or left:
            above = [depth.get(other, -1) for other in by_name[name]["after"]]
            depth[name] = 1 + max(above, default=-1)
        left = [name for name in left if name not in depth]
    found: list[list[Step]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in sorted(by_name):
        found[depth[name]].append(by_name[name])
    return found


def lines(steps: Sequence[Step]) -> Iterable[tuple[str, str]]:
    """One line for each step, with the colour of where it stands; a bar between those that wait for each other."""
    width = max((len(step["id"]) for step in steps), default=0)
    for place, rank in enumerate(ranks(steps)):
        if place:
            yield "  |", ""
        for step in rank:
            mark, colour, _ = _look(step)
            waits = f"  <- {', '.join(step['after'])}" if step["after"] else ""
            stands = f"  [{step['status']}]" if step["status"] else ""
            yield f"  {mark} {step['id']:<{width}}  {_what(step)}{waits}{stands}", colour


def mermaid(steps: Sequence[Step]) -> str:
    """A Mermaid flow chart."""
    names = {step["id"]: f"s{place}" for place, step in enumerate(steps)}
    told = ["flowchart TD"]
    for step in steps:
        label = _escaped(f"{step['id']}<br/>{_what(step)}")
        told.append(f'    {names[step["id"]]}["{label}"]')
    for step in steps:
        told += [f"    {names[other]} --> {names[step['id']]}" for other in step["after"] if other in names]
    told += [f"    style {names[step['id']]} fill:{_look(step)[2]}" for step in steps if step["status"]]
    return "\n".join(told)


def dot(steps: Sequence[Step]) -> str:
    """A graph in DOT."""
    names = {step["id"] for step in steps}
    told = ["digraph workflow {", "    node [shape=box, style=filled];"]
    for step in steps:
        label = f"{step['id']}\\n{_escaped(_what(step))}"
        told.append(f'    "{step["id"]}" [label="{label}", fillcolor="{_look(step)[2]}"];')
    for step in steps:
        told += [f'    "{other}" -> "{step["id"]}";' for other in step["after"] if other in names]
    return "\n".join([*told, "}"])


def _what(step: Step) -> str:
    each = "each: " if step["each"] else ""
    when = f" when {step['when']}" if step["when"] else ""
    return f"{each}{step['kind']} {step['target']}".rstrip() + when


def _look(step: Step) -> tuple[str, str, str]:
    return _LOOKS.get(step["status"], _LOOKS[""])


def _escaped(text: str) -> str:
    return text.replace("\\", "/").replace('"', "'")
