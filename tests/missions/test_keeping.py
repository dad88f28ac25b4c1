"""What agents keep: state over attempts and workers, pointers in place of history, and memory with its labels."""

import pytest

from remit.adapters.memory import MemoryStore
from remit.adapters.sqlite import SqliteStore
from remit.errors import (
    DriverReplaced,
    InvalidInput,
    LegalHold,
    MemoryFull,
    MemoryTooWide,
    NotGranted,
    PointerForged,
    PointerNotYours,
    StalePointer,
    StateTooLarge,
    StoreCorrupted,
    ToolUnreachable,
)
from remit.ids import StepId
from remit.ledger import Commit, PutRecord
from remit.state import Memory, Owner, Scope, memory
from remit.tools import Confidentiality

from .builders import a_home, a_payment, a_tool, open_policy, run

STORES = {"memory": lambda _: MemoryStore(), "sqlite": lambda folder: SqliteStore(folder / "remit.db")}


@pytest.fixture(params=STORES)
def a_store(request, tmp_path):
    return lambda: STORES[request.param](tmp_path)


async def ended(home, mission):
    await home.drive(mission)
    return await home.output(mission)


# --- working state


def test_what_an_attempt_saved_the_next_attempt_finds_on_another_worker(a_store):
    seen, homes = [], []

    async def plan(context, _given):
        state = await context.state.load()
        seen.append((state.seq, state.goal, dict(state.tools), list(state.reflections)))
        tools = {"erp": {"page": state.seq + 1}}
        await context.state.save(goal={"buy": "steel"}, tools=tools, reflect=f"try {state.seq}")
        if state.seq == 0:
            await homes[0].store.take("another")
            raise ToolUnreachable("away")
        return "done"

    async def story():
        homes.append(await a_home(plan=plan, store=a_store()))
        mission = await homes[0].submit()
        with pytest.raises(DriverReplaced):
            await homes[0].drive(mission)

        assert await ended(homes[0].restarted(), mission) == "done"
        assert seen == [(0, None, {}, []), (1, {"buy": "steel"}, {"erp": {"page": 1}}, ["try 0"])]
        await homes[0].store.close()

    run(story())


def test_a_run_that_goes_on_after_a_crash_reads_what_it_read_before_and_saves_once():
    seen, stop = [], [True]

    async def plan(context, _given):
        state = await context.state.load()
        seen.append(state.seq)
        await context.state.save(goal="begun")
        if stop.pop() if stop else False:
            await context.call("erp__read", {"then": "halt"})
        return (await context.state.load()).goal

    async def story():
        home = await a_home(plan=plan)
        mission = await home.submit()
        home.transport.functions["read"] = lambda **_: home.change(halts=frozenset({f"mission/{mission}"})) or {}
        home.change(halts=frozenset({"tool/erp__read"}))
        await home.drive(mission)
        home.change(halts=frozenset())
        home = home.restarted()
        home.halts = frozenset()
        home._assemble()

        assert await ended(home, mission) == "begun"
        assert seen == [0, 0]
        assert len(await home.store.read(Owner(mission, StepId("plan")).stream)) == 1

    run(story())


def test_effects_that_a_state_knows_of_are_no_divergence_for_the_attempt_that_reads_it():
    async def plan(context, _given):
        state = await context.state.load()
        if state.goal is None:
            await context.call("bank__pay", {"amount": "1", "payee": "a"})
            await context.state.save(goal="paid a")
            raise ToolUnreachable("away")
        await context.call("bank__pay", {"amount": "2", "payee": "b"})
        return "both"

    async def story():
        home = await a_home(plan=plan)
        mission = await home.submit(known=["1", "a", "2", "b"])

        assert await ended(home, mission) == "both"
        assert home.made == ["pay", "pay"]

    run(story())


def test_an_effect_after_the_last_save_must_be_met_again():
    async def plan(context, _given):
        state = await context.state.load()
        if state.goal is None:
            await context.state.save(goal="about to pay")
            await context.call("bank__pay", {"amount": "1", "payee": "a"})
            raise ToolUnreachable("away")
        await context.call("bank__pay", {"amount": "2", "payee": "b"})

    async def story():
        home = await a_home(plan=plan)
        mission = await home.submit(known=["1", "a", "2", "b"])
        await home.drive(mission)

        assert (await home.step(mission)).rules == ("effect_uncertain", "diverged")
        assert home.made == ["pay"]

    run(story())


