"""Bugs that are planted on purpose: what the simulation cannot catch, it does not check.

Each one breaks one thing that must always hold: in the store or the tools of a life, or in production code itself.
"""

import asyncio
import copy
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from tests.simulation.process import SimulatedStore, SimulatedTools
from tests.simulation.scenario import Life

from remit.drivers import EmbeddedDriver
from remit.errors import RemitError
from remit.gateway import Answer, Controls, ToolResult, enforce, record
from remit.gateway.call_log import Recorded
from remit.gateway.carry import carry_out
from remit.gateway.way import Way
from remit.ledger import Commit, Entry, MoveBalance, writer
from remit.ledger.verify import Verifier
from remit.missions import ActiveMission, advance, decide
from remit.missions.events import StepRetried
from remit.missions.perform import StepRun
from remit.tools import Tool

Plant = Callable[[pytest.MonkeyPatch], type[Life]]


# --- in a life's store and tools


class OutcomeBeforeEffect(SimulatedTools):
    """Answers first and acts later."""

    def effect(self, tool: Tool, arguments: Mapping[str, Any], key: str) -> None:
        act = super().effect
        self.late = asyncio.ensure_future(_later(self.process, lambda: act(tool, arguments, key)))


class EarlyAcknowledgement(SimulatedStore):
    """Says that a commit is durable before it is."""

    async def commit(self, commit: Commit) -> tuple[Entry, ...]:
        if commit.entries and commit.entries[-1].kind == "call.permitted":
            (result,) = copy.deepcopy(self.shared).apply([commit])
            self.late = asyncio.ensure_future(_later(self.process, lambda: self.apply(commit)))
            if isinstance(result, RemitError):
                raise result
            return result
        return await super().commit(commit)


class EpochIgnored(SimulatedStore):
    """Takes decisions and claims of a driver that was replaced."""

    def apply(self, commit: Commit) -> tuple[Entry, ...] | RemitError:
        return super().apply(replace(commit, epoch=None))


class OldHeadsAccepted(SimulatedStore):
    """Takes decisions that were taken on an older head."""

    def apply(self, commit: Commit) -> tuple[Entry, ...] | RemitError:
        return super().apply(replace(commit, expect=()))


class HoldNeverSettled(SimulatedStore):
    """Forgets to free what was held."""

    def apply(self, commit: Commit) -> tuple[Entry, ...] | RemitError:
        kept = tuple(w for w in commit.writes if not (isinstance(w, MoveBalance) and w.held < 0))
        return super().apply(replace(commit, writes=kept))


class AnotherKeyEachTime(SimulatedTools):
    """Sends a payment that is tried again as one that the bank has never seen."""

    def effect(self, tool: Tool, arguments: Mapping[str, Any], key: str) -> None:
        self.world.paid.pop(key, None)
        super().effect(tool, arguments, key)


class OtherAmount(SimulatedTools):
    """Pays a thousand times what was permitted."""

    async def call(self, tool: Tool, arguments: Mapping[str, Any], *, idempotency_key: str) -> ToolResult:
        if tool.local_name == "pay":
            arguments = {**arguments, "amount": str(float(arguments["amount"]) * 1000)}
        return await super().call(tool, arguments, idempotency_key=idempotency_key)


async def _later(process: Any, act: Callable[[], Any]) -> None:
    for _ in range(3):
        await process.gate()
    act()


def _in_tools(tools: type[SimulatedTools]) -> Plant:
    return lambda _: type(f"Life{tools.__name__}", (Life,), {"tools_type": tools})


def _in_store(store: type[SimulatedStore]) -> Plant:
    return lambda _: type(f"Life{store.__name__}", (Life,), {"store_type": store})


# --- in production code


def _patch(target: Any, name: str, bug: Callable[[Any], Any]) -> Plant:
    """Replace `target.name` by what `bug` makes of the right one."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> type[Life]:
        monkeypatch.setattr(target, name, bug(getattr(target, name)))
        return Life

    return plant


def _with_hidden_input(_right: Any) -> Any:
    calls = count()

    def decides(state: Any, command: Any) -> Any:
        hidden = next(calls)
        return tuple(
            replace(event, not_before_us=event.not_before_us + hidden) if isinstance(event, StepRetried) else event
            for event in decide(state, command)
        )

    return decides


def _forgets_who_answered(right: Any) -> Any:
    def fold(self: ActiveMission, entry: Entry) -> None:
        right(self, entry)
        if entry.kind == "approval.answered":
            self.state = self.state._replace(answered=self.state.answered.delete(entry.payload["approval"]))

    return fold


def _binds_nothing(right: Any) -> Any:
    def leave_for(way: Way, request: Any, decision: Any, questions: Any) -> Any:
        leave = way.call.leave
        if leave is not None and not leave.confirms_effect:
            return leave.approval
        return right(way, request, decision, questions)

    return leave_for


def _never_asks(_right: Any) -> Any:
    return lambda *_: ""


async def _sends_again(way: Way, tool: Tool, recorded: Recorded) -> Answer:
    return await carry_out(way, tool, recorded)


def _commits_all_the_same(_right: Any) -> Any:
    return lambda way, _tool, commit: way.door.journal.commit(commit)


async def _looks_at_nothing(_self: EmbeddedDriver) -> None:
    await asyncio.Event().wait()


def _any_right(_by: Any, _record: Any) -> None:
    """Everybody may answer."""


BUGS: dict[str, Plant] = {
    "an outcome is recorded before the effect": _in_tools(OutcomeBeforeEffect),
    "a commit is acknowledged before it is durable": _in_store(EarlyAcknowledgement),
    "the epoch is ignored": _in_store(EpochIgnored),
    "a decision on an old head is taken": _in_store(OldHeadsAccepted),
    "a hold is never settled": _in_store(HoldNeverSettled),
    "a payment goes out under another key each time": _in_tools(AnotherKeyEachTime),
    "another amount is paid than was permitted": _in_tools(OtherAmount),
    "deciding looks at something that is not on record": _patch(advance, "decide", _with_hidden_input),
    "the driver's state is not what the stream folds to": _patch(ActiveMission, "_fold", _forgets_who_answered),
    "the verifier believes the stored hash": _patch(Verifier, "_content", lambda _: lambda *_: None),
    "a balance has no bound": _patch(writer, "_bounded", lambda _: lambda balance: balance),
    "a verdict binds nothing": _patch(enforce, "leave_for", _binds_nothing),
    "nobody is asked": _patch(enforce, "leave_for", _never_asks),
    "a write of unknown effect is sent again": _patch(enforce, "finish_write", lambda _: _sends_again),
    "a lost write ends with its step and nobody is told": _patch(StepRun, "open_writes", lambda _: lambda _self: []),
    "a seal is not compared": _patch(Verifier, "_cover", lambda _: lambda *_: None),
    "a halt is not seen": _patch(Controls, "halted", lambda _: lambda *_, **__: None),
    "an intent is taken after a halt": _patch(record, "_unless_halted", _commits_all_the_same),
    "what another process changed is not seen": _patch(EmbeddedDriver, "_look_out", lambda _: _looks_at_nothing),
    "everybody may answer": _patch(sys.modules["remit.missions.answer"], "_check_right", lambda _: _any_right),
}
