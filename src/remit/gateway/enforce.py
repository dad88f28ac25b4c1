"""The one door. `_through` is read from top to bottom; its order is a security property.

identify > halted? > resolve and check pin > validate arguments > answer from the record? > loop guards > policy
  > data flow > waiting obligations > admit > budget hold > record intent > call > check result > settle and record
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from remit.errors import DriverReplaced, Halted, MissionEnded, RemitError, ToolUnreachable
from remit.gateway.arguments import check_arguments
from remit.gateway.call import Call, Caller, Interrupted
from remit.gateway.call_log import CallLog, Recorded
from remit.gateway.carry import asks_for, carry_out, check_with_source, did_nothing, look_at_pin
from remit.gateway.flow import Known, check_flow
from remit.gateway.granted import ask_outside_plan, check_granted
from remit.gateway.halts import cut_halted
from remit.gateway.labels import check_clearance
from remit.gateway.record import record_intent, record_refusal, settle, write_off
from remit.gateway.redact import Redaction
from remit.gateway.remedy import remedy_for
from remit.gateway.repeated import check_diverged, finish_write, from_record
from remit.gateway.transport import ToolResult
from remit.gateway.waiting import leave_for
from remit.gateway.way import Answer, DoorParts, RunTape, Way
from remit.gateway.weigh import check_turns, decided, request_of
from remit.ids import MissionId, StepId

#: The source of the home's own language model.
MODEL_SOURCE = "model"


class Door(DoorParts):
    """The door: the one road to every tool, model and agent."""

    __slots__ = ()

    async def enforce(self, caller: Caller, call: Call, log: CallLog, tape: RunTape, *, progress: str) -> Answer:
        """Take one call through the door.

        Raises:
            Suspended: it waits for a person; nothing was done.
            Interrupted: the run must be given up here (a halt, a replaced driver, an ended mission).
            Refusal: the answer is no; it is on record with its rule.
            ToolFailed: the tool said no; on record.
            ToolUnreachable: the tool did not answer; a read may be tried again.
        """
        stand_ins = iter(self.controls.registry.stand_ins(call.tool))
        asked = call
        while True:
            way = Way(self, caller, asked, log, tape, progress)
            try:
                return await _taken(way)
            except ToolUnreachable as silent:
                following = next(stand_ins, None) if did_nothing(way, silent) else None
                if following is None:
                    raise
                asked = replace(call, tool=following, leave=None)

    def check_change(self, caller: Caller, call: Call, log: CallLog, known: Mapping[str, list[Known]]) -> None:
        """Look before a person's values for a call are taken: raise what would refuse it whatever a person says.

        Raises:
            Refusal: leave, policy, or a strict role; it names its rule.
            InvalidArguments: the values do not fit the tool's schema.
        """
        way = Way(self, caller, call, log, RunTape(), "")
        registry = self.controls.registry
        try:
            tool = registry.tool(call.tool)
            check_granted(registry.principal(caller.principal), caller, tool, log)
            check_arguments(tool, call.arguments)
            decided(way, request_of(way, tool))
            check_flow(tool, call.arguments, known, way.digest)
        except RemitError as no:
            no.remedy = no.remedy or remedy_for(no, caller, call, self.controls, way.asked)
            raise

    async def confirm_effect(self, caller: Caller, key: str, by: str, log: CallLog, tape: RunTape) -> None:
        """Record a person's word that a write of unknown outcome took effect; nothing is called.

        Raises:
            FactExists: its outcome came meanwhile and is on record.
        """
        recorded = log.last(caller.step, key)
        assert recorded is not None
        tool = self.controls.registry.tool(recorded.permit["tool"])
        way = Way(self, caller, Call(tool.name, {}), log, tape, "", key=key, on_record=True)
        await settle(way, tool, recorded, ToolResult({"confirmed_by": by}))

    def cut_halted(self) -> None:
        """Cut reads and model calls under way that a halt covers; a write that has begun is let finish."""
        cut_halted(self)

    async def recover(self, mission: MissionId, epoch: int, log: CallLog, *, but: Collection[StepId] = ()) -> None:
        """Settle what a crash left open: a lost read is booked at its worst case, and will be made again.

        Steps in `but` are worked in under a lease of their own: whoever holds that one settles what is left of them.
        """
        for recorded in log.open_reads():
            if recorded.step not in but:
                await self.write_off(recorded, log, self.lease_of(mission), epoch)

    async def write_off(self, recorded: Recorded, log: CallLog, lease: str, epoch: int) -> None:
        """Book one lost read at its worst case.

        Raises:
            FactExists: its outcome came meanwhile and is on record.
            DriverReplaced: this epoch is over.
        """
        await write_off(self, recorded, log, used=recorded.permit["hold"], fence=(lease, epoch))


async def _taken(way: Way) -> Answer:
    caller, call, log = way.caller, way.call, way.log
    try:
        return await _through(way)
    except (Halted, DriverReplaced, MissionEnded) as stop:
        raise Interrupted(stop) from stop
    except RemitError as no:
        if not way.on_record:
            no.remedy = no.remedy or remedy_for(no, caller, call, way.door.controls, way.asked)
            await record_refusal(way, no)
        raise
    finally:
        log.release(way.key)


async def _through(way: Way) -> Answer:
    door, caller, call, log = way.door, way.caller, way.call, way.log
    controls = door.controls
    # identify
    principal = controls.registry.principal(caller.principal)
    # halted?
    way.halts_at = controls.halts_at
    if scope := controls.halted(agent=caller.agent, tool=call.tool, mission=caller.mission):
        raise Halted(f"{scope} is halted.")
    door.check_open()
    # resolve and check pin
    tool = controls.registry.tool(call.tool)
    way.outside_plan = check_granted(principal, caller, tool, log)
    if door.pins.broken(controls.registry, tool):
        await look_at_pin(way, tool)  # it may offer again what was accepted
    # validate arguments
    check_arguments(tool, call.arguments)
    check_with_source(way, tool)
    way.name_call(tool)
    # answer from the record?
    recorded = log.last(caller.step, way.key)
    if recorded is not None and (tool.sink or recorded.attempt == caller.attempt):
        way.on_record = True
        if recorded.done is not None and recorded.done["result"]:
            return await from_record(way, tool, recorded)
        if tool.sink and recorded.done is None:
            return await finish_write(way, tool, recorded)
        way.on_record = False  # what was begun came to nothing; this is a new try
    check_diverged(way, tool)
    # loop guards
    # Steps at once that look the same thing up go in no circle; across steps, hand-offs and depth are guarded.
    action = f"{caller.agent_name}|{caller.step}|{tool.name}|{way.arguments_digest}"
    if not controls.registry.polls(tool.name):
        log.guard.check_action(action, way.progress)
    check_turns(way, tool)
    # policy
    request = request_of(way, tool)
    decision = decided(way, request)
    way.redaction = Redaction.owed(decision.obligations, way.digest)
    # data flow
    questions = check_flow(tool, call.arguments, log.known, way.digest) + check_clearance(tool, way.tape.label)
    # waiting obligations
    if way.outside_plan:
        questions.append(ask_outside_plan(caller, tool, call.arguments, log, way.tape.label, way.digest))
    way.granted = leave_for(way, request, decision, questions)
    if request.amount is not None and tool.sink:
        # From here on no other call may count on this room; no await lies between weighing and reserving.
        log.reserve(way.key, (request.amount.micros, request.amount.currency), way.payee(request.payee))
    # admit
    async with door.admission.admit(asks_for(way, tool)):
        await look_at_pin(way, tool)
        # budget hold, record intent
        recorded = await record_intent(way, tool, action)
        way.on_record = True
        # call (a transport injects the credential), check result, settle and record
        return await carry_out(way, tool, recorded)
