import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remit.adapters import sandbox
from remit.adapters.mcp import McpStdioTransport
from remit.adapters.mcp import transport as transport_module
from remit.errors import InvalidSetting, ToolUnreachable
from remit.tools import Tier, Tool

HERE = Path(__file__).parent
SERVER = HERE / "server.py"
BUNDLED = {"bundled": True, "readable": [HERE]}

without_walls = pytest.mark.skipif(sandbox.available(), reason="looks at process ids, which differ behind the walls")
with_walls = pytest.mark.skipif(not sandbox.available(), reason="bubblewrap is missing or may not work here")


def a_tool(name, timeout_seconds=30.0):
    return Tool(f"test__{name}", "test", "", {}, timeout_seconds=timeout_seconds)


def with_server(scenario, *, script=SERVER, **options):
    """Run `scenario(call, transport)` against a fresh server, and close it."""

    async def main():
        transport = McpStdioTransport([sys.executable, str(script)], **(BUNDLED | options))

        async def call(name, timeout_seconds=30.0, **arguments):
            return await transport.call(a_tool(name, timeout_seconds), arguments, idempotency_key="mission/step/1")

        try:
            return await scenario(call, transport)
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(main(), 60))


def gone(pid, seconds=10.0):
    """Whether the process ends within the time; a zombie has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_all_calls_share_one_process():
    async def scenario(call, _):
        answers = await asyncio.gather(*(call("echo", text=str(n)) for n in range(20)))
        return [answer.content["text"] for answer in answers], {answer.content["pid"] for answer in answers}

    texts, pids = with_server(scenario)

    assert texts == [str(n) for n in range(20)]
    assert len(pids) == 1


def test_the_idempotency_key_goes_along_in_meta():
    async def scenario(call, _):
        return await call("meta")

    assert with_server(scenario).content["meta"]["remit/idempotency-key"] == "mission/step/1"


def test_text_that_is_json_becomes_content_and_other_text_stays_text():
    async def scenario(call, _):
        return [(await call("plain", text=text)).content for text in ('{"a": 1}', "[1]", "7", "hello")]

    assert with_server(scenario) == [{"a": 1}, {"result": [1]}, {"text": "7"}, {"text": "hello"}]


def test_bad_arguments_and_unknown_tools_are_the_tools_own_errors():
    async def scenario(call, _):
        return await call("echo", wrong=1), await call("no_such_tool")

    for answer in with_server(scenario):
        assert answer.error


def test_a_crash_inside_a_tool_is_an_error_without_its_words():
    async def scenario(call, _):
        return await call("fail", text="s3cret")

    assert "s3cret" not in with_server(scenario).error


def test_a_server_that_died_is_started_again_for_the_next_call():
    async def scenario(call, _):
        first = await call("echo", text="a")
        with pytest.raises(ToolUnreachable):
            await call("die")
        return first, await call("echo", text="b")

    first, second = with_server(scenario)

    assert second.content["text"] == "b"
    assert first.error is None


def test_calls_in_flight_when_the_server_dies_are_unreachable():
    async def scenario(call, _):
        await call("echo", text="a")
        sleeping = asyncio.create_task(call("sleep", seconds=20))
        await asyncio.sleep(0)
        dying = asyncio.create_task(call("die"))
        return await asyncio.gather(sleeping, dying, return_exceptions=True)

    assert all(isinstance(outcome, ToolUnreachable) for outcome in with_server(scenario))


def test_a_cancelled_caller_leaves_session_and_server_alone():
    async def scenario(call, _):
        before = await call("echo", text="a")
        others = asyncio.create_task(call("sleep", seconds=0.3))
        leaving = asyncio.create_task(call("sleep", seconds=20))
        await asyncio.sleep(0.1)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return before, await others, await call("echo", text="b")

    before, other, after = with_server(scenario)

    assert other.content == {"slept": 0.3}
    assert before.content["pid"] == after.content["pid"]


def test_a_caller_who_leaves_during_the_start_does_not_stop_it():
    async def scenario(call, _):
        leaving, staying = (asyncio.create_task(call("echo", text="a")) for _ in range(2))
        await asyncio.sleep(0.05)
        leaving.cancel()
        return await staying

    assert with_server(scenario).error is None


@without_walls
def test_a_server_that_is_silent_past_the_time_limit_is_replaced():
    async def scenario(call, _):
        first = await call("echo", text="a")
        with pytest.raises(ToolUnreachable):
            await call("block", 0.3, seconds=600)
        second = await call("echo", text="b")
        return first.content["pid"], second.content["pid"]

    first, second = with_server(scenario)

    assert first != second
    assert gone(first)


def test_a_server_that_still_answers_others_is_kept_after_one_time_limit():
    async def scenario(call, _):
        first = await call("echo", text="a")
        late = asyncio.create_task(call("sleep", 0.4, seconds=20))
        await asyncio.sleep(0.1)
        await call("echo", text="b")
        with pytest.raises(ToolUnreachable):
            await late
        return first.content["pid"], (await call("echo", text="c")).content["pid"]

    first, last = with_server(scenario)

    assert first == last


@without_walls
def test_close_ends_the_server_and_what_it_started():
    async def scenario(call, _):
        return (await call("echo", text="a")).content["pid"], (await call("spawn")).content["pid"]

    server, child = with_server(scenario)

    assert gone(server)
    assert gone(child)


@without_walls
def test_close_ends_a_server_that_does_not_listen():
    async def scenario(call, _):
        pid = (await call("echo", text="a")).content["pid"]
        busy = asyncio.create_task(call("block", seconds=600))
        await asyncio.sleep(0.1)
        return pid, busy

    pid, busy = with_server(scenario)

    assert gone(pid)
    assert isinstance(busy.exception(), ToolUnreachable)


@without_walls
def test_no_server_outlives_an_owner_that_was_killed():
    owner = subprocess.Popen([sys.executable, str(HERE / "owner.py")], stdout=subprocess.PIPE)
    try:
        pid = int(owner.stdout.readline())
        assert not gone(pid, 0.2)
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()

    assert gone(pid)


def test_the_environment_holds_what_was_allowed_and_no_more(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    monkeypatch.setenv("REGION", "eu")

    async def scenario(call, _):
        return await call("surroundings")

    content = with_server(scenario, env_allow=["REGION"], env={"LEDGER": "a"}).content

    assert set(content["environment"]) - {"PWD", "LC_CTYPE"} <= {"PATH", "LANG", "REGION", "LEDGER"}
    assert content["environment"]["REGION"] == "eu"
    assert content["environment"]["LEDGER"] == "a"


def test_a_secret_cannot_be_put_on_the_list():
    with pytest.raises(InvalidSetting, match="GITHUB_TOKEN"):
        McpStdioTransport(["x"], env_allow=["GITHUB_TOKEN"])


def test_each_process_has_a_folder_of_its_own_that_goes_with_it():
    async def scenario(call, _):
        return Path((await call("surroundings")).content["folder"])

    folder = with_server(scenario)

    assert folder != Path.cwd()
    assert not folder.exists()


def test_a_given_folder_is_used_and_kept(tmp_path):
    async def scenario(call, _):
        return Path((await call("surroundings")).content["folder"])

    assert with_server(scenario, cwd=tmp_path) == tmp_path
    assert tmp_path.exists()


def test_memory_is_limited():
    async def scenario(call, _):
        return await call("surroundings")

    assert with_server(scenario, memory_bytes=1 << 30).content["memory"] == 1 << 30


def test_a_server_that_cannot_start_says_why():
    async def scenario(call, _):
        return await call("echo", text="a")

    with pytest.raises(ToolUnreachable, match="No such file"):
        with_server(scenario, script=HERE / "no_such_file.py")


def test_a_server_that_never_answers_is_given_up(tmp_path):
    (tmp_path / "mute.py").write_text("import time; time.sleep(600)")

    async def scenario(call, _):
        return await call("echo", text="a")

    with pytest.raises(ToolUnreachable, match=r"0\.5 seconds"):
        with_server(scenario, script=tmp_path / "mute.py", readable=[tmp_path], start_seconds=0.5)


def test_definitions_are_read_to_the_last_page():
    async def scenario(_, transport):
        return await transport.definitions()

    definitions = with_server(scenario, script=HERE / "paged_server.py")

    assert [definition["name"] for definition in definitions] == ["a", "b", "c"]


def test_an_answer_of_megabytes_arrives_whole():
    async def scenario(call, _):
        return await call("a", size=3_000_000)

    assert len(with_server(scenario, script=HERE / "paged_server.py").content["text"]) == 3_000_000


@without_walls
def test_a_foreign_server_is_refused_where_there_are_no_walls():
    async def scenario(call, transport):
        assert not transport.sandboxed
        return await call("echo", text="a")

    with pytest.raises(ToolUnreachable) as refusal:
        with_server(scenario, bundled=False)
    assert refusal.value.rule == "sandbox_required"
    assert with_server(scenario, bundled=False, allow_unsandboxed=True).error is None


@without_walls
def test_running_without_walls_is_said_once(caplog):
    async def scenario(call, _):
        await call("echo", text="a")
        with pytest.raises(ToolUnreachable):
            await call("die")
        await call("echo", text="b")

    transport_module._TOLD.clear()

    with_server(scenario)

    assert caplog.text.count("without a sandbox") == 1


@with_walls
def test_behind_the_walls_a_server_does_not_see_the_house(tmp_path):
    async def scenario(call, transport):
        assert transport.sandboxed
        return await call("surroundings")

    (tmp_path / "private").write_text("")

    content = with_server(scenario).content

    assert not any(".bash" in name or ".ssh" in name for name in content["home"])


def test_the_walls_show_what_was_given_and_hide_the_network():
    command = sandbox.wrapped(["p"], folder=Path("/work"), readable=[Path("/in")], writable=[Path("/out")])

    assert command[0] == "bwrap"
    assert "--unshare-all" in command
    assert "--share-net" not in command
    assert "--ro-bind /in /in" in " ".join(command)
    assert "--bind /out /out" in " ".join(command)
    assert command[-2:] == ["--", "p"]
    assert "--share-net" in sandbox.wrapped(["p"], folder=Path("/work"), network=True)


def test_importing_the_adapter_does_not_import_the_client():
    code = "import sys, remit.adapters.mcp.transport; sys.exit('mcp.client' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, env=os.environ.copy()).returncode == 0


FULL = HERE / "full_server.py"


def test_an_answer_comes_out_block_by_block_as_it_went_in():
    async def scenario(_, transport):
        image = await transport.call(Tool("f__test_image_content", "f", "", {}), {}, idempotency_key="k")
        assert image.raw["content"][0]["type"] == "image"
        assert image.content["blocks"] == image.raw["content"]
        structured = await transport.call(Tool("f__test_structured", "f", "", {}), {}, idempotency_key="k")
        assert structured.content == {"n": 1}
        assert structured.raw["content"][0]["text"] == '{"n":  1}'
        assert structured.raw["_meta"]["test/kept"] == "as it came"
        failed = await transport.call(Tool("f__test_error_handling", "f", "", {}), {}, idempotency_key="k")
        assert failed.raw["isError"] is True

    with_server(scenario, script=FULL)


def test_what_a_server_defines_besides_schemas_is_carried_and_its_other_requests_are_tools_of_the_source():
    async def scenario(_, transport):
        defined = {definition["name"]: definition for definition in await transport.definitions()}
        assert defined["test_structured"]["outputSchema"]["required"] == ["n"]
        assert {"resources/read", "resources/subscribe", "prompts/get", "completion/complete"} <= defined.keys()

    with_server(scenario, script=FULL)


class Listener:
    """A caller who hears what the server says, and answers what it asks."""

    def __init__(self, owner="anna"):
        self.owner, self.capabilities, self.heard, self.gone = owner, {"elicitation": {}}, [], []

    def when_gone(self, tell):
        self.gone.append(tell)

    async def told(self, method, params):
        self.heard.append((method, params))

    async def asked(self, _method, _params):
        return {"result": {"action": "accept", "content": {"username": self.owner, "email": "a@example.com"}}}


def test_questions_of_a_server_reach_the_owner_of_the_line_and_nobody_else():
    async def scenario(_, transport):
        tool = Tool("f__test_elicitation", "f", "", {})
        answers = [
            await transport.call_on(Listener(name), tool, {"message": "who?"}, idempotency_key="k")
            for name in ("anna", "bert")
        ]
        assert ["anna" in answers[0].content["text"], "bert" in answers[1].content["text"]] == [True, True]
        nobody = await transport.call(tool, {"message": "who?"}, idempotency_key="k")
        assert nobody.error is not None

    with_server(scenario, script=FULL)


def test_a_caller_of_the_shared_session_hears_progress_of_its_own_call_and_no_log():
    async def scenario(_, transport):
        line = Listener(owner="")
        await transport.call_on(line, Tool("f__test_tool_with_progress", "f", "", {}), {}, idempotency_key="k")
        await transport.call_on(line, Tool("f__test_tool_with_logging", "f", "", {}), {}, idempotency_key="k")
        assert [params["progress"] for _, params in line.heard] == [0, 50, 100]

    with_server(scenario, script=FULL)


def test_a_read_can_be_taken_back_and_a_write_is_waited_for():
    async def scenario(_, transport):
        line = Listener()
        call = asyncio.create_task(
            transport.call_on(line, Tool("f__test_slow", "f", "", {}, Tier.READ), {}, idempotency_key="k")
        )
        while not line.gone:
            await asyncio.sleep(0.01)
        line.gone[0]()
        assert "took the request back" in (await call).error
        write = Listener()
        await transport.call_on(write, Tool("f__test_simple_text", "f", "", {}), {}, idempotency_key="k")
        assert write.gone == []

    with_server(scenario, script=FULL)
