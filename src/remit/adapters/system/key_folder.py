"""Secrets as files of one folder, readable by their owner only."""

import os
import re
from pathlib import Path

from remit.errors import KeyMissing

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class KeyFolder:
    """A folder that holds one file for each secret; it is made with the first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, name: str, secret: bytes) -> None:
        """Write a secret through to the disk; a file that exists is never overwritten."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())

    def load(self, name: str) -> bytes | None:
        """The secret, or None where there is no such file.

        Raises:
            KeyMissing: the file is there and cannot be read.
        """
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyMissing(f"{name} cannot be read: {error.strerror}.") from error

    def remove(self, name: str) -> None:
        """Delete the file; harmless where there is none."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyMissing(f"{name!r} is no name of a key.")
        return self._path / name
