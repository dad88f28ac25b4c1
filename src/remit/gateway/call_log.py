"""The calls of one mission, folded from its step streams: tape, guard counters, sums, and where values came from.

Everything here can be rebuilt from the ledger, and is, when a mission is taken up again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from remit.gateway.flow import Known
from remit.gateway.guard import LoopGuard
from remit.gateway.labels import recorded_label
from remit.ids import StepId, StreamId
from remit.ledger import Entry
from remit.tools import NOTHING_READ, Label, Origin, Tool


@dataclass(slots=True)
class Recorded:
    """One call's record: what was permitted, and its outcome where there is one."""

    permit: Mapping[str, Any]
    stream: StreamId
    attempt: int
    #: `call.done` payload; None while the effect is unknown.
    done: Mapping[str, Any] | None = None
    #: Where the outcome stands in the tenant's whole record.
    done_idx: int = 0

    @property
    def step(self) -> StepId:
        """The step that made the call."""
        return StepId(self.stream.split("/")[2])

    @property
    def by(self) -> str:
        """The process that makes it for an agent outside; empty where the lease alone tells whose it is."""
        return str(self.permit.get("by", ""))


@dataclass(slots=True)
class Spent:
    """What sinks were permitted to move in this mission, per currency, in micro-units."""

    total: Counter[str]
    #: By the payee's keyed hash.
    by_payee: defaultdict[str, Counter[str]]


