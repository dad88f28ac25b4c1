from pathlib import Path
from shutil import copytree

import pytest
from tests.cli.builders import OFFICE, remit


@pytest.fixture(scope="session")
def office_home(tmp_path_factory):
    """A home that holds the office's resources, to be copied."""
    home = tmp_path_factory.mktemp("office") / "home"
    assert remit("init", "--home", home).code == 0
    applied = remit("apply", "-f", OFFICE / "office.yaml", "--home", home)
    assert applied.code == 0, applied.err
    return home


@pytest.fixture
def home(office_home, tmp_path):
    return Path(copytree(office_home, tmp_path / "home"))
