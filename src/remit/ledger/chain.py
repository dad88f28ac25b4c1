"""The hash chain of each stream: every entry names the hash of the one before, and pins the heads of streams it closes.

What is found is told as exactly as can be proved. An entry whose hash no longer fits what its successor says was
changed itself, unless a seal has proved it: then it is the successor that was changed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import orjson

from remit.ledger.entry import GENESIS, leaf_hash


class Flaw(StrEnum):
    """What was done to an entry."""

    CHANGED = "changed"
    MISSING = "missing"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    INSERTED = "inserted"
    PIN_DIFFERS = "pinned stream differs"
    SEAL_DIFFERS = "seal differs"
    FORGED_SEAL = "seal not valid"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the record."""

    #: Where it shows, counted in the order of reading: the least is the first.
    at: int
    flaw: Flaw
    detail: str
    ref: str | None = None
    idx: int | None = None

    @property
    def reason(self) -> str:
        """Flaw and detail in one line."""
        return f"{self.flaw}: {self.detail}"


class Link(NamedTuple):
    """An entry as its chain sees it."""

    at: int
    idx: int
    tenant: str
    stream: str
    seq: int
    prev: str
    hash: str
    pinned: tuple[str, int, str] | None
    #: A seal has proved this very entry.
    proven: bool = False

    @property
    def ref(self) -> str:
        """The entry's name: `STREAM@SEQ`."""
        return f"{self.stream}@{self.seq}"

    def found(self, flaw: Flaw, detail: str) -> Finding:
        """A finding that names this entry."""
        return Finding(self.at, flaw, detail, self.ref, self.idx)


def read_link(canonical: bytes, claimed_hash: str, *, idx: int, at: int, proven: bool = False) -> Link | None:
    """What the chain needs of an entry, or None where these bytes are no entry. The hash is not compared."""
    try:
        fields = orjson.loads(canonical)
        tenant, stream, seq, prev = fields["tenant"], fields["stream"], fields["seq"], fields["prev"]
        pinned = fields["pinned"]
        if pinned is not None:
            pinned_stream, pinned_seq, pinned_hash = pinned
            if not (type(pinned_stream) is type(pinned_hash) is str and type(pinned_seq) is int):
                return None
            pinned = (pinned_stream, pinned_seq, pinned_hash)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not (type(tenant) is type(stream) is type(prev) is str and type(seq) is int and seq > 0):
        return None
    return Link(at, idx, tenant, stream, seq, prev, claimed_hash, pinned, proven)


class _Head(NamedTuple):
    """Where a stream stands."""

    last: Link
    #: The oldest of its entries that no seal has proved yet.
    unproven: Link
    #: The predecessor of `last` fits it not; the next entry of the stream decides what that means.
    doubt: Finding | None = None
    #: Hash of the entry before `last`.
    before: str = GENESIS


