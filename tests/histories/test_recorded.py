"""Homes that earlier releases recorded: today's code opens, checks and shows them, and goes on with their missions."""

import hashlib
import json
import re
import sqlite3
from contextlib import closing

import pytest

from remit.adapters.sqlite.schema import STEPS
from remit.bootstrap import open_home
from remit.config import Settings
from remit.errors import StoreTooNew
from remit.missions.events import KINDS

from .house import HERE, NAMES, RecordedHome, answer, run, to_the_end
from .record import DESK

#: How each mission stood when its release left it.
STOOD = {
    "finished": "completed",
    "asking": "waiting",
    "proposed": "waiting",
    "cancelled": "cancelled",
    "uncertain": "waiting",
    "killed": "working",
    "undone": "cancelled",
    "paused": "paused",
    "nested": "working",
}


@pytest.fixture(autouse=True)
def _desk(monkeypatch):
    monkeypatch.syspath_prepend(str(DESK))


@pytest.fixture(params=NAMES)
def home(request, tmp_path):
    return RecordedHome(request.param, tmp_path / "home")


def test_missions_stand_as_they_were_left_and_the_record_verifies(home):
    async def story():
        async with home.opened() as (plane, anna):
            shown = {name: await plane.missions.show(id_, anna, bodies=True) for name, id_ in home.missions.items()}

            assert {name: one["status"] for name, one in shown.items()} == {name: STOOD[name] for name in shown}
            assert (await plane.ledger.verify())["ok"]
            assert shown["finished"]["inputs"]["folder"]
            assert all(step["output"] for step in shown["finished"]["steps"])
            asked = {one["rules"][0] for one in shown["asking"]["approvals"]}
            assert asked == {"require_approval_if_over"}
            assert [one["about"] for one in await plane.approvals.all(anna, mission=home.missions["uncertain"])] == [
                "effect_uncertain"
            ]
            report = await plane.missions.report(home.missions["finished"], anna)
            assert {one["status"] for one in report["documents"]} == {"paid", "read"}

    run(story())


def test_open_approvals_are_answered_and_what_waits_is_paid_once(home):
    async def story():
        async with home.opened() as (plane, anna):
            before = home.rows("SELECT invoice, key FROM payments", "erp")

            done = await to_the_end(plane, anna, home.missions["asking"])

            assert done["status"] == "completed"
            paid = home.rows("SELECT invoice, key FROM payments ORDER BY paid_at", "erp")
            assert set(before) < set(paid)
            assert len(paid) == len(before) + 1
            report = await plane.missions.report(home.missions["asking"], anna)
            told = {one["file"]: one["status"] for one in report["documents"] if one["type"] == "invoice"}
            assert told["inv-02-nordlicht.pdf"] == "paid"
            assert told["inv-03-albatros.pdf"] == "refused"
            assert (await plane.ledger.verify())["ok"]

    run(story())


def test_a_call_that_was_proposed_to_a_person_is_made_and_its_agent_goes_on_from_its_tape(home):
    async def story():
        mission = home.missions["proposed"]
        async with home.opened() as (plane, anna):
            done = await to_the_end(plane, anna, mission)

            (output,) = [step["output"] for step in done["steps"] if step["id"] == "pay"]
            assert output == {"seen": "V-1", "paid": "900.00"}
            assert [one["amount"] for one in home.notes("paid")] == ["900.00"]
            made = [told for told in home.calls(mission) if told["kind"] == "call.permitted"]
            assert [told["payload"]["tool"] for told in made] == ["desk__look", "desk__pay"]

    run(story())


def test_a_payment_is_refused_by_a_person_and_nothing_is_paid(home):
    async def story():
        async with home.opened() as (plane, anna):
            assert await answer(plane, anna, home.missions["proposed"], "reject") == 1

            assert (await plane.missions.drive(home.missions["proposed"], anna))["ended"]
            assert home.notes("paid") == []

    run(story())


def test_a_write_without_an_answer_is_put_to_a_person_and_never_made_again_by_itself(home):
    async def story():
        ordered = len(home.notes("ordered"))
        async with home.opened() as (plane, anna):
            killed = home.missions["killed"]
            assert (await plane.missions.drive(killed, anna))["waiting_for_people"] == 1
            (asked,) = await plane.approvals.all(anna, mission=killed)
            assert asked["about"] == "effect_uncertain"
            for mission in (killed, home.missions["uncertain"]):
                assert await answer(plane, anna, mission) == 1
                assert (await plane.missions.drive(mission, anna))["ended"]
            assert len(home.notes("ordered")) == ordered
            assert (await plane.ledger.verify())["ok"]

    run(story())


def test_what_has_ended_stays_as_it_is(home):
    async def story():
        ended = [name for name in home.missions if STOOD[name] in {"completed", "cancelled"}]
        before = {name: home.kinds(name) for name in ended}
        async with home.opened() as (plane, anna):
            for name in ended:
                assert (await plane.missions.drive(home.missions[name], anna))["ended"]

        assert {name: home.kinds(name) for name in ended} == before

    run(story())


