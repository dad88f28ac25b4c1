"""What happens to a question that nobody answers: those who are asked are reminded, and others are asked as well."""

from dataclasses import dataclass
from typing import ClassVar

from remit.missions.event import Event


@dataclass(frozen=True, slots=True)
class ApprovalReminded(Event):
    """Those who are asked are reminded."""

    kind: ClassVar[str] = "approval.reminded"
    approval: str
    step: str
    #: How many reminders this one stands for: where time jumped over several, they are one.
    due: int


@dataclass(frozen=True, slots=True)
class ApprovalEscalated(Event):
    """Others are asked as well; whoever is first answers."""

    kind: ClassVar[str] = "approval.escalated"
    approval: str
    step: str
    to: tuple[str, ...]


NOTICE_EVENTS: tuple[type[Event], ...] = (ApprovalReminded, ApprovalEscalated)
