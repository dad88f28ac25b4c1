"""Missions that a step begins: their result, their budget, their person's leave, their end with the one above."""

import pytest
from tests.missions.builders import FakeTransport, a_home, a_payment, a_tool, run
from tests.missions.test_control import skip

from remit.budgets import mission_balance
from remit.errors import AgentFailed
from remit.ids import MissionId
from remit.ledger import Commit, Draft
from remit.missions import Cancel, decide
from remit.tools import Origin, Role

CHILD = """
name: child
steps:
  work: {skill: work, with: {n: "${inputs.n}"}}
output: {twice: "${steps.work.output}", of: "${inputs.n}"}
"""
PARENT = """
name: parent
steps:
  sub: {workflow: child, with: {n: "${inputs.n}"}, retry: {attempts: 1}}
  tell: {skill: echo, with: {found: "${steps.sub.output}"}}
"""


async def twice(_context, given):
    return given["n"] * 2


async def echo(_context, given):
    return dict(given)


async def broken(_context, _given):
    raise AgentFailed("no")


async def a_family(*tools, child=CHILD, parent=PARENT, transport=None, **agents):
    home = await a_home(*(tools or (a_tool(),)), transport=transport, **{"work": twice, "echo": echo, **agents})
    home.write(child)
    mission = await home.submit_written(parent, n=4)
    return home, mission, await home.drive(mission)


async def child_of(home, mission, step="sub"):
    return MissionId((await home.step(mission, step)).child)


def test_a_step_begins_a_mission_and_its_result_is_the_steps_output():
    async def story():
        home, mission, rest = await a_family()

        assert rest.ended
        assert await home.output(mission, "tell") == {"found": {"twice": 8, "of": 4}}
        submitted = (await home.state(await child_of(home, mission))).submitted
        assert (submitted.parent, submitted.parent_step, submitted.above) == (mission, "sub", (mission,))
        assert submitted.principal == "anna"

    run(story())


def test_without_an_output_of_its_own_a_mission_gives_that_of_its_last_steps():
    async def story():
        child = CHILD.split("output:", maxsplit=1)[0]
        home, mission, _ = await a_family(child=child)
        assert await home.output(mission, "sub") == {"work": 8}

    run(story())


def test_a_mission_that_fails_fails_the_step_that_began_it():
    async def story():
        home, mission, rest = await a_family(work=broken)

        assert rest.ended
        held = await home.step(mission, "sub")
        assert (held.code, held.rules) == ("sub_mission_failed", ("step_failed",))
        assert (await home.step(mission, "tell")).status == "skipped"

    run(story())


def test_a_step_that_is_tried_again_begins_another_mission():
    async def story():
        tries = []

        async def flaky(_context, given):
            tries.append(1)
            if len(tries) == 1:
                raise AgentFailed("no")
            return given["n"]

        parent = PARENT.replace("attempts: 1", "attempts: 2")
        home, mission, _ = await a_family(work=flaky, parent=parent)

        assert (await home.state(mission)).status == "completed"
        assert len(await home.store.records("mission")) == 3

    run(story())


def test_what_a_mission_below_spends_is_held_against_every_one_above():
    async def story():
        grandchild = "name: low\nsteps: {read: {tool: erp__read}}"
        home = await a_home(a_tool("erp__read"))
        home.write(grandchild)
        home.write("name: middle\nsteps: {down: {workflow: low}}")
        mission = await home.submit_written("name: top\nsteps: {down: {workflow: middle}}")
        await home.drive(mission)
        (permit,) = await home.calls("call.permitted")
        middle = await child_of(home, mission, "down")
        low = await child_of(home, middle, "down")

        assert permit.payload["budget"] == ["default", low, "remit", "", middle, mission]
        assert await home.store.balance(mission_balance(mission)) is not None

    run(story())


def test_a_mission_below_has_no_tool_that_the_one_above_was_not_given():
    async def story():
        home = await a_home(a_tool("erp__read"), a_payment("bank__pay"), echo=echo)
        home.write(
            'name: child\nsteps: {pay: {tool: bank__pay, with: {amount: "1", payee: V-1}, retry: {attempts: 1}}}'
        )
        text = "name: parent\nsteps: {sub: {workflow: child, retry: {attempts: 1}}}"
        workflow = home.write(text)
        narrow = [
            type(one)(one.kind, one.name, {**one.fields, "tools": ["erp__*"]}) if one.name == workflow.name else one
            for one in home.resources
        ]
        home.change(resources=narrow)
        mission = await home.submit_named("parent")
        await home.drive(mission)

        assert (await home.step(mission, "sub")).status == "refused"
        assert home.made == []

    run(story())


