"""What happens, as it happens: nothing twice, nothing left out, and only for those who see the mission."""

import asyncio
from itertools import pairwise

import httpx
import pytest
from tests.control_plane.builders import BELOW, OVER, make_home, me, opened, run
from tests.control_plane.test_seen import people
from tests.gateway.builders import FakeTransport, a_tool, open_policy
from tests.missions.builders import a_home as a_mission_home

from remit.api import create_app
from remit.api.event_stream import EventStream, written
from remit.api.serve import listening
from remit.control_plane import live
from remit.control_plane.live import Told
from remit.errors import NotFound, Overloaded, RightsExceeded
from remit.gateway import Listener, Live, Piece
from remit.gateway.live import PIECES_MAX, text_of_part

SOON = 10.0


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live") / "home"
    run(make_home(folder))
    return folder


def told(home, work):
    async def whole():
        async with opened(home) as plane:
            await work(plane)

    run(whole())


async def all_of(stream, kind="event", *, until="end", count=None):
    """What is told of a kind, until the end, or until there are so many."""
    found = []
    async for one in stream:
        if one.kind == kind:
            found.append(one)
        if one.kind == until or len(found) == count:
            break
    await stream.aclose()
    return found


async def driven(plane, inputs=BELOW, by=None):
    mission = await plane.missions.submit("pay", inputs, by or me(plane))
    await plane.missions.drive(mission, by or me(plane))
    return mission


def test_several_who_watch_each_see_every_event_once_and_in_order_until_the_mission_has_ended(home):
    async def work(plane):
        mission = await plane.missions.submit("pay", BELOW, me(plane))
        watching = [asyncio.create_task(all_of(plane.live.of_mission(mission, lambda: me(plane)))) for _ in range(3)]
        await plane.missions.drive(mission, me(plane))
        seen = await asyncio.gather(*watching)

        on_record = await plane.missions.events(mission, me(plane))
        for found in seen:
            assert [one.value for one in found] == on_record
            assert all(before.place + 1 == after.place for before, after in pairwise(found))
        assert seen[0][-1].value["kind"] == "mission.completed"

    told(home, work)


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_who_was_cut_off_goes_on_from_the_last_event_that_came(home, cut):
    async def work(plane):
        mission = await driven(plane)
        first = await all_of(plane.live.of_mission(mission, lambda: me(plane)), count=cut) if cut else []
        rest = await all_of(plane.live.of_mission(mission, lambda: me(plane), after=cut))

        assert [one.value for one in first + rest] == await plane.missions.events(mission, me(plane))

    told(home, work)


def test_what_another_process_writes_is_seen(home):
    async def work(plane):
        mission = await plane.missions.submit("pay", BELOW, me(plane))
        watching = asyncio.create_task(all_of(plane.live.of_mission(mission, lambda: me(plane))))
        async with opened(home) as other:
            await other.missions.drive(mission, me(other))

        assert (await watching)[-1].value["kind"] == "mission.completed"

    told(home, work)


def test_who_does_not_see_a_mission_is_not_told_of_it_in_any_stream(home):
    async def work(plane):
        olga, otto = await people(plane, olga="operator", otto="operator")
        place = await plane.live.newest()
        of_olga = await driven(plane, OVER, olga)
        of_otto = await driven(plane, OVER, otto)

        for stream, error in (
            (plane.live.of_mission(of_olga, lambda: otto), RightsExceeded),
            (plane.live.of_mission("msn-none", lambda: otto), NotFound),
        ):
            with pytest.raises(error):
                await anext(stream)
        seen = await all_of(plane.live.of_all(lambda: otto, after=place), count=3)
        assert {one.value["mission"] for one in seen} == {of_otto}
        both = await all_of(plane.live.of_all(lambda: me(plane), after=place), count=8)
        assert {one.value["mission"] for one in both} == {of_olga, of_otto}

    told(home, work)


def test_a_right_that_is_taken_away_ends_the_stream(home, monkeypatch):
    monkeypatch.setattr(live, "ALIVE_SECONDS", 0.2)

    async def work(plane):
        (olga,) = await people(plane, olga="operator")
        (otto,) = await people(plane, otto="operator")
        mission = await driven(plane, OVER, olga)
        who = [olga]
        stream = plane.live.of_mission(mission, lambda: who[0])
        await anext(stream)
        who[0] = otto

        (ended,) = await all_of(stream, "end")
        assert ended.value["reason"] == "you do not see this mission any more"

    told(home, work)


def test_no_more_may_watch_than_there_is_room_for(home, monkeypatch):
    monkeypatch.setattr(live, "WATCHERS_MAX", 1)

    async def work(plane):
        first, second = (plane.live.of_all(lambda: me(plane)) for _ in range(2))
        await anext(first)
        with pytest.raises(Overloaded):
            await anext(second)
        await first.aclose()
        third = plane.live.of_all(lambda: me(plane))
        await anext(third)
        await third.aclose()

    told(home, work)


def test_who_watches_is_let_go_with_a_word_when_the_server_ends(home):
    async def work(plane):
        mission = await plane.missions.submit("pay", BELOW, me(plane))
        streams = [plane.live.of_mission(mission, lambda: me(plane)), plane.live.of_all(lambda: me(plane))]
        watching = [asyncio.create_task(all_of(stream, "end")) for stream in streams]
        await asyncio.sleep(0)
        plane.live.end()

        for (ended,) in await asyncio.gather(*watching):
            assert ended.value["reason"].startswith("the server ends")

    told(home, work)


