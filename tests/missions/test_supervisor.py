"""A supervisor with many workers: some fail, some hang, some answer nonsense, and the others' work is not lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from tests.gateway.builders import DOLLAR, FakeTransport
from tests.missions.builders import a_home, a_tool, run
from tests.simulation import loop

from remit.budgets import mission_balance
from remit.errors import AgentFailed
from remit.missions import Advancer
from remit.quantities import Money

WORKERS, GIVEN_UP_AFTER = 50, 30
SCHEMA = {"type": "object", "properties": {"of": {"type": "integer"}}, "required": ["of"]}
WRITTEN = """
name: research
steps:
  work:
    for_each: ${inputs.goals}
    skill: work
    with: {goal: "${item}"}
    timeout: 30s
    retry: {attempts: 1}
    on_failure: continue
  report: {skill: report, with: {found: "${steps.work.output}"}}
"""


class LoopClock:
    """The loop's own virtual time."""

    def now(self):
        return datetime(2026, 11, 2, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds):
        await asyncio.sleep(max(seconds, 0))


async def work(context, given):
    """Every fifth fails, hangs or answers nonsense; the others take up to 25 seconds and pay for a look."""
    goal = given["goal"]
    await asyncio.sleep(goal % 26)
    await context.call("web__look", {"goal": goal})
    if goal % 15 == 0:
        raise AgentFailed("cannot be found")
    if goal % 15 == 5:
        await asyncio.sleep(3600)
    return {"of": "nonsense"} if goal % 15 == 10 else {"of": goal}


async def report(_context, given):
    return given["found"]


async def supervise(context, given):
    """Plans the same work by itself, and reads what became of each step."""
    names = []
    for goal in given["goals"]:
        names.append(f"work.{goal}")
        context.propose(names[-1], skill="work", given={"goal": goal}, attempts=1, timeout_seconds=GIVEN_UP_AFTER)
    context.propose("report", skill="gather", given={"of": names}, after=names)


async def gather(context, given):
    ended = [await context.output(name) for name in given["of"]]
    return {
        "outputs": [one.output for one in ended],
        "failures": [{"step": one.step, "rules": list(one.rules)} for one in ended if one.status != "succeeded"],
    }


async def a_supervised_home():
    transport = FakeTransport(look=lambda goal: {"seen": goal})
    tool = a_tool("web__look", cost=Money(DOLLAR // 100, "USD"))
    home = await a_home(tool, transport=transport, work=work, report=report, plan=supervise, gather=gather)
    declared = {"work": {"output": SCHEMA}}
    home.fields_of = lambda name: {"skills": [{"name": name, "description": "x", **declared.get(name, {})}]}
    home.clock = LoopClock()
    home._assemble()
    home.driver.parallel = 64
    return home


@pytest.mark.parametrize("way", ["written", "planned"])
def test_forty_of_fifty_workers_give_the_right_results_and_ten_failures_are_explained(way):
    async def story():
        home = await a_supervised_home()
        goals = list(range(1, WORKERS + 1))
        if way == "written":
            mission = await home.submit_written(WRITTEN, goals=goals)
        else:
            mission = await home.submit(goals=goals, steps=100)

        rest = await home.drive(mission)

        assert rest.ended
        assert (await home.state(mission)).status == "completed"
        found = await home.output(mission, "report")
        bad = [goal for goal in goals if goal % 5 == 0]
        assert found["outputs"] == [None if goal in bad else {"of": goal} for goal in goals]
        why = {0: "agent_failed", 5: "step_timeout", 10: "output_schema"}
        assert [one["rules"] for one in found["failures"]] == [[why[goal % 15]] for goal in bad]
        # The slowest good worker takes 25 seconds; whoever hangs is given up after 30.
        assert 25 <= asyncio.get_running_loop().time() <= GIVEN_UP_AFTER + 2
        balance = await home.store.balance(mission_balance(mission))
        assert (balance.used, balance.held) == (WORKERS * DOLLAR // 100, 0)

    loop.run(Random(7), asyncio.wait_for(story(), 3600))


class CountingAdvancer(Advancer):
    """Counts how often a step is looked at before it is carried out."""

    looks = 0

    def _halted(self, mission, name):
        type(self).looks += 1
        return super()._halted(mission, name)


@pytest.mark.parametrize("count", [200, 800])
def test_a_wide_plan_is_looked_at_once_for_each_step(count):
    async def story():
        async def nothing(_context, given):
            return given["n"]

        home = await a_home(nothing=nothing)
        await home.driver.take_over()
        CountingAdvancer.looks = 0
        home.driver._advancer = CountingAdvancer(home.performer, home.driver.advancer.epoch, home.store, 16)
        mission = await home.submit_written(
            "name: wide\nsteps: {one: {for_each: '${inputs.list}', skill: nothing, with: {n: '${item}'}}}",
            list=list(range(count)),
        )
        assert (await home.drive(mission)).ended
        assert CountingAdvancer.looks <= count + 10

    run(story())