@pytest.mark.parametrize(("value", "asked"), [("${inputs.n}", False), ("${steps.read.output.n}", True)])
def test_a_value_counts_below_as_far_as_it_counted_above(value, asked):
    person = {"payee": Role("payee", "payee", frozenset({Origin.PERSON}))}

    async def story():
        home = await a_home(
            a_tool("erp__read"), a_payment("bank__pay", roles=person), transport=FakeTransport(read=lambda: {"n": 7})
        )
        home.write('name: child\nsteps: {pay: {tool: bank__pay, with: {payee: "${inputs.n}", amount: "1"}}}')
        sub = f'{{workflow: child, with: {{n: "{value}"}}, after: [read]}}'
        mission = await home.submit_written(f"name: parent\nsteps: {{read: {{tool: erp__read}}, sub: {sub}}}", n="V-4")
        await home.drive(mission)
        child = await child_of(home, mission)
        assert (await home.state(child)).submitted.trusted is not asked
        assert (await home.step(child, "pay")).status == ("waiting" if asked else "succeeded")

    run(story())


def test_a_workflow_that_comes_back_to_itself_with_the_same_inputs_is_stopped():
    async def story():
        async def again(context, given):
            context.propose("more", skill="work", given=given)

        home = await a_home(a_tool(), work=again)
        home.write("name: a\nsteps: {one: {skill: work}}")
        home.write('name: b\nsteps: {down: {workflow: a, with: {n: "${inputs.n}"}, retry: {attempts: 1}}}')
        # Two files that were applied one after the other make the circle that one check would have refused.
        circle = 'name: a\nsteps: {down: {workflow: b, with: {n: "${inputs.n}"}, retry: {attempts: 1}}}'
        home.write_unchecked(circle)
        mission = await home.submit_named("a", n=1)

        assert (await home.drive(mission)).ended
        assert (await home.state(mission)).status == "failed"
        assert len(await home.store.records("mission")) <= 3

    run(story())


def test_when_the_mission_above_is_cancelled_the_one_below_ends_too():
    async def story():
        home, mission, _ = await a_family(child="name: child\nsteps: {wait: {event: {name: go}}}")
        child = await child_of(home, mission)
        assert (await home.step(child, "wait")).status == "parked"

        state = await home.state(mission)
        (event,) = decide(state, Cancel("anna"))
        draft = Draft(f"mission/{mission}", event.kind, event.payload(), "principal:anna", 1, closes=True)
        await home.store.commit(Commit((draft,)))
        await home.drive(mission)
        await home.drive(child)

        assert (await home.state(child)).status == "cancelled"

    run(story())


def test_when_the_mission_above_is_cancelled_the_one_below_undoes_what_it_did():
    async def story():
        tools = [a_tool(f"trip__{name}", tier="restricted-write", idempotent=True) for name in ("book", "unbook")]
        child = """
name: child
steps:
  book: {tool: trip__book, with: {n: 1}, compensate: {tool: trip__unbook, with: {n: "${steps.book.output.n}"}}}
  wait: {event: {name: go}, after: [book]}
"""
        home, mission, _ = await a_family(*tools, child=child)
        below = await child_of(home, mission)
        assert home.made == ["book"]

        (event,) = decide(await home.state(mission), Cancel("anna"))
        draft = Draft(
            f"mission/{mission}", event.kind, event.payload(), "principal:anna", 1, event.version, closes=True
        )
        await home.store.commit(Commit((draft,)))
        await home.drive(mission)
        assert (await home.drive(below)).ended

        assert home.made == ["book", "unbook"]
        state = await home.state(below)
        assert (state.status, state.undone) == ("cancelled", ("book",))

    run(story())


@pytest.mark.parametrize("crashed", [False, True], ids=["driven on", "after a crash"])
def test_a_mission_below_ends_when_its_step_is_skipped(crashed):
    async def story():
        home, mission, _ = await a_family(child="name: child\nsteps: {wait: {event: {name: go}}}")
        child = await child_of(home, mission)
        assert await skip(home, mission, "sub", why="Too late.")

        after = home.restarted() if crashed else home
        await after.drive(mission)

        assert (await after.state(child)).status == "cancelled"

    run(story())


def test_a_mission_below_goes_on_after_a_restart_and_is_heard_above():
    async def story():
        home, mission, rest = await a_family(child="name: child\nsteps: {wait: {timer: 1h}}")
        assert not rest.ended
        home.clock.move(hours=2)
        after = home.restarted()

        assert (await after.drive(mission)).ended
        assert (await after.state(mission)).status == "completed"

    run(story())


def test_a_list_of_missions_is_joined_like_any_other():
    async def story():
        parent = """
        name: parent
        steps:
          sub: {for_each: "${inputs.list}", workflow: child, with: {n: "${item}"}}
        """
        home = await a_home(a_tool(), work=twice)
        home.write(CHILD)
        mission = await home.submit_written(parent, list=[1, 2, 3])

        assert (await home.drive(mission)).ended
        assert (await home.output(mission, "sub"))["outputs"] == [{"twice": 2 * n, "of": n} for n in (1, 2, 3)]

    run(story())
