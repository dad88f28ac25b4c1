"""The door beside an agent from the command line: enrolled, run, looked at, removed."""

import json
import subprocess
import sys

import pytest
from tests.cli.builders import REMIT, environment, remit
from tests.cli.test_connect import AGENT, LOOK, VISITOR


@pytest.fixture
def served(home, tmp_path):
    """A home that is served, with the agent `visitor`; the home and its address."""
    path = tmp_path / "visitor.yaml"
    path.write_text(VISITOR)
    assert remit("apply", "-f", path, "--home", home).code == 0
    command = [*REMIT, "serve", "--home", str(home), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    try:
        assert server.stdout.readline().startswith("Remit serves")
        yield home, json.loads((home / "serve.json").read_text())["address"]
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_an_agent_works_beside_its_door_and_people_see_what_it_did(served, tmp_path):
    home, address = served
    token, beside, file = tmp_path / "token.json", tmp_path / "beside", tmp_path / "record.jsonl"
    enrolled = remit("sidecars", "enrol", "pod-7", "--agent", "visitor", "--token-file", token, "--home", home)
    assert enrolled.code == 0, enrolled.err
    assert token.stat().st_mode & 0o777 == 0o600
    assert json.loads(token.read_text())["token"] not in enrolled.out + enrolled.err

    where = ("--control", address, "--token-file", token, "--home", beside)
    done = remit("sidecar", *where, "--", sys.executable, AGENT, *LOOK, "7")
    assert done.code == 7, done.err
    assert not done.json["result"].get("isError"), done.out
    assert done.json["told"] == ["REMIT_MCP_URL"]
    assert not (beside / "agent.env").exists()

    (one,) = remit("sidecars", "list", "--home", home, "--json").json
    assert (one["name"], one["agent"], one["serial"]) == ("pod-7", "visitor", 1)
    recorded = remit("sidecars", "record", one["id"], "--home", home).out
    assert "call.done" in recorded
    assert "mission.failed" in recorded
    assert "fits its chain" in remit("sidecars", "record", one["id"], "--verify", "--home", home).out
    assert remit("sidecars", "record", one["id"], "--export", file, "--home", home).code == 0
    assert remit("ledger", "verify", file).code == 0

    assert remit("sidecars", "remove", one["id"], "--home", home).code == 0
    again = remit("sidecar", *where, "--", sys.executable, AGENT, *LOOK)
    assert json.loads(again.out)["result"]["_meta"]["remit/problem"]["rule"] == "sidecar_unknown"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--policy-age-max", "2d"), "no age for a policy"),
        (("--listen", "0.0.0.0:80"), "no place to listen"),
        (("--control", "http://remit.example"), "in the clear"),
    ],
    ids=["age", "listen", "control"],
)
def test_what_cannot_be_is_told_before_anything_is_made(tmp_path, wrong, told):
    token, beside = tmp_path / "token.json", tmp_path / "beside"
    vkey = "remit.local+b77b015e+AZMM7naEIFam1ySLAFRN1SOR3WidFXvSRq48khGaVg2G"
    token.write_text(json.dumps({"id": "sdc-1", "name": "pod", "token": "sdc-1.x", "vkey": vkey}))

    done = remit("sidecar", "--control", "https://remit.example", "--token-file", token, "--home", beside, *wrong)

    assert done.code == 2
    assert told in done.err
    assert not beside.exists()
