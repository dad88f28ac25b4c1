"""What every place for secrets holds to."""

import pytest


class KeyStorageContract:
    """A subclass gives `storage`."""

    def test_a_secret_is_found_again_by_its_name(self, storage):
        storage.save("first", b"one")
        storage.save("second", b"two")

        assert (storage.load("first"), storage.load("second"), storage.load("third")) == (b"one", b"two", None)

    def test_a_secret_is_never_overwritten(self, storage):
        storage.save("first", b"one")

        with pytest.raises(FileExistsError):
            storage.save("first", b"two")
        assert storage.load("first") == b"one"

    def test_a_secret_that_was_removed_is_gone_and_removing_twice_is_harmless(self, storage):
        storage.save("first", b"one")
        storage.remove("first")
        storage.remove("first")

        assert storage.load("first") is None
