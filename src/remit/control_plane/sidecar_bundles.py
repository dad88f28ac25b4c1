"""What is pushed to a sidecar: all that its door goes by, and nothing that concerns other agents alone.

No secret is in it: sources name their credentials by reference, and the sidecar reads its own.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson

from remit.control_plane.core import Core
from remit.control_plane.resources import RATES_FILE, Resources, raw_of
from remit.control_plane.sidecars import BUNDLES, ENROLLED, Enrolled
from remit.control_plane.token_view import REVOKED
from remit.errors import BundleRefused, FactExists, SidecarUnknown
from remit.identity import covers
from remit.ledger import Commit, Draft, PutRecord
from remit.policy import load_policy
from remit.registry import TOOL_TABLE, StoredResource
from remit.sidecars import BundleHead, Pushed, digest_of, sign_head

#: How often a question that waits looks whether the controls are still the same object: well below a second.
_LOOK_SECONDS = 0.1
#: How often it looks all the same, for what stands beside the controls.
_LOOKS_BETWEEN = 10
WAIT_SECONDS_MAX = 30.0
#: Raised when a sidecar of an older release could not go by what a bundle says.
_FORMAT = 1


@dataclass(slots=True)
class SidecarBundles:
    """Bundles of one home's sidecars."""

    core: Core
    _numbering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def push(self, one: Enrolled, *, have: str, nonce: str, wait_seconds: float) -> Pushed:
        """The bundle in force, at once where its digest is not `have`; else within the time, as a confirmation.

        Raises:
            SidecarUnknown: it was removed meanwhile.
        """
        looks = int(max(0.0, min(wait_seconds, WAIT_SECONDS_MAX)) / _LOOK_SECONDS)
        seen, body, digest = None, "", have
        for look in range(looks + 1):
            controls = self.core.door.controls
            if controls is not seen or not look % _LOOKS_BETWEEN:
                seen, body = controls, await self._body(one)
                digest = digest_of(body)
            if digest != have or look == looks:
                break
            await self.core.clock.sleep(_LOOK_SECONDS)
        serial = await self._serial(one, digest)
        head = BundleHead(one.id, serial, digest, nonce, self.core.now_us)
        return Pushed(sign_head(head, self.core.signer), body if digest != have else None)

    async def _serial(self, one: Enrolled, digest: str) -> int:
        """The bundle's number; a new one, on record, where the content is not that of the last."""
        store = self.core.store
        while True:
            async with self._numbering:
                last = await store.record(BUNDLES, one.id)
                if last is not None and last["digest"] == digest:
                    return int(last["serial"])
                serial = last["serial"] + 1 if last else 1
                payload = {"sidecar": one.id, "serial": serial, "digest": digest}
                draft = Draft(one.stream, "sidecar.pushed", payload, "remit", self.core.now_us, fact=f"bundle/{serial}")
                kept = PutRecord(BUNDLES, one.id, {"serial": serial, "digest": digest})
                try:
                    await store.commit(Commit((draft,), (kept,)))
                except FactExists:
                    continue  # another process numbered one meanwhile
                return serial

    async def _body(self, one: Enrolled) -> str:
        core = self.core
        if await core.store.record(ENROLLED, one.id) is None:
            raise SidecarUnknown
        stored = await Resources(core).stored()
        sources = self._sources(one)
        chosen = [resource.to_json() for key, resource in sorted(stored.items()) if _concerns(one, resource, sources)]
        givers = {value["fields"]["given_by"] for value in chosen if value["kind"] == "StandingApproval"}
        chosen += [
            stored[key].to_json()
            for name in sorted(givers)
            if (key := f"Principal/{name}") in stored and name != one.principal
        ]
        tools = {name: tool for name, tool in await core.store.records(TOOL_TABLE) if tool["source"] in sources}
        rates = core.home / RATES_FILE
        bundle = {
            "format": _FORMAT,
            "sidecar": one.id,
            "agent": one.agent,
            "principal": one.principal,
            "slice_usd_micros": one.slice_usd_micros,
            "resources": chosen,
            "tools": tools,
            "halts": [scope for scope, _ in await core.store.records("halt") if await self._halt_concerns(one, scope)],
            "revoked": {
                scope: {"at_us": told["at_us"], "until_us": told["until_us"]}
                for scope, told in await core.store.records(REVOKED)
                if _revocation_concerns(one, scope)
            },
            "rates": rates.read_text("utf-8") if rates.is_file() else None,
        }
        return orjson.dumps(bundle, option=orjson.OPT_SORT_KEYS).decode()

    def _sources(self, one: Enrolled) -> set[str]:
        """Sources of which some version of the agent is granted something."""
        registry = self.core.door.controls.registry
        patterns = [p for version in registry.versions.values() if version.name == one.agent for p in version.tools]
        granted = {tool.source for tool in registry.tools.values() if covers(patterns, tool.name)}
        named = {pattern.partition("__")[0] for pattern in patterns}
        return {name for name in registry.sources if name in granted | named}

    async def _halt_concerns(self, one: Enrolled, scope: str) -> bool:
        kind, _, name = scope.partition("/")
        if kind == "agent":
            return name.split("@", 1)[0] == one.agent
        # A mission that is not on record here may be one of the sidecar's own.
        return kind != "mission" or await self.core.store.record("mission", name) is None


def _concerns(one: Enrolled, resource: StoredResource, sources: set[str]) -> bool:
    match resource.kind:
        case "Agent":
            return resource.name == one.agent
        case "ToolSource":
            return resource.name in sources
        case "Principal":
            return resource.name == one.principal
        case "StandingApproval":
            return resource.fields.get("agent") == one.agent
        case "Policy":
            policy, _ = load_policy(raw_of(resource))
            return policy is not None and any(
                agent in {"*", one.agent} or agent.startswith(f"{one.agent}-v") for agent in policy.agents
            )
        case _:
            return False


def _revocation_concerns(one: Enrolled, scope: str) -> bool:
    kind, _, name = scope.partition("/")
    return (kind == "agent" and name.split("@", 1)[0] == one.agent) or (kind == "principal" and name == one.principal)


def read_bundle(body: str) -> dict[str, Any]:
    """The bundle that a checked head names.

    Raises:
        BundleRefused: it is of a newer release.
    """
    found: dict[str, Any] = orjson.loads(body)
    if found["format"] != _FORMAT:
        raise BundleRefused("It is of a newer release than this sidecar.", hint="Update the sidecar.", rule="format")
    return found
