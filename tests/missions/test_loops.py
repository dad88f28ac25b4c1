"""Agents that hand work to and fro are stopped, whatever they say meanwhile; those that change something are not."""

import pytest
from tests.missions.builders import a_home, a_payment, a_tool, run

NOTE = a_tool("erp__note", tier="restricted-write")


def hands_on(to, *, pays=None, proposes=None):
    """An agent that hands its work to another skill under new words, and may write something before."""

    async def hand_on(context, given):
        n = given.get("n", 0) + 1
        if pays:
            await context.call("erp__note", pays(n))
        if proposes:
            context.propose(f"pay{n}", tool="erp__note", given=proposes(n))
        context.propose(f"s{n}", skill=to, given={"n": n, "please": f"rephrased {n}"})
        return {"said": f"something new {n}"}

    return hand_on


def same(_n):
    return {"text": "seen"}


def another(n):
    return {"text": f"version {n}"}


async def stopped_in(home, mission):
    steps = (await home.state(mission)).steps
    return [(name, held.rules) for name, held in sorted(steps.items()) if held.code == "loop_stopped"]


@pytest.mark.parametrize("writes", [{}, {"pays": same}, {"proposes": same}], ids=["words", "writes", "proposals"])
def test_two_agents_that_hand_one_thing_to_and_fro_are_stopped_at_the_sixth_time(writes):
    async def story():
        home = await a_home(NOTE, plan=hands_on("review", **writes), review=hands_on("plan", **writes))
        mission = await home.submit()

        assert (await home.drive(mission)).ended
        assert await stopped_in(home, mission) == [("s6", ("R3",))]

    run(story())


@pytest.mark.parametrize("writes", [{"pays": another}, {"proposes": another}], ids=["writes", "proposals"])
def test_a_review_that_changes_something_each_time_goes_on_to_the_greatest_depth(writes):
    async def story():
        home = await a_home(NOTE, plan=hands_on("review", **writes), review=hands_on("plan", **writes))
        mission = await home.submit()

        assert (await home.drive(mission)).ended
        assert await stopped_in(home, mission) == [("s9", ("R4",))]

    run(story())


def test_a_restart_forgets_no_hand_off():
    async def story():
        home = await a_home(NOTE, plan=hands_on("review"), review=hands_on("plan"))
        mission = await home.submit()
        done = 0
        while not (await home.state(mission)).status.ended and done < 20:
            # Each process takes over after the one before it, which dies at its next step.
            home = home.restarted()
            await home.driver.take_over()
            perform = home.performer.perform
            active = await home.driver._load(mission)
            await home.driver.advancer._decide(active)
            for name in (*active.state.running, *active.state.ready):
                await perform(active, name, home.driver.advancer.epoch)
            await home.driver.advancer._decide(active)
            done += 1

        assert done >= 7
        assert await stopped_in(home, mission) == [("s6", ("R3",))]

    run(story())


def test_many_hand_offs_of_one_agent_to_one_skill_are_no_loop():
    async def story():
        async def plan(context, _given):
            for n in range(15):
                context.propose(f"read{n:02}", skill="read", given={"n": n})

        async def read(_context, given):
            return given

        home = await a_home(a_tool(), a_payment(), plan=plan, read=read)
        mission = await home.submit()

        assert (await home.drive(mission)).ended
        assert await stopped_in(home, mission) == []

    run(story())
