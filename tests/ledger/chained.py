"""A small record with everything in it: several streams, pins, seals; and a forger's tools."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from remit.ids import StreamId
from remit.ledger.entry import GENESIS, Draft, leaf_hash, place
from remit.ledger.export import Row, extract, full, mission_streams
from remit.ledger.seal import Signer, extend
from remit.ledger.tree import CompactRange

TENANT = "default"
SIGNER = Signer.from_seed("remit.example/ledger/default", bytes(range(32)))
VKEY = SIGNER.public.vkey

M1, M2, A, B, T = "mission/m-1", "mission/m-2", "step/m-1/a/1", "step/m-1/b/1", "tenant/default"

#: Streams in the order of writing; `M1>A` pins A's head.
PLAN = [M1, A, A, M2, B, A, f"{M1}>{A}", T, M2, B, M1, B, T, f"{M1}>{B}", M2, A, M2, M1, T, M2, M1, M2]
SEALS = (3, 9, 17)


@dataclass
class Record:
    rows: list[Row]
    notes: list[str]

    def row(self, idx: int) -> Row:
        return self.rows[idx - 1]

    def leaves(self, size: int) -> list[bytes]:
        return [bytes.fromhex(claimed) for _, _, claimed in self.rows[:size]]

    def full(self) -> list[bytes]:
        return list(full(self.rows, self.notes, tenant=TENANT, vkey=VKEY))

    def extract(self, mission: str = "m-1") -> list[bytes]:
        streams = mission_streams(mission)
        names, prefix = streams[:1], streams[1]
        rows = [row for row in self.rows if (name := stream_of(row)) in names or name.startswith(prefix)]
        note = self.notes[-1] if self.notes else None
        return list(extract(rows, leaves=self.leaves, note=note, tenant=TENANT, vkey=VKEY, streams=streams))


def stream_of(row: Row) -> str:
    return str(orjson.loads(row[1])["stream"])


def ref_of(row: Row) -> str:
    fields = orjson.loads(row[1])
    return f"{fields['stream']}@{fields['seq']}"


def a_record(plan: Sequence[str] = PLAN, *, seals: Iterable[int] = SEALS, signer: Signer = SIGNER) -> Record:
    heads: dict[str, tuple[int, str]] = {}
    rows: list[Row] = []
    for idx, item in enumerate(plan, start=1):
        stream, _, pins = item.partition(">")
        seq, prev = heads.get(stream, (0, GENESIS))
        pinned = (pins, *heads.get(pins, (0, GENESIS))) if pins else None
        payload = {
            "number": idx,
            "share": idx / 7,
            "note": 'said },"hash":"no" \\ \u2028 é',
            "none": None,
            "nested": {"a": {}},
        }
        draft = Draft(StreamId(stream), "noted", payload, actor="remit", at_us=1_700_000_000_000_000 + idx)
        canonical, digest = place(draft, tenant=TENANT, seq=seq + 1, prev=prev, pinned=pinned)
        heads[stream] = (seq + 1, digest)
        rows.append((idx, canonical, digest))
    return Record(rows, sealed(rows, seals, signer))


def sealed(rows: Sequence[Row], sizes: Iterable[int], signer: Signer = SIGNER) -> list[str]:
    past, notes = CompactRange(), []
    for size in sizes:
        past, seal = extend(past, [bytes.fromhex(claimed) for _, _, claimed in rows[past.size : size]], signer)
        notes.append(seal.note)
    return notes


def changed(row: Row, **fields: Any) -> Row:
    """The entry with other content and the hash that fits it."""
    canonical = orjson.dumps({**orjson.loads(row[1]), **fields}, option=orjson.OPT_SORT_KEYS)
    return row[0], canonical, leaf_hash(canonical)


def rechained(rows: Sequence[Row], *, pins: bool = False) -> list[Row]:
    """What a forger makes of rows: numbered anew, each chained to the one before, pins too where asked."""
    heads: dict[str, tuple[int, str]] = {}
    forged: list[Row] = []
    for idx, row in enumerate(rows, start=1):
        fields = orjson.loads(row[1])
        stream = fields["stream"]
        seq, prev = heads.get(stream, (0, GENESIS))
        again = {"seq": seq + 1, "prev": prev}
        if pins and fields["pinned"]:
            again["pinned"] = (fields["pinned"][0], *heads.get(fields["pinned"][0], (0, GENESIS)))
        _, canonical, digest = changed(row, **again)
        heads[stream] = (seq + 1, digest)
        forged.append((idx, canonical, digest))
    return forged
