"""The same commands while a server holds the home."""

import json
import signal
import stat
import subprocess
from fcntl import LOCK_EX, flock

import pytest
from tests.adapters.database_servers import a_database
from tests.cli.builders import REMIT, environment, remit, run_arguments

from remit.bootstrap import copy_store, switch_store
from remit.config import read_settings


@pytest.fixture(params=["embedded", "postgresql"])
def home(request, home):
    """The office's home, whose record stands in its own file or on PostgreSQL."""
    if request.param == "embedded":
        yield home
        return
    with a_database() as address:
        settings = read_settings({}, home=home)
        copy_store(settings, "embedded", address, lambda *_: None)
        switch_store(settings, address)
        yield home


@pytest.fixture
def server(home):
    process = subprocess.Popen(
        [*REMIT, "serve", "--home", str(home), "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout.readline().startswith(f"Remit serves {home} at http://127.0.0.1:")
    yield process
    process.kill()
    process.wait()


def test_commands_go_through_the_server_and_it_drives(home, server):
    told = json.loads((home / "serve.json").read_text())
    assert stat.S_IMODE((home / "serve.json").stat().st_mode) == 0o600
    assert told["pid"] == server.pid

    done = remit(*run_arguments("--home", home))
    assert done.code == 0, done.err
    assert "submitted by" in done.out
    assert "pay-1.pdf  invoice   20.00 USD  paid" in done.out
    (asked,) = remit("approvals", "--home", home, "--json").json
    answered = remit("approvals", "approve", asked["id"], "--home", home)
    assert answered.code == 0, answered.err
    assert remit("missions", "--home", home, "--json").json[0]["status"] == "completed"

    second = remit("serve", "--home", home, "--port", "0", "--json")
    assert (second.code, second.json["code"]) == (3, "home_busy")


def test_a_signal_ends_the_server_in_order(home, server):
    remit(*run_arguments("--home", home))
    server.send_signal(signal.SIGTERM)

    assert server.wait(20) == 0
    assert not (home / "serve.json").exists()
    verdict = remit("ledger", "verify", "--home", home, "--json").json
    assert verdict["ok"]
    assert verdict["unsealed"] == 0


def test_a_server_that_was_killed_is_not_waited_for(home, server):
    server.kill()
    server.wait()

    assert (home / "serve.json").exists()
    assert remit(*run_arguments("--home", home)).code == 0


def test_an_address_beyond_this_machine_needs_a_word(home):
    refused = remit("serve", "--home", home, "--host", "0.0.0.0", "--port", "0", "--json")

    assert (refused.code, refused.json["code"]) == (2, "invalid_input")


def test_an_answer_is_taken_on_by_whoever_drives_the_home(home):
    remit(*run_arguments("--home", home))
    (asked,) = remit("approvals", "--home", home, "--json").json
    with (home / "driver.lock").open("a+") as held:
        flock(held, LOCK_EX)
        answered = remit("approvals", "approve", asked["id"], "--home", home, "--json")

    assert (answered.code, answered.json["rest"]["driven_elsewhere"]) == (0, True)
    assert (home / "paid.sqlite").exists()
    watched = remit("watch", asked["mission"], "--home", home, "--json")
    assert watched.json["status"] == "completed"
