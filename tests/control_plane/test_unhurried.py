"""Long lists leave the process to others now and then."""

import asyncio

from remit.control_plane.unhurried import unhurried


def test_others_have_their_turn_while_a_long_list_is_read():
    async def story() -> tuple[list[int], int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        rows = [row async for row in unhurried(range(1_000))]
        beside.cancel()
        return rows, turns

    rows, turns = asyncio.run(story())

    assert rows == list(range(1_000))
    assert turns >= 10
