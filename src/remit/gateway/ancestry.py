"""How the skills above a call are told to an agent elsewhere, so that work that comes back is known again."""

from collections.abc import Sequence
from hashlib import sha256

import orjson

from remit.gateway.call import Caller
from remit.ids import MissionId, StepId
from remit.ledger import Records
from remit.state import Vault

#: The table of signed hops, by the skills that they were told with.
HANDED = "handed"

#: Letters of a step's keyed name: enough to tell the steps of one mission apart.
_LETTERS = 16


def told_outside(vault: Vault, caller: Caller) -> tuple[str, ...]:
    """The caller's ancestry without names of steps, which may tell what the work is about."""
    here = f"@{caller.mission}/"
    return tuple([_opaque(vault, caller.mission, link) if here in link else link for link in caller.ancestry])


def handed_key(above: Sequence[str]) -> str:
    """Under which the hops are kept with which these skills were told to this home."""
    return sha256(orjson.dumps(list(above))).hexdigest()


async def came_with(records: Records, above: Sequence[str]) -> tuple[str, ...]:
    """The signed hops with which the work came to this home; none where it began here, or came unsigned."""
    for links in range(len(above), 0, -1):
        kept = await records.record(HANDED, handed_key(above[:links]))
        if kept is not None:
            return tuple(kept)
    return ()


def place_of(vault: Vault, mission: MissionId, step: StepId) -> str:
    """`MISSION/` and the step's keyed name; the mission's key must be loaded."""
    return f"{mission}/{vault.digest(mission, step)[:_LETTERS]}"


def _opaque(vault: Vault, mission: MissionId, link: str) -> str:
    skill, _, place = link.partition("@")
    return f"{skill}@{place_of(vault, mission, StepId(place.partition('/')[2]))}"
