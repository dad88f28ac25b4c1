"""One entry of the ledger: what was proposed for the record, and what the store made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from remit.ids import StreamId

#: The `prev` of a stream's first entry.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact or a decision before the store has given it its place."""

    stream: StreamId
    kind: str
    #: Typed content without personal data or secrets; bodies stand elsewhere, under keys that can be destroyed.
    payload: Mapping[str, Any]
    #: Who did it: `principal:ID`, `agent:NAME@VERSION` or `remit`.
    actor: str
    #: Microseconds since 1970-01-01 UTC.
    at_us: int
    version: int = 1
    #: Makes a fact unique in its stream; a second one with the same name is refused.
    fact: str | None = None
    #: The entry that led to this one, as `STREAM@SEQ`.
    cause: str | None = None
    #: A stream whose head is to be written into this entry, after the entries before this one in the same commit.
    pins: StreamId | None = None
    #: After this entry the stream takes facts, but no claims, intents or decisions.
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in its place: numbered in its stream and chained to the one before."""

    tenant: str
    stream: StreamId
    #: From 1, without gaps.
    seq: int
    kind: str
    version: int
    payload: Mapping[str, Any]
    actor: str
    at_us: int
    fact: str | None
    cause: str | None
    closes: bool
    #: Head of the pinned stream when this was written: [stream, seq, hash].
    pinned: tuple[str, int, str] | None
    prev: str
    hash: str
    #: Place in the tenant's whole record, from 1; the leaf number of the Merkle tree plus one.
    idx: int

    @property
    def ref(self) -> str:
        """The entry's name: `STREAM@SEQ`."""
        return f"{self.stream}@{self.seq}"


def place(draft: Draft, *, tenant: str, seq: int, prev: str, pinned: tuple[str, int, str] | None) -> tuple[bytes, str]:
    """Return the canonical bytes of `draft` in its place, and their hash in hexadecimal."""
    canonical = orjson.dumps(
        {
            "v": 1,
            "tenant": tenant,
            "stream": draft.stream,
            "seq": seq,
            "kind": draft.kind,
            "version": draft.version,
            "payload": draft.payload,
            "actor": draft.actor,
            "at_us": draft.at_us,
            "fact": draft.fact,
            "cause": draft.cause,
            "closes": draft.closes,
            "pinned": pinned,
            "prev": prev,
        },
        option=orjson.OPT_SORT_KEYS,
    )
    return canonical, leaf_hash(canonical)


def leaf_hash(canonical: bytes) -> str:
    """The hash of an entry, which is its leaf in the tenant's Merkle tree (RFC 9162, section 2.1.1)."""
    return sha256(b"\x00" + canonical).hexdigest()


def parse(canonical: bytes, *, idx: int) -> Entry:
    """Read an entry back from its canonical bytes; `hash` is computed, never believed."""
    fields = orjson.loads(canonical)
    pinned = fields["pinned"]
    return Entry(
        tenant=fields["tenant"],
        stream=StreamId(fields["stream"]),
        seq=fields["seq"],
        kind=fields["kind"],
        version=fields["version"],
        payload=fields["payload"],
        actor=fields["actor"],
        at_us=fields["at_us"],
        fact=fields["fact"],
        cause=fields["cause"],
        closes=fields["closes"],
        pinned=tuple(pinned) if pinned else None,
        prev=fields["prev"],
        hash=leaf_hash(canonical),
        idx=idx,
    )