class Chains:
    """Follows every stream of a record at once; holds one head for each stream."""

    def __init__(self, covers: Callable[[str], bool] = lambda _: True) -> None:
        #: Every entry up to this idx is proved by a seal.
        self.proven_to = 0
        self._covers = covers
        self._heads: dict[str, _Head] = {}

    def head(self, stream: str) -> tuple[int, str]:
        """Sequence number and hash of a stream's last entry; (0, GENESIS) where there is none."""
        head = self._heads.get(stream)
        return (head.last.seq, head.last.hash) if head else (0, GENESIS)

    def follow(self, link: Link) -> list[Finding]:
        """Take the next entry, in the order of `idx`; what is returned may name an earlier entry."""
        head = self._heads.get(link.stream)
        if head is None:
            found = self._first(link)
        elif link.seq == head.last.seq + 1:
            found = self._next(head, link)
        elif link.seq > head.last.seq:
            found = self._gap(head, link)
        else:
            return self._again(head, link)
        if link.pinned and (pin := self._pin(link, *link.pinned)):
            found.append(pin)
        return found

    def finish(self) -> Iterator[Finding]:
        """Doubts that no later entry has settled."""
        return (head.doubt for head in self._heads.values() if head.doubt)

    def compare(self, stream: str, seq: int, head_hash: str, *, at: int, says: str) -> Finding | None:
        """Compare a stream's head with what something else (`says`) says that it is."""
        head = self._heads.get(stream)
        have = head.last.seq if head else 0
        if seq > have:
            return Finding(at, Flaw.MISSING, f"{says} says that {stream} has {seq} entries", f"{stream}@{have + 1}")
        if head is None or (seq, head_hash) == (have, head.last.hash):
            return None
        if self._proven(head.last):
            return Finding(at, Flaw.CHANGED, f"{says} is not what the sealed {head.last.ref} says")
        if seq < have:
            extra = head.last if have == seq + 1 else head.unproven
            return extra.found(Flaw.INSERTED, f"{says} says that {stream} has {seq} entries, and it has {have}")
        return head.unproven.found(Flaw.CHANGED, f"{_between(head)} was changed: {says} has another hash for its end")

    def streams(self) -> Iterable[str]:
        """Every stream that was met."""
        return self._heads.keys()

    def inserted(self, stream: str, says: str) -> Finding:
        """A finding about a stream that should not be there."""
        head = self._heads[stream]
        return head.unproven.found(Flaw.INSERTED, f"{says} does not know the stream")

    def _proven(self, link: Link) -> bool:
        return link.proven or link.idx <= self.proven_to

    def _put(self, link: Link, head: _Head | None, doubt: Finding | None = None) -> None:
        unproven = link if head is None or self._proven(head.last) else head.unproven
        self._heads[link.stream] = _Head(link, unproven, doubt, head.last.hash if head else GENESIS)

    def _first(self, link: Link) -> list[Finding]:
        self._put(link, None)
        if link.seq > 1:
            return [Finding(link.at, Flaw.MISSING, f"the stream begins with {link.ref}", f"{link.stream}@1")]
        if link.prev != GENESIS:
            return [link.found(Flaw.CHANGED, "it is its stream's first entry and names one before it")]
        return []

    def _next(self, head: _Head, link: Link) -> list[Finding]:
        found = [head.doubt] if head.doubt else []
        doubt = None
        if link.prev != head.last.hash:
            if self._proven(head.last):
                found.append(link.found(Flaw.CHANGED, f"it does not follow {head.last.ref}, which a seal proves"))
            else:
                detail = f"its content and hash are not those that {link.ref} follows"
                doubt = head.last.found(Flaw.CHANGED, detail)
        self._put(link, head, doubt)
        return found

    def _gap(self, head: _Head, link: Link) -> list[Finding]:
        found = [head.doubt] if head.doubt else []
        detail = f"{link.ref} stands after {head.last.ref}"
        self._put(link, head)
        return [*found, Finding(link.at, Flaw.MISSING, detail, f"{link.stream}@{head.last.seq + 1}")]

    def _again(self, head: _Head, link: Link) -> list[Finding]:
        last = head.last
        if link.seq < last.seq:
            return [link.found(Flaw.REORDERED, f"it stands after {last.ref}")]
        if link.hash == last.hash:
            return [link.found(Flaw.DUPLICATED, "it stands twice")]
        if head.doubt and link.prev == head.before:
            unproven = link if head.unproven is last else head.unproven
            self._heads[link.stream] = head._replace(last=link, unproven=unproven, doubt=None)
            return [last.found(Flaw.INSERTED, "it does not follow the entry before it, and another one does")]
        extra = link if self._proven(last) else last
        return [extra.found(Flaw.INSERTED, f"two entries claim the place {link.ref}")]

    def _pin(self, link: Link, stream: str, seq: int, pinned_hash: str) -> Finding | None:
        if stream == link.stream or not self._covers(stream):
            return None
        head = self._heads.get(stream)
        if head is None or seq >= head.last.seq + 1 or self.head(stream) == (seq, pinned_hash):
            return self.compare(stream, seq, pinned_hash, at=link.at, says=f"the pin of {link.ref}")
        if self._proven(head.last):
            return link.found(Flaw.PIN_DIFFERS, f"it pins {stream}@{seq} by another hash or at another length")
        if seq < head.last.seq:
            return self.compare(stream, seq, pinned_hash, at=link.at, says=f"the pin of {link.ref}")
        detail = f"{_between(head)} was changed: {link.ref} pins another hash for its end"
        return head.unproven.found(Flaw.PIN_DIFFERS, detail)


def check_stream(
    rows: Iterable[tuple[int, bytes, str]], *, pinned_hash: Callable[[str, int], str | None] | None = None
) -> Finding | None:
    """Check one stream's entries, given as (idx, canonical bytes, hash) oldest first; return the first that is bad.

    `pinned_hash` looks up the hash of another stream's entry by its sequence number; without it pins are not compared.
    """
    chains = Chains(covers=lambda _: False)
    found: list[Finding] = []
    stream: str | None = None
    for at, (idx, canonical, claimed) in enumerate(rows, start=1):
        link = read_link(canonical, claimed, idx=idx, at=at)
        if link is None:
            found.append(Finding(at, Flaw.UNREADABLE, "this is no entry", idx=idx))
        elif leaf_hash(canonical) != claimed:
            found.append(link.found(Flaw.CHANGED, "its content does not have its hash"))
        elif stream not in (None, link.stream):
            found.append(link.found(Flaw.INSERTED, f"it does not belong to {stream}"))
        else:
            stream = link.stream
            found += chains.follow(link)
            if link.pinned and pinned_hash and link.pinned[1] and pinned_hash(*link.pinned[:2]) != link.pinned[2]:
                found.append(link.found(Flaw.PIN_DIFFERS, f"{link.pinned[0]}@{link.pinned[1]} has another hash"))
    found += chains.finish()
    return min(found, key=lambda finding: finding.at, default=None)


def _between(head: _Head) -> str:
    first, last = head.unproven, head.last
    return "it" if first is last else f"it or a later one up to {last.ref}"
