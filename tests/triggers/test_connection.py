"""A connection that is kept up, whatever its client raises."""

import asyncio
import logging

from tests.triggers.builders import Clock

from remit.triggers.connection import Connection, Health


def test_what_a_client_raises_is_told_by_its_place_and_never_by_its_words(caplog):
    stop, health = asyncio.Event(), Health()

    async def work(_):
        stop.set()
        raise ValueError("redis://anna:hunter2@cache.example")

    async def story():
        clock = Clock()
        await Connection("trigger orders", health, clock, lambda: 0.0, logging.getLogger("remit.test")).keep(work, stop)

    asyncio.run(story())

    assert (health.state, health.failures) == ("away", 1)
    assert "hunter2" not in caplog.text + health.reason
    assert "trigger orders: ValueError at " in caplog.text
    assert "test_connection.py" in caplog.text
