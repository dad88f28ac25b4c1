"""What could go around the door is found in real processes, files and declarations."""

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml
from tests.cli.builders import REMIT, environment, remit

from remit.adapters.sandbox import available
from remit.adapters.surroundings import around
from remit.bootstrap import create_home, open_home
from remit.config import Settings
from remit.control_plane import closing
from remit.registry import Registry, StoredResource, plan_apply

#: Connects where it is told, says so, and stays.
CONNECTS = """
import socket, sys
open_ones = [socket.create_connection(("127.0.0.1", int(port))) for port in sys.argv[1:]]
print("connected", flush=True)
sys.stdin.read()
"""
#: As above, by a process that it starts.
BY_A_CHILD = f"""
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-c", {CONNECTS!r}, *sys.argv[1:]]))
"""
NO_WALLS = "without walls: bubblewrap is missing or may not work"
VISITOR = """\
apiVersion: remit/v1
kind: Agent
name: visitor
version: 1.0.0
run: {connected: true}
skills: []
tools: []
"""


def ways(home, *more, code=1, **variables):
    done = remit("doctor", "egress", "--home", home, "--json", *more, **variables)
    assert done.code == code, done.err
    return done.json["ways"], done


def found(ways_found, way, state="open"):
    return [one["finding"] for one in ways_found if (one["way"], one["state"]) == (way, state)]


@contextmanager
def listener():
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


@contextmanager
def running(code, *arguments, **variables):
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )
    try:
        assert process.stdout.readline() == "connected\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@pytest.mark.parametrize("code", [CONNECTS, BY_A_CHILD], ids=["itself", "by a child"])
def test_a_process_that_is_connected_past_the_door_is_found(home, code):
    with listener() as past, listener() as door:
        told = {"REMIT_MCP_URL": f"http://127.0.0.1:{door}/x/mcp", "GROQ_API_KEY": "gsk-never-shown"}
        with running(code, past, door, **told) as process:
            shown, done = ways(home, "--pid", process.pid)

    (connection,) = found(shown, "connections")
    assert f"connected to 127.0.0.1:{past} (tcp)" in connection
    assert found(shown, "variables") == ["GROQ_API_KEY is among its variables (Groq)"]
    assert "gsk-never-shown" not in done.out + done.err


def test_a_process_that_keeps_to_the_door_has_no_open_connection(home):
    with listener() as door, running(CONNECTS, door, REMIT_MCP_URL=f"http://127.0.0.1:{door}/x/mcp") as process:
        shown, _ = ways(home, "--pid", process.pid)

    assert not found(shown, "connections")
    assert found(shown, f"process {process.pid}", "closed") == ["has no open connection but to the door"]


