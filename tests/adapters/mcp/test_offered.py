"""What a server offers is asked again when it may have changed, and only then."""

import asyncio
from pathlib import Path

from tests.adapters.mcp.test_mcp import with_server

from remit.adapters.mcp.offered import Offered
from remit.errors import ToolUnreachable

ANNOUNCING = Path(__file__).with_name("announcing_server.py")


def test_a_server_that_says_that_its_tools_changed_is_asked_again():
    async def scenario(call, transport):
        before = await transport.offered()
        again = await transport.offered()
        await call("more")
        after = await transport.offered()
        return before is again, [d["name"] for d in before], [d["name"] for d in after]

    same, before, after = with_server(scenario, script=ANNOUNCING)
    assert same
    assert before == ["more"]
    assert after == ["more", "extra"]


def test_a_server_that_was_started_anew_is_asked_again():
    async def scenario(call, transport):
        before = await transport.offered()
        try:
            await call("die")
        except ToolUnreachable:
            after = await transport.offered()
        return before is after, before == after

    assert with_server(scenario) == (False, True)


def test_callers_at_once_wait_for_one_listing_and_a_failed_one_is_not_kept():
    asked = []

    async def ask():
        asked.append(1)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise ToolUnreachable("not now")
        return [{"name": "a"}]

    async def story():
        offered = Offered(ask)
        return await asyncio.gather(*(offered.current(lambda: 1) for _ in range(5)), return_exceptions=True)

    found = asyncio.run(story())
    assert isinstance(found[0], ToolUnreachable)
    assert found[1:] == [[{"name": "a"}]] * 4
    assert len(asked) == 2
