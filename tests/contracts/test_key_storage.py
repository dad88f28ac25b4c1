import stat

import pytest
from tests.contracts.key_storage import KeyStorageContract

from remit.adapters.memory import MemoryKeys
from remit.adapters.system import KeyFolder
from remit.errors import KeyMissing


class TestMemoryKeys(KeyStorageContract):
    @pytest.fixture
    def storage(self):
        return MemoryKeys()


class TestKeyFolder(KeyStorageContract):
    @pytest.fixture
    def storage(self, tmp_path):
        return KeyFolder(tmp_path / "keys" / "tokens")

    def test_only_the_owner_may_read_it(self, storage, tmp_path):
        storage.save("first", b"one")

        folder = tmp_path / "keys" / "tokens"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "first").stat().st_mode) == 0o600

    @pytest.mark.parametrize("name", ["../home.key", "a/b", "", ".", "a\n"])
    def test_a_name_leads_nowhere_else(self, storage, name):
        with pytest.raises(KeyMissing):
            storage.load(name)
