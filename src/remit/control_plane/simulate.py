"""What other policies would have said to the calls on record. It reads, and writes nothing.

Each call is decided anew from its recorded arguments, under the tools and rates of today, after what its mission had
spent before it. Sums follow the new decisions: what they deny was not spent, what they ask about was. Refusals that are
not policy's (a grant, a budget, data flow) stay as they are, and so does what mission and agent did next.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from remit.control_plane.core import Core, iso
from remit.errors import InvalidInput, NotFound
from remit.gateway import micros_of
from remit.ids import MissionId, StepId
from remit.ledger import Entry
from remit.missions import ActiveMission
from remit.planning import StepKind
from remit.policy import Decision, PolicyAnswer, PolicySet, Request
from remit.state import Pointer
from remit.tools import Tool

_PAGE = 500
#: Calls that are told one by one; totals count them all.
SHOWN_MAX = 500
_DAY_US = 86_400_000_000
#: What policy's refusals are recorded under.
_BY_POLICY = frozenset({"no_policy", "policy_denied"})
#: Rules that ask, as they stand beside a permit.
_ASKING = re.compile(r":(require_approval|require_approval_if_over|critical_tier|spending_limit|condition:.*)$")


def since_us(text: str, now_us: int) -> int:
    """An instant in microseconds: `30d` before now, or a day or time as ISO 8601 writes it (UTC); 0 for empty.

    Raises:
        InvalidInput: it is neither.
    """
    if not text:
        return 0
    if re.fullmatch(r"\d{1,4}d", text):
        return now_us - int(text[:-1]) * _DAY_US
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is neither a number of days such as 30d nor a date such as 2026-10-01."
        ) from error
    return micros_of(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


@dataclass(slots=True)
class _Mission:
    """What is known of a mission while its calls are decided again."""

    principal: str
    #: Step to the skill that it carries out; empty for a call of the plan's own.
    skills: Mapping[str, str]
    spent: Counter[str] = field(default_factory=Counter)
    by_payee: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    turns: Counter[str] = field(default_factory=Counter)
    #: What a permitted call would have moved, until its outcome: by stream, key and try.
    moved: dict[tuple[str, str, int], tuple[int, str, str]] = field(default_factory=dict)

    def move(self, micros: int, currency: str, payee: str) -> None:
        self.spent[currency] += micros
        self.by_payee[payee][currency] += micros


@dataclass(slots=True)
class Simulation:
    """One pass over the record under other policies."""

    core: Core
    policies: PolicySet
    since: int
    calls: int = 0
    different: list[dict[str, Any]] = field(default_factory=list)
    undecided: list[dict[str, Any]] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    _missions: dict[str, _Mission] = field(default_factory=dict)

    async def run(self, mission: str = "") -> dict[str, Any]:
        """Decide every call of the record, or of one mission, and say what would have been different."""
        after = 0
        prefix = f"step/{mission}/" if mission else "step/"
        while page := await self.core.store.read_prefix(prefix, after_idx=after, limit=_PAGE):
            for entry in page:
                await self._entry(entry)
            after = page[-1].idx
            await asyncio.sleep(0)  # a server has other work meanwhile
        differing, undecided = self.changes.total(), self.reasons.total()
        return {
            "calls": self.calls,
            "same": self.calls - differing - undecided,
            "different": differing,
            "undecided": undecided,
            "changes": dict(sorted(self.changes.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "different_calls": self.different,
            "undecided_calls": self.undecided,
            "left_off": differing + undecided - len(self.different) - len(self.undecided),
        }

    async def _entry(self, entry: Entry) -> None:
        if entry.kind in {"call.done", "call.lost"}:
            held = await self._mission(entry)
            moved = held.moved.pop((entry.stream, entry.payload["key"], entry.payload["try"]), None)
            if moved is not None and not entry.payload["ok"]:
                held.move(-moved[0], moved[1], moved[2])  # the tool said no: nothing moved
        elif entry.kind in {"call.permitted", "call.refused"}:
            held = await self._mission(entry)
            if entry.at_us < self.since:
                self._as_recorded(held, entry)
            else:
                await self._again(held, entry)
            if entry.kind == "call.permitted" and entry.payload["model"]:
                held.turns[entry.actor] += 1

    async def _again(self, held: _Mission, entry: Entry) -> None:
        self.calls += 1
        tool = self.core.door.controls.registry.tools.get(entry.payload["tool"])
        if tool is None:
            self._not_decided(held, entry, "the tool is not registered any more")
            return
        try:
            arguments = await self.core.door.vault.open(Pointer(_mission_of(entry), entry.payload["args"]))
        except NotFound:
            self._not_decided(held, entry, "its arguments were erased")
            return
        try:
            request = self._request(held, entry, tool, arguments)
        except ValueError:
            self._not_decided(held, entry, "its amount cannot be read")
            return
        decision = self.policies.decide(request)
        before = _before(entry)
        if before["answer"] != "refused" and decision.answer != before["answer"]:
            self._differs(entry, before, decision)
        if decision.permit and before["answer"] != "refused" and tool.sink and request.amount is not None:
            self._count(held, entry, request.amount.micros, request.amount.currency, self._payee(entry, request.payee))

    def _request(self, held: _Mission, entry: Entry, tool: Tool, arguments: Mapping[str, Any]) -> Request:
        name, _, version = entry.actor.removeprefix("agent:").partition("@")
        payee = tool.value_of("payee", arguments)
        turns = held.turns[entry.actor] + tool.model
        return Request(
            agent=name,
            agent_version=version,
            principal=held.principal,
            mission=_mission_of(entry),
            skill=held.skills.get(_step_of(entry), ""),
            tool=tool,
            arguments=arguments,
            amount=tool.amount_of(arguments),
            payee=payee,
            payee_name=None,
            mission_spent=held.spent,
            payee_spent=held.by_payee.get(self._payee(entry, payee), {}),
            reflections=turns,
            turns=turns,
        )

    def _payee(self, entry: Entry, payee: str | None) -> str:
        return self.core.door.vault.digest(_mission_of(entry), payee) if payee else ""

    def _differs(self, entry: Entry, before: dict[str, Any], decision: Decision) -> None:
        self.changes[f"{before['answer']} -> {decision.answer}"] += 1
        if len(self.different) < SHOWN_MAX:
            spoke = [told for told in decision.spoken if told.effect in {"deny", "ask"}] or decision.spoken
            after = {
                "answer": decision.answer,
                "spoken": [
                    {"policy": told.policy, "rule": told.rule, "effect": told.effect, "message": told.message}
                    for told in spoke
                ],
            }
            self.different.append({**_shown(entry), "before": before, "after": after})

    def _not_decided(self, held: _Mission, entry: Entry, reason: str) -> None:
        self.reasons[reason] += 1
        self._as_recorded(held, entry)
        if len(self.undecided) < SHOWN_MAX:
            self.undecided.append({**_shown(entry), "before": _before(entry), "because": reason})

    def _as_recorded(self, held: _Mission, entry: Entry) -> None:
        payload = entry.payload
        if entry.kind == "call.permitted" and payload["sink"] and payload["amount"]:
            micros, currency = payload["amount"]
            self._count(held, entry, micros, currency, payload["payee"])

    def _count(self, held: _Mission, entry: Entry, micros: int, currency: str, payee: str) -> None:
        held.move(micros, currency, payee)
        if entry.kind == "call.permitted":
            held.moved[entry.stream, entry.payload["key"], entry.payload["try"]] = micros, currency, payee

    async def _mission(self, entry: Entry) -> _Mission:
        mission = _mission_of(entry)
        held = self._missions.get(mission)
        if held is None:
            active = ActiveMission(mission)
            await active.catch_up(self.core.store)
            skills = {
                str(step): state.step.target
                for step, state in active.state.steps.items()
                if state.step.kind is StepKind.SKILL
            }
            listed = await self.core.store.record("mission", mission)
            held = self._missions[mission] = _Mission(listed["principal"] if listed else "", skills)
        return held


def _before(entry: Entry) -> dict[str, Any]:
    """What policy said then, as the entry tells it; `refused` where the no was not policy's."""
    payload = entry.payload
    if entry.kind == "call.refused":
        answer = "deny" if payload["code"] in _BY_POLICY else "refused"
        return {"answer": answer, "rules": [payload["rule"]]}
    asked = any(_ASKING.search(rule) for rule in payload["rules"])
    answer_then: PolicyAnswer = "ask" if asked else "permit"
    return {"answer": answer_then, "rules": payload["rules"]}


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.ref,
        "at": iso(entry.at_us),
        "mission": _mission_of(entry),
        "step": _step_of(entry),
        "agent": entry.actor.removeprefix("agent:"),
        "tool": entry.payload["tool"],
    }


def _mission_of(entry: Entry) -> MissionId:
    return MissionId(entry.stream.split("/")[1])


def _step_of(entry: Entry) -> StepId:
    return StepId(entry.stream.split("/")[2])
