"""What one process revokes, another on the same home refuses within a second."""

import os
import subprocess
import sys
from pathlib import Path

from tests.control_plane.builders import make_home, me, opened, run

_ROOT = Path(__file__).parents[2]
_BOUND_SECONDS = 30.0
#: Drives the home as `serve` does, and says for each line on its input since when what it says of the token holds.
_TAKES = """
import asyncio, sys, time
from pathlib import Path
from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.errors import RemitError

async def main(home, token):
    async with closing(await open_home(Settings(Path(home)))) as plane:
        await plane.core.take_lease()
        stop = asyncio.Event()
        driving = asyncio.create_task(plane.core.driver.run(stop))
        said = None
        while said != "token_revoked":
            try:
                await plane.core.authenticator.authenticate(
                    [("authorization", "Bearer " + token)], "GET", "localhost", "/", "", b"", loopback=True)
                says = "taken"
            except RemitError as error:
                says = error.code
            if says != said:
                print(says, time.time_ns() // 1000, flush=True)
                said = says
            await asyncio.sleep(0.005)
        stop.set()
        await driving

asyncio.run(main(*sys.argv[1:]))
"""


def test_asi03_a_revoked_token_is_refused_within_a_second_by_another_process(tmp_path):
    home = tmp_path / "home"

    async def issue():
        await make_home(home)
        async with opened(home) as plane:
            return (await plane.tokens.issue("planner", me(plane).id, me(plane)))["token"]

    async def revoke():
        async with opened(home) as plane:
            await plane.tokens.revoke("agent/planner", me(plane))
            (told,) = [value for _, value in await plane.core.store.records("token-revoked")]
            return told["at_us"]

    token = run(issue())
    other = subprocess.Popen(
        [sys.executable, "-c", _TAKES, str(home), token],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )
    try:
        assert other.stdout.readline().startswith("taken ")
        revoked_at_us = run(revoke())
        said, at_us = other.stdout.readline().split()

        assert said == "token_revoked"
        assert int(at_us) - revoked_at_us < 1_000_000
        assert other.wait(_BOUND_SECONDS) == 0
    finally:
        other.kill()
        other.wait(_BOUND_SECONDS)
        other.stdout.close()
