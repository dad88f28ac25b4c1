"""Secrets in memory: gone with the process."""


class MemoryKeys:
    """A dictionary of secrets."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def save(self, name: str, secret: bytes) -> None:
        """Keep a secret under a new name."""
        if name in self._held:
            raise FileExistsError(name)
        self._held[name] = secret

    def load(self, name: str) -> bytes | None:
        """The secret, or None."""
        return self._held.get(name)

    def remove(self, name: str) -> None:
        """Forget it."""
        self._held.pop(name, None)
