"""Triggers: what happens outside, and what follows from it here, once.

An event comes by a signed request, by a person's request, from a stream of others, or by the clock. `Intake` decides
what becomes of it and writes its fate in the same commit as its effect, so that the same event a second time, however
it comes, changes nothing. `Telling` goes the other way: what happens in missions is told to others, at least once.
"""

from remit.triggers.connection import Health
from remit.triggers.consumer import Consumer, Inbox, Message
from remit.triggers.incoming import Incoming, read_body
from remit.triggers.intake import EVENT_TABLE, Fate, Intake, Told
from remit.triggers.pace import Pace
from remit.triggers.schedule import due_at
from remit.triggers.signatures import Forged, sign, verify
from remit.triggers.telling import PLACE_TABLE, Notice, Outbox, Telling

__all__ = [
    "EVENT_TABLE",
    "PLACE_TABLE",
    "Consumer",
    "Fate",
    "Forged",
    "Health",
    "Inbox",
    "Incoming",
    "Intake",
    "Message",
    "Notice",
    "Outbox",
    "Pace",
    "Telling",
    "Told",
    "due_at",
    "read_body",
    "sign",
    "verify",
]
