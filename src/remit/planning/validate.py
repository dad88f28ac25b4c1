"""Whether steps can join a plan: names, references, cycles, skills and tools."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from graphlib import CycleError, TopologicalSorter

from remit.errors import InvalidPlan
from remit.ids import StepId
from remit.planning.plan import Step, StepKind

_NAME = re.compile(r"[a-z0-9][a-z0-9._~-]{0,79}")


def check_plan(
    steps: Sequence[Step],
    *,
    known: Collection[StepId],
    has_skill: Callable[[str], bool],
    has_tool: Callable[[str], bool],
    steps_max: int,
) -> None:
    """Check that `steps` can be added to a plan that already holds `known`.

    Raises:
        InvalidPlan: with every fault that was found, not only the first.
    """
    faults = [fault for step in steps for fault in _faults_of(step, has_skill, has_tool)]
    new = [step.id for step in steps]
    times = Counter(new)
    faults += [
        f"step {name} stands twice" for name in sorted(n for n, count in times.items() if count > 1 or n in known)
    ]
    names = {*known, *new}
    faults += [
        f"step {step.id} waits for {other}, which is not in the plan"
        for step in steps
        for other in step.after
        if other not in names
    ]
    if len(names) > steps_max:
        faults.append(f"{len(names)} steps are more than the {steps_max} that this mission may have")
    try:
        TopologicalSorter({step.id: step.after for step in steps}).prepare()
    except CycleError as error:
        faults.append("steps wait for each other: " + " > ".join(error.args[1]))
    if faults:
        raise InvalidPlan("; ".join(faults) + ".")


def _faults_of(step: Step, has_skill: Callable[[str], bool], has_tool: Callable[[str], bool]) -> list[str]:
    faults = []
    if not _NAME.fullmatch(step.id):
        faults.append(f"{step.id!r} is not a step's name (lower case, digits, . _ ~ -, at most 80)")
    if step.kind is StepKind.SKILL and not has_skill(step.target):
        faults.append(f"step {step.id}: no production agent offers the skill {step.target}")
    if step.kind is StepKind.TOOL and not has_tool(step.target):
        faults.append(f"step {step.id}: the mission was not given the tool {step.target}")
    return faults
