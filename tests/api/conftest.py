import asyncio

import httpx
import pytest

from remit.api import create_app
from remit.bootstrap import create_home, current_principal, open_home
from remit.config import Settings
from remit.control_plane import closing


@pytest.fixture
def home(tmp_path):
    settings = Settings(tmp_path / "home")
    asyncio.run(create_home(settings))
    return settings


@pytest.fixture
def ask(home):
    """Send one request after the other to the API over a fresh home; returns the answers."""

    def send(*requests):
        async def work():
            async with closing(await open_home(home)) as plane:
                transport = httpx.ASGITransport(create_app(plane, lambda: current_principal(plane)))
                async with httpx.AsyncClient(base_url="http://remit.local", transport=transport) as client:
                    return [await client.request(method, path, json=body) for method, path, body in requests]

        answers = asyncio.run(work())
        return answers[0] if len(answers) == 1 else answers

    return send
