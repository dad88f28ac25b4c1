"""Why a call was made or not, where its arguments came from, and what work has cost."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core, iso
from remit.control_plane.seen import missions_seen, require_seen
from remit.control_plane.sidecar_records import SidecarRecords
from remit.errors import InvalidInput, NotFound
from remit.gateway import leaves, recorded_label, text_of
from remit.identity import Principal, Right, require
from remit.ids import MissionId, StepId, StreamId
from remit.ledger import Entry
from remit.missions import ActiveMission
from remit.state import Pointer

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Explain:
    """Answers from the record."""

    core: Core

    async def why(self, what: str, by: Principal) -> dict[str, Any]:
        """Every call of a step: what spoke for and against it, and the origin of each argument.

        Args:
            what: `MISSION/STEP`, or an entry of a step's stream as the ledger shows it.
            by: who asks.

        Raises:
            InvalidInput: not of that form.
            NotFound: no such mission or step.
            RightsExceeded: this person does not see the mission.
        """
        mission, step = _parse(what)
        beside = await self._beside(mission, step, by)
        if beside is not None:
            return beside
        await require_seen(self.core, mission, by)
        active = await ActiveMission.load(mission, self.core.store, self.core.door.vault)
        held = active.state.steps.get(step)
        if held is None:
            raise NotFound(f"There is no step {step} in {mission}.")
        calls = [
            await self._call(active, entry)
            for entry in await self.core.store.read_prefix(f"step/{mission}/{step}/", limit=_PAGE)
            if entry.kind in {"call.permitted", "call.refused", "content.flagged"}
        ]
        questions = [
            {"approval": key, "rules": value["rules"], "verdict": value["verdict"], "by": value["answered_by"]}
            for key, value in await self.core.store.records("approval")
            if value["mission"] == mission and value["step"] == step
        ]
        return {
            "mission": mission,
            "step": step,
            "status": held.status.value,
            "agent": held.agent,
            "proposed_by": held.proposed_by,
            "rules": list(held.rules),
            "why": await self.core.door.vault.open(Pointer(mission, held.why)) if held.why else None,
            "calls": calls,
            "approvals": questions,
        }

    async def _beside(self, mission: MissionId, step: StepId, by: Principal) -> dict[str, Any] | None:
        """What is known of a step that a sidecar took: its entries. Values stay sealed in the sidecar's home."""
        found = await SidecarRecords(self.core).calls_of(mission, step)
        if found is None:
            return None
        require(by, Right.READ_LEDGER)
        sidecar, entries = found
        calls = []
        for entry in entries:
            told = entry.payload
            shown = {"entry": entry.ref, "at": iso(entry.at_us), "tool": told.get("tool", ""), "arguments": []}
            shown |= {"shadow": told.get("shadow")}
            if entry.kind == "call.refused":
                calls.append({**shown, "refused": told.get("rule", ""), "why": {"title": told.get("code", "")}})
            elif entry.kind == "call.permitted":
                more = {"rules": told.get("rules", []), "leave": told.get("leave", ""), "key": told.get("key", "")}
                calls.append({**shown, **more, "answer": None})
        return {
            "mission": mission,
            "step": step,
            "sidecar": sidecar,
            "status": f"beside the sidecar {sidecar}",
            "agent": entries[0].actor.removeprefix("agent:") if entries else "",
            "proposed_by": "",
            "rules": [],
            "why": None,
            "calls": calls,
            "approvals": [],
        }

    async def cost(self, by: Principal, mission: str = "") -> dict[str, Any]:
        """What models and priced tools have cost, per mission, agent and tool; amounts in US dollar micro-units.

        Of all missions that this person sees, or of one.

        Raises:
            NotFound, RightsExceeded: there is no such mission, or this person does not see it.
        """
        if mission:
            await require_seen(self.core, mission, by)
        seen = {mission} if mission else await missions_seen(self.core, by)
        rows: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        tools: dict[tuple[str, str, int], str] = {}
        after = 0
        prefix = f"step/{mission}/" if mission else "step/"
        while page := await self.core.store.read_prefix(prefix, after_idx=after, limit=_PAGE):
            for entry in page:
                if entry.stream.split("/")[1] not in seen:
                    continue
                if entry.kind == "call.permitted":
                    tools[entry.stream, entry.payload["key"], entry.payload["try"]] = entry.payload["tool"]
                elif entry.kind in {"call.done", "call.lost"}:
                    tool = tools.get((entry.stream, entry.payload["key"], entry.payload["try"]), "")
                    row = rows[entry.stream.split("/")[1], entry.actor.removeprefix("agent:"), tool]
                    for place, value in enumerate((1, entry.payload["used"], *entry.payload["tokens"])):
                        row[place] += value
            after = page[-1].idx
        lines = [
            {
                "mission": key[0],
                "agent": key[1],
                "tool": key[2],
                "calls": row[0],
                "usd_micros": row[1],
                "tokens_input": row[2],
                "tokens_output": row[3],
            }
            for key, row in sorted(rows.items())
        ]
        return {
            "lines": lines,
            "usd_micros": sum(row[1] for row in rows.values()),
            "tokens_input": sum(row[2] for row in rows.values()),
            "tokens_output": sum(row[3] for row in rows.values()),
        }

    async def _call(self, active: ActiveMission, entry: Entry) -> dict[str, Any]:
        payload = entry.payload
        if entry.kind == "content.flagged":
            return {
                "entry": entry.ref,
                "at": iso(entry.at_us),
                "flagged": payload["rule"],
                "evidence": await self._open(active, payload["evidence"]),
            }
        arguments = await self._open(active, payload["args"])
        shown = {
            "entry": entry.ref,
            "at": iso(entry.at_us),
            "tool": payload["tool"],
            "arguments": [
                {"name": name, "value": value, "origins": self._origins(active, value)}
                for name, value in arguments.items()
            ],
            "shadow": payload.get("shadow"),
        }
        if entry.kind == "call.refused":
            return {**shown, "refused": payload["rule"], "why": await self._open(active, payload["why"])}
        recorded = active.log.last(StepId(entry.stream.split("/")[2]), payload["key"])
        done = recorded.done if recorded is not None else None
        answer = None
        if done is not None:
            label = recorded_label(done)
            answer = {"trusted": label.trusted, "confidentiality": label.confidentiality.value}
        return {
            **shown,
            "rules": payload["rules"],
            "leave": payload["leave"],
            "key": payload["key"],
            "answer": answer,
            "uncertain": bool(payload["sink"] and done is None and self._stands_still(active, entry)),
        }

    @staticmethod
    def _stands_still(active: ActiveMission, entry: Entry) -> bool:
        """True where nobody waits for the call's outcome any more, or a person is asked for it."""
        held = active.state.steps.get(StepId(entry.stream.split("/")[2]))
        return active.state.status.ended or (held is not None and held.code == "effect_uncertain")

    def _origins(self, active: ActiveMission, value: Any) -> list[str]:
        """Where the value was seen; of a list or an object, where each value in it was seen."""
        nested = isinstance(value, (Mapping, list))
        return [
            f"{f'{path}: ' if nested else ''}{place.origin}: {place.source}{' ' if place.field else ''}{place.field}"
            for path, leaf in leaves(value)
            for place in active.log.known.get(self.core.door.vault.digest(active.id, text_of(leaf)), ())
        ]

    async def _open(self, active: ActiveMission, cid: str) -> Any:
        return await self.core.door.vault.open(Pointer(active.id, cid))


def _parse(what: str) -> tuple[MissionId, StepId]:
    parts = StreamId(what).split("@", 1)[0].removeprefix("step/").split("/")
    if len(parts) not in {2, 3} or not all(parts):
        raise InvalidInput(f"{what!r} is neither MISSION/STEP nor an entry of a step's stream.")
    return MissionId(parts[0]), StepId(parts[1])
