"""The vault: seals values into encrypted bodies under their keyed name, and opens them again."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
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

    @property
    def records(self) -> Records:
        """Where keys and bodies stand."""
        return self._records

    @property
    def pointing_key(self) -> bytes:
        """The key that signs state pointers of this home."""
        return self._ring.pointing

    def open_space(self, space: str) -> PutRecord:
        """Make a key for a new mission; the record belongs into the commit that submits it."""
        wrapped = self._ring.new_key(space)
        self._keys[space] = self._ring.unwrap(space, wrapped)
        return PutRecord("key", space, {"wrapped": wrapped})

    def fresh_space(self, prefix: str) -> tuple[str, PutRecord]:
        """A space that nobody else can be making at the same time, and the record of its key."""
        space = f"{prefix}/{os.urandom(8).hex()}"
        return space, self.open_space(space)

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

    def forget(self, space: str) -> None:
        """Let go of a key that was destroyed; who asks for it again reads the store."""
        self._keys.pop(space, None)

    def digest(self, space: str, value: Any) -> str:
        """The keyed name of a value: equal for equal values of one mission, meaningless outside it."""
        return self._name(self._keys[space], _canonical(value))

    def home_digest(self, value: Any) -> str:
        """The keyed name of a value that belongs to no mission: equal for equal values of this home."""
        return hmac.digest(self._ring.naming, _canonical(value), hashlib.sha256)[:16].hex()

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

    def seal_bytes(self, space: str, name: str, data: bytes) -> str:
        """Compress and encrypt bytes that are no JSON, bound to this name, as text that a record holds."""
        nonce = os.urandom(_NONCE_BYTES)
        packed = self._compressor.compress(data)
        return b64encode(nonce + self._keys[space].cipher.encrypt(nonce, packed, _bound_to(space, name))).decode()

    def unseal_bytes(self, space: str, name: str, text: str) -> bytes:
        """Read such bytes back.

        Raises:
            StoreCorrupted: they are not what was sealed under this name.
        """
        try:
            sealed = b64decode(text)
            packed = self._keys[space].cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(space, name)
            )
        except (InvalidTag, ValueError) as error:
            raise StoreCorrupted(f"What {space} holds under {name} was changed.") from error
        return self._decompressor.decompress(packed)

    async def open(self, pointer: Pointer) -> Any:
        """Read a value back.

        Raises:
            NotFound: no such body.
            StoreCorrupted: the stored bytes are not what was sealed.
        """
        await self.load_space(pointer.space)
        sealed = await self._records.blob(pointer.space, pointer.cid)
        if sealed is None:
            raise NotFound(f"There is no body {pointer.cid} in {pointer.space}.")
        return await self.unseal(pointer, sealed)

    async def unseal(self, pointer: Pointer, sealed: bytes) -> Any:
        """Read a value back from the bytes that were sealed, wherever they were kept.

        Raises:
            NotFound: its key was destroyed.
            StoreCorrupted: these are not the bytes that were sealed.
        """
        await self.load_space(pointer.space)
        keys = self._keys[pointer.space]
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
