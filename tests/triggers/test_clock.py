"""Schedules: each instant once, after stops and changes of the clock too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from tests.triggers.builders import Clock, a_home, events_of, missions_of, run

from remit.control_plane import Watch
from remit.registry import Schedule
from remit.triggers import due_at

NOON = "{schedule: {cron: '0 12 * * *', time_zone: Europe/Berlin}}"
DAILY = Schedule("30 2 * * *", "Europe/Berlin", "latest")


def told(tmp_path, work, **fields):
    async def whole():
        clock = Clock()
        async with a_home(tmp_path, clock=clock, submit={**SUBMIT, "principal": await principal()}, **fields) as plane:
            await plane.core.take_lease()
            return await work(plane, clock, Watch(plane.core, plane.triggers))

    return run(whole())


SUBMIT = {"workflow": "pay", "inputs": {"vendor": "Acme Ltd", "amount": "50.00", "day": "${event.at}"}}


async def principal():
    import getpass

    return getpass.getuser()


async def instants(plane):
    return sorted(row["id"] for row in await events_of(plane))


def test_each_instant_is_taken_once_and_none_before_the_trigger_was_there(tmp_path):
    async def work(plane, clock, watch):
        for _ in range(3 * 24):
            await watch.look_at_the_clock()
            await watch.look_at_the_clock()
            clock.move(hours=1)

        assert await instants(plane) == ["2026-11-21T11:00:00Z", "2026-11-22T11:00:00Z", "2026-11-23T11:00:00Z"]
        assert len(await missions_of(plane)) == 3

    told(tmp_path, work, on=NOON)


def test_what_was_missed_is_made_up_for_once(tmp_path):
    async def work(plane, clock, watch):
        await watch.look_at_the_clock()
        clock.move(days=10)
        await watch.look_at_the_clock()
        await watch.look_at_the_clock()

        assert await instants(plane) == ["2026-11-30T11:00:00Z"]

    told(tmp_path, work, on=NOON)


def test_what_was_missed_is_skipped_where_the_trigger_says_so(tmp_path):
    async def work(plane, clock, watch):
        await watch.look_at_the_clock()
        clock.move(days=10)
        await watch.look_at_the_clock()
        assert await instants(plane) == []

        clock.at = datetime(2026, 12, 1, 11, 0, 5, tzinfo=UTC)
        await watch.look_at_the_clock()
        assert await instants(plane) == ["2026-12-01T11:00:00Z"]

    told(tmp_path, work, on="{schedule: {cron: '0 12 * * *', time_zone: Europe/Berlin, missed: skip}}")


def test_a_clock_that_is_set_back_fires_nothing_twice(tmp_path):
    async def work(plane, clock, watch):
        await watch.look_at_the_clock()
        clock.move(days=1)
        await watch.look_at_the_clock()
        clock.move(hours=-3)
        for _ in range(6):
            await watch.look_at_the_clock()
            clock.move(hours=1)

        assert await instants(plane) == ["2026-11-21T11:00:00Z"]

    told(tmp_path, work, on=NOON)


def test_what_a_schedule_says_is_trusted(tmp_path):
    async def work(plane, clock, watch):
        await watch.look_at_the_clock()
        clock.move(days=1)
        await watch.look_at_the_clock()
        (mission,) = await missions_of(plane)
        (submitted,) = await plane.core.store.read(f"mission/{mission['id']}", limit=1)

        assert submitted.payload["trusted"] is True
        assert len(submitted.payload["known"]) == 3

    told(tmp_path, work, on=NOON)


def test_an_instant_that_summer_time_leaves_out_or_repeats_comes_once_a_day():
    fired, after = [], datetime(2026, 3, 27, tzinfo=UTC)
    for minutes in range(0, 4 * 24 * 60, 10):
        now = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=minutes)
        if (found := due_at(DAILY, after=after, now=now)) is not None:
            fired.append(found.astimezone(ZoneInfo("Europe/Berlin")))
            after = found

    assert [(at.day, at.hour) for at in fired] == [(27, 2), (28, 2), (29, 3), (30, 2)]


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 -- given their zone below
    gaps=st.lists(st.integers(1, 400_000), max_size=30),
)
def test_whatever_the_clock_does_instants_only_go_forward(start, gaps):
    now = after = start.replace(tzinfo=UTC)
    for gap in gaps:
        now += timedelta(seconds=gap)
        found = due_at(DAILY, after=after, now=now)
        assert found is None or after < found <= now
        after = found or after
