import json

import pytest
from tests.cli.builders import remit


def a_token(home, *more):
    return remit("token", "--agent", "clerk", "--home", home, *more)


def test_a_token_is_printed_alone_and_all_else_goes_to_the_other_stream(home):
    done = a_token(home, "--ttl", "5m")

    assert done.code == 0, done.err
    assert done.out.count(".") == 2
    assert len(done.out.splitlines()) == 1
    assert "agent:clerk@" in done.err


def test_a_token_is_listed_revoked_and_gone(home):
    issued = a_token(home, "--json").json
    (listed,) = remit("token", "list", "--home", home, "--json").json
    assert (listed["id"], listed["agent"]) == (issued["id"], issued["agent"])
    assert "token" not in listed

    assert remit("token", "revoke", f"token/{issued['id']}", "--reason", "lost", "--home", home).code == 0
    assert remit("token", "list", "--home", home, "--json").json == []
    (told,) = remit("token", "list", "--revoked", "--home", home, "--json").json
    assert told["reason"] == "lost"
    again = remit("token", "rotate", "--home", home)
    assert again.out.startswith("Key 2 signs from now on: ")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ([], 2, "invalid_input"),
        (["--agent", "nobody"], 2, "not_found"),
        (["--agent", "clerk", "--ttl", "16m"], 2, "invalid_input"),
        (["--agent", "clerk", "--for", "nobody"], 1, "rights_exceeded"),
        (["--agent", "clerk", "--tool", "*"], 1, "delegation_widened"),
    ],
)
def test_what_is_not_given_is_said_why(home, arguments, code, error):
    done = remit("token", *arguments, "--home", home, "--json")

    assert (done.code, json.loads(done.out)["code"]) == (code, error)
    assert done.err
