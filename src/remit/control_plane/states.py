"""The working states of a mission's steps, as people see them."""

from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.seen import require_seen
from remit.errors import NotFound
from remit.identity import Principal, Right, require
from remit.ids import MissionId, StepId
from remit.ledger import Commit
from remit.state import Owner, Snapshot, Snapshots, Writer
from remit.state.snapshots import HEADS


@dataclass(frozen=True, slots=True)
class States:
    """Working states of one home."""

    core: Core

    async def show(self, mission: str, by: Principal, *, step: str = "", bodies: bool = True) -> list[dict[str, Any]]:
        """What each step of the mission, or this one, keeps now; without `bodies` only what is on record of it.

        Raises:
            NotFound, RightsExceeded: there is no such mission or state, or this person does not see it.
        """
        await require_seen(self.core, mission, by)
        heads = await self.core.store.records(HEADS, f"{mission}/{step}")
        owners = [Owner(MissionId(mission), StepId(key.partition("/")[2])) for key, _ in heads]
        shown = [await self._shown(owner, bodies=bodies) for owner in owners if step in {"", owner.step}]
        if step and not shown:
            raise NotFound(f"{step} of {mission} keeps no working state.")
        return shown

    async def rewind(self, mission: str, step: str, seq: int, by: Principal) -> dict[str, Any]:
        """Have the step's next read find an earlier snapshot; what came after stays on record.

        Raises:
            NotFound, RightsExceeded: there is no such snapshot, or this person may not submit missions.
            StreamMoved: the step has saved meanwhile.
        """
        require(by, Right.SUBMIT)
        await require_seen(self.core, mission, by)
        owner, snapshots = Owner(MissionId(mission), StepId(step)), self._snapshots
        source = await snapshots.at(owner, seq)
        held = source.manifest
        writer = Writer(by.actor, self.core.now_us, held.binding, held.label)
        back = await snapshots.rewind(owner, seq, writer)
        await self.core.store.commit(Commit(back.entries, back.writes, expect=back.expect))
        return await self._shown(owner, bodies=False)

    # --- inside

    @property
    def _snapshots(self) -> Snapshots:
        return Snapshots(self.core.door.vault, self.core.store, self.core.store)

    async def _shown(self, owner: Owner, *, bodies: bool) -> dict[str, Any]:
        head = await self._snapshots.head(owner)
        assert head is not None, "it stands in the table of heads"
        (entry,) = await self.core.store.read(owner.stream, after=head.seq - 1, limit=1)
        return {
            "step": owner.step,
            "seq": head.seq,
            "snap_hash": head.hash,
            "saved_at": iso(entry.at_us),
            "agent": head.manifest.binding.agent,
            "policy": head.manifest.binding.policy,
            "policy_changed": head.manifest.binding.policy != self._policy(head),
            "epoch": head.manifest.epoch,
            "trusted": head.manifest.label.trusted,
            "confidentiality": head.manifest.label.confidentiality.value,
            "slices": sorted(head.manifest.tools),
            "reflections_kept": sum(count for count, _ in head.manifest.reflections),
            **(await self._bodies(head) if bodies else {}),
        }

    async def _bodies(self, head: Snapshot) -> dict[str, Any]:
        restored = await self._snapshots.restore(head)
        return {"goal": restored.goal, "tools": dict(restored.tools), "reflections": list(restored.reflections)}

    def _policy(self, head: Snapshot) -> str:
        name, _, version = head.manifest.binding.agent.partition("@")
        return self.core.door.controls.policies.hash_for(name, version)
