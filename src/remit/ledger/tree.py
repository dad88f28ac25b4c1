"""The Merkle tree over a tenant's entries: roots, proofs and their verification (RFC 9162, section 2.1).

Leaves are given as hashes (`entry.leaf_hash`), never as data. Sealing and verifying need only a `CompactRange`, which
holds O(log n) hashes; making proofs needs a `Tree`, which holds every leaf (about 64 bytes each).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from remit.errors import InvalidInput

#: Root of the tree without leaves.
EMPTY_ROOT = sha256(b"").digest()

_HASH_BYTES = 32


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162, section 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class CompactRange:
    """All that is needed of a tree's past to append to it and to know its root."""

    size: int = 0
    #: Roots of the perfect subtrees that make up the tree, the largest first: one for each bit set in `size`.
    peaks: tuple[bytes, ...] = ()

    def extended(self, leaves: Iterable[bytes]) -> "CompactRange":
        """The range after appending `leaves`."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            node, bits = leaf, size
            while bits & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                bits >>= 1
            peaks.append(node)
            size += 1
        return CompactRange(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The tree's root at this size."""
        return _fold(self.peaks)

    def to_json(self) -> dict[str, Any]:
        """A small document from which sealing goes on after a restart."""
        return {"size": self.size, "peaks": [peak.hex() for peak in self.peaks]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "CompactRange":
        """Read `to_json` back.

        Raises:
            InvalidInput: the document is not a range: the number of peaks must fit the size.
        """
        try:
            size, peaks = document["size"], tuple(bytes.fromhex(peak) for peak in document["peaks"])
            sound = type(size) is int and size >= 0 and size.bit_count() == len(peaks)
        except (KeyError, TypeError, ValueError) as cause:
            raise InvalidInput("The tree's stored range cannot be read.") from cause
        if not sound or any(len(peak) != _HASH_BYTES for peak in peaks):
            raise InvalidInput("The tree's stored range does not fit its size.")
        return cls(size, peaks)


class Tree:
    """Every leaf of a tree, from which any proof at any size can be made."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        #: Level k holds the roots of the perfect subtrees of 2**k leaves, from the left.
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            self._levels.append(
                [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)],
            )

    def __len__(self) -> int:
        return len(self._levels[0])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` leaves; of all where none is given."""
        return self._hash(0, self._size(size))

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Prove that leaf `index` (from 0) is in the tree of `size` leaves (RFC 9162, section 2.1.3.1)."""
        size = self._size(size)
        if not 0 <= index < size:
            raise InvalidInput(f"There is no leaf {index} in a tree of {size}.")
        path: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                path.append(self._hash(middle, high))
                high = middle
            else:
                path.append(self._hash(low, middle))
                low = middle
        return tuple(reversed(path))

    def consistency(self, first: int, second: int | None = None) -> tuple[bytes, ...]:
        """Prove that the tree of `second` leaves begins with the tree of `first` (RFC 9162, section 2.1.4.1)."""
        second = self._size(second)
        if not 0 < first <= second:
            raise InvalidInput(f"There is no proof from {first} to {second} leaves.")
        path: list[bytes] = []
        low, high, whole = 0, second, True
        while first != high:
            middle = low + _split(high - low)
            if first <= middle:
                path.append(self._hash(middle, high))
                high = middle
            else:
                path.append(self._hash(low, middle))
                low, whole = middle, False
        if not whole:
            path.append(self._hash(low, high))
        return tuple(reversed(path))

    def _size(self, size: int | None) -> int:
        if size is None:
            return len(self)
        if not 0 <= size <= len(self):
            raise InvalidInput(f"The tree has {len(self)} leaves, not {size}.")
        return size

    def _hash(self, low: int, high: int) -> bytes:
        """The root over leaves low..high-1, where `low` is a multiple of the range's largest perfect subtree."""
        peaks: list[bytes] = []
        while low < high:
            level = (high - low).bit_length() - 1
            peaks.append(self._levels[level][low >> level])
            low += 1 << level
        return _fold(peaks)


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """True where `proof` shows that `leaf` stands at `index` (from 0) under `root` (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and node == root


def extends(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """True where `proof` shows that the second tree begins with the whole first one (RFC 9162, section 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _fold(peaks: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees that stand side by side, the largest first."""
    if not peaks:
        return EMPTY_ROOT
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = node_hash(peak, node)
    return node
