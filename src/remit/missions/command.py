"""A person's command to a mission that runs: decided, and put on record with who and why."""

from collections.abc import Callable, Sequence

from remit.approvals import ApprovalRecord
from remit.clock import Clock
from remit.errors import FactExists, StreamMoved
from remit.gateway import Door, micros_of
from remit.identity import Principal
from remit.ids import MissionId
from remit.ledger import Commit, Draft, PutBlob, PutRecord, Records, Write
from remit.missions.active import ActiveMission
from remit.missions.control import ControlCommand, Pause, Resume, claim_that_it_forestalls, suspension_moved
from remit.missions.decide import decide
from remit.missions.event import Event

#: How often a command is decided anew because the mission moved meanwhile.
_TRIES = 20

#: Makes the command from where the mission stands and the keyed name of the sealed reason.
Command = Callable[[ActiveMission, str], ControlCommand]


async def carry_out(
    door: Door,
    records: Records,
    clock: Clock,
    by: Principal,
    mission: MissionId,
    why: str,
    command: Command,
    bodies: Sequence[PutBlob] = (),
) -> bool:
    """Decide and write, anew where the mission moved meanwhile; False where nothing had to change.

    `bodies` are read after `command` was called: it may fill them.

    Raises:
        NotFound, MissionEnded, NotPossibleNow, InvalidPlan: as `decide_control`; nothing was changed.
    """
    active = await ActiveMission.load(mission, door.journal, door.vault)
    reason, body = door.vault.seal(mission, why) if why else (None, None)
    for _ in range(_TRIES):
        asked = command(active, reason.cid if reason else "")
        events = decide(active.state, asked)
        if not events:
            return False
        writes = [*bodies, *([body] if body else []), *await _listed(records, active, asked, events)]
        try:
            await _commit(door, active, by, events, writes, micros_of(clock.now()))
        except (StreamMoved, FactExists):
            await active.catch_up(door.journal)
            await active.catch_up_calls(door.journal)
        else:
            return True
    raise StreamMoved(f"{mission} kept moving; nothing was changed.", hint="Pause it first, then try again.")


async def _commit(
    door: Door, active: ActiveMission, by: Principal, events: Sequence[Event], writes: Sequence[Write], now_us: int
) -> None:
    drafts = tuple(
        Draft(
            active.stream,
            event.kind,
            event.payload(),
            by.actor,
            now_us,
            event.version,
            fact=claim_that_it_forestalls(active.state, event),
        )
        for event in events
    )
    await door.journal.commit(Commit(drafts, tuple(writes), expect=((active.stream, active.state.version),)))


async def _listed(
    records: Records, active: ActiveMission, asked: ControlCommand, events: Sequence[Event]
) -> list[Write]:
    """What the lists of missions and of questions say from now on."""
    listed = await records.record("mission", active.id) or {}
    writes: list[Write] = []
    if isinstance(asked, Pause | Resume):
        status = "paused" if isinstance(asked, Pause) else "working"
        writes.append(PutRecord("mission", active.id, {**listed, "status": status}))
    for approval, moved in suspension_moved(active.state, events).items():
        if found := await records.record("approval", approval):
            writes.append(PutRecord("approval", approval, ApprovalRecord.from_json(found).moved(moved).to_json()))
    return writes
