"""Missions that began one another: a mission hears how those ended that its steps began, and ends with its own."""

from remit.errors import FactExists, MissionEnded, StreamMoved
from remit.gateway import micros_of
from remit.ids import MissionId
from remit.ledger import Commit, Draft, PutRecord, Records
from remit.missions.active import ActiveMission
from remit.missions.decide import Cancel, decide
from remit.missions.nested import end_with
from remit.missions.parking import unheard
from remit.missions.perform import Performer, StepRun
from remit.missions.reserve import release_reserve
from remit.missions.state import MissionStatus, StepStatus

#: How often it is decided anew because a mission moved meanwhile.
_TRIES = 20
_ENDED = frozenset(status.value for status in MissionStatus if status.ended)


async def hear_children(performer: Performer, records: Records, mission: ActiveMission, epoch: int) -> None:
    """Let the steps go on whose missions have ended; at first all are looked at, then those that were told of."""
    told, mission.children_ended = mission.children_ended, set()
    if mission.state.status.ended:
        return
    for name, child in sorted(mission.state.children.items()):
        if told is not None and child not in told:
            continue
        listed = await records.record("mission", child)
        if listed is None or listed["status"] not in _ENDED:
            continue
        journal, vault = performer.door.journal, performer.door.vault
        active = await ActiveMission.load(MissionId(child), journal, vault)
        if not active.state.status.ended or mission.state.steps[name].status is not StepStatus.PARKED:
            continue
        try:
            await end_with(StepRun(performer, mission, name, epoch), active)
        except FactExists:
            await mission.catch_up(journal)


async def end_with_parent(performer: Performer, records: Records, mission: ActiveMission, epoch: int) -> None:
    """Cancel a mission whose own beginner has ended, or undoes what it did: nobody waits for it any more."""
    state = mission.state
    if state.submitted is None or not state.submitted.parent_step or state.status is not MissionStatus.WORKING:
        return
    listed = await records.record("mission", state.submitted.parent)
    if listed is None or listed["status"] not in {*_ENDED, MissionStatus.UNDOING.value}:
        return
    try:
        await _cancel(performer, records, mission, epoch)
    except (StreamMoved, MissionEnded):
        await mission.catch_up(performer.door.journal)  # looked at again with the next change


async def dismiss_children(performer: Performer, records: Records, mission: ActiveMission) -> list[MissionId]:
    """Cancel missions for which no step waits any more: a person skipped it, or has it done again.

    At first all skipped steps are looked at, then those that waited at the last look.

    Returns:
        The missions that were told to end; whoever drives them is to look at them.
    """
    before, mission.awaited = mission.awaited, mission.state.children
    if before is None:
        skipped = [held for held in mission.state.steps.values() if held.status is StepStatus.SKIPPED]
        dropped = {held.child for held in skipped if held.child}
    else:
        dropped = set(before.values()) - set(mission.state.children.values())
    told = []
    for child in map(MissionId, sorted(dropped)):
        listed = await records.record("mission", child)
        if listed is not None and listed["status"] not in _ENDED and await _told_to_end(performer, records, child):
            told.append(child)
    return told


async def _told_to_end(performer: Performer, records: Records, child: MissionId) -> bool:
    journal = performer.door.journal
    active = await ActiveMission.load(child, journal, performer.door.vault)
    for _ in range(_TRIES):
        if active.state.status is not MissionStatus.WORKING:
            return False
        try:
            await _cancel(performer, records, active, None)
        except (StreamMoved, MissionEnded):
            await active.catch_up(journal)
        else:
            return True
    return False


async def _cancel(performer: Performer, records: Records, mission: ActiveMission, epoch: int | None) -> None:
    """Put on record that it ends, or undoes first what it did; `epoch` is that of whoever drives it."""
    events = decide(mission.state, Cancel("remit"))
    if not events:
        return  # it undoes what it did already
    status = MissionStatus.CANCELLED if any(event.closes for event in events) else MissionStatus.UNDOING
    now_us, own = micros_of(performer.clock.now()), await records.record("mission", mission.id)
    drafts = tuple(
        Draft(mission.stream, event.kind, event.payload(), "remit", now_us, event.version, closes=event.closes)
        for event in events
    )
    put = PutRecord("mission", mission.id, {**(own or {}), "status": status.value, "waiting_for_people": 0})
    writes = (put, *release_reserve(performer.door.tenant, mission, events), *unheard(mission.state, events))
    expect, lease = ((mission.stream, mission.state.version),), performer.door.lease_of(mission.id)
    commit = Commit(drafts, writes, expect=expect, epoch=epoch, lease=lease)
    mission.apply(await performer.door.journal.commit(commit))
