"""Answers calls of Remit's own tools: working state, pointers to it, and memory.

They come through the door like every other call, and what they change is written together with the call's outcome.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from remit.errors import InvalidInput, Misuse, NotFound, PointerNotYours, Refusal, StalePointer, ToolUnavailable
from remit.gateway.controls import Controls
from remit.gateway.transport import Asker, Effects, ToolResult
from remit.ledger import Draft
from remit.registry import AgentVersion
from remit.resources import content_hash
from remit.state import (
    LIFE_SECONDS_MAX,
    Binding,
    Change,
    Owner,
    Restored,
    Snapshot,
    Snapshots,
    StatePointer,
    Writer,
    check_tiers,
)
from remit.state.memory import FOUND_MAX, Memory, Note, NoteWriter, Scope
from remit.tools import NOTHING_READ, Tool

_MICROS = 1_000_000


class OwnTransport:
    """The tools of the source `remit`."""

    def __init__(self, snapshots: Snapshots, memory: Memory, controls: Callable[[], Controls]) -> None:
        self._snapshots = snapshots
        self._memory = memory
        #: What is in force now.
        self._controls = controls
        self._acts: Mapping[str, Callable[[Asker, Mapping[str, Any]], Awaitable[ToolResult]]] = {
            "state_save": self._save,
            "state_read": self._read,
            "state_point": self._point,
            "memory_write": self._note,
            "memory_read": self._recall,
            "memory_search": self._search,
            "memory_forget": self._forget,
        }

    async def record(self, asker: Asker, tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
        """Carry the call out, as far as that can be before the commit."""
        try:
            return await self._acts[tool.local_name](asker, arguments)
        except (Refusal, Misuse) as no:
            return ToolResult(None, error=no.detail or no.title, code=no.code, rule=no.rule)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:  # noqa: ARG002 -- the port's form
        """Nobody but the door asks, and the door asks by `record`."""
        raise ToolUnavailable(f"{tool.name} answers only at the door.", rule="not_sent")

    async def definitions(self) -> Sequence[Mapping[str, Any]]:
        """None to be accepted: these tools come with the release."""
        return []

    async def close(self) -> None:
        """Nothing to let go of."""

    # --- working state

    async def _save(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        change = Change(given.get("goal"), given.get("tools", {}), given.get("reflect"))
        by = Writer(f"agent:{asker.agent}", asker.at_us, self._binding(asker), asker.read, asker.upto)
        prepared = await self._snapshots.save(Owner(asker.mission, asker.step), change, by)
        saved = {"seq": prepared.snapshot.seq, "snap_hash": prepared.snapshot.hash}
        return ToolResult(saved, effects=Effects(prepared.entries, prepared.writes, prepared.expect))

    async def _read(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        tiers = given.get("tiers")
        if "pointer" in given:
            return await self._read_by(asker, given["pointer"], tiers)
        head = await self._snapshots.head(Owner(asker.mission, asker.step))
        if head is None:
            return ToolResult(_nothing_saved(), effects=Effects())
        restored = await self._snapshots.restore(head, None if tiers is None else check_tiers(tiers, head))
        content = {**_told(restored), "policy_changed": head.manifest.binding.policy != self._policy(asker)}
        entries = (self._policy_entry(asker, head),) if content["policy_changed"] else ()
        manifest = head.manifest
        return ToolResult(content, effects=Effects(entries, label=manifest.label, upto=manifest.upto))

    async def _read_by(self, asker: Asker, text: str, tiers: Sequence[str] | None) -> ToolResult:
        pointer = StatePointer.read(text, self._snapshots.vault.pointing_key)
        pointer.check_reader(tenant=asker.tenant, agent=_name(asker), mission=asker.mission, principal=asker.principal)
        pointer.check_alive(asker.at_us)
        wanted = pointer.tiers if tiers is None else tuple(sorted(set(tiers)))
        for tier in wanted:
            if tier not in pointer.tiers and not (tier.startswith("tool:") and "tools" in pointer.tiers):
                raise PointerNotYours(f"It does not grant {tier[:80]!r}.", rule="pointer_tier")
        try:
            head = await self._snapshots.head(pointer.owner)
            snapshot = await self._snapshots.at(pointer.owner, pointer.seq)
        except NotFound as gone:
            raise StalePointer("What it leads to was erased.", rule="pointer_erased") from gone
        assert head is not None, "an owner with a snapshot has a newest one"
        pointer.check_fresh(asker.at_us, snapshot, head)
        restored = await self._snapshots.restore(snapshot, wanted)
        payload = {"of": pointer.owner.key, "seq": snapshot.seq, "hash": snapshot.hash, "tiers": list(wanted)}
        entry = self._entry(asker, "state.read", payload)
        return ToolResult(_told(restored), effects=Effects((entry,), label=snapshot.manifest.label))

    async def _point(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        owner = Owner(asker.mission, asker.step)
        head = await self._snapshots.head(owner)
        if head is None:
            raise InvalidInput("There is no working state to point to.", hint="Save it first.")
        tiers, to = check_tiers(given["tiers"], head), self._agent_named(given["to"])
        expires_at = asker.at_us // _MICROS + min(given.get("minutes", 15) * 60, LIFE_SECONDS_MAX)
        pointer = StatePointer(
            asker.tenant,
            owner,
            asker.principal,
            head.seq,
            head.hash,
            tiers,
            to,
            expires_at,
            head.manifest.epoch,
        )
        entry = self._entry(asker, "state.pointed", {"to": to, "seq": head.seq, "tiers": list(tiers)})
        text = pointer.signed(self._snapshots.vault.pointing_key)
        told = {"pointer": text, "to": to, "tiers": list(tiers), "expires_at": _iso(expires_at * _MICROS)}
        return ToolResult(told, effects=Effects((entry,), label=NOTHING_READ))

    # --- memory

    async def _note(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        by = NoteWriter(f"agent:{asker.agent}", asker.agent, asker.mission, asker.read, asker.at_us)
        scope = _scope(asker, given["scope"])
        written = await self._memory.write(scope, given["key"], given["value"], by, days=given.get("days"))
        told = {"kept": True, "notes": written.standing.notes}
        return ToolResult(told, effects=Effects(written.entries, written.writes, written.expect))

    async def _recall(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        note = await self._memory.read(_scope(asker, given["scope"]), given["key"], asker.at_us)
        if note is None:
            return ToolResult({"found": False, "value": None}, effects=Effects())
        return ToolResult({"found": True, **_shown(note)}, effects=Effects(label=note.label))

    async def _search(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        scope, limit = _scope(asker, given["scope"]), given.get("limit", FOUND_MAX)
        if given.get("text"):
            found = await self._memory.search(scope, given["text"], asker.at_us, limit)
        else:
            found = (await self._memory.notes(scope, asker.at_us))[:limit]
        label = NOTHING_READ
        for note in found:
            label = label.join(note.label)
        return ToolResult({"notes": [_shown(note) for note in found]}, effects=Effects(label=label))

    async def _forget(self, asker: Asker, given: Mapping[str, Any]) -> ToolResult:
        scope = _scope(asker, given["scope"])
        gone = await self._memory.forget(scope, [given["key"]], f"agent:{asker.agent}", asker.at_us)
        return ToolResult({"forgotten": True}, effects=Effects(gone.entries, gone.writes, gone.expect))

    # --- parts

    def _binding(self, asker: Asker) -> Binding:
        version = self._version(asker)
        prompts = content_hash(dict(version.prompts)) if version and version.prompts else ""
        return Binding(self._policy(asker), asker.agent, prompts)

    def _policy(self, asker: Asker) -> str:
        return self._controls().policies.hash_for(_name(asker), asker.agent.partition("@")[2])

    def _version(self, asker: Asker) -> AgentVersion | None:
        return self._controls().registry.versions.get(asker.agent)

    def _agent_named(self, name: str) -> str:
        """The agent of this name, or the one that offers this skill now."""
        registry = self._controls().registry
        if name in registry.names.skills:
            return registry.resolve(name).name
        return registry.agent(name).name

    def _policy_entry(self, asker: Asker, head: Snapshot) -> Draft:
        payload = {"seq": head.seq, "saved": head.manifest.binding.policy, "now": self._policy(asker)}
        return self._entry(asker, "state.rebound", payload)

    @staticmethod
    def _entry(asker: Asker, kind: str, payload: Mapping[str, Any]) -> Draft:
        return Draft(asker.stream, kind, payload, f"agent:{asker.agent}", asker.at_us)


def _name(asker: Asker) -> str:
    return asker.agent.partition("@")[0]


def _scope(asker: Asker, kind: str) -> Scope:
    """The caller's own memory of this kind: an agent names no other's."""
    owners = {"mission": asker.mission, "agent": _name(asker), "person": asker.principal, "tenant": asker.tenant}
    return Scope(kind, owners[kind])


def _nothing_saved() -> dict[str, Any]:
    return {"seq": 0, "snap_hash": "", "goal": None, "tools": {}, "reflections": [], "agent": ""}


def _told(restored: Restored) -> dict[str, Any]:
    return {
        "seq": restored.snapshot.seq,
        "snap_hash": restored.snapshot.hash,
        "goal": restored.goal,
        "tools": dict(restored.tools),
        "reflections": list(restored.reflections),
        "agent": restored.snapshot.manifest.binding.agent,
    }


def _shown(note: Note) -> dict[str, Any]:
    return {
        "key": note.key,
        "value": note.value,
        "by": note.by,
        "at": _iso(note.at_us),
        "trusted": note.label.trusted,
        "confidentiality": note.label.confidentiality.value,
    }


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / _MICROS, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
