r"""The export: a ledger as lines of JSON that a stranger can check with nothing else at hand.

    {"format":"remit-ledger/1","tenant":"default","vkey":"NAME+ID+KEY"}
    {"idx":1,"entry":{...},"hash":"..."}
    {"seal":"NAME\n1\nROOT\n\n— NAME SIGNATURE\n"}
    {"entries":1,"seals":[1],"heads":{"mission/m-1":[1,"..."]},"header":"...","sha256":"..."}

What stands behind `"entry":` is, byte for byte, what was hashed. A *full* export has every entry of the tenant and each
seal behind the last entry that it covers. An *extract* has some streams, named in the header's `streams` (a name that
ends with `/` stands for all that begin with it): the newest seal comes first, and each entry that it covers carries its
inclusion proof. The footer has the SHA-256 of the first line (`header`) and of all lines before itself (`sha256`).

Reading and writing both keep to exactly one form of each line, so no byte is free to change.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from remit.errors import InvalidInput, StoreCorrupted
from remit.ledger.chain import read_link
from remit.ledger.seal import parse_seal
from remit.ledger.tree import Tree

FORMAT = "remit-ledger/1"

#: (idx, canonical bytes, hash in hexadecimal), in the order of idx.
Row = tuple[int, bytes, str]

_NO_SEAL = (0, "")

_ENTRY = re.compile(
    rb'\{"idx":([1-9][0-9]{0,17}),"entry":(\{.*\}),"hash":"([0-9a-f]{64})"'
    rb'(?:,"proof":\[((?:"[0-9a-f]{64}"(?:,"[0-9a-f]{64}")*)?)\])?\}',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line."""

    tenant: str
    #: None where the record has never been sealed.
    vkey: str | None
    #: Of an extract: the streams that it has. None: all.
    streams: tuple[str, ...] | None = None

    def covers(self, stream: str) -> bool:
        """True where the export should have this stream's entries."""
        return self.streams is None or any(
            stream.startswith(name) if name.endswith("/") else stream == name for name in self.streams
        )


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry, as exported."""

    idx: int
    canonical: bytes
    hash: str
    #: None where there is none; the proof in a tree of one leaf is empty.
    proof: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class SealLine:
    """One seal, as exported."""

    note: str


@dataclass(frozen=True, slots=True)
class Footer:
    """The last line."""

    entries: int
    #: Size of each seal, in order.
    seals: tuple[int, ...]
    #: Sequence number and hash of each stream's last entry.
    heads: dict[str, tuple[int, str]]
    #: SHA-256 of the first line, newline included.
    header: str
    #: Of every byte before this line.
    sha256: str


Line = Header | EntryLine | SealLine | Footer


class Exporter:
    """Writes an export line by line; each method returns the bytes of its line, newline included."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._digest = sha256()
        self._first = ""
        self._entries = 0
        self._seals: list[int] = []
        self._heads: dict[str, tuple[int, str]] = {}

    def header(self) -> bytes:
        """The first line."""
        fields: dict[str, Any] = {"format": FORMAT, "tenant": self._header.tenant, "vkey": self._header.vkey}
        if self._header.streams is not None:
            fields["streams"] = self._header.streams
        line = self._line(orjson.dumps(fields))
        self._first = self._digest.hexdigest()
        return line

    def entry(self, idx: int, canonical: bytes, claimed_hash: str, proof: Sequence[bytes] | None = None) -> bytes:
        """One entry, with the hash that the store has for it: whether it fits is for the reader to find out.

        Raises:
            StoreCorrupted: these bytes are not an entry at all.
        """
        link = read_link(canonical, claimed_hash, idx=idx, at=idx)
        if link is None or b"\n" in canonical:
            raise StoreCorrupted(f"What stands at idx {idx} is not an entry.")
        self._entries += 1
        self._heads[link.stream] = (link.seq, claimed_hash)
        tail = b""
        if proof is not None:
            tail = b',"proof":[' + b",".join(b'"%s"' % node.hex().encode() for node in proof) + b"]"
        return self._line(b'{"idx":%d,"entry":%b,"hash":"%b"%b}' % (idx, canonical, claimed_hash.encode(), tail))

    def seal(self, note: str) -> bytes:
        """One seal: in a full export behind the last entry that it covers, in an extract before the entries."""
        self._seals.append(parse_seal(note).size)
        return self._line(orjson.dumps({"seal": note}))

    def footer(self) -> bytes:
        """The last line."""
        return (
            orjson.dumps(
                {
                    "entries": self._entries,
                    "seals": self._seals,
                    "heads": self._heads,
                    "header": self._first,
                    "sha256": self._digest.hexdigest(),
                }
            )
            + b"\n"
        )

    def _line(self, text: bytes) -> bytes:
        line = text + b"\n"
        self._digest.update(line)
        return line


