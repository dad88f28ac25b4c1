"""A procurement of seven days: people who sleep, processes that end, an agent's new version in the middle."""

from tests.missions.builders import a_home, a_payment, a_person, a_tool, open_policy, run

PAY = {"amount": "900.00", "payee": "V-1"}
POLICY = """approvers: [anna]
approval_remind_hours: [24]
approval_escalate_hours: 48
approval_escalate_to: [clara]
approval_expires_hours: 96"""


def agent_of(version, seen):
    """The agent's code of one version: it asks for offers, then orders."""

    async def work(context, given):
        seen.append((version, context.skill, context.step))
        if context.skill == "plan":
            context.propose("offers", skill="offers", given={})
            context.propose("choose", given={"text": "Which offer?"}, after=["offers"])
            context.propose("order", skill="order", given=dict(given), after=["choose"])
            return {"by": version}
        if context.skill == "offers":
            return {"offers": (await context.call("erp__read", {"n": 1}))["n"], "by": version}
        paid = await context.call("bank__pay", given)
        return {"paid": paid["amount"], "by": version}

    return work


async def next_process(home, *, days=0.0):
    """Time goes by, and another process drives the home."""
    home.clock.move(days=days, seconds=1)
    home = home.restarted()
    await home.driver.take_over()
    return home


def test_a_procurement_of_seven_days_goes_on_over_restarts_reminders_an_escalation_and_a_new_version():
    async def story():
        seen = []
        old = agent_of("1.0.0", seen)
        home = await a_home(a_tool("erp__read"), a_payment(tier="critical"), plan=old, offers=old, order=old)
        home.people = {**home.people, "clara": a_person("clara", "approver")}
        home.change(policies=[open_policy(POLICY)])
        begun = home.clock.now()
        mission = await home.submit(**PAY)
        assert (await home.drive(mission)).waiting_for_people == 1

        # Day 1: which offer? A process that knows nothing of the one before takes the answer on.
        home = await next_process(home, days=1)
        await home.answer("approve", note="The second.")
        # The agent is upgraded while the mission runs: what begins from now on is done by the new version.
        new = agent_of("2.0.0", seen)
        home.agents = {"plan": new, "offers": new, "order": new}
        home.agent_fields = {"version": "2.0.0"}
        home.change()
        assert (await home.drive(mission)).waiting_for_people == 1

        # Days 2 and 3: anna sleeps; she is reminded, then clara is asked as well. Clocks go back once.
        home = await next_process(home, days=1)
        await home.drive(mission)
        home.clock.move(hours=-5)
        home = await next_process(home)
        await home.drive(mission)
        home.clock.move(hours=5)
        home = await next_process(home, days=1)
        await home.drive(mission)
        kinds = await home.kinds(mission)
        assert (kinds.count("approval.reminded"), kinds.count("approval.escalated")) == (1, 1)

        # Day 6: the last process but one is gone before it has heard clara's answer.
        home.clock.move(days=0.9)
        await home.answer("approve", by="clara")
        home = await next_process(home, days=2)
        rest = await home.drive(mission)

        assert rest.ended
        assert (home.clock.now() - begun).days in {5, 6}
        assert home.made == ["read", "pay"]
        assert await home.output(mission, "order") == {"paid": "900.00", "by": "2.0.0"}
        assert (await home.output(mission, "offers"))["by"] == "1.0.0"
        versions = {step: (await home.step(mission, step)).agent for step in ("plan", "offers", "order")}
        assert versions == {"plan": "plan@1.0.0", "offers": "offers@1.0.0", "order": "order@2.0.0"}
        assert [one for one in seen if one[1] == "offers"] == [("1.0.0", "offers", "offers")]
        kinds = await home.kinds(mission)
        assert (kinds.count("approval.reminded"), kinds.count("approval.escalated")) == (1, 1)
        assert kinds[-1] == "mission.completed"
        epochs = [e.payload["epoch"] for e in await home.store.read(f"mission/{mission}") if e.kind == "step.started"]
        assert epochs == sorted(epochs)
        assert len(set(epochs)) >= 3

    run(story())
