"""What must hold at the end of every life, read from nothing but the record and the world."""

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import orjson

from remit.ids import StepId
from remit.ledger import Entry, leaf_hash
from remit.ledger.seal import Seal, extend
from remit.ledger.tree import CompactRange
from remit.ledger.verify import Verifier
from remit.missions import Answer, Cancel, MissionState, MissionStatus, Proceed, Submit, decide
from remit.missions.events import ApprovalAnswered, MissionCancelled, MissionSubmitted, read_event
from remit.missions.undo_events import MissionStopping

if TYPE_CHECKING:
    from tests.simulation.scenario import Life

Row = tuple[int, bytes, str]
#: Kinds that `decide` gives when nobody but time and facts moved the mission.
_DUE = {
    "plan.extended",
    "plan.rejected",
    "step.retried",
    "approval.expired",
    "approval.reminded",
    "approval.escalated",
    "step.elapsed",
    "step.ruled_out",
    "mission.completed",
    "mission.failed",
    "mission.stopping",
    "undo.planned",
}


def check_all(life: "Life") -> None:
    """Check one life; the first thing that does not hold is told."""
    entries = life.entries()
    world = life.world
    assert not world.violations, world.violations
    check_effects(life, entries)
    check_money(life, entries)
    check_undone(life)
    for mission in sorted(world.states):
        assert world.state_of(mission).status.ended, f"{mission} has not ended"
        check_decisions(life, mission, [entry for entry in entries if entry.stream == f"mission/{mission}"])
    check_seals(life)
    count_weather(life, entries)


def uncertain_steps(entries: list[Entry]) -> set[tuple[str, str]]:
    """Mission and step of every effect that was put to a person as uncertain."""
    return {
        (entry.stream.removeprefix("mission/"), entry.payload["step"])
        for entry in entries
        if entry.kind == "step.suspended" and entry.payload["about"] == "effect_uncertain"
    }


def check_effects(life: "Life", entries: list[Entry]) -> None:
    """At most one effect for each key; each effect has its outcome on record, or its step is marked uncertain."""
    world, uncertain = life.world, uncertain_steps(entries)
    assert all(count <= 1 for count in world.business.values()), "a payment was made twice"
    assert all(count <= 1 for count in world.posted.values()), "a letter was posted twice"
    done = {entry.payload["key"] for entry in entries if entry.kind == "call.done" and entry.payload["ok"]}
    for key in [*world.paid, *world.posted]:
        mission, _ = _step_of(life, key)
        # By its deadline, or by a person: the open intent says it.
        cut_off = world.state_of(mission).status in {MissionStatus.FAILED, MissionStatus.CANCELLED}
        if (world.paid[key] or world.posted[key]) and key not in done and not cut_off:
            assert _step_of(life, key) in uncertain, f"{key} took effect, and nothing on record says so"
    for key in done:
        tool = world.permits[key][-1].payload["tool"]
        # Where a person said of an uncertain effect that it took place, the record holds the person's word.
        if tool in {"sim__pay", "sim__post"} and _step_of(life, key) not in uncertain:
            assert world.paid[key] or world.posted[key], "a success is on record without its effect"


def check_undone(life: "Life") -> None:
    """Where a mission ended otherwise than well, each booking was undone exactly once, or is told as not undone."""
    world = life.world
    for (mission, reference), keys in world.booked.items():
        state, step = world.state_of(mission), f"book-{reference.rpartition('/')[2]}"
        off = len(world.unbooked.get((mission, reference), ()))
        assert len(keys) == 1, f"{mission} booked {reference} {len(keys)} times"
        if state.status is MissionStatus.COMPLETED:
            assert not off, f"{mission} completed, and {reference} was booked off"
        elif step in state.undone:
            assert off == 1, f"{mission} says that {step} was undone; it was booked off {off} times"
            world.counts["undone"] += 1
        else:
            told = step in state.not_undone or state.steps[StepId(step)].status.ended
            assert told, f"{mission} booked {reference}, ended, and says nothing of it"
            assert off <= 1, f"{mission} booked {reference} off {off} times"
            world.counts["not undone"] += 1
    for mission in life.missions:
        for step in world.state_of(mission).undone:
            reference = (mission, f"m{life.missions.index(mission)}/{step.rpartition('-')[2]}")
            assert reference in world.booked, f"{mission} says that {step} was undone, which it never did"


def _step_of(life: "Life", key: str) -> tuple[str, str]:
    _, mission, step, _ = life.world.permits[key][-1].stream.split("/")
    return mission, step


def check_money(life: "Life", entries: list[Entry]) -> None:
    """When everything has ended nothing is held, and what was used is what the record says."""
    used: Counter[str] = Counter()
    for entry in entries:
        if entry.kind in {"call.done", "call.lost"}:
            key, number = entry.payload["key"], entry.payload["try"]
            permit = life.world.permits[key][number - 1].payload
            tenant, mission, agent, *bounds = permit["budget"]
            above = [f"mission/{one}" for one in bounds[1:]]
            for name in (f"tenant/{tenant}", f"mission/{mission}", f"agent/{mission}/{agent}", *above):
                used[name] += entry.payload["used"]
    for name, balance in life.shared._balances.items():
        assert balance.held == 0, f"{name} still holds {balance.held} when everything has ended"
        assert balance.used == used[name], f"{name} has used {balance.used}, and the record says {used[name]}"


