"""A control plane, a sidecar and an agent, each in a process of its own; each is killed or stopped in its turn."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.control_plane.builders import me, opened, run

from remit.bootstrap import create_home
from remit.config import Settings

_ROOT = Path(__file__).parents[2]
_REMIT = (sys.executable, "-m", "remit.cli")
_BOUND_SECONDS = 30.0
#: Long beside what a loaded machine needs between two confirmations, short beside the patience of a test.
_AGE_SECONDS = 4
_FILES = """\
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
run: {connected: true}
tools: ["acme__*"]
budget: {amount: "50.00", currency: USD}
---
apiVersion: remit/v1
kind: ToolSource
name: acme
python: {module: tests.control_plane.acme}
tools:
  vendor: {tier: read-only, cost: {amount: "0.10", currency: USD}}
  pay: {tier: critical, idempotent: true, roles: {amount: $.amount, payee: $.payee}}
---
apiVersion: remit/v1
kind: Policy
name: clerks
agents: [clerk]
tools: ["acme__vendor"]
"""
_CLOSED = "apiVersion: remit/v1\nkind: Policy\nname: clerks\nagents: [clerk]\ntools: [acme__nothing]\n"
_OPEN = _CLOSED.replace("acme__nothing", "acme__vendor")


def environment():
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "USER", "LOGNAME") if name in os.environ}
    return {**kept, "PYTHONPATH": str(_ROOT)}


@contextmanager
def started(*command):
    process = subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(), cwd=_ROOT
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_BOUND_SECONDS)
        process.stdin.close()
        process.stdout.close()


def said(process):
    """The one JSON document with which a command says that it is ready."""
    text = ""
    while True:
        line = process.stdout.readline()
        assert line, f"ended with {process.wait(_BOUND_SECONDS)}"
        text += line
        try:
            return json.loads(text)
        except ValueError:
            continue


def until(look, want):
    """Look again until it is so; what it was, and after how many seconds."""
    began = time.monotonic()
    while (seen := look()) != want:
        assert time.monotonic() - began < _BOUND_SECONDS, seen
    return time.monotonic() - began


def lives_on(process, seconds=0.2):
    """Meanwhile the process does not end."""
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)


class Story:
    """One control plane, one sidecar, one agent."""

    def __init__(self, folder):
        self.control, self.beside, self.token = folder / "control", folder / "beside", folder / "token.json"
        self.id, self.names, self.made, self.port = "", 0, 0, _free_port()

    async def prepare(self):
        await create_home(Settings(self.control))
        async with opened(self.control) as plane:
            await plane.resources.apply([("all.yaml", _FILES)], me(plane))
            enrolled = await plane.sidecars.enrol("pod", "clerk", me(plane).id, me(plane), slice_usd_micros=9_000_000)
            self.token.write_text(json.dumps(enrolled))
            self.id = enrolled["id"]

    def serving(self):
        return started(*_REMIT, "serve", "--port", self.port, "--home", self.control, "--json")

    def sidecar(self):
        where = ("--control", f"http://127.0.0.1:{self.port}", "--token-file", self.token, "--home", self.beside)
        return started(*_REMIT, "sidecar", *where, "--policy-age-max", f"{_AGE_SECONDS}s", "--json")

    def ask(self, method, path, **more):
        """One request of a person to the control plane that serves."""
        told = json.loads((self.control / "serve.json").read_text())
        headers = {"Authorization": f"Bearer {told['token']}"}
        url = f"{told['address']}/api/v1{path}"
        answer = httpx.request(method, url, headers=headers, timeout=_BOUND_SECONDS, trust_env=False, **more)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def apply(self, text):
        self.ask("POST", "/apply", json={"files": [{"name": "policy.yaml", "text": text}]})

    def call(self, agent):
        """A call that was never made before: what came of it."""
        self.names += 1
        agent.stdin.write(json.dumps(["acme__vendor", {"name": f"vendor {self.names}"}]) + "\n")
        agent.stdin.flush()
        answer = json.loads(agent.stdout.readline())
        self.made += answer == {"ok": True}
        return answer

    def record(self):
        """Every entry that the control plane has of the sidecar's record."""
        return self.ask("GET", f"/sidecars/{self.id}/record", params={"limit": 10_000})

    def arrived(self):
        """How many calls the control plane knows to have been made."""
        return sum(entry["kind"] == "call.done" for entry in self.record())


@pytest.fixture
def story(tmp_path):
    told = Story(tmp_path)
    run(told.prepare())
    return told


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_a_sidecar_beside_an_agent_through_pushes_outages_and_kills(story):
    ok, refused, stale = {"ok": True}, {"code": "no_policy"}, {"code": "policy_stale"}
    agent_program = Path(__file__).with_name("beside_agent.py")
    with story.serving() as control:
        said(control)
        with story.sidecar() as sidecar:
            env_file = said(sidecar)["env_file"]
            with started(sys.executable, agent_program, env_file) as agent:
                # What is pushed holds about a second later.
                assert story.call(agent) == ok
                story.apply(_CLOSED)
                assert until(lambda: story.call(agent), refused) < 10
                story.apply(_OPEN)
                until(lambda: story.call(agent), ok)

                # Without the control plane calls go on up to the age, and not beyond.
                control.send_signal(signal.SIGTERM)
                control.wait(_BOUND_SECONDS)
                before = story.made
                while (answer := story.call(agent)) == ok:
                    lives_on(sidecar)
                assert answer == stale
                assert story.made > before

                # A kill loses nothing: the record that waited is sent by the next process.
                sidecar.send_signal(signal.SIGKILL)
                sidecar.wait(_BOUND_SECONDS)
                assert "gone" in story.call(agent)
                with story.serving() as back:
                    said(back)
                    with story.sidecar() as again:
                        assert said(again)["env_file"] == env_file
                        assert story.call(agent) == ok
                        until(story.arrived, story.made)
                        record = story.record()
                        again.send_signal(signal.SIGTERM)
                        assert again.wait(_BOUND_SECONDS) == 0
                    verdict = story.ask("GET", f"/sidecars/{story.id}/verify")
                    (listed,) = story.ask("GET", "/sidecars")

    assert [entry["idx"] for entry in record] == list(range(1, len(record) + 1))
    assert verdict["ok"]
    assert verdict["entries"] > len(record)
    permits = [entry["payload"]["key"] for entry in record if entry["kind"] == "call.permitted"]
    assert len(permits) == len(set(permits)) == story.made
    # Each call cost a tenth of a dollar; what was lent and not spent came back.
    assert (listed["used_usd_micros"], listed["held_usd_micros"]) == (100_000 * story.made, 0)
