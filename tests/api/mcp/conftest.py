import asyncio
import threading

import httpx
import pytest
from tests.api.mcp.house import a_house


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Send one request to a house that stands for all tests of a module."""
    loop, told, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found = {}

    async def stand():
        async with a_house(tmp_path_factory.mktemp("house")) as house:
            found["url"], found["token"] = house.url, await house.token()
            told.set()
            await stop.wait()

    # Signals are heard by a main thread alone; nobody sends any here.
    loop.add_signal_handler = loop.remove_signal_handler = lambda *_: None
    thread = threading.Thread(target=lambda: loop.run_until_complete(stand()))
    thread.start()
    assert told.wait(60)
    headers = {"authorization": f"Bearer {found['token']}", "accept": "application/json, text/event-stream"}
    with httpx.Client(base_url=found["url"], headers=headers, timeout=30) as client:
        yield client.request
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
