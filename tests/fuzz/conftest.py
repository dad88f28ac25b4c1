import pytest
from tests.fuzz.target import standing


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    """A home behind its doors, for all requests of a module."""
    with standing(tmp_path_factory.mktemp("fuzz")) as found:
        yield found
