"""Importing a source of tools from the command line."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from tests.cli.builders import remit

SERVER = Path(__file__).parents[1] / "adapters" / "mcp" / "server.py"


def add(home, *arguments, **more):
    return remit("sources", "add", *arguments, "--home", home, REMIT_ALLOW_UNSANDBOXED="1", **more)


def test_a_python_module_is_imported_with_a_table_and_yaml_that_applies(home, tmp_path):
    out = tmp_path / "desk.yaml"
    done = add(home, "python", "desk", "office_tools", "--out", out)
    assert done.code == 0, done.err
    assert "critical" in done.out
    assert "amount=amount" in done.out
    assert "Nothing is applied yet" in done.err
    declared = yaml.safe_load(out.read_text())
    assert declared["tools"]["pay"]["tier"] == "critical"
    assert remit("sources", "--home", home, "--json").json[0]["name"] == "office"

    applied = remit("apply", "-f", out, "--home", home)
    assert applied.code == 0
    assert "desk__pay is new" in applied.out
    assert "nobody accepted" not in applied.out
    listed = {s["name"]: s for s in remit("sources", "--home", home, "--json").json}
    assert (listed["desk"]["form"], listed["desk"]["tools"], listed["desk"]["state"]) == ("python", 1, "closed")
    assert "in use" in remit("sources", "--home", home).out


def test_what_is_accepted_is_applied_at_once(home):
    done = add(home, "python", "desk", "office_tools", "--accept", "--json")
    assert done.code == 0, done.err
    assert done.json["applied"]["applied"]
    assert any(tool["name"] == "desk__pay" for tool in remit("tools", "--home", home, "--json").json)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mcp", "crm", f"{sys.executable} -c pass"), "could not be asked"),
        (("mcp", "crm", "http://127.0.0.1:9/mcp"), "is not declared"),
        (("openapi", "shop", "/nowhere.json"), "shop"),
        (("sql", "db", "sqlite:///nowhere.sqlite", "--table", "orders="), "TABLE=COLUMN"),
        (("openapi", "db", "shop.json", "--table", "orders"), "--table"),
        (("mcp", "crm", "http://127.0.0.1:9/mcp"), "--allow"),
        (("python", "office", "office_tools"), "already"),
        (("python", "bad name", "office_tools"), "name"),
        (("python", "desk", "no_such_module"), "no_such_module"),
        (("python", "desk", "no_such_module"), "PYTHONPATH"),
    ],
)
def test_a_source_that_cannot_be_imported_says_why_and_leaves_nothing(home, arguments, told):
    before = remit("sources", "--home", home, "--json").json
    done = add(home, *arguments)
    assert done.code != 0
    assert told in done.err
    assert "Traceback" not in done.err
    assert remit("sources", "--home", home, "--json").json == before


def test_a_file_is_named_as_it_is_seen_from_here(home, tmp_path):
    described = {"openapi": "3.1.0", "info": {"title": "shop", "version": "1"}, "servers": [{"url": "https://s.test"}]}
    paths = {"/items": {"get": {"operationId": "listItems", "responses": {}}}}
    (tmp_path / "shop.json").write_text(json.dumps({**described, "paths": paths}))

    done = add(home, "openapi", "shop", "shop.json", "--json", folder=tmp_path)

    assert yaml.safe_load(done.json["yaml"])["openapi"]["document"] == str(tmp_path / "shop.json")
    missing = add(home, "openapi", "shop", "shop.yaml", folder=tmp_path)
    assert "shop.yaml cannot be read" in missing.err
    assert "full path" in missing.err


def test_a_file_that_is_there_is_not_written_over(home, tmp_path):
    out = tmp_path / "there.yaml"
    out.write_text("mine")
    assert "there already" in add(home, "python", "desk", "office_tools", "--out", out).err
    assert out.read_text() == "mine"
