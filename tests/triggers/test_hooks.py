"""Signed requests of others: taken once, refused without a word where they are not authentic."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta

import httpx
import pytest
from tests.triggers.builders import NOW, SECRET, Clock, a_home, events_of, missions_of, run, signed

from remit.api.app import create_app
from remit.api.doors import AgentDoors
from remit.bootstrap import current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing

ORDER = {"vendor": "Acme Ltd", "amount": "50.00"}
GITHUB = "{webhook: {signature: github, secret: 'file:hook.secret'}}"
OWN = (
    "{webhook: {path: own, secret: 'file:hook.secret', signature: "
    "{hmac-sha256: {header: X-Signature, encoding: base64, timestamp_header: X-Time}}}}"
)


async def post(plane, headers, body, *, path="orders", method="POST"):
    await plane.core.take_lease()
    people = create_app(plane, lambda: current_principal(plane), driving=True)
    transport = httpx.ASGITransport(AgentDoors(plane, people))
    async with httpx.AsyncClient(base_url="http://hooks.example", transport=transport) as client:
        return await client.request(method, f"/hooks/{path}", headers=headers, content=body)


@pytest.fixture
def story(tmp_path):
    """Run a story on a home with a trigger, under a clock that it moves."""

    def told(work, **fields):
        async def whole():
            clock = Clock()
            async with a_home(tmp_path, clock=clock, **fields) as plane:
                return await work(plane, clock)

        return run(whole())

    return told


def test_a_signed_event_begins_one_mission_however_often_it_comes(story):
    async def work(plane, _clock):
        headers, body = signed(ORDER)
        answers = [await post(plane, headers, body) for _ in range(3)]
        at_once = await asyncio.gather(*(post(plane, *signed(ORDER, name="msg-2")) for _ in range(5)))

        assert [answer.status_code for answer in answers] == [202, 200, 200]
        assert sorted(answer.json()["fate"] for answer in at_once) == ["duplicate"] * 4 + ["taken"]
        assert len(await missions_of(plane)) == 2
        rows = await events_of(plane)
        assert sorted((row["id"], row["fate"], row["duplicates"]) for row in rows) == [
            ("msg-1", "taken", 2),
            ("msg-2", "taken", 4),
        ]

    story(work)


def test_the_mission_is_the_principals_and_its_values_are_not_trusted(story):
    async def work(plane, _clock):
        await post(plane, *signed(ORDER))
        (mission,) = await missions_of(plane)
        me = current_principal(plane).id
        (submitted,) = await plane.core.store.read(f"mission/{mission['id']}", limit=1)

        assert mission["principal"] == me
        assert submitted.payload["source"] == "trigger/orders"
        assert submitted.payload["trusted"] is False
        assert submitted.payload["known"] == []
        assert submitted.payload["confidentiality"] == "internal"

    story(work)


def test_verified_places_count_as_the_persons_own_words(story):
    async def work(plane, _clock):
        await post(plane, *signed(ORDER))
        (mission,) = await missions_of(plane)
        (submitted,) = await plane.core.store.read(f"mission/{mission['id']}", limit=1)

        assert submitted.payload["known"] == [plane.core.door.vault.digest(mission["id"], "50.00")]
        assert submitted.payload["trusted"] is False

    story(work, verified=["event.body.amount"])


def refusals(headers, body):
    """What is wrong, and the request that has it."""
    other = "whsec_" + "QUJD" * 8
    flipped = {**headers, "webhook-signature": headers["webhook-signature"][:-4] + "AAA="}
    return {
        "no signature": ({}, body),
        "another key": signed(body, secret=other),
        "another body": (headers, body + b" "),
        "another id": ({**headers, "webhook-id": "msg-9"}, body),
        "another time": ({**headers, "webhook-timestamp": str(int(NOW.timestamp()) + 1)}, body),
        "another signature": (flipped, body),
        "another scheme": ({**headers, "webhook-signature": "v2,AAAA"}, body),
        "no base64": ({**headers, "webhook-signature": "v1,§"}, body),
        "old": signed(body, at=NOW - timedelta(seconds=301)),
        "of the future": signed(body, at=NOW + timedelta(seconds=301)),
        "time that is none": ({**headers, "webhook-timestamp": "soon"}, body),
        "a very long header": ({**headers, "webhook-id": "x" * 5000}, body),
    }


def test_what_is_not_authentic_is_refused_without_detail(story):
    async def work(plane, _clock):
        nowhere = (await post(plane, *signed(ORDER), path="nowhere")).json()
        wrong = refusals(*signed(ORDER))
        for what, (headers, body) in wrong.items():
            answer = await post(plane, {name: value.encode() for name, value in headers.items()}, body)
            assert (answer.status_code, answer.json()) == (401, nowhere), what

        assert nowhere["detail"] == ""
        assert await missions_of(plane) == []
        assert await events_of(plane) == []
        assert sum(plane.triggers.forged.values()) == len(wrong) + 1

    story(work)


def test_a_request_that_is_replayed_later_is_too_old_or_a_duplicate(story):
    async def work(plane, clock):
        request = signed(ORDER)
        await post(plane, *request)
        clock.move(seconds=200)
        again = await post(plane, *request)
        clock.move(seconds=200)
        late = await post(plane, *request)

        assert (again.json()["fate"], late.status_code) == ("duplicate", 401)
        assert len(await missions_of(plane)) == 1

    story(work)


def test_a_request_that_one_process_took_is_a_duplicate_to_another(story):
    async def work(plane, clock):
        request = signed(ORDER)
        await post(plane, *request)
        plane.core.let_go()
        async with closing(await open_home(Settings(plane.core.home), clock=clock)) as other:
            again = await post(other, *request)

        assert again.json()["fate"] == "duplicate"
        assert len(await missions_of(plane)) == 1

    story(work)


def test_the_key_before_is_taken_while_senders_change_over(story):
    hook = "{webhook: {signature: standard-webhooks, secret: 'file:new.secret', secret_before: 'file:hook.secret'}}"

    async def work(plane, _clock):
        new = "whsec_" + "QUJD" * 8
        (plane.core.home / "new.secret").write_text(new)
        before = await post(plane, *signed(ORDER, name="a"))
        after = await post(plane, *signed(ORDER, name="b", secret=new))

        assert (before.status_code, after.status_code) == (202, 202)

    story(work, on=hook)


def test_several_signatures_may_stand_in_one_header(story):
    async def work(plane, _clock):
        headers, body = signed(ORDER)
        headers["webhook-signature"] = f"v1a,zzz v1,AAAA {headers['webhook-signature']}"

        assert (await post(plane, headers, body)).status_code == 202

    story(work)


def test_githubs_form_is_taken_once_for_each_content_whatever_its_delivery_id_says(story):
    async def work(plane, _clock):
        body = json.dumps(ORDER).encode()
        signature = "sha256=" + hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
        headers = {"x-hub-signature-256": signature, "x-github-event": "push"}
        answers = [await post(plane, {**headers, "x-github-delivery": f"d-{n}"}, body) for n in range(2)]
        other = await post(plane, {**headers, "x-github-event": "ping"}, body + b" ")

        assert [answer.json()["fate"] for answer in answers] == ["taken", "duplicate"]
        assert other.status_code == 401

    story(work, on=GITHUB, when="event.headers['x-github-event'] == 'push'")


def test_a_form_of_the_senders_own_covers_the_time(story):
    async def work(plane, _clock):
        body, now = json.dumps(ORDER).encode(), str(int(NOW.timestamp()))

        def headers(at):
            digest = hmac.digest(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256)
            return {"X-Signature": base64.b64encode(digest).decode(), "X-Time": at}

        good = await post(plane, headers(now), body, path="own")
        old = await post(plane, headers("1000"), body, path="own")
        moved = await post(plane, {**headers("1000"), "X-Time": now}, body, path="own")

        assert [good.status_code, old.status_code, moved.status_code] == [202, 401, 401]

    story(work, on=OWN)


def test_an_event_whose_condition_is_not_true_is_ignored_and_on_record(story):
    async def work(plane, _clock):
        small = await post(plane, *signed({**ORDER, "kind": "note"}, name="a"))
        again = await post(plane, *signed({**ORDER, "kind": "note"}, name="a"))
        unclear = await post(plane, *signed(ORDER, name="b"))

        assert (small.json()["fate"], again.json()["fate"]) == ("ignored", "duplicate")
        assert (unclear.status_code, unclear.json()["rule"]) == (400, "event_condition")
        assert await missions_of(plane) == []
        assert {row["id"]: row["fate"] for row in await events_of(plane)} == {"a": "ignored", "b": "refused"}

    story(work, when="event.body.kind == 'order'")


def test_an_event_that_cannot_be_read_is_refused_and_begins_nothing(story):
    async def work(plane, _clock):
        for body in (b"{", b"", b"[" * 100 + b"]" * 100, b'{"vendor": "x"}', b'"text"', b"\xff"):
            answer = await post(plane, *signed(body))
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event"), body

        assert await missions_of(plane) == []

    story(work)


def test_inputs_that_do_not_fit_are_refused_without_their_values_and_looked_at_again_later(story):
    async def work(plane, _clock):
        plane_me = current_principal(plane)
        answer = await post(plane, *signed({"vendor": "Secret Person", "amount": None}))
        refused = answer.json()
        assert (answer.status_code, refused["code"]) == (422, "invalid_input")
        assert "Secret Person" not in json.dumps([refused, await events_of(plane)])
        workflow = (
            "apiVersion: remit/v1\nkind: Workflow\nname: pay\nstart: plan\ntools: ['acme__*']\n"
            "budget: {amount: '5.00', currency: USD}\n"
        )
        await plane.resources.apply([("w.yaml", workflow)], plane_me)
        again = await post(plane, *signed({"vendor": "Secret Person", "amount": None}))

        assert again.json()["fate"] == "taken"
        (row,) = await events_of(plane)
        assert row["fate"] == "taken"

    schema = (
        "apiVersion: remit/v1\nkind: Workflow\nname: pay\nstart: plan\ntools: ['acme__*']\n"
        "inputs: {type: object, properties: {vendor: {maxLength: 3}, amount: {type: string}}}\n"
        "budget: {amount: '5.00', currency: USD}\n"
    )

    async def with_schema(plane, clock):
        await plane.resources.apply([("w.yaml", schema)], current_principal(plane))
        await work(plane, clock)

    story(with_schema)


def test_a_body_that_is_too_long_is_not_read_to_its_end(story):
    async def work(plane, _clock):
        answer = await post(plane, *signed(b'"' + b"x" * 2000 + b'"'))

        assert (answer.status_code, answer.json()["code"]) == (413, "event_too_large")

    story(work, on="{webhook: {signature: standard-webhooks, secret: 'file:hook.secret', bytes_max: 1000}}")


def test_more_than_the_rate_come_again_later(story):
    async def work(plane, clock):
        answers = [await post(plane, *signed(ORDER, name=f"m-{n}")) for n in range(3)]
        clock.move(seconds=1)
        later = await post(plane, *signed(ORDER, name="m-2", at=clock.now()))

        assert [answer.status_code for answer in answers] == [202, 202, 429]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert later.json()["fate"] == "taken"

    story(work, on="{webhook: {signature: standard-webhooks, secret: 'file:hook.secret', per_second: 2}}")


def test_a_trigger_that_is_not_active_takes_nothing(story):
    async def work(plane, _clock):
        assert (await post(plane, *signed(ORDER))).status_code == 401

    story(work, active=False)


def test_events_off_the_list_are_still_known(story):
    async def work(plane, clock):
        await post(plane, *signed(ORDER))
        clock.move(days=2)
        await plane.triggers.intake.forget()
        assert await events_of(plane) == []

        again = await post(plane, *signed(ORDER, at=clock.now()))
        assert again.json()["fate"] == "duplicate"
        assert len(await missions_of(plane)) == 1

    story(work, keep_days=1)


def test_a_thousand_events_at_once_are_each_taken_once(story):
    async def work(plane, _clock):
        requests = [signed(ORDER, name=f"m-{number % 500}") for number in range(1000)]
        told = await asyncio.gather(*(plane.triggers.hook("orders", headers, body) for headers, body in requests))

        fates = [one.fate.value for one in told]
        assert (fates.count("taken"), fates.count("duplicate")) == (500, 500)
        assert len(await missions_of(plane)) == 500

    story(work, on="{webhook: {signature: standard-webhooks, secret: 'file:hook.secret', per_second: 5000}}")
