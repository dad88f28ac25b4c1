"""Halts as the door sees them: what is on record of them, and what they cut.

They stand in a stream of their own, and each intent expects it where it stood when the call was looked at. So the
journal itself refuses an intent that comes after a halt of which this process has not heard.
"""

from dataclasses import replace

from remit.gateway.way import DoorParts
from remit.ids import StreamId


def halts_stream(tenant: str) -> StreamId:
    """Where the tenant's halts, and their ends, are on record."""
    return StreamId(f"halts/{tenant}")


async def learn_halts(door: DoorParts) -> None:
    """Read what was halted and lifted since the door's controls were read, and cut what is halted now."""
    seen = door.controls
    entries = await door.journal.read(halts_stream(door.tenant), after=seen.halts_at)
    if door.controls is not seen or not entries:
        return  # they were read anew meanwhile
    halts = set(seen.halts)
    for entry in entries:
        if entry.kind == "halt.set":
            halts.add(entry.payload["scope"])
        else:
            halts.discard(entry.payload["scope"])
    door.controls = replace(seen, halts=frozenset(halts), halts_at=entries[-1].seq)
    cut_halted(door)


def cut_halted(door: DoorParts) -> None:
    """Cut reads and model calls under way that a halt covers; a write that has begun is let finish."""
    for task, (caller, tool) in door.under_way.items():
        halted = door.controls.halted(agent=caller.agent, tool=tool.name, mission=caller.mission)
        if halted and not tool.sink:
            door.cut.add(task)
            task.cancel()
