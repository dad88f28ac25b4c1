"""A sidecar's record as it arrives at the control plane: each row once, in its place, chained and under its own seal.

The control plane keeps the root of the sidecar's whole tree and the head of each of its streams. Rows that do not go on
from exactly there are refused, so nothing can be dropped, changed, inserted or told twice on the way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from remit.errors import InvalidInput, RecordRefused
from remit.ledger import GENESIS, leaf_hash, parse
from remit.ledger.chain import read_link
from remit.ledger.seal import PublicKey, open_seal
from remit.ledger.tree import CompactRange

#: (idx, canonical bytes, hash in hexadecimal), in the order of idx.
Row = tuple[int, bytes, str]
_START = (0, GENESIS)
#: Beyond it no instant can be shown: the year 2255.
_AT_US_MAX = 2**53


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sidecar's record stands at the control plane."""

    tree: CompactRange = field(default_factory=CompactRange)
    #: Sequence number and hash of the last entry of each stream that the rows at hand touch or pin.
    heads: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def pack(rows: Iterable[Row]) -> bytes:
    """Rows as lines, each exactly what was hashed."""
    return b"".join(canonical + b"\n" for _, canonical, _ in rows)


def unpack(lines: bytes, *, after: int) -> list[Row]:
    """Read `pack` back; hashes are computed, never believed.

    Raises:
        RecordRefused: it does not end with a whole line.
    """
    parts = lines.split(b"\n")
    if parts.pop():
        raise RecordRefused("The last line is not whole.", rule="record_unreadable")
    return [(after + number, line, leaf_hash(line)) for number, line in enumerate(parts, start=1)]


def streams_of(rows: Sequence[Row]) -> set[str]:
    """Streams that the rows touch or pin.

    Raises:
        RecordRefused: one of them is no entry.
    """
    streams = set()
    for idx, canonical, digest in rows:
        link = read_link(canonical, digest, idx=idx, at=idx)
        if link is None or not _is_whole(canonical, idx):
            raise RecordRefused(f"What stands at {idx} is no entry.", rule="record_unreadable")
        streams.add(link.stream)
        if link.pinned:
            streams.add(link.pinned[0])
    return streams


def _is_whole(canonical: bytes, idx: int) -> bool:
    """True where every field of an entry is there and of its type: what is kept can be shown."""
    try:
        entry = parse(canonical, idx=idx)
    except (ValueError, LookupError, TypeError):
        return False
    texts = (entry.kind, entry.actor)
    return (
        all(type(text) is str for text in texts)
        and type(entry.at_us) is int
        and 0 <= entry.at_us < _AT_US_MAX
        and isinstance(entry.payload, dict)
    )


def check_rows(standing: Standing, rows: Sequence[Row], seal: str, key: PublicKey) -> Standing:
    """Where the record stands with these rows; `heads` has those that changed.

    Raises:
        RecordRefused: a gap, a row that was changed or told twice, or a seal that `key` did not make of exactly this.
    """
    heads = dict(standing.heads)
    changed: dict[str, tuple[int, str]] = {}
    for place, (idx, canonical, digest) in enumerate(rows, start=standing.tree.size + 1):
        if idx != place:
            raise RecordRefused(f"Row {place} is next, and {idx} came.", rule="record_gap")
        link = read_link(canonical, digest, idx=idx, at=idx)
        assert link is not None, "streams_of comes first"
        seq, last = heads.get(link.stream, _START)
        if (link.seq, link.prev) != (seq + 1, last):
            raise RecordRefused(f"{link.ref} at {idx} does not follow {link.stream}@{seq}.", rule="record_chain")
        if link.pinned and heads.get(link.pinned[0], _START) != link.pinned[1:]:
            raise RecordRefused(f"{link.ref} pins {link.pinned[0]} as it does not stand.", rule="record_chain")
        heads[link.stream] = changed[link.stream] = (link.seq, digest)
    tree = standing.tree.extended(bytes.fromhex(digest) for _, _, digest in rows)
    try:
        sealed = open_seal(seal, key)
    except InvalidInput as wrong:
        raise RecordRefused(
            "Its seal is not signed by the key with which the sidecar joined.", rule="record_seal"
        ) from wrong
    if (sealed.size, sealed.root) != (tree.size, tree.root):
        raise RecordRefused(f"The seal is not of these {tree.size} entries: one was changed.", rule="record_seal")
    return Standing(tree, changed)


def mission_of(canonical: bytes) -> str | None:
    """The mission that an entry begins, or None."""
    fields = orjson.loads(canonical)
    return str(fields["stream"]).removeprefix("mission/") if fields["kind"] == "mission.submitted" else None
