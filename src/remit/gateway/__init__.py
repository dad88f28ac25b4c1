"""The gateway: the one door to every tool, model and agent.

`Door.enforce` takes a call through identification, grants, the record, loop guards, policy, data flow, approval,
admission and budget, makes it, and puts intent and outcome on record. There is no second road.
"""

from remit.gateway.ancestry import HANDED, came_with, handed_key, place_of
from remit.gateway.arguments import check_arguments
from remit.gateway.call import UNBOUND, Bounds, Call, Caller, Interrupted, Leave, Question, Suspended, step_stream
from remit.gateway.call_log import CallLog, Recorded
from remit.gateway.controls import Controls
from remit.gateway.enforce import Door
from remit.gateway.fair import FairQueue
from remit.gateway.flow import Known, check_flow, leaves, text_of
from remit.gateway.guard import HAND_OFFS_MIN, HandOff, LoopGuard, check_hand_offs, check_recursion
from remit.gateway.halts import halts_stream
from remit.gateway.labels import recorded_label
from remit.gateway.limits import Admission
from remit.gateway.live import Listener, Live, Piece
from remit.gateway.redact import Redaction, check_filters
from remit.gateway.transport import (
    Asker,
    Checking,
    Delegating,
    Effects,
    Line,
    OnBehalf,
    Priced,
    Recording,
    Relay,
    Streaming,
    ToolResult,
    Transport,
    Usage,
    transport_of,
)
from remit.gateway.way import Answer, RunTape, micros_of

__all__ = [
    "HANDED",
    "HAND_OFFS_MIN",
    "UNBOUND",
    "Admission",
    "Answer",
    "Asker",
    "Bounds",
    "Call",
    "CallLog",
    "Caller",
    "Checking",
    "Controls",
    "Delegating",
    "Door",
    "Effects",
    "FairQueue",
    "HandOff",
    "Interrupted",
    "Known",
    "Leave",
    "Line",
    "Listener",
    "Live",
    "LoopGuard",
    "OnBehalf",
    "Piece",
    "Priced",
    "Question",
    "Recorded",
    "Recording",
    "Redaction",
    "Relay",
    "RunTape",
    "Streaming",
    "Suspended",
    "ToolResult",
    "Transport",
    "Usage",
    "came_with",
    "check_arguments",
    "check_filters",
    "check_flow",
    "check_hand_offs",
    "check_recursion",
    "halts_stream",
    "handed_key",
    "leaves",
    "micros_of",
    "place_of",
    "recorded_label",
    "step_stream",
    "text_of",
    "transport_of",
]