def test_a_state_says_when_other_policies_apply_than_when_it_was_saved():
    async def plan(context, _given):
        state = await context.state.load()
        await context.state.save(goal="go")
        if state.seq == 0:
            homes[0].change(policies=[open_policy(), open_policy("max_turns: 5", name="new")])
            raise ToolUnreachable("away")
        return state.policy_changed

    homes = []

    async def story():
        home = await a_home(plan=plan)
        homes.append(home)
        mission = await home.submit()

        assert await ended(home, mission) is True
        (told,) = await home.calls("state.rebound")
        assert told.payload["saved"] != told.payload["now"]

    run(story())


def test_the_label_of_what_was_read_survives_into_the_attempt_that_reads_the_state():
    async def plan(context, _given):
        state = await context.state.load()
        if state.goal is None:
            found = await context.call("web__page", {})
            await context.state.save(goal=found)
            raise ToolUnreachable("away")
        return state.goal

    async def story():
        page = a_tool("web__page", confidentiality=Confidentiality.CONFIDENTIAL)
        home = await a_home(page, plan=plan)
        mission = await home.submit()
        await home.drive(mission)

        label = (await home.step(mission)).label
        assert (label.trusted, label.confidentiality) == (False, Confidentiality.CONFIDENTIAL)

    run(story())


@pytest.mark.parametrize("kept", [{"goal": "x" * 10_239}, {"tools": {"a b": 1}}], ids=["goal", "name"])
def test_what_cannot_be_kept_is_refused_in_the_catalogues_words_and_nothing_is_written(kept):
    refused = []

    async def plan(context, _given):
        try:
            await context.state.save(**kept)
        except (StateTooLarge, InvalidInput) as no:
            refused.append(no.code)
        return (await context.state.load()).seq

    async def story():
        home = await a_home(plan=plan)

        assert await ended(home, await home.submit()) == 0
        assert len(refused) == 1

    run(story())


def test_state_is_a_tool_like_others_granted_or_not():
    async def plan(context, _given):
        await context.state.save(goal="x")

    async def story():
        home = await a_home(plan=plan)
        home.agent_fields = {"tools": ["erp__*"]}
        home.change()
        mission = await home.submit()
        await home.drive(mission)

        assert (await home.step(mission)).code == NotGranted.code

    run(story())


def test_a_driver_that_was_replaced_saves_nothing():
    async def plan(context, _given):
        await context.state.save(goal="first")
        await home_of[0].store.take("another")
        await context.state.save(goal="too late")

    home_of = []

    async def story():
        home_of.append(await a_home(plan=plan))
        home = home_of[0]
        mission = await home.submit()
        with pytest.raises(DriverReplaced):
            await home.drive(mission)

        assert len(await home.store.read(Owner(mission, StepId("plan")).stream)) == 1

    run(story())


# --- pointers


def hand_over(read, *, point=None, before=None, tiers=("goal", "tool:crm")):
    """A home whose planner saves, hands a pointer to the lawyer, and whose lawyer reads by it with `read`."""

    async def plan(context, _given):
        await context.state.save(goal={"buy": "steel"}, tools={"crm": [1], "erp": [2]}, reflect="private thoughts")
        pointer = await context.state.point(point or "review", tiers)
        if before:
            await before(context)
        context.propose("check", skill="review", given={"state": pointer})
        return pointer

    async def review(context, given):
        return await read(context, given["state"])

    return a_home(plan=plan, review=review)


def test_a_pointer_stands_for_the_history_and_gives_the_slices_that_it_grants():
    async def read(context, pointer):
        state = await context.state.read(pointer)
        return [state.goal, state.tools, state.reflections, state.agent]

    async def story():
        home = await hand_over(read)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission, "check") == [{"buy": "steel"}, {"crm": [1]}, [], "plan@1.0.0"]
        assert len(await home.output(mission)) < 350
        (told,) = await home.calls("state.read")
        assert told.stream == f"step/{mission}/check/1"
        assert (told.payload["of"], told.payload["tiers"]) == (f"{mission}/plan", ["goal", "tool:crm"])

    run(story())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda pointer: pointer[:-2] + ("AA" if pointer[-2:] != "AA" else "BB"), PointerForged),
        (lambda _pointer: "no pointer", PointerForged),
    ],
    ids=["changed", "made up"],
)
def test_a_forged_pointer_leads_nowhere(spoil, said):
    async def read(context, pointer):
        with pytest.raises(said) as no:
            await context.state.read(spoil(pointer))
        return [no.value.code, no.value.status]

    async def story():
        home = await hand_over(read)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission, "check") == ["pointer_forged", 403]
        assert not await home.calls("state.read")

    run(story())