class CallLog:
    """What the door must remember of a mission."""

    def __init__(self) -> None:
        self.guard = LoopGuard()
        self.known: defaultdict[str, list[Known]] = defaultdict(list)
        self.spent = Spent(Counter(), defaultdict(Counter))
        self.turns: Counter[str] = Counter()
        #: The same by step.
        self.turns_in: Counter[StepId] = Counter()
        #: By step and call key, in the order of their tries.
        self._calls: dict[tuple[StepId, str], list[Recorded]] = {}
        #: Keys of writes, in the order in which they were first permitted; False once one certainly did nothing.
        self._writes: defaultdict[StepId, dict[str, bool]] = defaultdict(dict)
        self._acted: defaultdict[StepId, set[str]] = defaultdict(set)
        self._pending: dict[str, tuple[tuple[int, str], str]] = {}
        self._read: dict[StepId, Label] = {}
        #: Tools that a person added to the mission's plan, with the pin under which they did.
        self._added: dict[str, str] = {}
        self.tokens_in = 0
        self.tokens_out = 0
        self.used_usd_micros = 0
        #: What undoing steps drew of the money that was held for them.
        self.drawn: Counter[StepId] = Counter()
        self._drawing: Counter[StepId] = Counter()

    def apply(self, entry: Entry) -> None:
        """Fold one entry of a step stream."""
        if entry.kind == "call.permitted":
            self._permitted(entry)
        elif entry.kind in {"call.done", "call.lost"}:
            self._done(entry)

    def learn_from_person(self, digests: tuple[str, ...], source: str) -> None:
        """Remember values that a person gave."""
        for digest in digests:
            place = Known(Origin.PERSON, source, "")
            if place not in self.known[digest]:
                self.known[digest].append(place)

    def reserve(self, key: str, amount: tuple[int, str], payee: str) -> None:
        """Count a sink's amount from the moment it was weighed, so that two calls at once cannot both fit."""
        self._pending[key] = (amount, payee)
        self._move(amount, payee, 1)

    def release(self, key: str) -> None:
        """Forget a reservation: its permit is on record, or was not given."""
        if key in self._pending:
            amount, payee = self._pending.pop(key)
            self._move(amount, payee, -1)

    @property
    def reserving(self) -> bool:
        """True while an amount was weighed that does not stand on record yet."""
        return bool(self._pending)

    def read(self, step: StepId) -> Label:
        """The join of all that the step's calls have read."""
        return self._read.get(step, NOTHING_READ)

    def added(self, tool: Tool) -> bool:
        """True where a person let this mission read with a tool that its plan does not name, as it stands now."""
        return not tool.tells and self._added.get(tool.name) == tool.pin

    def added_of(self, tools: Mapping[str, Tool]) -> list[Tool]:
        """Those of these tools, by name, that a person let this mission read with."""
        return [tool for name in self._added if (tool := tools.get(name)) is not None and self.added(tool)]

    @property
    def drawn_in_all(self) -> int:
        """What undoing drew so far of the money that was held for it, in micro-units."""
        return sum(self.drawn.values())

    def draw(self, step: StepId, reserve: int, worst: int) -> int:
        """Take up to `worst` of what is left of the step's reserve; `drew` must follow, as calls at once share it."""
        taken = min(worst, max(reserve - self.drawn[step] - self._drawing[step], 0))
        self._drawing[step] += taken
        return taken

    def drew(self, step: StepId, taken: int) -> None:
        """The permit that draws it is on record, or was not given."""
        self._drawing[step] -= taken

    def open_reads(self) -> list[Recorded]:
        """Permitted reads and model calls without an outcome: a crash lost them, and they are made again."""
        return [
            recorded
            for tries in self._calls.values()
            for recorded in tries
            if recorded.done is None and not recorded.permit["sink"]
        ]

    def _move(self, amount: tuple[int, str], payee: str, sign: int) -> None:
        micros, currency = amount
        self.spent.total[currency] += sign * micros
        self.spent.by_payee[payee][currency] += sign * micros

    def last(self, step: StepId, key: str) -> Recorded | None:
        """The newest try of a call, or None where it was never permitted."""
        tries = self._calls.get((step, key))
        return tries[-1] if tries else None

    def only(self, step: StepId) -> Recorded | None:
        """The newest try of a step that is one call."""
        return next((tries[-1] for (name, _), tries in self._calls.items() if name == step), None)

    def tries(self, step: StepId, key: str) -> int:
        """How often the call was permitted."""
        return len(self._calls.get((step, key), ()))

    def open_writes(self, step: StepId) -> list[Recorded]:
        """The step's permitted writes without an outcome, in order: whether they took effect is not known."""
        last = [self._calls[step, key][-1] for key in self._writes[step]]
        return [recorded for recorded in last if recorded.done is None]

    def uncertain(self) -> list[tuple[StepId, Recorded]]:
        """Every permitted write of the mission without an outcome, by step, in order."""
        return [(step, recorded) for step in self._writes for recorded in self.open_writes(step)]

    def turns_of(self, step: StepId) -> Iterator[Recorded]:
        """The step's calls of models that were answered, the newest first."""
        for (name, _), tries in reversed(self._calls.items()):
            done = tries[-1].done
            if name == step and tries[-1].permit["model"] and done is not None and done["ok"]:
                yield tries[-1]

    def acted(self, step: StepId) -> int:
        """How many different writes the step was permitted; the same one again is no further progress."""
        return len(self._acted[step])

    def wrote(self, step: StepId) -> set[tuple[str, str, str]]:
        """The step's writes that were done: tool, keyed hash of the arguments, and the outcome."""
        last = [self._calls[step, key][-1] for key in self._writes[step]]
        return {
            (call.permit["tool"], call.permit["action"].rpartition("|")[2], call.done["result"])
            for call in last
            if call.done is not None and call.done["ok"]
        }

    def writes(self, step: StepId) -> list[str]:
        """Keys of the step's permitted writes, in order, without those that certainly did nothing."""
        return [key for key, stands in self._writes[step].items() if stands]

    def writes_upto(self, step: StepId, idx: int) -> list[str]:
        """Keys of the step's writes whose outcome stands at this place of the record or before it."""
        return [key for key in self._writes[step] if 0 < self._calls[step, key][-1].done_idx <= idx] if idx else []

    def last_effect(self, step: StepId) -> int:
        """The place in the record of the step's last write with an outcome; 0 for none."""
        return max((self._calls[step, key][-1].done_idx for key in self._writes[step]), default=0)

    def _permitted(self, entry: Entry) -> None:
        permit = entry.payload
        _, _, step, attempt = entry.stream.split("/")
        tries = self._calls.setdefault((StepId(step), permit["key"]), [])
        if permit["try"] <= len(tries):
            return  # folded already: tries are counted from 1
        tries.append(Recorded(permit, entry.stream, int(attempt)))
        self.drawn[StepId(step)] += permit.get("drawn", 0)
        if permit["sink"]:
            self._writes[StepId(step)][permit["key"]] = True
            self._acted[StepId(step)].add(permit["action"])
            if permit["amount"]:
                self._move(permit["amount"], permit["payee"], 1)
        if permit.get("added"):
            self._added[permit["tool"]] = permit["pin"]
        if permit["model"]:
            self.turns[entry.actor] += 1
            self.turns_in[StepId(step)] += 1

    def _done(self, entry: Entry) -> None:
        done = entry.payload
        _, _, step, _ = entry.stream.split("/")
        tries = self._calls[StepId(step), done["key"]]
        recorded = tries[done["try"] - 1]
        if recorded.done is not None:
            return  # folded already
        recorded.done, recorded.done_idx = done, entry.idx
        permit = recorded.permit
        if permit["sink"] and recorded is tries[-1]:
            self._writes[StepId(step)][permit["key"]] = bool(done["result"])
        self.used_usd_micros += done["used"]
        self.tokens_in += done["tokens"][0]
        self.tokens_out += done["tokens"][1]
        if not done["ok"] and permit["sink"] and permit["amount"]:
            # The tool said no: nothing moved.
            self._move(permit["amount"], permit["payee"], -1)
        if entry.kind == "call.done":
            self._read[StepId(step)] = self.read(StepId(step)).join(recorded_label(done))
            self.guard.record(permit["action"], done["result"], permit["progress"])
        for origin, field, digest in done["known"]:
            place = Known(Origin(origin), f"{entry.stream}#{done['key']}", field)
            if place not in self.known[digest]:
                self.known[digest].append(place)
