"""Keys: one key-encryption key for the home, one data key for each mission, wrapped by it."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from remit.errors import KeyMissing

_KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class MissionKeys:
    """What a mission's data key gives: one key that encrypts, one that names content."""

    cipher: AESGCM
    naming: bytes


class KeyRing:
    """Wraps and unwraps data keys with the home's key-encryption key."""

    def __init__(self, key: bytes) -> None:
        self._wrapping = AESGCM(key)
        #: Signs state pointers; whoever holds the home's key can check one.
        self.pointing = _derive(key, b"remit pointer")
        #: Names values that belong to no mission.
        self.naming = _derive(key, b"remit home name")

    @classmethod
    def open(cls, path: Path) -> "KeyRing":
        """Read the key file.

        Raises:
            KeyMissing: the file is not there or does not hold a key.
        """
        try:
            key = bytes.fromhex(path.read_text("ascii").strip())
        except (OSError, ValueError) as error:
            raise KeyMissing(f"{path.name} cannot be read as a key.") from error
        if len(key) != _KEY_BYTES:
            raise KeyMissing(f"{path.name} does not hold a key of {_KEY_BYTES} bytes.")
        return cls(key)

    @staticmethod
    def create(path: Path) -> None:
        """Write a new random key, readable by its owner only; an existing file is never overwritten."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(os.urandom(_KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def new_key(self, name: str) -> str:
        """A fresh data key, wrapped: safe to store."""
        nonce = os.urandom(_NONCE_BYTES)
        return (nonce + self._wrapping.encrypt(nonce, os.urandom(_KEY_BYTES), name.encode())).hex()

    def unwrap(self, name: str, wrapped: str) -> MissionKeys:
        """Open a wrapped data key.

        Raises:
            KeyMissing: it was wrapped under another key, or changed.
        """
        sealed = bytes.fromhex(wrapped)
        try:
            key = self._wrapping.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise KeyMissing(f"The key of {name} does not open with this home's key.") from error
        return MissionKeys(AESGCM(_derive(key, b"remit body")), _derive(key, b"remit name"))


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), _KEY_BYTES, purpose).derive(key)