def test_a_pointer_to_another_agent_is_not_yours():
    async def read(context, pointer):
        with pytest.raises(PointerNotYours):
            await context.state.read(pointer)
        return "refused"

    async def story():
        home = await hand_over(read, point="plan")
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission, "check") == "refused"

    run(story())


def test_a_tier_that_was_not_granted_is_refused_and_the_rest_is_not_given_either():
    async def read(context, pointer):
        with pytest.raises(PointerNotYours, match="reflections"):
            await context.state.read(pointer, ["goal", "reflections"])
        return sorted((await context.state.read(pointer, ["tool:crm"])).tools)

    async def story():
        home = await hand_over(read)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission, "check") == ["crm"]

    run(story())


def test_a_pointer_is_stale_after_a_quarter_of_an_hour():
    async def read(context, pointer):
        with pytest.raises(StalePointer) as no:
            await context.state.read(pointer)
        return [no.value.code, no.value.status, no.value.rule]

    async def story():
        async def wait(_context):
            home.clock.move(minutes=15)

        home = await hand_over(read, before=wait)
        mission = await home.submit()
        await home.drive(mission)

        assert await home.output(mission, "check") == ["stale_pointer", 409, "pointer_expired"]

    run(story())


def test_what_a_pointer_led_to_labels_its_reader():
    async def plan(context, _given):
        await context.state.save(goal=await context.call("web__page", {}))
        context.propose("check", skill="review", given={"state": await context.state.point("review", ["goal"])})

    async def review(context, given):
        return (await context.state.read(given["state"])).goal

    async def story():
        home = await a_home(a_tool("web__page"), plan=plan, review=review)
        mission = await home.submit()
        await home.drive(mission)

        (read,) = [e for e in await home.calls("call.done") if e.stream.startswith(f"step/{mission}/check/")]
        assert not read.payload["trusted"]

    run(story())


# --- memory


def test_a_note_is_found_by_other_missions_of_the_same_person_and_by_nobody_elses(a_store):
    async def plan(context, given):
        if "write" in given:
            await context.memory.write("person", "greeting", given["write"])
        return await context.memory.read("person", "greeting")

    async def story():
        home = await a_home(plan=plan, store=a_store())
        assert await ended(home, await home.submit(write="Dear Ms Ng")) == "Dear Ms Ng"

        assert await ended(home.restarted(), await home.submit()) == "Dear Ms Ng"
        assert await ended(home.restarted(), await home.submit(by="oscar")) is None
        await home.store.close()

    run(story())


def test_each_scope_is_a_memory_of_its_own():
    async def plan(context, _given):
        for scope in ("mission", "agent", "person", "tenant"):
            await context.memory.write(scope, "where", scope)
        return [await context.memory.read(scope, "where") for scope in ("mission", "agent", "person", "tenant")]

    async def story():
        home = await a_home(plan=plan)
        mission = await home.submit()

        assert await ended(home, mission) == ["mission", "agent", "person", "tenant"]
        assert sorted(key for key, _ in await home.store.records("memory-scope")) == [
            "agent/plan",
            f"mission/{mission}",
            "person/anna",
            "tenant/default",
        ]

    run(story())


def test_the_missions_memory_is_shared_by_its_agents_and_ends_with_its_days():
    async def plan(context, _given):
        await context.memory.write("mission", "supplier", {"name": "Acme"}, days=2)
        context.propose("check", skill="review", given={})

    async def review(context, _given):
        before = await context.memory.read("mission", "supplier")
        home_of[0].clock.move(days=2)
        return [before, await context.memory.read("mission", "supplier")]

    home_of = []

    async def story():
        home_of.append(await a_home(plan=plan, review=review))
        mission = await home_of[0].submit()
        await home_of[0].drive(mission)

        assert await home_of[0].output(mission, "check") == [{"name": "Acme"}, None]

    run(story())


