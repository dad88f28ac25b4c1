"""What other policies would have said to the calls on record."""

import pytest
from tests.control_plane.builders import BELOW, OVER, POLICY, a_home, me, opened, run

from remit.control_plane import Given
from remit.errors import InvalidInput, InvalidResource, RightsExceeded
from remit.identity import Principal
from remit.ids import PrincipalId, StreamId
from remit.ledger import Commit, Draft, PutRecord

REFUSING = POLICY.replace('tools: ["acme__*"]', "tools: [acme__vendor]")


async def a_mission(plane, inputs=BELOW):
    mission = await plane.missions.submit("pay", inputs, me(plane))
    rest = await plane.missions.drive(mission, me(plane))
    if rest["waiting_for_people"]:
        (question,) = await plane.approvals.all(me(plane))
        await plane.approvals.answer(Given(question["id"], "approve"), me(plane))
        await plane.missions.drive(mission, me(plane))
    return mission


async def simulated(plane, text, **how):
    return await plane.policies.simulate(me(plane), [("new.yaml", text)], **how)


def shown(found):
    """Tool, what policy said then, and what it would say, of each call that differs."""
    return [(one["tool"], one["before"]["answer"], one["after"]["answer"]) for one in found["different_calls"]]


def test_the_policies_in_force_would_have_decided_as_they_did(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_mission(plane)
            await a_mission(plane, OVER)

            found = await simulated(plane, POLICY)

            assert (found["calls"], found["same"], found["different"], found["undecided"]) == (4, 4, 0, 0)

    run(story())


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        (POLICY.replace("100", "10"), ("acme__pay", "permit", "ask")),
        (POLICY + "spending_limit_usd: 40\n", ("acme__pay", "permit", "deny")),
        (POLICY + "conditions: [{name: who, when: skill == '' && args.payee == 'V-1', effect: deny}]\n",
         ("acme__pay", "permit", "deny")),
        (POLICY + "conditions: [{name: plans, when: skill == 'plan', effect: deny}]\n",
         ("acme__vendor", "permit", "deny")),
    ],
)  # fmt: skip
def test_each_call_that_would_have_gone_otherwise_is_told_with_its_rule_and_values(tmp_path, changed, change):
    async def story():
        async with a_home(tmp_path) as plane:
            mission = await a_mission(plane)

            found = await simulated(plane, changed)

            assert shown(found) == [change]
            (call,) = found["different_calls"]
            assert call["mission"] == mission
            assert any(told["effect"] == change[2] for told in call["after"]["spoken"])
            assert found["changes"] == {f"{change[1]} -> {change[2]}": 1}

    run(story())


def test_what_a_person_was_asked_and_what_was_refused_may_have_gone_by_itself(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_mission(plane, OVER)
            await plane.resources.apply([("policy.yaml", REFUSING)], me(plane))
            await a_mission(plane)

            found = await simulated(plane, POLICY.replace("100", "1000"))

            assert shown(found) == [("acme__pay", "ask", "permit"), ("acme__pay", "deny", "permit")]

    run(story())


async def put_on_record(plane, mission, amounts, *, failed=()):
    """Payments of a step as the door records them."""
    stream = StreamId(f"step/{mission}/more/1")
    for number, amount in enumerate(amounts):
        args, body = plane.core.door.vault.seal(mission, {"amount": amount, "payee": "V-1"})
        permit = {
            "key": f"k{number}", "try": 1, "tool": "acme__pay", "args": args.cid, "sink": True, "model": False,
            "rules": ["pays:tools"], "amount": [0, "USD"], "payee": "",
        }  # fmt: skip
        done = {"key": f"k{number}", "try": 1, "ok": number not in failed}
        drafts = [
            Draft(stream, kind, payload, "agent:planner@1.0.0", plane.core.now_us)
            for kind, payload in (("call.permitted", permit), ("call.done", done))
        ]
        await plane.core.store.commit(Commit(tuple(drafts), (body,)))


@pytest.mark.parametrize(
    ("failed", "denied"), [((), ["3"]), ((0,), [])], ids=["all were made", "the tool refused the first"]
)
def test_sums_follow_what_the_new_policies_would_have_let_through(tmp_path, failed, denied):
    """Of 60, 60, 30 and 5 below 95.01 the second is over; without it the rest fits. A refused one was not spent."""

    async def story():
        async with a_home(tmp_path) as plane:
            mission = await plane.missions.submit("pay", BELOW, me(plane))
            await put_on_record(plane, mission, ["60.00", "60.00", "30.00", "5.00"], failed=failed)

            found = await simulated(plane, POLICY.replace("100", "1000") + "spending_limit_usd: 95.01\n")

            assert [one["entry"].split("@")[1] for one in found["different_calls"]] == denied

    run(story())


def test_a_spending_limit_counts_each_mission_by_itself(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_mission(plane)
            await a_mission(plane)

            assert (await simulated(plane, POLICY + "spending_limit_usd: 60\n"))["different"] == 0

    run(story())


def test_a_policy_in_shadow_is_tried_as_if_it_ruled_and_one_alone_stands_alone(tmp_path):
    shadow = POLICY.replace("pays", "tighter").replace("100", "10") + "mode: shadow\n"

    async def story():
        async with a_home(tmp_path) as plane:
            await a_mission(plane)
            await plane.resources.apply([("shadow.yaml", shadow)], me(plane))

            beside = await simulated(plane, shadow)
            alone = await simulated(plane, REFUSING.replace("pays", "other"), alone=True)

            assert shown(beside) == [("acme__pay", "permit", "ask")]
            assert shown(alone) == [("acme__pay", "permit", "deny")]

    run(story())


def test_only_the_calls_asked_for_are_decided(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            first = await a_mission(plane)
            await a_mission(plane)

            assert (await simulated(plane, POLICY, mission=first))["calls"] == 2
            assert (await simulated(plane, POLICY, since="1d"))["calls"] == 4
            assert (await simulated(plane, POLICY, since="2999-01-01"))["calls"] == 0
            with pytest.raises(InvalidInput, match="yesterday"):
                await simulated(plane, POLICY, since="yesterday")

    run(story())


def test_what_was_erased_or_is_gone_is_said_and_not_guessed(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission = await a_mission(plane)
            await plane.core.store.commit(Commit((), (PutRecord("key", mission, None),)))

        async with opened(tmp_path / "home") as plane:
            found = await simulated(plane, POLICY.replace("100", "10"))

            assert (found["different"], found["undecided"]) == (0, 2)
            assert found["reasons"] == {"its arguments were erased": 2}
            assert {one["because"] for one in found["undecided_calls"]} == set(found["reasons"])

    run(story())


def test_it_reads_only_and_only_for_those_who_may_read_the_ledger(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_mission(plane)
            before = await plane.core.store.rows()

            await simulated(plane, POLICY.replace("100", "10"))
            operator = Principal(PrincipalId("ben"), "Ben", frozenset({"operator"}))
            with pytest.raises(RightsExceeded, match="read the ledger"):
                await plane.policies.simulate(operator, [("new.yaml", POLICY)])

            assert await plane.core.store.rows() == before

    run(story())


def test_files_without_a_valid_policy_are_refused(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            with pytest.raises(InvalidResource, match=r"new\.yaml:6"):
                await simulated(plane, POLICY.replace("require_a", "requir_a"))
            with pytest.raises(InvalidInput, match="no policy"):
                await simulated(plane, "apiVersion: remit/v1\nkind: Principal\nname: eva\nroles: [auditor]\n")

    run(story())
