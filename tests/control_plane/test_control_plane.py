"""The public Python surface over one real home."""

import sqlite3
from datetime import timedelta

import pytest
from tests.control_plane.builders import AGENT, BELOW, FILES, OVER, POLICY, SOURCE, a_home, me, opened, payments, run
from tests.gateway.builders import FakeClock, FakeTransport

from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import Given, closing
from remit.errors import (
    BudgetExhausted,
    HomeBusy,
    InvalidInput,
    InvalidResource,
    MissionEnded,
    NotFound,
    RightsExceeded,
    ToolUnreachable,
    VersionExists,
)
from remit.ledger import Commit, MoveBalance
from remit.ledger.verify import verify_export
from remit.stores import STORE_FILE

AUDITOR = "apiVersion: remit/v1\nkind: Principal\nname: audrey\nroles: [auditor]\n"


async def someone(plane, name="audrey", role="auditor"):
    text = AUDITOR.replace("audrey", name).replace("auditor", role)
    await plane.resources.apply([(f"{name}.yaml", text)], me(plane))
    return plane.core.door.controls.registry.principal(name)


async def a_paid_mission(plane, inputs=BELOW):
    mission = await plane.missions.submit("pay", inputs, me(plane))
    rest = await plane.missions.drive(mission, me(plane))
    return mission, rest


async def record_of(plane):
    return [row[2] for row in await plane.core.store.rows()]


# --- the whole way


