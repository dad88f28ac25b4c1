"""What happens in missions, told to others: at least once, in order, and on from where it stood."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import nats
import pytest
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response
from tests.adapters.streams.places import NATS_PORT, REDIS_PORT, a_place, nats_gone, nats_made, redis_gone
from tests.control_plane.builders import BELOW, OVER, me
from tests.triggers.builders import SECRET, Clock, a_home, run

from remit.api.serve import listening
from remit.control_plane import Watch
from remit.ledger import Commit, PutRecord
from remit.registry import Webhook
from remit.triggers import verify

SIGNED = Webhook("x", None, (), 300, 1 << 20, 50)
HERE = "network: {allow: [127.0.0.1]}"


class Receiver:
    """A webhook of others on this machine, which answers as it is told."""

    def __init__(self):
        self.got = []
        self.statuses = []

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        body = await request.body()
        status = self.statuses.pop(0) if self.statuses else 200
        self.got.append((status, dict(request.headers), body))
        await Response(status_code=status)(scope, receive, send)

    def taken(self):
        """Type and id of what was taken, in order."""
        return [
            (json.loads(body)["type"], headers["webhook-id"]) for status, headers, body in self.got if status == 200
        ]


def subscription(to, **fields):
    told = {"events": ["mission.completed", "mission.failed"], **fields}
    head = {"apiVersion": "remit/v1", "kind": "Subscription", "name": "erp", **told}
    return f"{json.dumps(head)[:-1]}, to: {to}}}"


def hook(url, more=HERE):
    return f"{{webhook: {{url: '{url}/events', secret: 'file:hook.secret', {more}}}}}"


@asynccontextmanager
async def telling(plane):
    """What goes on by itself, until the block ends."""
    stop = asyncio.Event()
    watching = asyncio.create_task(Watch(plane.core, plane.triggers).run(stop))
    try:
        yield
    finally:
        stop.set()
        await watching


async def until(true):
    while not true():
        await asyncio.sleep(0.01)


async def apply(plane, text):
    await plane.resources.apply([("s.yaml", text)], me(plane))


async def settled(plane):
    """The subscription has found the place from which it tells."""
    await until(lambda: "subscription/erp" in plane.triggers.health)
    while (await plane.triggers.subscriptions())[0]["behind"]:
        await asyncio.sleep(0.01)
    while await plane.core.store.record("subscription", "erp") is None:
        await asyncio.sleep(0.01)


async def driven(plane, inputs=BELOW, workflow="pay"):
    mission = await plane.missions.submit(workflow, inputs, me(plane))
    await plane.missions.drive(mission, me(plane))
    return mission


@pytest.fixture
def story(tmp_path):
    def told(work):
        async def whole():
            receiver = Receiver()
            async with listening(receiver) as address, a_home(tmp_path, on="{api: {}}") as plane:
                await work(plane, receiver, address.url)

        run(whole())

    return told


def test_what_happens_is_told_signed_and_once(story):
    async def work(plane, receiver, url):
        await driven(plane)  # before the subscription was there: not told
        await apply(plane, subscription(hook(url)))
        async with telling(plane):
            await settled(plane)
            mission = await driven(plane)
            await until(lambda: receiver.got)

        ((_, headers, body),) = receiver.got
        now = plane.core.clock.now().timestamp()
        said = json.loads(body)
        assert verify(SIGNED, [SECRET], headers, body, now=now) == said["data"]["entry"]
        assert (said["type"], said["mission"], said["workflow"]) == ("mission.completed", mission, "pay")
        (shown,) = await plane.triggers.subscriptions()
        assert (shown["connection"]["state"], shown["told"]) == ("not told by this process", 0)

    story(work)


def test_what_is_not_taken_is_told_again_in_order_and_nothing_is_lost(story):
    async def work(plane, receiver, url):
        receiver.statuses = [500, 429]
        await apply(plane, subscription(hook(url)))
        async with telling(plane):
            await settled(plane)
            missions = [await driven(plane) for _ in range(3)]
            await until(lambda: len(receiver.taken()) == 3)

        assert [name.split("@")[0] for _, name in receiver.taken()] == [f"mission/{one}" for one in missions]
        assert [status for status, _, _ in receiver.got[:3]] == [500, 429, 200]
        assert len({headers["webhook-id"] for _, headers, _ in receiver.got[:3]}) == 1

    story(work)


def test_what_happens_while_nobody_tells_is_told_after_a_restart(tmp_path):
    async def whole():
        receiver = Receiver()
        async with listening(receiver) as address:
            async with a_home(tmp_path, on="{api: {}}") as plane:
                await apply(plane, subscription(hook(address.url)))
                async with telling(plane):
                    await settled(plane)
                missions = [await driven(plane) for _ in range(2)]
            async with a_home(tmp_path, on="{api: {}}") as plane, telling(plane):
                await until(lambda: len(receiver.taken()) == 2)

        assert [name.split("@")[0] for _, name in receiver.taken()] == [f"mission/{one}" for one in missions]

    run(whole())


def test_a_crash_after_the_request_tells_it_again_under_the_same_id(story):
    async def work(plane, receiver, url):
        await apply(plane, subscription(hook(url)))
        async with telling(plane):
            await settled(plane)
        place = await plane.core.store.record("subscription", "erp")
        await driven(plane)
        async with telling(plane):
            await until(lambda: len(receiver.got) == 1)
        # As it stood before the request was noted.
        await plane.core.store.commit(Commit((), (PutRecord("subscription", "erp", place),)))
        async with telling(plane):
            await until(lambda: len(receiver.got) == 2)

        assert len(set(receiver.taken())) == 1

    story(work)


def test_only_the_kinds_and_workflows_that_are_wanted_are_told(story):
    async def work(plane, receiver, url):
        await apply(plane, subscription(hook(url), events=["approval.*", "mission.cancelled"], workflows=["pay"]))
        async with telling(plane):
            await settled(plane)
            await driven(plane)
            patient = await plane.missions.submit("patient", BELOW, me(plane))
            await plane.missions.cancel(patient, me(plane))
            waiting = await driven(plane, OVER)
            await plane.missions.cancel(waiting, me(plane))
            await until(lambda: receiver.got)

        assert [kind for kind, _ in receiver.taken()] == ["mission.cancelled"]
        assert json.loads(receiver.got[0][2])["mission"] == waiting

    story(work)


def test_an_address_that_was_not_declared_is_not_reached(story):
    async def work(plane, receiver, url):
        await apply(plane, subscription(hook(url, "timeout_seconds: 5")))
        async with telling(plane):
            await settled(plane)
            await driven(plane)
            await until(lambda: plane.triggers.health["subscription/erp"].state == "away")
            (shown,) = await plane.triggers.subscriptions()

        assert shown["connection"]["code"] == "egress_refused"
        assert shown["behind"] > 0
        assert receiver.got == []

    story(work)


def test_what_is_not_taken_for_too_long_is_given_up_on_record_and_the_next_is_told(tmp_path):
    async def whole():
        receiver, clock = Receiver(), Clock()
        receiver.statuses = [410, 410]
        async with listening(receiver) as address, a_home(tmp_path, clock=clock, on="{api: {}}") as plane:
            await apply(plane, subscription(hook(address.url), give_up_hours=1))
            async with telling(plane):
                await settled(plane)
                first = await driven(plane)
                await until(lambda: receiver.got)
                clock.at += timedelta(hours=2)
                second = await driven(plane)
                await until(receiver.taken)

            (given_up,) = await plane.core.store.read("subscription/erp")

        assert given_up.payload["entry"].startswith(f"mission/{first}@")
        assert [name.split("@")[0] for _, name in receiver.taken()] == [f"mission/{second}"]

    run(whole())


def test_others_read_it_from_a_stream_of_nats(tmp_path):
    async def whole():
        place = a_place("nats")
        await nats_made(place)
        to = f"{{nats: {{url: 'nats://127.0.0.1:{NATS_PORT}', subject: {place.stream}.told, {HERE}}}}}"
        try:
            async with a_home(tmp_path, on="{api: {}}") as plane:
                await apply(plane, subscription(to))
                async with telling(plane):
                    await settled(plane)
                    mission = await driven(plane)
                    connection = await nats.connect(place.url)
                    pulling = await connection.jetstream().pull_subscribe("", "reader", stream=place.stream)
                    (message,) = await pulling.fetch(1, timeout=10)
                    await connection.close()
        finally:
            await nats_gone(place)

        assert json.loads(message.data)["mission"] == mission
        assert message.headers["Nats-Msg-Id"].startswith(f"mission/{mission}@")

    run(whole())


def test_others_read_it_from_a_stream_of_redis(tmp_path):
    async def whole():
        place = a_place("redis")
        to = f"{{redis: {{url: 'redis://127.0.0.1:{REDIS_PORT}', stream: {place.stream}, {HERE}}}}}"
        try:
            async with a_home(tmp_path, on="{api: {}}") as plane, Redis.from_url(place.url) as client:
                await apply(plane, subscription(to))
                async with telling(plane):
                    await settled(plane)
                    mission = await driven(plane)
                    ((_, ((_, entry),)),) = await client.xread({place.stream: "0"}, block=10_000)
        finally:
            await redis_gone(place)

        assert json.loads(entry[b"body"])["mission"] == mission
        assert entry[b"type"] == b"mission.completed"

    run(whole())
