"""`remit demo` and `remit run payables`, as a newcomer types them."""

import sqlite3
from shutil import copy

from tests.cli.builders import remit


def paid(home):
    with sqlite3.connect(home / "erp.sqlite") as erp:
        return erp.execute("SELECT invoice, amount FROM payments ORDER BY invoice").fetchall()


def test_the_demo_leaves_what_waits_and_goes_on_with_the_same_mission(tmp_path):
    home = tmp_path / "home"

    first = remit("demo", "--home", home, "--json")
    assert first.code == 0, first.err
    statuses = {document["file"]: document["status"] for document in first.json["documents"]}
    assert "waiting" in statuses.values()
    assert "paid" in statuses.values()
    assert first.json["reader"] == "offline rules, no language model"

    again = remit("demo", "--home", home)
    assert again.code == 0, again.err
    assert f"going on with mission {first.json['mission']}" in again.err
    assert "wait for a person" in again.out
    before = paid(home)

    rejected = remit("demo", "--answer", "reject", "--json", REMIT_HOME=str(home))
    assert rejected.json["mission"] == first.json["mission"]
    assert "waiting" not in {document["status"] for document in rejected.json["documents"]}
    assert paid(home) == before
    assert len(remit("missions", "--home", home, "--json").json) == 1


def test_without_a_home_the_demo_makes_one_and_says_where(tmp_path):
    done = remit("demo", TMPDIR=str(tmp_path))

    assert done.code == 0, done.err
    (home,) = tmp_path.glob("remit-demo-*")
    assert f"Home: {home}" in done.out
    assert "\x1b" not in done.out


def test_payables_runs_over_a_folder_of_ones_own(tmp_path):
    from remit.packs.payables.pack import sample_folder

    folder, empty = tmp_path / "mine", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    copy(next(sample_folder().glob("inv-01*.pdf")), folder)
    home = tmp_path / "home"

    refused = remit("run", "payables", "--input", empty, "--home", home, "--json")
    assert (refused.code, refused.json["code"]) == (2, "invalid_input")
    assert not home.exists()

    done = remit("run", "payables", "--input", folder, "--home", home, "--json")
    assert done.code == 0, done.err
    assert [document["file"] for document in done.json["documents"]] == [next(folder.iterdir()).name]
    assert "making a home" in done.err
