"""Agents of others behind the door: told two addresses and a key, and nothing else."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.builders import REMIT, environment, remit

AGENT = Path(__file__).with_name("foreign_agent.py")
VISITOR = """\
apiVersion: remit/v1
kind: ToolSource
name: desk
python: {module: office_desk}
tools: {look: {tier: read-only}}
---
apiVersion: remit/v1
kind: Agent
name: visitor
version: 1.0.0
run: {connected: true}
skills: []
tools: ["desk__look", "office__pay"]
---
apiVersion: remit/v1
kind: Policy
name: visitors
agents: [visitor]
tools: ["*"]
"""
LOOK = ("desk__look", '{"name": "Paper Inc"}')


@pytest.fixture
def home(home, tmp_path):
    path = tmp_path / "visitor.yaml"
    path.write_text(VISITOR)
    applied = remit("apply", "-f", path, "--home", home)
    assert applied.code == 0, applied.err
    return home


def connect(home, *arguments):
    return remit("connect", "--agent", "visitor", "--home", home, "--", sys.executable, AGENT, *arguments)


def sessions(home):
    return [m for m in remit("missions", "--home", home, "--json").json if m["workflow"] == "session"]


def test_an_agent_of_the_standard_library_alone_works_behind_the_door(home):
    done = connect(home, *LOOK)

    assert done.code == 0, done.err
    told = done.json
    assert told["tools"] == ["desk__look", "office__pay"]
    assert told["models"] == []
    assert not told["result"].get("isError"), told
    # Of this home it is told where the door is, and no more.
    assert told["told"] == ["REMIT_MCP_URL"]
    (session,) = sessions(home)
    assert session["status"] == "completed"
    assert not (home / "serve.json").exists()


def test_an_exit_code_is_passed_on_and_fails_the_session(home):
    assert connect(home, *LOOK, "7").code == 7

    (session,) = sessions(home)
    shown = remit("missions", "show", session["id"], "--home", home, "--json").json
    assert (shown["status"], shown["code"]) == ("failed", "exit_7")


def test_a_command_that_is_not_there_is_told_and_leaves_no_session_open(home):
    done = remit("connect", "--agent", "visitor", "--home", home, "--", "no-such-program")

    assert done.code == 2
    assert "cannot be started" in done.err
    assert [session["status"] for session in sessions(home)] == ["failed"]


def test_a_running_server_is_used_and_signals_reach_the_agent(home):
    server = subprocess.Popen(
        [*REMIT, "serve", "--home", str(home), "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert server.stdout.readline().startswith("Remit serves")
        command = [*REMIT, "connect", "--agent", "visitor", "--home", str(home), "--"]
        agent = subprocess.Popen(
            [*command, sys.executable, str(AGENT), *LOOK, "wait"], stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert "result" in json.loads(agent.stdout.readline())
        os.kill(agent.pid, signal.SIGTERM)
        assert json.loads(agent.stdout.readline()) == {"signal": signal.SIGTERM}
        assert agent.wait(30) == 9
        (session,) = sessions(home)
        assert session["status"] == "failed"
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()


def test_what_waits_for_a_person_is_done_after_the_agent_has_gone(home):
    done = connect(home, "office__pay", '{"vendor": "Paper Inc", "amount": "900.00", "currency": "USD"}')

    assert done.code == 0, done.err
    assert done.json["result"]["_meta"]["remit/problem"]["code"] == "approval_pending"
    assert "waits for people" in done.err
    (asked,) = remit("approvals", "--home", home, "--json").json
    assert remit("approvals", "approve", asked["id"], "--home", home).code == 0
    (session,) = sessions(home)
    assert session["status"] == "completed"
    assert (home / "paid.sqlite").exists()
