"""The vault: seals values into encrypted bodies under their keyed name, and opens them again."""

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard
from cryptography.exceptions import InvalidTag

from remit.errors import NotFound, StoreCorrupted
from remit.ledger import PutBlob, PutRecord, Records
from remit.state.keys import KeyRing, MissionKeys

_NONCE_BYTES = 12
#: Below this many bytes a value is not worth compressing.
_COMPRESS_FROM_BYTES = 512
_PLAIN, _ZSTD = b"\x00", b"\x01"
_KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Pointer:
    """A reference to one stored value: whose it is, and the keyed name of its content."""

    space: str
    cid: str


class Vault:
    """Seals and opens values of missions."""

    def __init__(self, ring: KeyRing, records: Records) -> None:
        self._ring = ring
        self._records = records
        self._keys: dict[str, MissionKeys] = {}
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._decompressor = zstandard.ZstdDecompressor()

    def open_space(self, space: str) -> PutRecord:
        """Make a key for a new mission; the record belongs into the commit that submits it."""
        wrapped = self._ring.new_key(space)
        self._keys[space] = self._ring.unwrap(space, wrapped)
        return PutRecord("key", space, {"wrapped": wrapped})

    async def load_space(self, space: str) -> None:
        """Make the mission's key ready; afterwards `seal` and `digest` need no waiting.

        Raises:
            NotFound: there is no such mission, or its key was destroyed.
        """
        if space in self._keys:
            return
        record = await self._records.record("key", space)
        if record is None:
            raise NotFound(f"There is no key for {space}; its bodies cannot be read.")
        if len(self._keys) >= _KEYS_MAX:
            self._keys.pop(next(iter(self._keys)))
        self._keys[space] = self._ring.unwrap(space, record["wrapped"])

    def digest(self, space: str, value: Any) -> str:
        """The keyed name of a value: equal for equal values of one mission, meaningless outside it."""
        return self._name(self._keys[space], _canonical(value))

    def seal(self, space: str, value: Any) -> tuple[Pointer, PutBlob]:
        """Encrypt a JSON value; the write belongs into the commit that refers to it."""
        keys = self._keys[space]
        plain = _canonical(value)
        cid = self._name(keys, plain)
        large = len(plain) >= _COMPRESS_FROM_BYTES
        packed = _ZSTD + self._compressor.compress(plain) if large else _PLAIN + plain
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + keys.cipher.encrypt(nonce, packed, _bound_to(space, cid))
        return Pointer(space, cid), PutBlob(space, cid, sealed, len(plain))

    async def open(self, pointer: Pointer) -> Any:
        """Read a value back.

        Raises:
            NotFound: no such body.
            StoreCorrupted: the stored bytes are not what was sealed.
        """
        await self.load_space(pointer.space)
        keys = self._keys[pointer.space]
        sealed = await self._records.blob(pointer.space, pointer.cid)
        if sealed is None:
            raise NotFound(f"There is no body {pointer.cid} in {pointer.space}.")
        try:
            packed = keys.cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(pointer.space, pointer.cid)
            )
        except (InvalidTag, ValueError) as error:  # changed, or cut off
            raise StoreCorrupted(f"The body {pointer.cid} of {pointer.space} was changed.") from error
        plain = self._decompressor.decompress(packed[1:]) if packed[:1] == _ZSTD else packed[1:]
        return orjson.loads(plain)

    @staticmethod
    def _name(keys: MissionKeys, plain: bytes) -> str:
        return hmac.digest(keys.naming, plain, hashlib.sha256)[:16].hex()


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _bound_to(space: str, cid: str) -> bytes:
    return f"remit/1|{space}|{cid}".encode()
