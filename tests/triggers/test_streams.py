"""Streams of others, on real servers: each event once, whatever dies in between."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tests.adapters.streams.places import (
    a_place,
    a_port,
    a_server,
    nats_gone,
    nats_made,
    nats_published,
    redis_gone,
    redis_published,
)
from tests.triggers.builders import a_home, events_of, missions_of, run, trigger_text

from remit.adapters.nats.inbox import open_nats
from remit.adapters.redis.inbox import open_redis
from remit.bootstrap import current_principal
from remit.control_plane import Watch
from remit.triggers.consumer import BATCH

ORDER = {"vendor": "Acme Ltd", "amount": "50.00"}
BOTH = pytest.mark.parametrize("technology", ["nats", "redis"])


def order(number, **more):
    return json.dumps({**ORDER, "id": f"o-{number}", **more}).encode()


async def publish(place, *bodies):
    await (nats_published if place.technology == "nats" else redis_published)(place, *bodies)


@asynccontextmanager
async def a_stream(technology, **fields):
    place = a_place(technology, **fields)
    if technology == "nats":
        await nats_made(place)
    try:
        yield place
    finally:
        await (nats_gone if technology == "nats" else redis_gone)(place)


@asynccontextmanager
async def reading(tmp_path, place, *, opening=None, **fields):
    """A home that reads the stream, until the block ends."""
    on = f"{{{place.technology}: {{url: '{place.url}', stream: {place.stream}, network: {{allow: [127.0.0.1]}}}}}}"
    async with a_home(tmp_path, on=on, id="event.body.id", **fields) as plane:
        await plane.core.take_lease()
        plane.core.open_inbox = opening or open_soon
        stop = asyncio.Event()
        watching = asyncio.create_task(Watch(plane.core, plane.triggers).run(stop))
        await until(lambda: _state(plane) == "connected")
        try:
            yield plane
        finally:
            stop.set()
            await watching


async def open_soon(stream):
    """As `bootstrap` does, with a server that waits less for an answer."""
    return await (open_nats(stream, "", ack_seconds=0.5) if stream.technology == "nats" else open_redis(stream, ""))


def _state(plane):
    return plane.triggers.health["trigger/orders"].state if "trigger/orders" in plane.triggers.health else ""


async def until(true):
    """Wait for it; the story as a whole is bounded."""
    while not true():
        await asyncio.sleep(0.01)


def counts(plane):
    return {fate: count for (_, fate), count in plane.triggers.fates.items()}


@BOTH
def test_each_event_has_its_effect_once_however_often_and_in_which_order_it_is_published(tmp_path, technology):
    async def story():
        async with a_stream(technology) as place, reading(tmp_path, place) as plane:
            await publish(place, order(2), order(1), order(2), order(3), order(1))
            await until(lambda: sum(counts(plane).values()) == 5)

            assert counts(plane) == {"taken": 3, "duplicate": 2}
            assert len(await missions_of(plane)) == 3
            assert [row["id"] for row in await events_of(plane)].count("o-1") == 1

    run(story())


class Crashing:
    """An inbox that cannot answer its first messages: the process dies after the commit."""

    def __init__(self, inbox):
        self.inbox = inbox

    async def take(self, at_most, seconds):
        return [Unanswered(message) for message in await self.inbox.take(at_most, seconds)]

    async def close(self):
        await self.inbox.close()


class Unanswered:
    def __init__(self, message):
        self.id, self.body, self.tries = message.id, message.body, message.tries
        self.headers, self.subject = message.headers, message.subject

    async def done(self):
        raise ConnectionResetError


@BOTH
def test_a_crash_between_the_commit_and_the_answer_doubles_nothing(tmp_path, technology):
    opened = []

    async def first_crashes(stream):
        opened.append(stream)
        inbox = await open_soon(stream)
        return Crashing(inbox) if len(opened) == 1 else inbox

    async def story():
        async with a_stream(technology) as place, reading(tmp_path, place, opening=first_crashes) as plane:
            await publish(place, order(1), order(2))
            await until(lambda: counts(plane).get("taken") == 2 and "duplicate" in counts(plane))

            assert len(opened) == 2
            assert len(await missions_of(plane)) == 2

    run(story())


@BOTH
def test_a_message_that_cannot_be_taken_is_set_aside_with_its_reason_and_holds_up_nobody(tmp_path, technology):
    async def story():
        async with a_stream(technology) as place, reading(tmp_path, place, tries_max=1) as plane:
            await publish(place, b"{no json", b'{"id": "o-9"}', order(1))
            await until(lambda: sum(counts(plane).values()) == 3)

            assert counts(plane) == {"set aside": 2, "taken": 1}
            rows = {row["id"]: row for row in await events_of(plane)}
            assert rows["o-9"]["reason"].endswith("The event has no event.body.vendor.")
            (unread,) = [row for name, row in rows.items() if not name.startswith("o-")]
            assert (unread["fate"], unread["code"]) == ("set aside", "invalid_event")

    run(story())


@BOTH
def test_a_server_that_dies_is_told_of_and_read_on_where_it_stood(tmp_path, technology):
    folder, port = tmp_path / "server", a_port()
    folder.mkdir()

    async def story(restart):
        place = a_place(technology, port=port)
        if technology == "nats":
            await nats_made(place)
        async with reading(tmp_path, place) as plane:
            await publish(place, order(1))
            await until(lambda: counts(plane).get("taken") == 1)
            await asyncio.to_thread(restart.stop)
            await until(lambda: _state(plane) == "away")
            assert plane.triggers.health["trigger/orders"].code == "tool_unreachable"
            await asyncio.to_thread(restart.start)
            await publish(place, order(2), order(1))
            await until(lambda: counts(plane).get("taken") == 2 and "duplicate" in counts(plane))

            assert _state(plane) == "connected"
            assert len(await missions_of(plane)) == 2

    with Restarted(technology, folder, port) as restart:
        run(story(restart))


class Restarted:
    """A server that a test stops and starts again."""

    def __init__(self, *how):
        self._how = how
        self._server = None

    def start(self):
        self._server = a_server(*self._how)
        self._server.__enter__()

    def stop(self):
        self._server.__exit__(None, None, None)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


@BOTH
def test_a_burst_is_read_in_bounded_portions(tmp_path, technology):
    largest = []

    async def measured(stream):
        inbox = await open_soon(stream)
        real = inbox.take

        async def take(at_most, seconds):
            found = await real(at_most, seconds)
            largest.append(len(found))
            return found

        inbox.take = take
        return inbox

    async def story():
        async with (
            a_stream(technology) as place,
            reading(tmp_path, place, opening=measured, when="event.body.id == ''") as plane,
        ):
            await publish(place, *(order(number) for number in range(300)))
            await until(lambda: counts(plane).get("ignored") == 300)

            assert max(largest) <= BATCH

    run(story())


def test_a_trigger_that_is_changed_or_taken_out_of_use_is_not_read_on(tmp_path):
    async def story():
        async with a_stream("redis") as place, reading(tmp_path, place) as plane:
            on = f"{{redis: {{url: '{place.url}', stream: {place.stream}, network: {{allow: [127.0.0.1]}}}}}}"
            me = current_principal(plane)
            await plane.resources.apply([("t.yaml", trigger_text(me.id, on=on, active=False))], me)
            await until(lambda: "trigger/orders" not in plane.triggers.health)

            (shown,) = await plane.triggers.all()
            assert (shown["active"], shown["connection"]["state"]) == (False, "not read by this process")

    run(story())
