"""A home in a folder with triggers in it, and a clock that somebody moves."""

import atexit
import base64
import hashlib
import hmac
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from tests.control_plane.builders import current_principal, make_home, run

from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing

__all__ = ["NOW", "SECRET", "Clock", "a_home", "events_of", "missions_of", "run", "signed", "trigger_text"]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes, really").decode()
#: The principal is whoever runs the tests.
HOOK = "{webhook: {signature: standard-webhooks, secret: 'file:hook.secret'}}"


class Clock:
    """Time that a test moves."""

    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def move(self, **passed):
        self.at += timedelta(**passed)


def trigger_text(principal, *, name="orders", on=HOOK, **fields):
    written = {
        "submit": {
            "workflow": "pay",
            "principal": principal,
            "inputs": {"vendor": "${event.body.vendor}", "amount": "${event.body.amount}"},
        },
        **fields,
    }
    document = {"apiVersion": "remit/v1", "kind": "Trigger", "name": name, **written}
    return f"{json.dumps(document)[:-1]}, on: {on}}}"


@cache
def _template():
    """A folder with the company `acme` in it, made once for each process of tests."""
    folder = Path(tempfile.mkdtemp(prefix="remit-tests-")) / "home"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    # On a loop of its own, in a thread of its own: whoever asks is on one already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: run(make_home(folder))).result()
    (folder / "hook.secret").write_text(SECRET)
    return folder


@asynccontextmanager
async def a_home(tmp_path, *, clock=None, files=(), **fields):
    """A home with the company `acme` and one trigger."""
    settings = Settings(tmp_path / "home")
    if not settings.home.exists():
        shutil.copytree(_template(), settings.home)
    async with closing(await open_home(settings, clock=clock)) as plane:
        me = current_principal(plane)
        await plane.resources.apply([*files, ("trigger.yaml", trigger_text(me.id, **fields))], me)
        yield plane


def signed(body, *, name="msg-1", at=NOW, secret=SECRET):
    """A request as Standard Webhooks has it."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    seconds = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }, body


async def events_of(plane, name="orders"):
    return await plane.triggers.events(name, current_principal(plane))


async def missions_of(plane):
    return await plane.missions.all(current_principal(plane))
