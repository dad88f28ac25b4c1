"""Who sees which missions.

A person sees the missions that they submitted and those with a question that they may answer; whoever may read the
ledger sees all. What a mission read and wrote stands in sealed bodies, so each service that opens one asks here first.
"""

from remit.approvals import ApprovalRecord
from remit.control_plane.core import Core
from remit.control_plane.unhurried import unhurried
from remit.errors import NotFound, RightsExceeded
from remit.identity import Principal, Right, rights_of


async def missions_seen(core: Core, by: Principal) -> frozenset[str]:
    """The missions that this person sees."""
    listed = await core.store.records("mission")
    if Right.READ_LEDGER in rights_of(by):
        return frozenset(mission for mission, _ in listed)
    asked = await _asked_of(core, by)
    return frozenset(mission for mission, told in listed if _own(told["principal"], by) or mission in asked)


async def require_seen(core: Core, mission: str, by: Principal) -> None:
    """Return where this person sees the mission.

    Raises:
        NotFound: there is no such mission.
        RightsExceeded: the person neither submitted it, nor may answer a question of it, nor may read the ledger.
    """
    listed = await core.store.record("mission", mission)
    if listed is None:
        raise NotFound(f"There is no mission {mission}.")
    if Right.READ_LEDGER in rights_of(by) or _own(listed["principal"], by) or mission in await _asked_of(core, by):
        return
    raise RightsExceeded(
        f"{by.id} did not submit {mission} and is asked nothing in it.",
        hint="Ask the person who submitted it, or someone who may read the ledger (auditor, owner).",
        rule="mission_not_seen",
    )


async def family_of(core: Core, mission: str) -> frozenset[str]:
    """A mission and all that its steps began, at whatever depth."""
    began: dict[str, list[str]] = {}
    for one, told in await core.store.records("mission"):
        began.setdefault(told.get("parent", ""), []).append(one)
    found, left = {mission}, [mission]
    while left:
        below = [one for one in began.get(left.pop(), []) if one not in found]
        found.update(below)
        left += below
    return frozenset(found)


def _own(principal: str, by: Principal) -> bool:
    return by.active and principal == by.id


async def _asked_of(core: Core, by: Principal) -> frozenset[str]:
    """Missions with a question that this person may answer, or might have answered."""
    listed = unhurried(await core.store.records("approval"))
    records = [ApprovalRecord.from_json(value) async for _, value in listed]
    return frozenset(record.mission for record in records if record.may_be_answered_by(by))
