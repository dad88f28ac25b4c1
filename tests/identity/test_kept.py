"""Keys that are made once, whichever process comes first."""

import pytest

from remit.errors import KeyMissing
from remit.identity.kept import kept_key


class Raced:
    """A folder of keys in which another process makes its key between our look and our save."""

    def __init__(self):
        self.kept = {}

    def load(self, name):
        return self.kept.get(name)

    def save(self, name, data):
        self.kept[name] = data
        raise FileExistsError(name)


def test_the_key_of_whoever_came_first_is_taken():
    keys = Raced()

    first, second = kept_key(keys, "hops", "signs"), kept_key(keys, "hops", "signs")

    assert first.thumbprint() == second.thumbprint()


def test_what_is_no_key_is_named_by_what_it_would_do():
    keys = Raced()
    keys.kept["hops"] = b"nonsense"

    with pytest.raises(KeyMissing, match="signs what is handed on"):
        kept_key(keys, "hops", "signs what is handed on")
