"""Events that people of a home send."""

import httpx
import pytest
from tests.triggers.builders import a_home, run

from remit.api import create_app
from remit.bootstrap import current_principal

PEOPLE = (
    "apiVersion: remit/v1\nkind: Principal\nname: bert\nroles: [operator]\n---\n"
    "apiVersion: remit/v1\nkind: Principal\nname: cleo\nroles: [auditor]\n"
)
ORDER = {"vendor": "Acme Ltd", "amount": "50.00"}


@pytest.fixture
def story(tmp_path):
    def told(work, **fields):
        async def whole():
            async with a_home(tmp_path, files=[("people.yaml", PEOPLE)], **fields) as plane:
                await work(plane)

        return run(whole())

    return told


async def ask(plane, method, path, body=None, *, by=None):
    who = plane.core.door.controls.registry.principal(by) if by else current_principal(plane)
    transport = httpx.ASGITransport(create_app(plane, lambda: who))
    async with httpx.AsyncClient(base_url="http://remit.local", transport=transport) as client:
        return await client.request(method, f"/api/v1{path}", json=body)


def test_an_event_that_a_person_sends_twice_has_its_effect_once(story):
    async def work(plane):
        event = {"trigger": "orders", "id": "o-1", "body": ORDER}
        first, second = [await ask(plane, "POST", "/events", event) for _ in range(2)]

        assert first.json()["fate"] == "taken"
        assert second.json() == {**first.json(), "fate": "duplicate"}
        (shown,) = (await ask(plane, "GET", "/triggers")).json()
        assert shown["fates"] == {"duplicate": 1, "taken": 1}
        (row,) = (await ask(plane, "GET", "/triggers/orders/events")).json()
        assert (row["id"], row["fate"], row["missions"]) == ("o-1", "taken", first.json()["missions"])
        assert (await ask(plane, "GET", "/triggers/orders")).json()["verified"] == []

    story(work, on="{api: {}}")


@pytest.mark.parametrize(
    ("on", "by", "status"),
    [
        ("{api: {principals: [bert, cleo]}}", "bert", 202),
        ("{api: {principals: [cleo]}}", "cleo", 403),
        ("{webhook: {signature: github, secret: 'env:X'}}", "", 404),
    ],
    ids=["named", "may-not-submit", "another-way"],
)
def test_only_those_send_events_who_may(story, on, by, status):
    async def work(plane):
        answer = await ask(plane, "POST", "/events", {"trigger": "orders", "id": "o-1", "body": ORDER}, by=by)

        assert answer.status_code == status

    story(work, on=on)


def test_nobody_acts_through_a_trigger_for_someone_else_without_being_named(story):
    async def work(plane):
        dora = "apiVersion: remit/v1\nkind: Principal\nname: dora\nroles: [approver]\n"
        await plane.resources.apply([("dora.yaml", dora)], current_principal(plane))
        answer = await ask(plane, "POST", "/events", {"trigger": "orders", "id": "o", "body": ORDER}, by="dora")

        assert answer.status_code == 403

    story(work, on="{api: {}}")


def test_fates_are_for_those_who_may_look(story):
    async def work(plane):
        assert (await ask(plane, "GET", "/triggers/orders/events", by="cleo")).status_code == 200
        assert (await ask(plane, "GET", "/triggers/nothing/events")).status_code == 404
        dora = "apiVersion: remit/v1\nkind: Principal\nname: dora\nroles: [approver]\n"
        await plane.resources.apply([("dora.yaml", dora)], current_principal(plane))
        assert (await ask(plane, "GET", "/triggers/orders/events", by="dora")).status_code == 403

    story(work, on="{api: {}}")


def test_a_principal_who_has_left_begins_nothing(story):
    async def work(plane):
        left = "apiVersion: remit/v1\nkind: Principal\nname: bert\nroles: [operator]\nactive: false\n"
        await plane.resources.apply([("left.yaml", left)], current_principal(plane))
        answer = await ask(plane, "POST", "/events", {"trigger": "orders", "id": "o", "body": ORDER})

        assert (answer.status_code, answer.json()["rule"]) == (403, "principal_inactive")
        assert await plane.missions.all(current_principal(plane)) == []
        (row,) = await plane.triggers.events("orders", current_principal(plane))
        assert (row["fate"], row["rule"]) == ("refused", "principal_inactive")

    story(
        work,
        on="{api: {}}",
        submit={"workflow": "pay", "principal": "bert", "inputs": {"vendor": "x", "amount": "1.00"}},
    )
