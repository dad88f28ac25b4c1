"""What outlives every process of a simulation: the store's witness, the bank and the post, the hour, the people's word.

The world believes no process. It looks at each durable commit and at each effect, and notes what must never happen.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from random import Random
from typing import Any

from tests.simulation.job import LIMITS, STANDING_PAYEE, STANDING_UNTIL, STANDING_UP_TO, limit_by_hash
from tests.simulation.process import Process

from remit.adapters.memory import MemoryStore
from remit.errors import DriverReplaced, RemitError
from remit.ids import MissionId, StreamId
from remit.ledger import Commit, Entry
from remit.missions import MissionState, evolve
from remit.state import KeyRing, Vault
from remit.tools import Tool

#: What only the driver of the current epoch may write: claims, intents, decisions, questions.
DRIVEN = {
    "step.started": "claim",
    "call.permitted": "intent",
    "step.suspended": "question",
    "plan.extended": "decision",
    "plan.rejected": "decision",
    "step.retried": "decision",
    "step.elapsed": "decision",
    "step.parked": "claim",
    "step.prepared": "claim",
    "step.expanded": "claim",
    "approval.expired": "decision",
    "approval.reminded": "decision",
    "approval.escalated": "decision",
    "mission.completed": "decision",
    "mission.failed": "decision",
    "undo.planned": "decision",
}
#: A halt, and a policy that replaced another, work within this many seconds.
WORKS_WITHIN = 1.0
#: Between weighing a call and its durable permit lies less than this, in seconds.
AT_ONCE = 0.1


class SeededKeys(KeyRing):
    """Data keys from their name, so that a seed gives the same ledger to the last byte."""

    def __init__(self) -> None:
        super().__init__(b"k" * 32)

    def new_key(self, name: str) -> str:
        key, nonce = sha256(name.encode()).digest(), sha256(b"nonce" + name.encode()).digest()[:12]
        return (nonce + self._wrapping.encrypt(nonce, key, name.encode())).hex()


@dataclass(slots=True)
class World:
    """What really happened, whatever anybody recorded."""

    shared: MemoryStore
    random: Random
    #: How often each kind of weather was seen.
    counts: Counter[str] = field(default_factory=Counter)
    #: What must never happen and did: an agent's own handlers must not hide it.
    violations: list[str] = field(default_factory=list)
    #: Idempotency key to how often the bank was told to pay, and to how often a letter was posted. The bank knows a
    #: key that comes twice; the post does not.
    paid: Counter[str] = field(default_factory=Counter)
    posted: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    #: Mission and reference to the keys under which it was booked, and booked off; either knows a key that comes twice.
    booked: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    unbooked: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    #: Business reference to payments that took effect.
    business: Counter[str] = field(default_factory=Counter)
    permits: defaultdict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    #: Place of a permit to the (virtual) second at which it became durable.
    permitted_at: dict[int, float] = field(default_factory=dict)
    answers: dict[str, Entry] = field(default_factory=dict)
    questions: dict[str, Entry] = field(default_factory=dict)
    #: How many reminders and escalations of a question were on record.
    noticed: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Each approval to the one call that used it.
    used: dict[str, str] = field(default_factory=dict)
    #: Each mission's state after each entry of its stream, folded here and by nobody else.
    states: dict[str, list[MissionState]] = field(default_factory=dict)
    #: Scope of a halt, and hash of the policy in force, with the (virtual) second from which it must work.
    halts: dict[str, float] = field(default_factory=dict)
    policy: tuple[str, float] = ("", 0.0)
    #: How far the clocks of all machines are off.
    offset: timedelta = field(default_factory=timedelta)
    vault: Vault = field(init=False)

    def __post_init__(self) -> None:
        self.vault = Vault(SeededKeys(), self.shared)

    @property
    def second(self) -> float:
        """Virtual seconds since the life began."""
        return asyncio.get_running_loop().time()

    @property
    def now(self) -> datetime:
        """What the clocks show."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.second) + self.offset

    def wrong(self, what: str) -> None:
        """Note what must never happen."""
        self.violations.append(what)

    # --- commits

    def look(self, process: Process, commit: Commit, result: tuple[Entry, ...] | RemitError) -> None:
        """Look at what the store made of one commit."""
        if isinstance(result, RemitError):
            for draft in commit.entries:
                if isinstance(result, DriverReplaced) and draft.kind in DRIVEN:
                    self.counts[f"{DRIVEN[draft.kind]} of a replaced driver refused"] += 1
            return
        for balance in self.shared._balances.values():
            if balance.limit < balance.used + balance.held:
                self.wrong(f"{balance.name} has used {balance.used} and holds {balance.held} of {balance.limit}")
        for entry in result:
            # As a stranger would read it, not as the writer says it is.
            self._note(process, self.shared._entry(entry.idx))

    def _note(self, process: Process, entry: Entry) -> None:
        kind, told = entry.kind, entry.payload
        self._fold(entry)
        if kind in DRIVEN and process.epoch != self.shared.epoch():
            self.wrong(f"{entry.ref}: a {DRIVEN[kind]} of epoch {process.epoch} in epoch {self.shared.epoch()}")
        if kind in {"call.permitted", "step.started"}:
            self._check_halts(process, entry)
        match kind:
            case "call.permitted":
                self._check_policy(process, entry)
                self.permits[told["key"]].append(entry)
                self.permitted_at[entry.idx] = self.second
            case "step.suspended":
                self.questions[told["approval"]] = entry
            case "approval.answered" | "approval.reminded" | "approval.escalated":
                self._note_question(entry)
            case "halt.set":
                self.halts.setdefault(told["scope"], self.second + WORKS_WITHIN)
            case "halt.lifted":
                self.halts.pop(told["scope"], None)
            case "resources.applied":
                self._note_policy(entry)

    def _note_question(self, entry: Entry) -> None:
        approval, kind = entry.payload["approval"], entry.kind
        if kind == "approval.answered":
            self.answers[approval] = entry
            if entry.actor != "principal:owner":
                self.wrong(f"{entry.ref}: answered by {entry.actor}, who has no right to")
            return
        self.noticed[approval, kind] += entry.payload.get("due", 1)
        if self.noticed[approval, kind] > (2 if kind == "approval.reminded" else 1):
            self.wrong(f"{entry.ref}: {kind} once more than was due")

    def _fold(self, entry: Entry) -> None:
        if entry.stream.startswith("mission/"):
            mission = entry.stream.removeprefix("mission/")
            states = self.states.setdefault(mission, [MissionState(MissionId(mission))])
            states.append(evolve(states[-1], entry))

    def _note_policy(self, entry: Entry) -> None:
        for applied in entry.payload["resources"]:
            if applied["key"] == "Policy/sim":
                named = sha256(f"sim {applied['hash']}".encode()).hexdigest()
                assert named in limit_by_hash(), f"a policy that is none of {LIMITS}"
                self.policy = (named, self.second + WORKS_WITHIN)

    def _check_halts(self, process: Process, entry: Entry) -> None:
        agent = entry.actor.removeprefix("agent:")
        mission = entry.stream.split("/")[1]
        covering = {"tenant", f"agent/{agent}", f"agent/{agent.split('@')[0]}", f"mission/{mission}"}
        covering.add(f"tool/{entry.payload.get('tool', '')}")
        # What stood still itself may not have heard of it; its next commit is its last if another took over.
        for scope, works_from in self.halts.items():
            # No intent comes after a halt, whoever has heard of it: the journal refuses it.
            late = self.second > works_from and not process.pauses
            if scope in covering and (late or entry.kind == "call.permitted"):
                self.wrong(f"{entry.ref}: {entry.kind} while {scope} is halted")

    def _check_policy(self, process: Process, entry: Entry) -> None:
        named, works_from = self.policy
        told = entry.payload
        works = self.second > works_from and not process.pauses
        if works and told["tool"] == "sim__pay" and told["policy"] != named:
            self.wrong(f"{entry.ref}: permitted by a policy that was replaced")

    # --- effects

    def says_no(self, key: str, *, new: bool) -> bool:
        """Whether a tool says no to a key; what it once said or did for a key stands."""
        booked = any(key in keys for keys in (*self.booked.values(), *self.unbooked.values()))
        if new and not self.paid[key] and not self.posted[key] and not booked:
            self.refused.add(key)
        return key in self.refused

    def take_effect(self, tool: Tool, arguments: Mapping[str, Any], key: str) -> None:
        """An effect: nothing may happen without a durable permit for exactly this, nor a payment without leave."""
        if key in self.refused:
            return
        permit = self.permits[key][-1] if key in self.permits else None
        if permit is None:
            self.wrong(f"{tool.name} took effect without a permit")
            return
        if permit.payload["tool"] != tool.name or permit.payload["args"] != self._digest(permit, arguments):
            self.wrong(f"{tool.name} took effect with other arguments than {permit.ref} permits")
        if tool.local_name == "post":
            self.posted[key] += 1
            return
        if tool.local_name in {"book", "unbook"}:
            mission = permit.stream.split("/")[1]
            booked = self.booked if tool.local_name == "book" else self.unbooked
            booked.setdefault((mission, arguments["reference"]), set()).add(key)
            return
        micros = int(Decimal(arguments["amount"]) * 1_000_000)
        if without := self._without_leave(permit, arguments["vendor"], micros):
            self.wrong(f"{permit.ref}: a critical effect {without}")
        if not self.paid[key]:
            self.business[arguments["reference"]] += 1
        self.paid[key] += 1

    def _digest(self, permit: Entry, value: Any) -> str:
        mission = permit.stream.split("/")[1]
        self.vault.open_space(mission)
        return self.vault.digest(mission, value)

    def _without_leave(self, permit: Entry, payee: str, micros: int) -> str:
        """Why the permit of a critical call has no leave for exactly this call; empty where it has."""
        told = permit.payload
        leave = told["leave"]
        if not leave:
            most = limit_by_hash()[told["policy"]]
            total = micros + self._paid_before(permit)
            return f"over the policy's limit: {total} of {most} micros" if total > most else ""
        if leave == "rent":
            day = datetime.fromtimestamp(permit.at_us / 1_000_000, UTC).date().isoformat()
            self.counts["standing approval"] += 1
            covered = payee == STANDING_PAYEE and micros <= STANDING_UP_TO * 1_000_000 and day <= STANDING_UNTIL
            return "" if covered else "that its standing approval does not cover"
        return self._not_granted(permit, leave)

    def _not_granted(self, permit: Entry, leave: str) -> str:
        """Why an approval does not give leave for exactly this call; empty where it does."""
        told, answered, asked = permit.payload, self.answers.get(leave), self.questions[leave]
        if answered is None or answered.payload["verdict"] not in {"approve", "steer"}:
            return f"on {leave}, which nobody granted"
        if answered.payload["binds"] != [told["args"], told["pin"], told["policy"]]:
            return f"on {leave}, which binds another call, tool or policy"
        if answered.at_us > asked.payload["expires_at_us"]:
            return f"on {leave}, which had expired"
        if self.used.setdefault(leave, told["key"]) != told["key"]:
            return f"on {leave}, which another call has used"
        return ""

    def _paid_before(self, permit: Entry) -> int:
        """What this mission's earlier permits have paid to the same payee, in micros.

        A payment with a person's leave that was on its way at the same moment may have been weighed after this one.
        """
        mission, payee = permit.stream.split("/")[1], permit.payload["payee"]
        sum_micros = 0
        for key, (*_, entry) in self.permits.items():
            told = entry.payload
            same = told["payee"] == payee and entry.stream.startswith(f"step/{mission}/")
            if not (same and self.paid[key] and key != permit.payload["key"] and entry.idx < permit.idx):
                continue
            if not told["leave"] or self.permitted_at[permit.idx] - self.permitted_at[entry.idx] > AT_ONCE:
                sum_micros += told["amount"][0]
        return sum_micros

    # --- states

    def state_of(self, mission: str) -> MissionState:
        """The mission as its whole stream gives it."""
        return self.states[mission][-1]

    def compare(self, held: MissionState) -> None:
        """What a driver holds in memory must be what the stream gives at that place."""
        self.counts["states compared"] += 1
        if held != self.states[held.id][held.version]:
            self.wrong(f"{StreamId(f'mission/{held.id}')}@{held.version}: the driver holds another state")
