"""Names for identifiers, so that one cannot be passed for another, and the port that makes new ones."""

from typing import NewType, Protocol

TenantId = NewType("TenantId", str)
MissionId = NewType("MissionId", str)
#: Unique within its mission.
StepId = NewType("StepId", str)
ApprovalId = NewType("ApprovalId", str)
PrincipalId = NewType("PrincipalId", str)
#: A stream's name: `mission/ID`, `step/MISSION/STEP/ATTEMPT`, `halts/ID` or `tenant/ID`.
StreamId = NewType("StreamId", str)

#: The one tenant of an embedded home.
DEFAULT_TENANT = TenantId("default")


class Ids(Protocol):
    """Where new identifiers come from."""

    def new(self, prefix: str) -> str:
        """Return a fresh identifier `PREFIX-...`, sortable by the time it was made."""
        ...
