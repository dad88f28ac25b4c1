"""A server that Remit starts has its credential in its environment, and nobody else has it."""

import asyncio
import logging
import sys
from pathlib import Path

import pytest
import yaml
from tests.adapters.mcp.test_mcp import SERVER, a_tool, gone
from tests.control_plane.builders import make_home, me, run

from remit.adapters.mcp import McpStdioTransport
from remit.adapters.secrets import SecretStores
from remit.bootstrap import open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.errors import CredentialMissing, ToolUnavailable

SECRET, NEWER = "first-secret-0123", "second-secret-4567"
#: Says its secret where a server says why it does not start.
LOUD = "import os, sys; sys.exit('no good: ' + os.environ['CRM_TOKEN'])"


def with_server(tmp_path, scenario, command=(sys.executable, str(SERVER))):
    """Run `scenario(call, file, transport)` against a server whose secret stands in the file."""
    file = tmp_path / "secret"
    file.write_text(SECRET)
    stores = SecretStores({}, folder=tmp_path, mounted=tmp_path)

    async def main():
        transport = McpStdioTransport(
            list(command),
            bundled=True,
            readable=[Path(SERVER).parent],
            credential=("CRM_TOKEN", lambda: stores.resolve("file:secret")),
        )

        async def call(name, **arguments):
            return await transport.call(a_tool(name), arguments, idempotency_key="key")

        try:
            return await scenario(call, file, transport)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 60))


def test_the_server_has_it_and_what_it_says_does_not(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)

    async def scenario(call, _file, _transport):
        told = await call("surroundings")
        return (
            told.content["environment"]["CRM_TOKEN"],
            await call("fail", text=f"key {SECRET}"),
            await call("plain", text=SECRET),
        )

    seen, failed, plain = with_server(tmp_path, scenario)

    # It was there to be said: an empty variable would not have been replaced.
    assert seen == "[credential]"
    assert SECRET not in repr(failed)
    assert SECRET not in repr(plain)
    assert SECRET not in caplog.text


def test_a_changed_secret_goes_to_a_new_server_and_the_old_one_ends_after_its_calls(tmp_path):
    async def scenario(call, file, _transport):
        first = (await call("echo", text="a")).content["pid"]
        under_way = asyncio.create_task(call("sleep", seconds=1.0))
        await call("echo", text="it is on its way")
        file.write_text(NEWER)
        answers = await asyncio.gather(*(call("echo", text="b") for _ in range(5)))
        second = {answer.content["pid"] for answer in answers}
        echoed = (await call("surroundings")).content["environment"]["CRM_TOKEN"]
        return first, second, (await under_way).content, await asyncio.to_thread(gone, first), echoed

    first, second, slept, ended, echoed = with_server(tmp_path, scenario)

    assert len(second) == 1
    assert first not in second
    assert slept == {"slept": 1.0}
    assert ended
    assert echoed == "[credential]"


def test_without_it_nothing_is_started(tmp_path):
    async def scenario(call, file, transport):
        file.unlink()
        with pytest.raises(CredentialMissing):
            await call("echo", text="a")
        return transport._sessions

    assert with_server(tmp_path, scenario) == set()


def test_the_last_words_of_a_server_do_not_tell_it(tmp_path):
    async def scenario(call, _file, _transport):
        with pytest.raises(ToolUnavailable) as failure:
            await call("echo", text="a")
        return str(failure.value)

    told = with_server(tmp_path, scenario, (sys.executable, "-c", LOUD))

    assert "no good: [credential]" in told
    assert SECRET not in told


def test_a_source_is_applied_with_it_and_nothing_on_record_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_LOGIN", SECRET)
    home = tmp_path / "home"
    text = yaml.safe_dump(
        {
            "apiVersion": "remit/v1",
            "kind": "ToolSource",
            "name": "crm",
            "mcp": {"command": [sys.executable, str(SERVER)]},
            "credential": {"ref": "env:CRM_LOGIN", "as": {"env": "CRM_TOKEN"}},
        }
    )

    async def story():
        await make_home(home)
        async with closing(await open_home(Settings(home, allow_unsandboxed=True))) as plane:
            await plane.resources.apply([("crm.yaml", text)], me(plane))
            tool = plane.core.door.controls.registry.tool("crm__surroundings")
            told = await plane.core.transports["crm"].call(tool, {}, idempotency_key="k")
            return told.content["environment"]

    seen = run(story())

    assert seen["CRM_TOKEN"] == "[credential]"
    assert "CRM_LOGIN" not in seen
    assert not [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
