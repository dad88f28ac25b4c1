"""The real driver, door, missions and journal rules under crashes, pauses, silence and late returns, from one seed.

A failure names its seed; `REMIT_SIM_SEEDS=N` runs more of them.
"""

import asyncio
import copy
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.scenario import Life, live
from tests.simulation.world import SimulatedStore, SimulatedTools

from remit.errors import RemitError
from remit.gateway import ToolResult
from remit.ledger import Commit, Entry, MoveBalance
from remit.tools import Tool

_BLOCKS = 20
_SEEDS = int(os.environ.get("REMIT_SIM_SEEDS", "1000"))
_PLANTED_MAX = 200


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_what_must_always_hold_holds_in_every_life(block: int) -> None:
    counts: Counter[str] = Counter()

    for seed in range(block, _SEEDS, _BLOCKS):
        counts.update(live(seed).world.counts)

    assert min(counts[what] for what in ("crashes", "pauses", "zombies", "suspended", "answered twice")) > 0


# --- planted bugs: each must be caught


class OutcomeBeforeEffect(SimulatedTools):
    """Answers first and acts later."""

    def effect(self, name: str, arguments: Mapping[str, Any], key: str) -> None:
        async def later() -> None:
            await self.process.gate()
            await self.process.gate()
            await self.process.gate()
            SimulatedTools.effect(self, name, arguments, key)

        self.late = asyncio.ensure_future(later())


class EarlyAcknowledgement(SimulatedStore):
    """Says that a commit is durable before it is."""

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        if commit.entries and commit.entries[-1].kind == "call.permitted":
            (result,) = replace_store(self).apply([commit])

            async def later() -> None:
                await self.process.gate()
                await self.process.gate()
                await self.process.gate()
                self.apply(commit)

            self.late = asyncio.ensure_future(later())
            if isinstance(result, RemitError):
                raise result
            return result
        return await super().commit(commit)


def replace_store(store: SimulatedStore) -> Any:
    """A copy of the shared store that is thrown away: what the commit would have given."""
    return copy.deepcopy(store.shared)


class EpochIgnored(SimulatedStore):
    """Takes decisions and claims of a driver that was replaced."""

    def apply(self, commit: Commit) -> tuple[Entry, ...] | RemitError:
        return super().apply(replace(commit, epoch=None))


class AnotherKeyEachTime(SimulatedTools):
    """Sends a payment under a new key whenever it is tried again."""

    tried = 0

    def effect(self, name: str, arguments: Mapping[str, Any], key: str) -> None:
        type(self).tried += 1
        permit = self.world.permit_of(key)
        assert permit is not None
        if name == "pay":
            self.world.business[arguments["reference"]] += 1
            self.world.paid[key] += 1


class HoldNeverSettled(SimulatedStore):
    """Forgets to free what was held."""

    def apply(self, commit: Commit) -> tuple[Entry, ...] | RemitError:
        kept = tuple(w for w in commit.writes if not (isinstance(w, MoveBalance) and w.held < 0))
        return super().apply(replace(commit, writes=kept))


class VerdictForgotten(SimulatedTools):
    """Pays ten times what was approved."""

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        if tool.local_name == "pay":
            arguments = {**arguments, "amount": str(float(arguments["amount"]) * 1000)}
        return await super().call(tool, arguments, idempotency_key=idempotency_key)


@pytest.mark.parametrize(
    "planted",
    [OutcomeBeforeEffect, EarlyAcknowledgement, EpochIgnored, AnotherKeyEachTime, HoldNeverSettled, VerdictForgotten],
)
def test_a_planted_bug_is_caught(planted: type) -> None:
    names = {"tools_type": planted} if issubclass(planted, SimulatedTools) else {"store_type": planted}
    life = type(f"Life{planted.__name__}", (Life,), names)

    caught = None
    for seed in range(_PLANTED_MAX):
        try:
            live(seed, life)
        except (AssertionError, LookupError) as error:
            caught = error
            break

    assert caught is not None, f"{planted.__name__} was not caught in {_PLANTED_MAX} lives"
    print(planted.__name__, caught)
