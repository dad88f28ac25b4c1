"""Applying a bundle in a sidecar's home: resources, tools, halts, revocations and rates become exactly what it says."""

from collections.abc import Mapping
from typing import Any

from remit.control_plane.core import Core
from remit.control_plane.resources import RATES_FILE, Resources
from remit.control_plane.sidecar_bundles import read_bundle
from remit.control_plane.token_view import REVOKED
from remit.errors import FactExists
from remit.gateway import halts_stream
from remit.ids import StreamId
from remit.ledger import Commit, Draft, PutRecord
from remit.registry import TABLE, TOOL_TABLE, StoredResource
from remit.sidecars import BundleHead


async def apply_bundle(core: Core, head: BundleHead, body: str, *kept: PutRecord) -> dict[str, Any]:
    """Bring the home to what a checked bundle says, in one commit; the door goes by it from the next call on.

    `kept` is written with it, so that a crash never leaves one without the other.
    """
    bundle = read_bundle(body)
    resources = {StoredResource.from_json(value).key: value for value in bundle["resources"]}
    before = dict(await core.store.records(TABLE))
    _write_rates(core, bundle["rates"])
    halts = await _halts(core, bundle["halts"])
    writes = [
        *kept,
        *_differences(TABLE, before, resources),
        *_differences(TOOL_TABLE, dict(await core.store.records(TOOL_TABLE)), bundle["tools"]),
        *halts,
        *await _revoked(core, bundle["revoked"]),
    ]
    payload = {"serial": head.serial, "digest": head.digest, "issued_at_us": head.issued_at_us}
    stream = StreamId(f"tenant/{core.door.tenant}")
    draft = Draft(stream, "bundle.applied", payload, "remit", core.now_us, fact=f"bundle/{head.serial}")
    # Halts stand in their own stream too: the journal refuses an intent that did not see them.
    told = tuple(
        Draft(
            halts_stream(core.door.tenant),
            "halt.lifted" if write.value is None else "halt.set",
            {"scope": write.key},
            "remit",
            core.now_us,
        )
        for write in halts
    )
    try:
        await core.store.commit(Commit((draft, *told), tuple(writes)))
    except FactExists:  # applied before this process began
        await core.store.commit(Commit(told, tuple(writes)))
    await _let_go(core, before, resources)
    await Resources(core).reload()
    return bundle


def _differences(table: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[PutRecord]:
    gone = [PutRecord(table, key, None) for key in sorted(before.keys() - after.keys())]
    return gone + [PutRecord(table, key, after[key]) for key in sorted(after) if before.get(key) != after[key]]


async def _halts(core: Core, scopes: list[str]) -> list[PutRecord]:
    """Halts that were set on this machine stay, whatever is pushed: only a person here lifts them."""
    before = dict(await core.store.records("halt"))
    fresh = {"reason": "halted at the control plane", "by": "control-plane", "at_us": core.now_us, "pushed": True}
    own = {scope: halt for scope, halt in before.items() if not halt.get("pushed")}
    return _differences("halt", before, {**{scope: before.get(scope, fresh) for scope in scopes}, **own})


async def _revoked(core: Core, pushed: Mapping[str, Mapping[str, int]]) -> list[PutRecord]:
    """Revocations count from their arrival: this machine's tokens carry this machine's time."""
    before, now_us = dict(await core.store.records(REVOKED)), core.now_us
    writes = []
    for scope, told in pushed.items():
        known = before.get(scope)
        if known is None or known.get("pushed_at_us") != told["at_us"]:
            shift = max(0, now_us - told["at_us"])
            value = {"at_us": now_us, "by": "control-plane", "reason": "", "until_us": told["until_us"] + shift}
            writes.append(PutRecord(REVOKED, scope, {**value, "pushed_at_us": told["at_us"]}))
    return writes


def _write_rates(core: Core, rates: str | None) -> None:
    path = core.home / RATES_FILE
    if rates is None:
        path.unlink(missing_ok=True)
    elif not path.is_file() or path.read_text("utf-8") != rates:
        fresh = path.with_suffix(".new")
        fresh.write_text(rates, "utf-8")
        fresh.replace(path)


async def _let_go(core: Core, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Close what leads to sources that are declared otherwise now, or not at all."""
    for key, value in before.items():
        if value["kind"] == "ToolSource" and (key not in after or after[key]["hash"] != value["hash"]):
            old = core.transports.pop(value["name"], None)
            if old is not None:
                await old.close()
