import asyncio
from datetime import UTC, datetime, timedelta

from remit.adapters.system import SystemClock, SystemIds


class SetClock:
    """Shows what it is set to."""

    def __init__(self):
        self.instant = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def now(self):
        return self.instant

    async def sleep(self, seconds):
        raise AssertionError(f"nothing here waits, and this would for {seconds} s")


def test_the_clock_tells_aware_utc():
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_sleeping_for_nothing_returns_at_once():
    async def sleep():
        await asyncio.wait_for(SystemClock().sleep(-5), 5)
        await asyncio.wait_for(SystemClock().sleep(0), 5)

    asyncio.run(sleep())


def test_an_identifier_is_its_prefix_and_thirteen_small_characters():
    prefix, _, rest = SystemIds().new("msn").partition("-")

    assert prefix == "msn"
    assert len(rest) == 13
    assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_identifiers_never_repeat_and_sort_by_time():
    ids = SystemIds()

    made = [ids.new("x") for _ in range(5000)]

    assert made == sorted(set(made))


def test_a_clock_that_is_set_back_does_not_put_identifiers_out_of_order():
    clock = SetClock()
    ids = SystemIds(clock)
    first = ids.new("x")

    clock.instant -= timedelta(hours=1)

    assert ids.new("x") > first


def test_a_later_process_makes_later_identifiers():
    clock = SetClock()
    first = SystemIds(clock).new("x")

    clock.instant += timedelta(milliseconds=1)

    assert SystemIds(clock).new("x") > first