def mission_streams(mission: str) -> tuple[str, ...]:
    """What an extract of one mission has: its own stream and those of its steps."""
    return (f"mission/{mission}", f"step/{mission}/")


def full(rows: Iterable[Row], notes: Iterable[str], *, tenant: str, vkey: str | None) -> Iterator[bytes]:
    """Export every entry; `notes` are the seals by size. Holds one head for each stream, and no entries."""
    exporter = Exporter(Header(tenant, vkey))
    yield exporter.header()
    waiting = ((parse_seal(note).size, note) for note in notes)
    size, note = next(waiting, _NO_SEAL)
    for idx, canonical, claimed in rows:
        while note and size < idx:
            yield exporter.seal(note)
            size, note = next(waiting, _NO_SEAL)
        yield exporter.entry(idx, canonical, claimed)
    while note:
        yield exporter.seal(note)
        size, note = next(waiting, _NO_SEAL)
    yield exporter.footer()


def extract(
    rows: Iterable[Row],
    *,
    leaves: Callable[[int], Iterable[bytes]],
    note: str | None,
    tenant: str,
    vkey: str | None,
    streams: Sequence[str],
) -> Iterator[bytes]:
    """Export the entries of some streams, each with its proof.

    `rows` are their entries by idx, from each stream's first; `leaves(n)` gives the leaf hashes of the tenant's first n
    entries; `note` is the newest seal.
    """
    exporter = Exporter(Header(tenant, vkey, tuple(streams)))
    yield exporter.header()
    size = 0
    if note is not None:
        size = parse_seal(note).size
        yield exporter.seal(note)
    tree = Tree(leaves(size) if size else ())
    for idx, canonical, claimed in rows:
        yield exporter.entry(idx, canonical, claimed, tree.inclusion(idx - 1, size) if idx <= size else None)
    yield exporter.footer()


def read_line(line: bytes) -> Line:
    """Read one line, without its newline.

    Raises:
        InvalidInput: it is not a line of an export, in exactly the form in which one is written.
    """
    if match := _ENTRY.fullmatch(line):
        idx, canonical, claimed, proof = match.groups()
        return EntryLine(int(idx), canonical, claimed.decode(), None if proof is None else _nodes(proof))
    try:
        fields = orjson.loads(line)
        exact = isinstance(fields, dict) and orjson.dumps(fields) == line
    except (ValueError, TypeError) as cause:
        raise InvalidInput("The line is not JSON.") from cause
    if not exact:
        raise InvalidInput("The line is not in the form of an export.")
    try:
        return _read_fields(fields)
    except (KeyError, TypeError, ValueError) as cause:
        raise InvalidInput("The line is not in the form of an export.") from cause


def _nodes(proof: bytes) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(node.decode()) for node in proof[1:-1].split(b'","')) if proof else ()


def _read_fields(fields: dict[str, Any]) -> Line:
    match fields:
        case {"format": str(written), "tenant": str(tenant), "vkey": None | str() as vkey}:
            if written != FORMAT:
                raise InvalidInput(f"The export has the format {written!r}; this release reads {FORMAT!r}.")
            streams = fields.get("streams")
            if streams is not None and not all(type(name) is str for name in streams):
                raise TypeError(streams)
            return Header(tenant, vkey, None if streams is None else tuple(streams))
        case {"seal": str(note)} if len(fields) == 1:
            return SealLine(note)
        case {
            "entries": int(entries),
            "seals": list(seals),
            "heads": dict(heads),
            "header": str(header),
            "sha256": str(digest),
        }:
            read = {stream: (seq, head_hash) for stream, (seq, head_hash) in heads.items()}
            if not all(type(size) is int for size in seals) or not all(
                type(seq) is int and type(head_hash) is str for seq, head_hash in read.values()
            ):
                raise TypeError(heads)
            return Footer(entries, tuple(seals), read, header, digest)
    raise KeyError("format")