def test_the_agent_that_connect_runs_is_found_by_its_name(home, tmp_path):
    agent = tmp_path / "agent.yaml"
    agent.write_text(VISITOR)
    assert remit("apply", "-f", agent, "--home", home).code == 0
    with listener() as past:
        command = [*REMIT, "connect", "--agent", "visitor", "--home", str(home), "--"]
        process = subprocess.Popen(
            [*command, sys.executable, "-c", CONNECTS, str(past)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        try:
            assert process.stdout.readline() == "connected\n"
            shown, _ = ways(home, "--agent", "visitor")
            nobody = remit("doctor", "egress", "--agent", "nobody", "--home", home)
        finally:
            process.stdin.close()
            process.wait(30)
            process.stdout.close()

    (connection,) = found(shown, "connections")
    assert f"127.0.0.1:{past}" in connection
    assert nobody.code == 2


def test_keys_in_variables_and_files_are_told_by_name_alone(home, tmp_path, monkeypatch):
    person, folder = tmp_path / "person", tmp_path / "work"
    (person / ".aws").mkdir(parents=True)
    folder.mkdir()
    (person / ".netrc").write_text("machine h login l password s3cret")
    (person / ".aws" / "credentials").write_text("s3cret")
    (folder / ".env").write_text("export STRIPE_API_KEY=s3cret\nCOLOUR=red\n")
    monkeypatch.chdir(folder)

    shown, done = ways(
        home, HOME=str(person), MISTRAL_API_KEY="s3cret", HTTPS_PROXY="http://s3cret", OPENAI_API_KEY="s3cret"
    )

    assert found(shown, "variables") == ["MISTRAL_API_KEY is among its variables (Mistral)", "HTTPS_PROXY is set"]
    files = [one for one in found(shown, "files") if "docker" not in one]
    assert files == ["~/.netrc can be read", "~/.aws/credentials can be read", ".env can be read: STRIPE_API_KEY"]
    assert "s3cret" not in done.out + done.err


SOURCES = """\
apiVersion: remit/v1
kind: ToolSource
name: crm
mcp: {url: "http://10.9.8.7/mcp"}
credential: {ref: env:CRM_LOGIN}
network: {allow: [10.9.8.7]}
---
apiVersion: remit/v1
kind: ToolSource
name: billing
sql: {url: "postgresql://reader@127.0.0.1:9/billing", tables: {invoices: [id]}}
---
apiVersion: remit/v1
kind: ToolSource
name: desk
mcp: {command: [desk-server]}
credential: {per_person: {ref: "file:people/{principal}"}, as: {env: DESK_TOKEN}}
"""


def test_what_a_home_declares_is_judged_without_asking_anyone(tmp_path):
    async def story():
        await create_home(Settings(tmp_path / "home"))
        async with closing(await open_home(Settings(tmp_path / "home"))) as plane:
            plan = plan_apply([("sources.yaml", SOURCES)], {}, plane.core.kinds)
            plan.require_valid()
            stored = [StoredResource(one.kind, one.name, one.fields) for one in plan.resources]
            door = plane.core.door
            door.controls = replace(door.controls, registry=Registry.build(stored))
            for source in door.controls.registry.sources.values():
                plane.core.transports[source.name] = plane.core.connect(source)
            (plane.core.home / "keys" / "home.key").chmod(0o644)
            (plane.core.home / "serve.json").write_text(json.dumps({"address": "http://10.1.1.1:80", "token": "t"}))
            return plane.doctor.egress()

    told = asyncio.run(story())

    shown = told["ways"]
    assert found(shown, "source crm", "declared") == ["may reach 10.9.8.7/32"]
    assert found(shown, "source crm") == ["its credential goes to 10.9.8.7 without TLS"]
    assert "read_role" in found(shown, "source billing")[0]
    assert "keys/home.key can be read by other users" in found(shown, "secret files")
    assert "without TLS" in found(shown, "the door")[0]
    walls = found(shown, "source desk", "closed" if available() else "open")
    assert walls == [f"its server runs {'behind walls, without the network' if available() else NO_WALLS}"]
    assert told["credentials"] == {"crm": ["env:CRM_LOGIN"], "desk": []}


def test_a_credential_of_a_source_is_named_as_such(tmp_path):
    names = {"CRM_LOGIN", "COLOUR"}
    shown = [way.to_json() for way in around(names, {"crm": ["env:CRM_LOGIN"]}, home=tmp_path, folder=tmp_path)]

    assert found(shown, "variables") == ["CRM_LOGIN is among its variables (the credential of source crm)"]


def test_the_rules_are_ready_to_use():
    done = remit("doctor", "egress", "--network-policy", "--door", "127.0.0.1:9000", "--json")
    assert done.code == 0, done.err
    rules = done.json

    policy = yaml.safe_load(rules["kubernetes"])
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]] == [9000]
    assert "ip daddr 127.0.0.1 tcp dport 9000 accept" in rules["nftables"]
    assert rules["nftables"].count("{") == rules["nftables"].count("}")
    assert subprocess.run(["sh", "-n"], input=rules["docker"], text=True, check=False).returncode == 0
    assert "--internal" in rules["docker"]

    one = remit("doctor", "egress", "--network-policy", "--form", "kubernetes")
    assert yaml.safe_load(one.out)["kind"] == "NetworkPolicy"
    assert remit("doctor", "egress", "--network-policy", "--door", "door:http").code == 2