def test_notes_are_found_by_their_words_the_best_and_newest_first():
    async def plan(context, _given):
        for key, value in (("a", "steel from Acme"), ("b", {"about": "Acme steel prices"}), ("c", "copper")):
            await context.memory.write("agent", key, value)
        by_words = [note["key"] for note in await context.memory.search("agent", "ACME prices")]
        newest = [note["key"] for note in await context.memory.search("agent", limit=2)]
        await context.memory.forget("agent", "b")
        return [by_words, sorted(newest), len(await context.memory.search("agent"))]

    async def story():
        home = await a_home(plan=plan)

        assert await ended(home, await home.submit()) == [["b", "a"], ["a", "b"], 2]

    run(story())


def test_what_was_read_from_outside_stays_untrusted_through_memory():
    async def plan(context, given):
        if "read" in given:
            return await context.memory.read("tenant", "page")
        await context.memory.write("tenant", "page", await context.call("web__page", {}))
        return None

    async def story():
        home = await a_home(a_tool("web__page"), plan=plan)
        await home.drive(await home.submit())
        mission = await home.submit(read=1)
        await home.drive(mission)

        assert not (await home.step(mission)).label.trusted

    run(story())


def test_what_is_confidential_is_kept_narrowly_or_not_at_all():
    async def plan(context, _given):
        secret = await context.call("hr__salary", {})
        for scope in ("agent", "tenant"):
            with pytest.raises(MemoryTooWide):
                await context.memory.write(scope, "salary", secret)
        await context.memory.write("person", "salary", secret)
        return "kept"

    async def story():
        home = await a_home(a_tool("hr__salary", confidentiality=Confidentiality.CONFIDENTIAL), plan=plan)

        assert await ended(home, await home.submit()) == "kept"

    run(story())


def test_a_memory_takes_a_bounded_number_of_notes(monkeypatch):
    monkeypatch.setattr(memory, "NOTES_MAX", 2)

    async def plan(context, _given):
        await context.memory.write("agent", "a", 1)
        await context.memory.write("agent", "b", 1)
        await context.memory.write("agent", "a", 2)
        with pytest.raises(MemoryFull):
            await context.memory.write("agent", "c", 3)
        with pytest.raises(StateTooLarge):
            await context.memory.write("agent", "a", "x" * 20_000)
        return await context.memory.read("agent", "a")

    async def story():
        home = await a_home(plan=plan)

        assert await ended(home, await home.submit()) == 2

    run(story())


def test_steps_at_once_write_the_same_memory_and_lose_nothing():
    async def plan(context, _given):
        for number in range(8):
            context.propose(f"w{number}", skill="write", given={"number": number})

    async def write(context, given):
        for turn in range(3):
            await context.memory.write("mission", f"{given['number']}.{turn}", turn)

    async def story():
        home = await a_home(plan=plan, write=write)
        mission = await home.submit()
        await home.drive(mission)

        scope = Scope("mission", mission)
        notes = await Memory(home.door.vault, home.store).notes(scope, 0)
        assert len(notes) == 24
        assert (await Memory(home.door.vault, home.store).standing(scope)).notes == 24

    run(story())


def test_nothing_of_a_note_stands_readable_in_store_or_ledger():
    async def plan(context, _given):
        await context.memory.write("person", "iban of Ms Ng", "DE89370400440532013000")

    async def story():
        home = await a_home(plan=plan)
        await home.drive(await home.submit())

        stored = str(await home.store.records("memory")) + str(await home.store.records("memory-scope"))
        stored += str(await home.store.rows())
        assert "DE89" not in stored
        assert "Ms Ng" not in stored  # two letters alone may stand in any hash

    run(story())


def test_erasure_destroys_the_key_and_says_how_much_is_gone():
    async def plan(context, given):
        if "write" in given:
            await context.memory.write("person", "a", "secret")
        return await context.memory.read("person", "a")

    async def story():
        home = await a_home(plan=plan)
        await home.drive(await home.submit(write=1))
        kept, scope = Memory(home.door.vault, home.store), Scope("person", "anna")
        (note,) = [value for _, value in await home.store.records("memory")]

        erased = await kept.erase(scope, "request", "principal:anna", 5)
        await home.store.commit(Commit(erased.entries, erased.writes, expect=erased.expect))

        (*_, told) = await home.store.read(scope.stream)
        assert (told.kind, told.payload["notes"], told.payload["keys"]) == ("memory.erased", 1, 1)
        assert await home.store.record("key", note["space"]) is None
        assert await ended(home.restarted(), await home.submit()) is None
        assert await ended(home.restarted(), await home.submit(write=1)) == "secret"

    run(story())


