"""The command line on a home whose record stands on PostgreSQL."""

import pytest
from tests.adapters.database_servers import a_database
from tests.cli.builders import OFFICE, remit, run_arguments


@pytest.fixture
def database():
    with a_database() as address:
        yield address


def test_a_mission_from_the_first_command_to_the_verified_record(database, tmp_path):
    home = tmp_path / "home"

    made = remit("init", "--store", database, "--home", home, "--json")
    applied = remit("apply", "-f", OFFICE / "office.yaml", "--home", home)
    done = remit(*run_arguments("--home", home, "--json", "--answer", "approve"))
    verified = remit("ledger", "verify", "--home", home, "--json")

    assert (made.code, applied.code, done.code) == (0, 0, 0), made.err + applied.err + done.err
    assert made.json["store"] == database
    assert verified.json["ok"]
    assert verified.json["entries"] > 10
    assert not (home / "remit.sqlite").exists()


def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path):
    refused = remit("init", "--store", "postgresql://remit:s3cret@db/remit", "--home", tmp_path / "home")

    assert refused.code == 2, refused.err
    assert "PGPASSWORD" in refused.err
    assert "s3cret" not in refused.out + refused.err
    assert not (tmp_path / "home").exists()
