"""A person's answer to an approval: who may give it, what it changes, and what it binds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from remit.approvals import ApprovalRecord
from remit.clock import Clock
from remit.errors import (
    AlreadyAnswered,
    AnswerNotAllowed,
    ApprovalExpired,
    InvalidInput,
    NotFound,
    RightsExceeded,
    StreamMoved,
)
from remit.gateway import Call, Door, Known, micros_of, text_of
from remit.identity import Principal, Right, require
from remit.ids import ApprovalId, MissionId, StepId
from remit.ledger import Commit, Draft, PutBlob, PutRecord, Records
from remit.missions.active import ActiveMission
from remit.missions.callers import caller_of, proposer_of
from remit.missions.decide import Answer, decide
from remit.missions.events import StepSuspended
from remit.missions.state import EXPIRED
from remit.planning import StepKind
from remit.state import Pointer
from remit.tools import Origin

#: How often an answer is decided anew because the mission moved meanwhile.
_TRIES = 20
VERDICTS = ("approve", "reject", "steer")


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as a person gave it."""

    approval: ApprovalId
    verdict: str
    note: str = ""
    #: For a steer: argument to its new value.
    changes: Mapping[str, Any] = field(default_factory=dict)


async def find_approval(records: Records, approval: ApprovalId) -> ApprovalRecord:
    """The approval's record.

    Raises:
        NotFound: there is none.
    """
    stored = await records.record("approval", approval)
    if stored is None:
        raise NotFound(f"There is no approval {approval}.")
    return ApprovalRecord.from_json(stored)


async def answer(door: Door, clock: Clock, record: ApprovalRecord, by: Principal, given: Given) -> MissionId:
    """Record the answer and return the mission that it lets go on.

    Raises:
        RightsExceeded: this person may not answer it.
        AlreadyAnswered, ApprovalExpired, AnswerNotAllowed: it is not open, or not in this way.
        InvalidInput, InvalidArguments, FlowRefused, PolicyDenied: the steer's values cannot be taken.
        In each case the question stays open.
    """
    _check_right(by, record)
    if given.verdict not in VERDICTS:
        raise InvalidInput(f"{given.verdict!r} is no verdict; answer with {', '.join(VERDICTS)}.")
    if record.verdict == EXPIRED:
        raise ApprovalExpired(f"{record.id} could be answered until its end and was not.")
    if record.verdict:
        raise AlreadyAnswered(f"{record.id}: {record.reason or f'{record.verdict} by {record.answered_by}'}.")
    mission = MissionId(record.mission)
    active = await ActiveMission.load(mission, door.journal, door.vault)
    for _ in range(_TRIES):
        try:
            await _decide(door, clock, active, record, by, given)
        except StreamMoved:
            await active.catch_up(door.journal)
        else:
            return mission
    raise StreamMoved(f"{mission} kept moving; the answer was not taken.")


async def _decide(
    door: Door, clock: Clock, active: ActiveMission, record: ApprovalRecord, by: Principal, given: Given
) -> None:
    now_us = micros_of(clock.now())
    command = Answer(ApprovalId(record.id), given.verdict, by.id, now_us)
    blobs: list[PutBlob] = []
    asked = active.state.approvals.get(command.approval)
    if given.note:
        note, body = door.vault.seal(active.id, given.note)
        command = replace(command, note=note.cid)
        blobs.append(body)
    if asked is not None and given.verdict == "steer":
        command = await _steer(door, active, asked, command, given, blobs)
    elif given.changes:
        raise InvalidInput("Only a steer changes arguments.")
    (event,) = decide(active.state, command)
    draft = Draft(active.stream, event.kind, event.payload(), by.actor, now_us, event.version)
    answered = replace(record, verdict=given.verdict, answered_by=by.id, answered_at_us=now_us)
    put = PutRecord("approval", record.id, answered.to_json())
    await door.journal.commit(Commit((draft,), (*blobs, put), expect=((active.stream, active.state.version),)))


async def _steer(
    door: Door,
    active: ActiveMission,
    asked: StepSuspended,
    command: Answer,
    given: Given,
    blobs: list[PutBlob],
) -> Answer:
    """Merge the person's values into the proposed call, and check the new call before it is taken."""
    step = asked.proposed[0] if asked.proposed else active.state.steps[StepId(asked.step)].step
    if step.kind is not StepKind.TOOL:
        raise AnswerNotAllowed("A question is answered with approve or reject; there is no call to change.")
    if not given.changes:
        raise InvalidInput("A steer names at least one argument and its new value.")
    proposed = await door.vault.open(Pointer(active.id, step.input))
    unknown = sorted(set(given.changes) - set(proposed))
    if unknown:
        raise InvalidInput(f"The call has no argument {', '.join(unknown)}; it has {', '.join(sorted(proposed))}.")
    steered = {**proposed, **given.changes}
    tool = door.controls.registry.tool(step.target)
    known = tuple(sorted({door.vault.digest(active.id, text_of(value)) for value in given.changes.values()}))
    # What would refuse the new call whatever a person says is said now, not after the answer was used up.
    log, person = active.log.known, Known(Origin.PERSON, active.stream, "")
    said = {digest: [*log.get(digest, ()), person] for digest in known}
    held = active.state.steps[StepId(asked.step)] if not asked.proposed else active.state.steps[step.id]
    caller = caller_of(door, active.state, held, proposer_of(active.state, held), skill="", epoch=0)
    door.check_change(caller, Call(tool.name, steered), active.log, {**log, **said})
    pointer, body = door.vault.seal(active.id, steered)
    blobs.append(body)
    binds = (door.vault.digest(active.id, steered), tool.pin, *asked.binds[2:])
    return replace(command, input=pointer.cid, binds=binds, known=known)


def _check_right(by: Principal, record: ApprovalRecord) -> None:
    require(by, Right.APPROVE)
    if not record.may_be_answered_by(by):
        asked = ", ".join(record.approvers)
        raise RightsExceeded(f"{record.id} may be answered by {asked}; {by.id} is not among them.")
