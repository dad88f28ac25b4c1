"""A look at the home's health: what is in order, and what to do about the rest."""

import platform
import shutil
import sqlite3
import stat
from dataclasses import dataclass
from typing import Any

from remit.control_plane.core import Core
from remit.control_plane.ledger import Ledger
from remit.control_plane.ways_out import WaysOut
from remit.drivers import ClusterDriver
from remit.errors import RemitError, SchedulerUnreachable
from remit.ledger import Shared
from remit.registry import DEFAULT_POOL, compare_pins, tools_of

_FREE_BYTES_MIN = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Doctor:
    """Checks of one home."""

    core: Core

    async def examine(self) -> dict[str, Any]:
        """Every check with its finding; `ok` is true where none failed."""
        checks = [
            _check("python", ok=True, detail=platform.python_version()),
            _check("sqlite", ok=sqlite3.sqlite_version_info >= (3, 37), detail=sqlite3.sqlite_version),
            *await self._store(),
            *await self._cluster(),
            self._permissions(),
            self._space(),
            await self._ledger(),
            self._policies(),
            *[await self._source(name) for name in self.core.door.controls.registry.sources],
            self._reader(),
        ]
        return {"ok": all(check["ok"] for check in checks), "checks": checks}

    def egress(self) -> dict[str, Any]:
        """What of this home could go around the door; nothing is asked or reached for it."""
        return WaysOut(self.core).all()

    async def _store(self) -> list[dict[str, Any]]:
        """A server that holds the record has settings of its own."""
        if not isinstance(self.core.store, Shared):
            return []
        try:
            ok, detail = await self.core.store.health()
        except RemitError as error:
            ok, detail = False, str(error)
        return [_check("store", ok=ok, detail=detail)]

    async def _cluster(self) -> list[dict[str, Any]]:
        """Where workers carry the missions: whether the scheduler answers, and somebody listens for each pool."""
        driver = self.core.driver
        if not isinstance(driver, ClusterDriver):
            return []
        pools = {DEFAULT_POOL, *(workflow.pool for workflow in self.core.door.controls.registry.workflows.values())}
        try:
            found = {pool: await driver.scheduler.listeners(pool) for pool in sorted(pools)}
        except SchedulerUnreachable as error:
            return [_check("cluster", ok=False, detail=f"{error} {error.advice}")]
        told = ", ".join(f"{count} for {pool}" for pool, count in found.items())
        missing = [pool for pool, count in found.items() if not count]
        hint = "".join(f"; start one: remit worker --pool {pool}" for pool in missing)
        return [_check("cluster", ok=not missing, detail=f"workers: {told}{hint}")]

    def _permissions(self) -> dict[str, Any]:
        keys = self.core.home / "keys"
        loose = [path.name for path in keys.iterdir() if stat.S_IMODE(path.stat().st_mode) & 0o077]
        detail = f"readable by others: {', '.join(loose)}; run chmod 600 on them" if loose else "readable by owner only"
        return _check("keys", ok=not loose, detail=detail)

    def _space(self) -> dict[str, Any]:
        free = shutil.disk_usage(self.core.home).free
        return _check("disk", ok=free > _FREE_BYTES_MIN, detail=f"{free // (1024 * 1024)} MiB free")

    async def _ledger(self) -> dict[str, Any]:
        verdict = await Ledger(self.core).verify()
        bad = verdict["first_bad"]
        detail = f"{verdict['entries']} entries, {verdict['sealed']} sealed"
        if bad:
            detail = f"{bad['ref'] or bad['idx']}: {bad['reason']}"
        return _check("ledger", ok=verdict["ok"], detail=detail)

    def _policies(self) -> dict[str, Any]:
        active = self.core.door.controls.policies.policies
        detail = f"{len(active)} in force" if active else "none in force: every call is refused"
        return _check("policies", ok=bool(active), detail=detail)

    async def _source(self, name: str) -> dict[str, Any]:
        transport = self.core.transports[name]
        registry = self.core.door.controls.registry
        accepted = [tool for tool in registry.tools.values() if tool.source == name]
        try:
            offered = tools_of(registry.source(name), await transport.definitions())
        except RemitError as error:
            return _check(f"source {name}", ok=False, detail=str(error))
        if changes := compare_pins(accepted, offered):
            hint = "; apply the source again to accept it"
            return _check(f"source {name}", ok=False, detail="; ".join(map(str, changes)) + hint)
        told = "" if getattr(transport, "sandboxed", True) else ", not sandboxed (no bubblewrap here)"
        return _check(f"source {name}", ok=True, detail=f"{len(offered)} tools{told}")

    def _reader(self) -> dict[str, Any]:
        key = "" if self.core.model is None or self.core.model_key_set else ", no OPENAI_API_KEY is set"
        return _check("reader", ok=True, detail=self.core.reader + key)


def _check(name: str, *, ok: bool, detail: str) -> dict[str, Any]:
    return {"check": name, "ok": ok, "detail": detail}
