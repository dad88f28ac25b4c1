"""What several folds share: adding steps, letting them go, ending them. Pure."""

from bisect import bisect_left, insort
from typing import Any, Protocol, TypeVar

from immutables import Map

from remit.ids import StepId
from remit.missions.state import OVERTAKEN, MissionState, StepState, StepStatus
from remit.planning import OnFailure, Step, StepKind

_Key = TypeVar("_Key")


class _Steps(Protocol):
    """Steps by their names, in a map or in one that is being made."""

    def __getitem__(self, name: StepId, /) -> StepState: ...


#: Why a step was skipped: one that it waits for did not end well.
AFTER_FAILED = "after_failed"


def add_steps(state: MissionState, added: tuple[Step, ...], proposer: StepId | None) -> MissionState:
    """Let steps join the plan; those that wait for nothing are ready at once."""
    steps, ready = state.steps.mutate(), state.ready
    giver = state.steps[proposer] if proposer is not None else None
    spread = giver is not None and giver.expanded
    at_once = giver.step.terms.at_once if giver is not None and spread else 0
    woken: list[StepId] = []
    #: Gathered before it is folded in: one step may have thousands that wait for it.
    waiting: dict[StepId, list[StepId]] = {}
    doomed: dict[StepId, StepId] = {}
    timed: list[tuple[int, StepId]] = []
    for place, step in enumerate(added):
        # Steps of one plan may stand in any order: one that is not there yet has not ended.
        unmet = [other for other in step.after if other not in steps or not steps[other].status.ended]
        for other in unmet:
            waiting.setdefault(other, []).append(step.id)
        held_back = bool(at_once) and place >= at_once
        status = StepStatus.PENDING if unmet or held_back else StepStatus.READY
        attempt = state.left.get(step.id, 0) + 1
        added_step = StepState(step, status, len(unmet), attempt, attempt, proposed_by=proposer)
        if not unmet and (failed := _ruled_out_by(steps, step)) is not None:
            added_step = added_step._replace(status=StepStatus.PENDING)
            doomed[step.id] = failed
        steps[step.id] = added_step
        if added_step.status is StepStatus.READY and not is_connected(added_step):
            woken.append(step.id)
        if step.terms.deadline_seconds:
            timed.append((deadline_of(state, step), step.id))
    if giver is not None and spread and proposer is not None:
        # The step whose list this is ends after them all.
        let_go = min(at_once, len(added)) if at_once else len(added)
        steps[proposer] = giver._replace(unmet=len(added), released=let_go)
        for step in added:
            waiting.setdefault(step.id, []).append(proposer)
    dependents = {other: (*state.dependents.get(other, ()), *names) for other, names in waiting.items()}
    return state._replace(
        steps=steps.finish(),
        dependents=state.dependents.update(dependents) if dependents else state.dependents,
        ready=ready.update(dict.fromkeys(woken)) if woken else ready,
        woken=(*state.woken, *woken),
        doomed=state.doomed.update(doomed) if doomed else state.doomed,
        waits=tuple(sorted([*state.waits, *timed])) if timed else state.waits,
        open_steps=state.open_steps + len(added),
    )


def end_step(state: MissionState, ended: StepState) -> MissionState:
    """Record that a step has ended, and make ready what waited for it last."""
    name = ended.step.id
    before = state.steps[name]
    if before.status is StepStatus.WAITING:
        state = without_questions_of(state, name)
    if ended.until_us or ended.step.terms.deadline_seconds:
        state = state._replace(waits=_without_waits_of(state, ended))
        ended = ended._replace(until_us=0)
    ended = ended._replace(ended_as=state.version + 1)
    steps = state.steps.set(name, ended)
    woken: list[StepId] = []
    doomed = without(state.doomed, name)
    for waiting in state.dependents.get(name, ()):
        step = steps.get(waiting)
        if step is None or not step.unmet:
            continue  # it left the plan, or began without waiting for this step's being done again
        status = step.status
        if step.unmet == 1 and status is StepStatus.PENDING:
            failed = None if step.expanded else _ruled_out_by(steps, step.step)
            if failed is not None:
                doomed = doomed.set(waiting, failed)
            elif not _is_held_back(steps, step):
                status = StepStatus.READY
                woken.append(waiting)
        steps = steps.set(waiting, step._replace(unmet=step.unmet - 1, status=status))
    if ended.answers_step is not None and steps[ended.answers_step].status is StepStatus.BLOCKED:
        # The step that proposed this call goes on from its tape; the call is answered from this step.
        steps = steps.set(ended.answers_step, steps[ended.answers_step]._replace(status=StepStatus.READY))
        woken.append(ended.answers_step)
    steps, next_one = _let_the_next_go(steps, ended)
    ready = without(state.ready, name)
    for one in (*woken, *next_one):
        ready = ready.set(one, None)
    return state._replace(
        steps=steps,
        ready=ready,
        woken=(*state.woken, *woken, *next_one),
        running=without(state.running, name),
        failed=without(state.failed, name),
        doomed=doomed,
        children=without(state.children, name),
        open_steps=state.open_steps - 1,
    )


