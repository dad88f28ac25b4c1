"""Seals: signed heads of the Merkle tree, as checkpoints of C2SP (c2sp.org/tlog-checkpoint, c2sp.org/signed-note).

A seal says "the first `size` entries of this record have this root" in a form that other transparency tools read:

    remit.example/ledger/default
    1042
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — remit.example/ledger/default Az3grlgtz...

The origin is the name of the key. A seal guards the past only where it can be compared with one that has left the
machine: keep them elsewhere.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from remit.errors import InvalidInput
from remit.ledger.tree import CompactRange

#: Signature type of Ed25519 in a signed note.
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
#: Bounds on what is read: the specification asks for at least 16 signatures.
_SIGNATURES_MAX = 100
_NOTE_CHARACTERS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Seal:
    """A head of the tree; who signed it is known only after `open_seal`."""

    origin: str
    size: int
    root: bytes
    #: The whole signed note.
    note: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checks seals."""

    name: str
    #: 32 bytes (RFC 8032).
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line says which key made it."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.raw).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as text, for people and files: `NAME+ID+KEY`."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(_ED25519 + self.raw).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> "PublicKey":
        """Read `vkey` text.

        Raises:
            InvalidInput: it is not an Ed25519 key in that form, or its id does not fit.
        """
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not _is_name(parts[0]):
            raise InvalidInput("A ledger key has the form NAME+ID+KEY.")
        material = _decoded(parts[2])
        if material is None or len(material) != 33 or material[:1] != _ED25519:
            raise InvalidInput("The ledger key is not an Ed25519 key.")
        key = cls(parts[0], material[1:])
        if key.key_id.hex() != parts[1]:
            raise InvalidInput("The ledger key's id does not fit its name and bytes.")
        return key

    def signed(self, signature: bytes, text: bytes) -> bool:
        """True where this key made `signature` over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A key that makes seals; its name is the origin of the record."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not _is_name(name):
            raise InvalidInput("A ledger key's name is not empty and has no spaces and no plus sign.")
        self.public = PublicKey(name, key.public_key().public_bytes_raw())
        self._key = key

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> "Signer":
        """The key that grows from 32 secret bytes."""
        if len(seed) != 32:
            raise InvalidInput("A ledger key's seed has 32 bytes.")
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, text: str) -> str:
        """`text`, which must end with a newline, as a signed note."""
        signature = self.public.key_id + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{self.public.name} {b64encode(signature).decode()}\n"

    def seal(self, size: int, root: bytes) -> Seal:
        """Sign the head of the tree. Never sign two heads of which one does not begin with the other."""
        origin = self.public.name
        note = self.sign(f"{origin}\n{size}\n{b64encode(root).decode()}\n")
        return Seal(origin, size, root, note)


def extend(past: CompactRange, leaf_hashes: Iterable[bytes], signer: Signer) -> tuple[CompactRange, Seal]:
    """Append leaves and sign the new head; keep the range to go on from after a restart."""
    now = past.extended(leaf_hashes)
    return now, signer.seal(now.size, now.root)


def parse_seal(note: str) -> Seal:
    """Read a seal without believing it.

    Raises:
        InvalidInput: it is not a checkpoint in a signed note.
    """
    text, _ = _split(note)
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise InvalidInput("The seal has no origin, size and root.")
    origin, size, root = lines[0], lines[1], _decoded(lines[2])
    if not (size.isascii() and size.isdigit() and len(size) < 19 and str(int(size)) == size):
        raise InvalidInput("The seal's size is not a number.")
    if root is None or len(root) != 32:
        raise InvalidInput("The seal's root is not a SHA-256 hash.")
    return Seal(origin, int(size), root, note)


def open_seal(note: str, key: PublicKey) -> Seal:
    """Read a seal that `key` signed.

    Raises:
        InvalidInput: it is not a seal, is of another record, or `key` did not sign it.
    """
    seal = parse_seal(note)
    open_note(note, key)
    if seal.origin != key.name:
        raise InvalidInput(f"The seal is of another record, {seal.origin!r}.")
    return seal


def open_note(note: str, key: PublicKey) -> str:
    """The text of a signed note that `key` signed; signatures by other keys are passed over.

    Raises:
        InvalidInput: it is not a signed note, or `key` did not sign it.
    """
    text, signatures = _split(note)
    ours = [signature for name, key_id, signature in signatures if (name, key_id) == (key.name, key.key_id)]
    if not ours:
        raise InvalidInput(f"The seal is not signed by the key {key.name}+{key.key_id.hex()}.")
    if not all(key.signed(signature, text.encode()) for signature in ours):
        raise InvalidInput("The seal's signature is wrong.")
    return text


def _split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text, and (key name, key id, signature) for each signature line."""
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or len(note) > _NOTE_CHARACTERS_MAX:
        raise InvalidInput("The seal is not a signed note.")
    if any((character < " " and character != "\n") or "\ud800" <= character <= "\udfff" for character in note):
        raise InvalidInput("The seal has control characters.")
    lines = tail[:-1].split("\n")
    if len(lines) > _SIGNATURES_MAX:
        raise InvalidInput("The seal has too many signatures.")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, name, encoded = line[: len(_DASH)], *line[len(_DASH) :].partition(" ")[::2]
    signature = _decoded(encoded)
    if dash != _DASH or not _is_name(name) or signature is None or len(signature) < 5:
        raise InvalidInput("A signature line of the seal cannot be read.")
    return name, signature[:4], signature[4:]


def _decoded(text: str) -> bytes | None:
    """Bytes of strict base64: exactly one text stands for them."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() or character < " " for character in name)