def test_a_mission_below_the_limit_is_paid_without_asking(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, rest = await a_paid_mission(plane)

            assert rest["ended"]
            assert payments(plane.core.home) == [["50.00", "V-1"]]
            shown = await plane.missions.show(mission, me(plane), bodies=True)
            assert {step["id"]: step["status"] for step in shown["steps"]} == {"plan": "succeeded", "pay": "succeeded"}

    run(story())


def test_a_mission_over_the_limit_waits_and_is_paid_by_another_process_after_a_yes(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            _, rest = await a_paid_mission(plane, OVER)
            assert (rest["ended"], rest["waiting_for_people"]) == (False, 1)
            assert payments(plane.core.home) == []
            (question,) = await plane.approvals.all(me(plane))
            shown = await plane.approvals.show(question["id"], me(plane))
            assert shown["case"]["action"]["arguments"] == {"amount": "250.00", "payee": "V-1"}

        async with opened(tmp_path / "home") as plane:
            told = await plane.approvals.answer(Given(question["id"], "approve"), me(plane))
            rest = await plane.missions.drive(told["mission"], me(plane))

            assert rest["ended"]
            assert payments(plane.core.home) == [["250.00", "V-1"]]
            assert await plane.approvals.all(me(plane)) == []
            assert [one["verdict"] for one in await plane.approvals.all(me(plane), answered=True)] == ["approve"]

    run(story())


def test_a_second_home_at_one_time_may_look_but_not_drive(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane, opened(tmp_path / "home") as other:
            mission, _ = await a_paid_mission(plane, OVER)
            await plane.core.keep_lease()

            with pytest.raises(HomeBusy):
                await other.missions.drive(mission, me(other))
            assert (await other.missions.show(mission, me(other)))["status"] == "waiting"

    run(story())


# --- applying


def test_applying_the_same_again_changes_nothing(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            before = await record_of(plane)

            told = await plane.resources.apply(FILES, me(plane))

            assert {change["action"] for change in told["changes"]} == {"unchanged"}
            assert await record_of(plane) == before

    run(story())


def test_a_dry_run_says_what_would_change_and_changes_nothing(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            before = await record_of(plane)
            stricter = POLICY.replace("100", "10")

            told = await plane.resources.apply([("policy.yaml", stricter)], me(plane), dry_run=True)

            assert not told["applied"]
            assert [change["action"] for change in told["changes"]] == ["updated"]
            assert await record_of(plane) == before
            assert (await a_paid_mission(plane))[1]["ended"]

    run(story())


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (POLICY.replace("require", "requier"), "policy.yaml:6"),
        ("apiVersion: remit/v1\nkind: [", "policy.yaml:"),
        (POLICY.replace("[planner, waiter]", "[nobody]"), "policy.yaml:4"),
    ],
    ids=["unknown field", "broken YAML", "unknown agent"],
)
def test_of_files_with_an_error_none_is_applied_and_each_error_has_its_line(tmp_path, bad, where):
    async def story():
        async with a_home(tmp_path) as plane:
            before = await record_of(plane)

            with pytest.raises(InvalidResource) as refused:
                await plane.resources.apply([("a.yaml", AUDITOR), ("policy.yaml", bad)], me(plane))

            assert where in refused.value.detail
            assert await record_of(plane) == before
            assert "audrey" not in plane.core.door.controls.registry.principals

    run(story())


def test_a_version_with_other_content_is_refused(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            before = await record_of(plane)

            with pytest.raises(VersionExists, match="immutable"):
                await plane.resources.apply([("agents.yaml", AGENT.replace("plans", "plots"))], me(plane))

            assert await record_of(plane) == before

    run(story())


def test_someone_without_the_right_applies_nothing(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            audrey = await someone(plane)

            with pytest.raises(RightsExceeded):
                await plane.resources.apply([("policy.yaml", POLICY.replace("100", "1000"))], audrey)

    run(story())


def test_a_source_whose_definitions_changed_keeps_its_pins_until_it_is_applied_again(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            before = plane.core.door.controls.registry.tool("acme__pay").pin
            narrower = SOURCE.replace("  pay:\n", "  pay:\n    description: Pays, and tells a stranger.\n")

            dry = await plane.resources.apply([("source.yaml", narrower)], me(plane), dry_run=True)
            assert plane.core.door.controls.registry.tool("acme__pay").pin == before
            told = await plane.resources.apply([("source.yaml", narrower)], me(plane))

            assert dry["tools"] == told["tools"]
            assert any("acme__pay has changed" in line for line in told["tools"])
            assert plane.core.door.controls.registry.tool("acme__pay").pin != before

    run(story())


def test_a_yes_does_not_outlive_the_definition_that_it_was_given_for(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane, OVER)
            (question,) = await plane.approvals.all(me(plane))
            await plane.approvals.answer(Given(question["id"], "approve"), me(plane))
            changed = SOURCE.replace("  pay:\n", "  pay:\n    description: Pays, and tells a stranger.\n")
            await plane.resources.apply([("source.yaml", changed)], me(plane))

            rest = await plane.missions.drive(mission, me(plane))

            assert rest["waiting_for_people"] == 1
            assert payments(plane.core.home) == []

    run(story())


def test_a_source_that_cannot_be_asked_is_not_applied(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            with pytest.raises(InvalidResource, match="cannot be asked"):
                await plane.resources.apply(
                    [("source.yaml", SOURCE.replace("tests.control_plane.acme", "no_such_module"))], me(plane)
                )

            assert (await a_paid_mission(plane))[1]["ended"]

    run(story())


def test_a_budget_below_what_was_spent_is_refused_and_the_old_one_stands(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await plane.core.store.commit(Commit((), (MoveBalance("tenant/default", used=50_000_000),)))
            budget = "apiVersion: remit/v1\nkind: Budget\nname: tenant\nlimit: {amount: '10.00', currency: USD}\n"

            with pytest.raises(BudgetExhausted):
                await plane.resources.apply([("budget.yaml", budget)], me(plane))

            assert (await plane.core.store.balance("tenant/default")).limit == 100_000_000

    run(story())


# --- why, cost, events


def test_why_tells_what_spoke_and_where_each_argument_came_from(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane)

            told = await plane.explain.why(f"{mission}/pay", me(plane))

            (call,) = told["calls"]
            origins = {argument["name"]: argument["origins"] for argument in call["arguments"]}
            assert any("directory" in origin for origin in origins["payee"])
            assert any("person" in origin for origin in origins["amount"])
            assert any("pays:" in rule for rule in call["rules"])
            assert await plane.explain.why(call["entry"], me(plane)) == told

    run(story())


@pytest.mark.parametrize(
    ("what", "error"),
    [("", InvalidInput), ("a/b/c/d", InvalidInput), ("msn-none/pay", NotFound), ("{mission}/none", NotFound)],
)
def test_why_of_nothing_says_so(tmp_path, what, error):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane)
            with pytest.raises(error):
                await plane.explain.why(what.format(mission=mission), me(plane))

    run(story())


def test_a_refusal_is_told_with_its_rule(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            denying = POLICY.replace("require_approval_if_over: 100", 'deny_tools: ["acme__pay"]')
            await plane.resources.apply([("policy.yaml", denying)], me(plane))
            mission, _ = await a_paid_mission(plane)

            told = await plane.explain.why(f"{mission}/pay", me(plane))

            assert [call["refused"] for call in told["calls"]] == ["deny_tools"]
            assert told["status"] == "refused"

    run(story())


def test_cost_is_summed_per_mission_agent_and_tool(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            priced = SOURCE.replace("directory: true", "directory: true, cost: {amount: '0.10', currency: USD}")
            await plane.resources.apply([("source.yaml", priced)], me(plane))
            for _ in range(2):
                await a_paid_mission(plane)

            told = await plane.explain.cost(me(plane))

            assert told["usd_micros"] == 200_000
            assert {(line["agent"], line["tool"], line["usd_micros"]) for line in told["lines"]} == {
                ("planner@1.0.0", "acme__vendor", 100_000),
                ("planner@1.0.0", "acme__pay", 0),
            }
            one = told["lines"][0]["mission"]
            assert (await plane.explain.cost(me(plane), one))["usd_micros"] == 100_000

    run(story())


def test_events_go_on_after_a_place(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane)
            everything = await plane.missions.events(mission, me(plane))

            assert [event["seq"] for event in everything] == list(range(1, len(everything) + 1))
            assert await plane.missions.events(mission, me(plane), after=3) == everything[3:]
            assert await plane.missions.events(mission, me(plane), after=len(everything)) == []
            with pytest.raises(NotFound):
                await plane.missions.events("msn-none", me(plane))

    run(story())


# --- cancelling and halting


def test_a_cancelled_mission_asks_nobody_and_is_cancelled_once(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane, OVER)

            assert (await plane.missions.cancel(mission, me(plane)))["status"] == "cancelled"

            assert await plane.approvals.all(me(plane)) == []
            assert [one["status"] for one in await plane.missions.all(me(plane))] == ["cancelled"]
            with pytest.raises(MissionEnded):
                await plane.missions.cancel(mission, me(plane))
            assert (await plane.missions.drive(mission, me(plane)))["ended"]
            assert payments(plane.core.home) == []

    run(story())


@pytest.mark.parametrize("ends", ["cancelled", "failed"])
def test_a_mission_that_ends_while_an_effect_is_unknown_says_so(tmp_path, ends):
    async def silent(**_):
        raise ToolUnreachable("the line is dead")

    async def story():
        async with a_home(tmp_path) as plane:
            once = SOURCE.replace("idempotent: true", "idempotent: false")
            await plane.resources.apply([("source.yaml", once)], me(plane))
            plane.core.transports["acme"] = FakeTransport(vendor=lambda name: {"id": "V-1", "name": name}, pay=silent)
            mission = await plane.missions.submit("pay", BELOW, me(plane))
            await plane.missions.drive(mission, me(plane))
            asked = await plane.missions.show(mission, me(plane))
            if ends == "cancelled":
                await plane.missions.cancel(mission, me(plane))
            else:
                later = FakeClock()
                later.instant = plane.core.clock.now() + timedelta(days=400)
                async with closing(await open_home(Settings(plane.core.home), clock=later)) as after:
                    await after.missions.drive(mission, me(after))

            shown = await plane.missions.show(mission, me(plane))
            why = await plane.explain.why(f"{mission}/pay", me(plane))

            assert [(one["step"], one["tool"]) for one in asked["uncertain"]] == [("pay", "acme__pay")]
            assert asked["status"] == "waiting"
            assert shown["status"] == ends
            assert shown["uncertain"] == asked["uncertain"]
            assert "acme__pay in step pay" in shown["detail"]
            assert [call["uncertain"] for call in why["calls"]] == [True]

    run(story())


def test_a_mission_whose_effects_are_known_tells_of_none(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane)

            shown = await plane.missions.show(mission, me(plane))

            assert shown["uncertain"] == []
            assert shown["detail"] == ""

    run(story())


def test_a_halt_stops_and_its_lift_lets_go_on_and_both_are_on_record(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await plane.halts.set("tool/acme__pay", "audit", me(plane))
            mission, rest = await a_paid_mission(plane)
            assert (rest["ended"], rest["halted"]) == (False, True)
            assert [halt["scope"] for halt in await plane.halts.all()] == ["tool/acme__pay"]

            await plane.halts.lift("tool/acme__pay", me(plane))
            rest = await plane.missions.drive(mission, me(plane))

            assert rest["ended"]
            assert payments(plane.core.home) == [["50.00", "V-1"]]
            kinds = [entry["kind"] for entry in await plane.ledger.show(me(plane))]
            assert kinds.count("halt.set") == kinds.count("halt.lifted") == 1
            with pytest.raises(NotFound):
                await plane.halts.lift("tool/acme__pay", me(plane))

    run(story())


@pytest.mark.parametrize("scope", ["", "everything", "tool/", "agent/a b", "tool/../x", "mission/x\n"])
def test_a_halt_of_no_scope_is_refused(tmp_path, scope):
    async def story():
        async with a_home(tmp_path) as plane:
            with pytest.raises(InvalidInput):
                await plane.halts.set(scope, "", me(plane))

    run(story())


# --- the record


def test_an_export_can_be_verified_by_a_stranger(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane)
            await a_paid_mission(plane, OVER)

            everything = await plane.ledger.export(me(plane))
            one = await plane.ledger.export(me(plane), mission=mission)

            for lines in (everything, one):
                verdict = verify_export(lines, vkey=plane.ledger.key.vkey)
                assert verdict.ok, verdict
            assert (await plane.ledger.verify())["ok"]

    run(story())


def test_a_changed_export_is_named_at_its_first_bad_entry(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_paid_mission(plane)
            lines = await plane.ledger.export(me(plane))
            place = next(n for n, line in enumerate(lines) if b"call.permitted" in line)

            forged = [*lines[:place], lines[place].replace(b"acme__", b"evil__"), *lines[place + 1 :]]
            verdict = verify_export(forged, vkey=plane.ledger.key.vkey)

            assert not verdict.ok
            assert "step/" in verdict.first_bad.ref

    run(story())


def test_a_touched_store_is_named_by_verify_and_by_doctor(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_paid_mission(plane)
            with sqlite3.connect(plane.core.home / STORE_FILE) as connection:
                connection.execute(
                    "UPDATE entry SET canonical = CAST(replace(canonical, 'acme__pay', 'acme__sue') AS BLOB) "
                    "WHERE idx = (SELECT max(idx) FROM entry WHERE CAST(canonical AS TEXT) LIKE '%call.permitted%')"
                )
            connection.close()

            verdict = await plane.ledger.verify()
            examined = await plane.doctor.examine()

            assert not verdict["ok"]
            assert "/pay/" in verdict["first_bad"]["ref"]
            (found,) = [check for check in examined["checks"] if check["check"] == "ledger"]
            assert not found["ok"]
            assert verdict["first_bad"]["ref"] in found["detail"]
            assert not examined["ok"]

    run(story())


def test_only_those_who_may_read_the_record_read_it(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            audrey, oscar = await someone(plane), await someone(plane, "oscar", "operator")

            assert await plane.ledger.show(audrey)
            for reading in (plane.ledger.show(oscar), plane.ledger.export(oscar)):
                with pytest.raises(RightsExceeded):
                    await reading

    run(story())


def test_the_record_is_paged_and_can_be_narrowed_to_one_mission(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            first, _ = await a_paid_mission(plane)
            await a_paid_mission(plane)
            everything = await plane.ledger.show(me(plane))
            ours = await plane.ledger.show(me(plane), mission=first)

            paged, after = [], 0
            while page := await plane.ledger.show(me(plane), after=after, limit=3):
                paged += page
                after = page[-1]["idx"]

            assert paged == everything
            assert ours
            assert all(first in entry["entry"] for entry in ours)

    run(story())


def test_sealing_twice_seals_what_is_new_and_leaves_a_witness(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await a_paid_mission(plane)
            sealed = await plane.ledger.seal()

            assert await plane.ledger.seal() == sealed == len(await record_of(plane))
            assert (plane.core.home / "seals.log").read_text().count("remit.local") >= 1
            await a_paid_mission(plane)
            assert await plane.ledger.seal() > sealed

    run(story())


def test_doctor_finds_a_sound_home_sound_and_open_keys_loose(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            sound = await plane.doctor.examine()
            (plane.core.home / "keys" / "home.key").chmod(0o644)
            loose = await plane.doctor.examine()

            failing = [check["check"] for check in sound["checks"] if not check["ok"] and check["check"] != "disk"]
            assert failing == []
            assert "keys" in [check["check"] for check in loose["checks"] if not check["ok"]]

    run(story())


def test_a_cancellation_of_a_mission_that_moved_meanwhile_is_decided_anew(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            mission, _ = await a_paid_mission(plane, OVER)
            (question,) = await plane.approvals.all(me(plane))
            real = plane.core.store.commit
            moved = []

            async def commit(batch):
                if not moved and any(draft.kind == "mission.cancelled" for draft in batch.entries):
                    moved.append(True)
                    await plane.approvals.answer(Given(question["id"], "approve"), me(plane))
                return await real(batch)

            plane.core.store.commit = commit
            assert (await plane.missions.cancel(mission, me(plane)))["status"] == "cancelled"
            plane.core.store.commit = real

            assert moved
            (answered,) = await plane.approvals.all(me(plane), answered=True)
            assert (answered["verdict"], answered["reason"]) == ("approve", "")
            assert (await plane.missions.drive(mission, me(plane)))["ended"]
            assert payments(plane.core.home) == []

    run(story())


def test_the_last_owner_cannot_be_taken_away(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            owner = me(plane)
            for change in ("roles: [operator]", "roles: [owner]\nactive: false"):
                text = f"apiVersion: remit/v1\nkind: Principal\nname: {owner.id}\n{change}\nos_user: {owner.os_user}\n"
                with pytest.raises(InvalidResource, match="No active owner"):
                    await plane.resources.apply([("me.yaml", text)], owner)
            other = "apiVersion: remit/v1\nkind: Principal\nname: olive\nroles: [owner]\n"
            await plane.resources.apply([("olive.yaml", other), ("me.yaml", text)], owner)

    run(story())
