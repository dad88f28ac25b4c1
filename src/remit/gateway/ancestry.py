"""How the skills above a call are told to an agent elsewhere, so that work that comes back is known again."""

from remit.gateway.call import Caller
from remit.ids import MissionId, StepId
from remit.state import Vault

#: Letters of a step's keyed name: enough to tell the steps of one mission apart.
_LETTERS = 16


def told_outside(vault: Vault, caller: Caller) -> tuple[str, ...]:
    """The caller's ancestry without names of steps, which may tell what the work is about."""
    here = f"@{caller.mission}/"
    return tuple([_opaque(vault, caller.mission, link) if here in link else link for link in caller.ancestry])


def place_of(vault: Vault, mission: MissionId, step: StepId) -> str:
    """`MISSION/` and the step's keyed name; the mission's key must be loaded."""
    return f"{mission}/{vault.digest(mission, step)[:_LETTERS]}"


def _opaque(vault: Vault, mission: MissionId, link: str) -> str:
    skill, _, place = link.partition("@")
    return f"{skill}@{place_of(vault, mission, StepId(place.partition('/')[2]))}"
