"""A call that stands on record already: its answer is given again, its write is finished, another write is refused."""

from remit.errors import EffectUncertain
from remit.gateway.call import Question, Suspended
from remit.gateway.call_log import Recorded
from remit.gateway.carry import carry_out
from remit.gateway.labels import recorded_label
from remit.gateway.record import failure_of, settle
from remit.gateway.redact import Redaction
from remit.gateway.transport import ToolResult
from remit.gateway.way import Answer, Way
from remit.gateway.weigh import request_of
from remit.state import Pointer
from remit.tools import Tool

#: Tries of an idempotent write before its effect counts as uncertain.
_WRITE_TRIES_MAX = 3


async def from_record(way: Way, tool: Tool, recorded: Recorded) -> Answer:
    """The outcome on record; nothing is called.

    Raises:
        ToolFailed: the tool said no.
    """
    assert recorded.done is not None
    way.tape.consumed.add(way.key)
    vault, mission = way.door.vault, way.caller.mission
    content = await vault.open(Pointer(mission, recorded.done["result"]))
    label = recorded_label(recorded.done)
    way.tape.label = way.tape.label.join(label)
    raw = None
    if recorded.done.get("raw"):
        raw = await vault.open(Pointer(mission, recorded.done["raw"]))
    if not recorded.done["ok"]:
        raise failure_of(tool, content, raw)
    way.tape.consumed.update(way.log.writes_upto(way.caller.step, recorded.done.get("upto", 0)))
    return Answer(content, label, recorded=True, raw=raw)


async def finish_write(way: Way, tool: Tool, recorded: Recorded) -> Answer:
    """A permitted write without an outcome: its effect may or may not have taken place.

    Raises:
        Suspended: only a person can say which.
    """
    way.tape.consumed.add(way.key)
    leave = way.call.leave
    if leave is not None and leave.confirms_effect and leave.binds == (way.key,):
        return await settle(way, tool, recorded, ToolResult({"confirmed_by": leave.by}))
    if tool.idempotent and recorded.attempt > way.caller.attempt - _WRITE_TRIES_MAX:
        # The same key once more: the tool answers with what it did, or does it now, once.
        decision = way.door.controls.policies.decide(request_of(way, tool))
        way.redaction = Redaction.owed(decision.obligations, way.digest)
        return await carry_out(way, tool, recorded, again=True)
    raise Suspended(
        way.call,
        key=way.key,
        binds=(way.key,),
        questions=(
            Question("effect_uncertain", f"{tool.name} was begun and its outcome is not known: did it take effect?"),
        ),
        approvers=(),
        expires_hours=24 * 30,
        about="effect_uncertain",
    )


def check_diverged(way: Way, tool: Tool) -> None:
    """See that a step which is run again makes the writes that it made before.

    Raises:
        EffectUncertain: it wants another.
    """
    if not tool.sink:
        return
    # A write that came to nothing and is tried again is no other.
    tried = way.log.tries(way.caller.step, way.key)
    left = set(way.log.writes(way.caller.step)) - way.tape.consumed
    if left and not tried:
        raise EffectUncertain(
            f"The step wants another write than the {len(left)} that it has on record.", rule="diverged"
        )
    way.tape.consumed.add(way.key)