# --- over the network


def test_a_stream_over_http_has_ids_to_go_on_from_and_ends(home):
    async def work(plane):
        mission = await driven(plane)
        app = create_app(plane, lambda: me(plane))
        async with listening(app) as address, httpx.AsyncClient(base_url=address.url) as client:

            async def lines(**headers):
                path = f"/api/v1/missions/{mission}/events"
                stream = {"accept": "text/event-stream", **headers}
                async with client.stream("GET", path, headers=stream) as answer:
                    assert answer.headers["content-type"] == "text/event-stream"
                    return [line async for line in answer.aiter_lines() if line]

            whole = await lines()
            ids = [int(line.removeprefix("id: ")) for line in whole if line.startswith("id: ")]
            later = await lines(**{"last-event-id": str(ids[2])})
            plain = (await client.get(f"/api/v1/missions/{mission}/events")).json()
            refused = await client.get(
                "/api/v1/missions/x/events", headers={"accept": "text/event-stream", "last-event-id": "x"}
            )
            unknown = await client.get("/api/v1/missions/x/events", headers={"accept": "text/event-stream"})

        assert ids == [event["seq"] for event in plain]
        assert whole[-2:] == ["event: end", 'data: {"reason":"the mission has ended"}']
        assert [line for line in later if line.startswith("id: ")] == [f"id: {place}" for place in ids[3:]]
        assert (refused.status_code, unknown.status_code) == (422, 404)

    told(home, work)


def test_a_client_that_takes_nothing_is_left_after_a_while_and_what_waits_for_it_is_little(monkeypatch):
    monkeypatch.setattr("remit.api.event_stream.SEND_SECONDS", 0.1)

    async def story():
        made = []

        async def endless():
            while True:
                made.append(1)
                yield Told("event", len(made), {})

        async def never_more(_message):
            if len(made) > 5:
                await asyncio.Event().wait()

        async def receive():
            await asyncio.Event().wait()

        stream = await EventStream.of(endless())
        await stream({}, receive, never_more)
        assert len(made) == 6

    run(story())


def test_what_is_written_cannot_be_taken_for_another_event():
    sent = written(Told("words", value={"text": "x\n\nevent: end\ndata: {}\n\n"}))

    assert sent.count(b"\n\n") == 1
    assert b"id:" not in sent


# --- what models say


class Speaking(FakeTransport):
    """A model that answers in pieces where somebody wants them."""

    streamed = 0

    async def stream(self, tool, arguments, *, idempotency_key, on_part):
        self.streamed += 1
        for word in ("Dear ", "anna@example.com", "!"):
            on_part({"choices": [{"delta": {"content": word}}]})
        return await self.call(tool, arguments, idempotency_key=idempotency_key)


async def asks(context, _given):
    await context.call("llm__chat", {"text": "hello"})


async def words_of(policy, *, listens=True):
    home = await a_mission_home(a_tool("llm__chat", model=True), transport=Speaking(), plan=asks)
    home.change(policies=[policy])
    mission = await home.submit()
    if not listens:
        await home.drive(mission)
        return home.transport, []
    with home.door.live.listening(mission, lambda: None) as listener:
        await home.drive(mission)
        return home.transport, listener.drain()


def test_who_listens_hears_what_a_model_says_and_the_answer_is_the_same():
    async def story():
        transport, pieces = await words_of(open_policy())
        assert pieces == [Piece("plan", "llm__chat", word) for word in ("Dear ", "anna@example.com", "!")]
        assert (transport.streamed, transport.made) == (1, ["chat"])

    run(story())


def test_a_model_that_nobody_listens_to_is_not_asked_for_pieces():
    async def story():
        transport, _ = await words_of(open_policy(), listens=False)
        assert (transport.streamed, transport.made) == (0, ["chat"])

    run(story())


def test_nothing_is_heard_of_an_answer_that_a_policy_wants_masked():
    async def story():
        transport, pieces = await words_of(open_policy("redact: [email]"))
        assert pieces == []
        assert (transport.streamed, transport.made) == (0, ["chat"])

    run(story())


def test_who_does_not_keep_up_is_told_so_and_nothing_piles_up(home):
    async def work(plane):
        mission = await plane.missions.submit("pay", BELOW, me(plane))
        stream = plane.live.of_mission(mission, lambda: me(plane))
        await anext(stream)
        (listener,) = plane.core.door.live._listeners[mission]
        for number in range(PIECES_MAX + 10):
            listener.tell(Piece("plan", "m__chat", str(number)))

        assert len(listener.pieces) <= PIECES_MAX
        (ended,) = await all_of(stream, "end")
        assert ended.value["reason"].startswith("too slow")
        assert mission not in plane.core.door.live._listeners

    told(home, work)


def test_pieces_of_every_form_are_read():
    assert text_of_part("a") == "a"
    assert text_of_part({"choices": [{"delta": {"content": "b"}}, {"delta": {}}]}) == "b"
    assert text_of_part({"type": "response.output_text.delta", "delta": "c"}) == "c"
    for other in ({"type": "response.completed"}, {"choices": None}, {"choices": [1]}, None, 3):
        assert text_of_part(other) == ""


def test_a_listener_that_was_overrun_hears_no_more():
    listener = Listener(lambda: None)
    for number in range(PIECES_MAX + 2):
        listener.tell(Piece("s", "t", str(number)))

    assert (listener.overrun, listener.drain()) == (True, [])
    assert Live()._listeners == {}