def test_paused_nested_and_undone_missions_go_on(tmp_path):
    home = RecordedHome("third", tmp_path / "home")

    async def story():
        async with home.opened() as (plane, anna):
            undone = await plane.missions.show(home.missions["undone"], anna)
            assert undone["undone"] == ["order"]
            await plane.control.resume(home.missions["paused"], anna)
            home.clock.move(hours=2)
            for name in ("paused", "nested"):
                await plane.missions.drive(home.missions[name], anna)
            while await _answer_all(plane, anna):
                for name in ("paused", "nested"):
                    await plane.missions.drive(home.missions[name], anna)
            assert [one["status"] for one in await plane.missions.all(anna)].count("completed") == 4
            for name in ("paused", "nested"):
                done = await plane.missions.show(home.missions[name], anna, bodies=True)
                assert done["status"] == "completed", done
                assert {step["status"] for step in done["steps"]} == {"succeeded"}

    run(story())


def test_newer_agents_and_workflows_join_a_recorded_home_and_what_runs_keeps_its_plan(tmp_path):
    home = RecordedHome("third", tmp_path / "home")
    desk, later = ((DESK / f"{name}.yaml").read_text("utf-8") for name in ("desk", "later"))
    newer = "---\n".join(one for one in desk.split("---\n") if "kind: Agent" in one).replace("1.0.0", "2.0.0")
    changed = later.split("---\n")[0].replace("  sure:", "  ended: {skill: desk.order, with: {item: x}}\n  sure:")

    async def story():
        async with home.opened() as (plane, anna):
            await plane.resources.apply([("agent.yaml", newer), ("later.yaml", changed)], anna)
            await plane.control.resume(home.missions["paused"], anna)
            home.clock.move(hours=2)
            old = await to_the_end(plane, anna, home.missions["paused"])
            new = await plane.missions.submit("later", {"items": []}, anna)
            await plane.missions.drive(new, anna)
            shown = await plane.missions.show(new, anna)

            assert {step["id"] for step in old["steps"]} == {"order", "each", "each.0", "each.1", "rest", "sure"}
            (ended,) = [step for step in shown["steps"] if step["id"] == "ended"]
            assert (ended["status"], ended["agent"]) == ("succeeded", "desk@2.0.0")

    run(story())


async def _answer_all(plane, by):
    asked = [one for one in await plane.approvals.all(by) if one["rules"] != ["effect_uncertain"]]
    return sum([await answer(plane, by, mission) for mission in {one["mission"] for one in asked}])


def test_the_command_line_of_today_checks_and_shows_them(home):
    code, verified = home.remit("ledger", "verify")
    assert (code, verified["ok"]) == (0, True)
    code, told = home.remit("doctor")
    found = {check["check"]: check for check in told["checks"]}
    assert all(found[name]["ok"] for name in ("keys", "ledger", "policies")), told
    code, shown = home.remit("missions", "show", home.missions["asking"])
    assert (code, shown["id"]) == (0, home.missions["asking"])
    code, listed = home.remit("approvals", "list")
    assert code == 0
    assert {one["mission"] for one in listed} >= {home.missions[name] for name in ("asking", "proposed", "uncertain")}


def test_an_older_schema_is_brought_to_todays_at_the_first_opening(home):
    entries = home.rows("SELECT * FROM entry")
    ((version,),) = home.rows("PRAGMA user_version")

    async def story():
        async with home.opened():
            pass

    run(story())

    assert version <= len(STEPS)
    assert home.rows("PRAGMA user_version") == [(len(STEPS),)]
    assert home.rows("SELECT * FROM entry") == entries


@pytest.mark.parametrize("name", NAMES)
def test_a_store_from_a_newer_release_is_refused_and_nothing_is_changed(name, tmp_path):
    home = RecordedHome(name, tmp_path / "home")
    with closing(sqlite3.connect(home.folder / "remit.sqlite")) as db:
        db.execute(f"PRAGMA user_version={len(STEPS) + 1}")
    before = _files(home.folder)

    with pytest.raises(StoreTooNew, match=f"schema {len(STEPS) + 1}; this release knows {len(STEPS)}"):
        run(open_home(Settings(home.folder)))
    code, told = home.remit("missions", "show", home.missions["asking"])

    assert (code, told["code"]) == (3, "store_too_new")
    assert _files(home.folder) == before


def _files(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _recorded(name):
    """The kinds and versions of the entries of missions in a recording."""
    for line in (HERE / name / "remit.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        if told.get("table") == "entry" and told["row"][1].startswith("mission/"):
            entry = json.loads(told["row"][6]["text"])
            yield entry["kind"], entry["version"]


def test_recordings_hold_the_older_forms_of_what_changed_and_todays():
    found = {name: set(_recorded(name)) for name in NAMES}

    assert {("mission.submitted", 1), ("plan.extended", 1), ("step.succeeded", 1)} <= found["first"]
    assert {("mission.submitted", 2), ("plan.extended", 2), ("step.suspended", 1)} <= found["second"]
    assert {(kind, KINDS[kind].version) for kind, _ in found["third"]} >= {("mission.submitted", 6)}
    assert all(version <= KINDS[kind].version for name in NAMES for kind, version in found[name])


def test_recordings_hold_no_key_and_no_place_of_a_machine():
    for file in sorted(HERE.rglob("*")):
        if file.suffix in {".json", ".jsonl", ".log", ".yaml", ".vkey"}:
            text = file.read_text("utf-8")
            assert not re.search(r"/tmp/|/root\b|/home/|PRIVATE KEY|\"[0-9a-f]{64}\\n\"", text), file
