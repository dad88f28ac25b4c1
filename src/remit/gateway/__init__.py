"""The gateway: the one door to every tool, model and agent.

`Door.enforce` takes a call through identification, grants, the record, loop guards, policy, data flow, approval,
admission and budget, makes it, and puts intent and outcome on record. There is no second road.
"""

from remit.gateway.ancestry import place_of
from remit.gateway.arguments import check_arguments
from remit.gateway.call import UNBOUND, Bounds, Call, Caller, Interrupted, Leave, Question, Suspended, step_stream
from remit.gateway.call_log import CallLog, Recorded
from remit.gateway.controls import Controls
from remit.gateway.enforce import Answer, Door, RunTape, micros_of
from remit.gateway.flow import Known, check_flow, leaves, text_of
from remit.gateway.guard import HAND_OFFS_MIN, HandOff, LoopGuard, check_hand_offs, check_recursion
from remit.gateway.labels import recorded_label
from remit.gateway.limits import Admission
from remit.gateway.redact import Redaction, check_filters
from remit.gateway.transport import Checking, Delegating, Line, Priced, Relay, Streaming, ToolResult, Transport, Usage

__all__ = [
    "HAND_OFFS_MIN",
    "UNBOUND",
    "Admission",
    "Answer",
    "Bounds",
    "Call",
    "CallLog",
    "Caller",
    "Checking",
    "Controls",
    "Delegating",
    "Door",
    "HandOff",
    "Interrupted",
    "Known",
    "Leave",
    "Line",
    "LoopGuard",
    "Priced",
    "Question",
    "Recorded",
    "Redaction",
    "Relay",
    "RunTape",
    "Streaming",
    "Suspended",
    "ToolResult",
    "Transport",
    "Usage",
    "check_arguments",
    "check_filters",
    "check_flow",
    "check_hand_offs",
    "check_recursion",
    "leaves",
    "micros_of",
    "place_of",
    "recorded_label",
    "step_stream",
    "text_of",
]