def let_go(state: MissionState, step: StepState) -> MissionState:
    """Make a step ready that is not running any more."""
    name = step.step.id
    return state._replace(
        steps=state.steps.set(name, step._replace(status=StepStatus.READY)),
        running=without(state.running, name),
        failed=without(state.failed, name),
        ready=state.ready.set(name, None),
        woken=(*state.woken, name),
    )


def wait_until(waits: tuple[tuple[int, StepId], ...], at_us: int, name: StepId) -> tuple[tuple[int, StepId], ...]:
    """The instants with one more."""
    longer = list(waits)
    insort(longer, (at_us, name))
    return tuple(longer)


def deadline_of(state: MissionState, step: Step) -> int:
    """When a step must have ended by its own terms; 0 for the mission's deadline."""
    seconds = step.terms.deadline_seconds
    return state.submitted_at_us + state.moved_us + seconds * 1_000_000 if seconds else 0


def is_connected(step: StepState) -> bool:
    """True for the work of an agent outside: it is never among the steps that a driver may claim."""
    return step.step.kind is StepKind.CONNECTED


def without(mapping: Map[_Key, Any], key: _Key) -> Map[_Key, Any]:
    """The mapping without this key."""
    return mapping.delete(key) if key in mapping else mapping


def _ruled_out_by(steps: _Steps, step: Step) -> StepId | None:
    """The first of the steps that this one waits for which did not end well, where that rules this one out."""
    for name in step.after:
        held = steps[name]
        if held.status is StepStatus.SKIPPED and held.code == AFTER_FAILED:
            return name
        failed = held.status is StepStatus.FAILED or held.status is StepStatus.REFUSED
        if failed and held.step.terms.on_failure is not OnFailure.CONTINUE:
            return name
    return None


def _is_held_back(steps: _Steps, step: StepState) -> bool:
    """True for a step of a list of which only some may run at once, while it is not its turn."""
    if step.undoes is not None:
        return False
    giver = steps[step.proposed_by] if step.proposed_by is not None else None
    if giver is None or not giver.expanded or not giver.step.terms.at_once:
        return False
    return int(step.step.id.rpartition(".")[2]) >= giver.released


def _let_the_next_go(steps: Any, ended: StepState) -> tuple[Any, tuple[StepId, ...]]:
    """Where only some steps of a list run at once, the next one takes the place of one that has ended."""
    if ended.undoes is not None:
        return steps, ()
    giver = steps[ended.proposed_by] if ended.proposed_by is not None else None
    if giver is None or not giver.expanded or not giver.step.terms.at_once:
        return steps, ()
    name = StepId(f"{giver.step.id}.{giver.released}")
    if name not in steps:
        return steps, ()
    steps = steps.set(giver.step.id, giver._replace(released=giver.released + 1))
    return steps.set(name, steps[name]._replace(status=StepStatus.READY)), (name,)


def _without_waits_of(state: MissionState, ended: StepState) -> tuple[tuple[int, StepId], ...]:
    waits, name = state.waits, ended.step.id
    for at_us in (ended.until_us, deadline_of(state, ended.step)):
        place = bisect_left(waits, (at_us, name))
        if at_us and place < len(waits) and waits[place] == (at_us, name):
            waits = (*waits[:place], *waits[place + 1 :])
    return waits


def without_questions_of(state: MissionState, name: StepId) -> MissionState:
    """An outcome came before the answer: nobody needs to be asked any more."""
    for approval, asked in state.approvals.items():
        if name == (asked.proposed[0].id if asked.proposed else asked.step):
            state = state._replace(
                approvals=state.approvals.delete(approval),
                answered=state.answered.set(approval, OVERTAKEN),
            )
    return state