def check_decisions(life: "Life", mission: str, entries: list[Entry]) -> None:
    """Asked again at each place of the stream, with what is on record there, `decide` decides the same."""
    states = life.world.states[mission]
    at = 0
    while at < len(entries):
        decided = _decide_again(states[at], entries[at])
        if decided is None:  # a fact, which nobody decided
            at += 1
            continue
        recorded = [(entry.kind, entry.payload) for entry in entries[at : at + len(decided)]]
        again = [(kind, orjson.loads(orjson.dumps(payload))) for kind, payload in decided]
        assert recorded == again, f"{entries[at].ref}: decided {recorded}; decided again {again}"
        at += len(decided)
        life.world.counts["decisions taken again"] += 1


def _decide_again(state: MissionState, entry: Entry) -> list[tuple[str, object]] | None:
    event = read_event(entry)
    if isinstance(event, MissionSubmitted):
        events = decide(state, Submit(event))
    elif isinstance(event, ApprovalAnswered):
        given = Answer(
            event.approval, event.verdict, event.by, entry.at_us, event.input, event.note, event.binds, event.known
        )
        events = decide(state, given)
    elif isinstance(event, MissionCancelled | MissionStopping) and (
        entry.actor != "remit" or (event.by == "remit" and state.status is MissionStatus.WORKING)
    ):
        events = decide(state, Cancel(event.by, undo=isinstance(event, MissionStopping) or not event.not_undone))
    elif (entry.kind in _DUE and entry.payload.get("rule") != "when") or isinstance(event, MissionCancelled):
        events = decide(state, Proceed(entry.at_us, lambda _: True, lambda _: True))
        assert events, f"{entry.ref}: {entry.kind} was decided where nothing was due"
    else:
        return None
    return [(event.kind, event.payload()) for event in events]


# --- the record


def check_seals(life: "Life") -> None:
    """The record verifies; any one sealed entry that is changed, dropped or swapped is found and named."""
    rows = [(idx, bytes(canonical), leaf_hash(canonical)) for idx, canonical in enumerate(life.shared._canonical, 1)]
    random = Random(life.seed)
    sizes = sorted({random.randint(2, len(rows)), len(rows)})
    seals, past = [], CompactRange()
    for size in sizes:
        past, seal = extend(past, (bytes.fromhex(digest) for _, _, digest in rows[past.size : size]), life.signer)
        seals.append(seal)
    assert _finds_nothing(life, rows, seals), "the record does not verify"
    idx = random.randint(1, len(rows))
    for what, touched in _touched(rows, idx, random).items():
        assert not _finds_nothing(life, touched, seals), f"entry {idx} was {what}, and the verifier did not see it"
        life.world.counts[f"sealed entry {what}"] += 1


def _touched(rows: list[Row], idx: int, random: Random) -> dict[str, list[Row]]:
    """The record with one entry tampered with: one way of changing, dropping or swapping it, drawn from the seed."""
    place = idx - 1
    _, canonical, digest = rows[place]
    digit = random.choice([at for at, byte in enumerate(canonical) if chr(byte).isdigit()])
    changed = canonical[:digit] + (b"7" if canonical[digit : digit + 1] != b"7" else b"8") + canonical[digit + 1 :]
    other = (place + random.randint(1, len(rows) - 1)) % len(rows)
    swapped = list(rows)
    swapped[place], swapped[other] = (idx, *rows[other][1:]), (other + 1, *rows[place][1:])
    # Numbers that close the gap are what a forger would write.
    dropped = [(at, *row[1:]) for at, row in enumerate([*rows[:place], *rows[place + 1 :]], 1)]
    ways = {
        "changed": [*rows[:place], (idx, changed, digest), *rows[place + 1 :]],
        "changed with its hash": [*rows[:place], (idx, changed, leaf_hash(changed)), *rows[place + 1 :]],
        "dropped": dropped,
        "swapped": swapped,
    }
    way = random.choice(sorted(ways))
    return {way: ways[way]}


def _finds_nothing(life: "Life", rows: list[Row], seals: list[Seal]) -> bool:
    verifier = Verifier(life.signer.public)
    waiting = list(seals)
    for number, row in enumerate(rows, 1):
        verifier.entry(*row)
        if waiting and waiting[0].size == number:
            verifier.seal(waiting.pop(0).note)
    for seal in waiting:
        verifier.seal(seal.note)
    return verifier.finish().ok


# --- the weather


def count_weather(life: "Life", entries: list[Entry]) -> None:
    """What the record tells of the weather."""
    counts = life.world.counts
    counts["uncertain"] += len(uncertain_steps(entries))
    for entry in entries:
        told = entry.payload
        if entry.kind == "step.suspended":
            counts["suspended"] += 1
            if told["about"] == "approval" and "~" in told["step"]:
                counts["verdict void, asked anew"] += 1
        elif entry.kind == "call.refused":
            counts[f"refused: {told['code']}"] += 1
        elif entry.kind == "step.interrupted":
            counts[f"interrupted: {told['code']}"] += 1
        elif entry.kind in {*_DUE, "call.lost"}:
            counts[entry.kind] += 1