def test_a_legal_hold_keeps_what_agents_people_and_time_would_take_away():
    async def plan(context, given):
        if "write" in given:
            await context.memory.write("person", "a", "evidence", days=1)
            return None
        with pytest.raises(LegalHold):
            await context.memory.forget("person", "a")
        return "held"

    async def story():
        home = await a_home(plan=plan)
        await home.drive(await home.submit(write=1))
        kept, scope = Memory(home.door.vault, home.store), Scope("person", "anna")
        held = await kept.hold(scope, "case 7", "oscar", "principal:oscar", 5)
        await home.store.commit(Commit(held.entries, held.writes, expect=held.expect))

        assert await ended(home, await home.submit()) == "held"
        with pytest.raises(LegalHold):
            await kept.erase(scope, "request", "principal:anna", 5)
        later = 10**18
        assert await kept.expired(scope, later, "remit") is None
        free = await kept.release(scope, "principal:oscar", 6)
        await home.store.commit(Commit(free.entries, free.writes, expect=free.expect))
        assert (await kept.expired(scope, later, "remit")).standing.notes == 0

    run(story())


def test_a_note_that_was_moved_to_another_name_is_no_note():
    async def plan(context, _given):
        await context.memory.write("agent", "limit", "100")
        await context.memory.write("agent", "wish", "1000000")

    async def story():
        home = await a_home(plan=plan)
        await home.drive(await home.submit())
        kept, scope = Memory(home.door.vault, home.store), Scope("agent", "plan")
        space = (await kept.standing(scope)).space
        names = {key: f"{scope.name}/{home.door.vault.digest(space, key)}" for key in ("limit", "wish")}
        wish = await home.store.record("memory", names["wish"])

        await home.store.commit(Commit((), (PutRecord("memory", names["limit"], wish),)))

        with pytest.raises(StoreCorrupted, match="another's name"):
            await kept.read(scope, "limit", 0)

    run(story())


# --- crashes


class Power(BaseException):
    """It goes out."""


class FailingStore:
    """A store whose power goes out at one commit: before it is written, or after, so that nobody hears of it."""

    def __init__(self, store, at, *, written):
        self._store, self._left, self._written = store, at, written

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, commit):
        self._left -= 1
        if self._left != 0:
            return await self._store.commit(commit)
        if self._written:
            await self._store.commit(commit)
        raise Power


async def keeps(context, _given):
    """Work that saves, notes and pays in turns, and is right only if none of it is lost or done twice."""
    state = await context.state.load()
    for number in range(state.tools.get("done", 0), 3):
        await context.call("bank__pay", {"amount": str(number + 1), "payee": "a"})
        await context.memory.write("mission", f"paid {number}", number)
        await context.state.save(tools={"done": number + 1}, reflect=number)
    last = await context.state.load()
    return [last.tools["done"], list(last.reflections), len(await context.memory.search("mission"))]


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("store", STORES)
def test_whichever_commit_the_power_fails_at_nothing_kept_is_lost_or_doubled(tmp_path, store, written):
    async def story(at):
        home = await a_home(a_payment(idempotent=True), plan=keeps, store=STORES[store](folder_of(at)))
        mission = await home.submit(known=["1", "2", "3", "a"])
        real, home.store = home.store, FailingStore(home.store, at, written=written)
        home._assemble()
        try:
            await home.drive(mission)
            failed = False
        except Power:
            failed = True
        await home.driver.stop()
        home.store = real
        home = home.restarted()

        assert await ended(home, mission) == [3, [0, 1, 2], 3]
        states = await real.read(Owner(mission, StepId("plan")).stream)
        assert [entry.payload["epoch"] for entry in states] == [1, 1, 1]
        assert len({key for _, _, key in home.transport.calls}) == 3
        await real.close()
        return failed

    def folder_of(at):
        folder = tmp_path / str(at)
        folder.mkdir()
        return folder

    each = 1 if store == "memory" else 4  # a file takes longer, and the commits are the same ones
    at, went_out = each, True
    while went_out:
        went_out = run(story(at))
        at += each

    assert at > 20, "it fails at commits all over the mission"
