"""Who sees which missions: those who asked for one, those who are asked in it, and those who may read the ledger."""

import httpx
import pytest
from tests.control_plane.builders import BELOW, OVER, a_home, me, run

from remit.api import create_app
from remit.control_plane import Given
from remit.errors import NotFound, RightsExceeded
from remit.ids import ApprovalId

PERSON = "apiVersion: remit/v1\nkind: Principal\nname: {name}\nroles: [{role}]\n"


async def people(plane, **roles):
    """People of these roles, by name."""
    files = [(f"{name}.yaml", PERSON.format(name=name, role=role)) for name, role in roles.items()]
    await plane.resources.apply(files, me(plane))
    return [plane.core.door.controls.registry.principal(name) for name in roles]


async def looks(plane, mission, by):
    """Every way to look at one mission, each as a call that is not made yet."""
    return {
        "show": plane.missions.show(mission, by),
        "bodies": plane.missions.show(mission, by, bodies=True),
        "events": plane.missions.events(mission, by),
        "report": plane.missions.report(mission, by),
        "drive": plane.missions.drive(mission, by),
        "why": plane.explain.why(f"{mission}/plan", by),
        "cost": plane.explain.cost(by, mission),
    }


def test_one_operator_does_not_see_what_another_asked_for(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            olga, otto = await people(plane, olga="operator", otto="operator")
            mission = await plane.missions.submit("pay", OVER, olga)
            await plane.missions.drive(mission, olga)
            (question,) = await plane.approvals.all(olga)

            for look in (await looks(plane, mission, otto)).values():
                with pytest.raises(RightsExceeded) as refused:
                    await look
                assert refused.value.rule == "mission_not_seen"
            with pytest.raises(RightsExceeded):
                await plane.approvals.show(question["id"], otto)
            assert await plane.missions.all(otto) == []
            assert await plane.approvals.all(otto, answered=True) == []
            assert (await plane.explain.cost(otto))["lines"] == []

    run(story())


def test_who_asked_sees_all_of_their_mission_and_their_list_holds_only_theirs(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            olga, otto = await people(plane, olga="operator", otto="operator")
            mission = await plane.missions.submit("pay", BELOW, olga)
            others = await plane.missions.submit("pay", BELOW, otto)
            await plane.missions.drive(mission, olga)
            await plane.missions.drive(others, otto)

            for look in (await looks(plane, mission, olga)).values():
                assert await look
            assert [one["id"] for one in await plane.missions.all(olga)] == [mission]
            assert {line["mission"] for line in (await plane.explain.cost(olga))["lines"]} == {mission}

    run(story())


def test_an_approver_sees_a_mission_from_its_first_question_to_them_and_after_the_answer(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            (anna,) = await people(plane, anna="approver")
            asks = await plane.missions.submit("pay", OVER, me(plane))
            silent = await plane.missions.submit("pay", BELOW, me(plane))
            assert await plane.missions.all(anna) == []
            for mission in (asks, silent):
                await plane.missions.drive(mission, me(plane))

            assert [one["id"] for one in await plane.missions.all(anna)] == [asks]
            (question,) = await plane.approvals.all(anna)
            assert (await plane.approvals.show(question["id"], anna))["case"]["action"]
            await plane.approvals.answer(Given(ApprovalId(question["id"]), "approve"), anna)
            assert (await plane.missions.drive(asks, anna))["ended"]
            assert (await plane.missions.report(asks, anna))["steps"]
            with pytest.raises(RightsExceeded):
                await plane.missions.report(silent, anna)

    run(story())


def test_an_auditor_sees_all_and_someone_who_has_left_sees_nothing(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            audrey, olga = await people(plane, audrey="auditor", olga="operator")
            mission = await plane.missions.submit("pay", BELOW, olga)
            assert [one["id"] for one in await plane.missions.all(audrey)] == [mission]
            assert (await plane.missions.show(mission, audrey, bodies=True))["inputs"] == BELOW

            left = PERSON.format(name="olga", role="operator") + "active: false\n"
            await plane.resources.apply([("olga.yaml", left)], me(plane))
            olga = plane.core.door.controls.registry.principals["olga"]
            assert await plane.missions.all(olga) == []
            with pytest.raises(RightsExceeded):
                await plane.missions.show(mission, olga)
            with pytest.raises(NotFound):
                await plane.missions.show("msn-none", olga)

    run(story())


def test_every_route_that_shows_a_mission_asks_who_looks(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            (otto,) = await people(plane, otto="operator")
            mission = await plane.missions.submit("pay", OVER, me(plane))
            await plane.missions.drive(mission, me(plane))
            (question,) = await plane.approvals.all(me(plane))
            transport = httpx.ASGITransport(create_app(plane, lambda: otto))
            async with httpx.AsyncClient(base_url="http://remit.local/api/v1", transport=transport) as api:
                refused = {
                    path: (await api.request(method, path)).status_code
                    for method, path in (
                        ("GET", f"/missions/{mission}"),
                        ("GET", f"/missions/{mission}?bodies=true"),
                        ("GET", f"/missions/{mission}/events"),
                        ("GET", f"/missions/{mission}/report"),
                        ("POST", f"/missions/{mission}/drive"),
                        ("GET", f"/approvals/{question['id']}"),
                        ("GET", f"/why?call={mission}/plan"),
                        ("GET", f"/cost?mission={mission}"),
                        ("GET", f"/ledger?mission={mission}"),
                        ("GET", f"/ledger/export?mission={mission}"),
                    )
                }
                lists = [(await api.get(path)).json() for path in ("/missions", "/approvals?answered=true")]

            assert set(refused.values()) == {403}, refused
            assert lists == [[], []]

    run(story())


def test_a_second_look_at_the_numbers_reads_only_what_was_written_since(tmp_path):
    async def story():
        async with a_home(tmp_path) as plane:
            await plane.missions.drive(await plane.missions.submit("pay", BELOW, me(plane)), me(plane))
            first = await plane.numbers.look()
            read = []
            real = plane.core.store.read_prefix

            async def counted(prefix, **where):
                page = await real(prefix, **where)
                read.extend(page)
                return page

            plane.core.store.read_prefix = counted
            again = await plane.numbers.look()
            assert (read, again) == ([], first)
            await plane.missions.submit("pay", BELOW, me(plane))
            later = await plane.numbers.look()

            assert len(read) == later.entries - first.entries > 0
            assert (later.missions["completed"], later.missions["working"]) == (1, 1)

    run(story())
