"""`limits:` of an agent, a tool or a source of tools: how often, and how many at once."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictStr

from remit.registry.schemas import Document, worded

_RATE = r"[1-9]\d{0,6}/(second|minute|hour)"
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_QUEUE = 1000


class LimitsOfCalls(Document):
    """How many calls are taken."""

    rate: Annotated[StrictStr, worded(_RATE, "calls in a time, such as 60/minute")] | None = Field(
        None, description="Calls in a time, such as `60/minute`; what is over it is told when to come again."
    )
    burst: int = Field(10, description="Calls that may come at once before the rate holds.", ge=1, le=10_000)
    concurrent: int | None = Field(
        None, description="Calls at once; further ones wait. 32 for a source that says nothing.", ge=1, le=10_000
    )
    queue: int = Field(_QUEUE, description="Calls that may wait; more are refused at once.", ge=0, le=100_000)
    weight: int = Field(
        1, description="For an agent: its share of a busy source, beside the weights of the others.", ge=1, le=100
    )


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The document as the door sees it; nothing said is no limit."""

    #: 0 for no limit.
    per_second: float = 0.0
    burst: int = 10
    #: 0 for no limit of its own.
    concurrent: int = 0
    queue: int = _QUEUE
    weight: int = 1


#: Nothing said.
UNLIMITED = CallLimits()


def call_limits(document: LimitsOfCalls | None) -> CallLimits:
    """The document as the door sees it."""
    if document is None:
        return UNLIMITED
    per_second = 0.0
    if document.rate is not None and (read := re.fullmatch(r"(\d+)/(\w+)", document.rate)):
        per_second = int(read[1]) / _SECONDS[read[2]]
    return CallLimits(per_second, document.burst, document.concurrent or 0, document.queue, document.weight)
