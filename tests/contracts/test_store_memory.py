from tests.contracts.store import StoreContract

from remit.adapters.memory import MemoryStore


class TestMemoryStore(StoreContract):
    lasting = False

    def open(self):
        return MemoryStore()
