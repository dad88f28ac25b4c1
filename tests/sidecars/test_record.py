"""Every row of a sidecar's record is taken once, in its place, as it was written; anything else is refused."""

import re

import pytest

from remit.errors import RecordRefused
from remit.ids import StreamId
from remit.ledger import GENESIS, Draft
from remit.ledger.entry import place
from remit.ledger.seal import Signer
from remit.ledger.tree import CompactRange
from remit.sidecars import Standing, check_rows, pack, streams_of, unpack

KEY, OTHER = Signer.from_seed("remit.local", b"s" * 32), Signer.from_seed("remit.local", b"t" * 32)


def a_record(count=6):
    """Rows of two streams, one after the other; the last entry pins the first stream."""
    heads, rows = {}, []
    for number in range(1, count + 1):
        stream = StreamId("mission/m" if number % 2 else "step/m/s/1")
        seq, prev = heads.get(stream, (0, GENESIS))
        other = next((name for name in heads if name != stream), None)
        pinned = (other, *heads[other]) if number == count and other else None
        draft = Draft(stream, "told", {"number": number}, "remit", number)
        canonical, digest = place(draft, tenant="default", seq=seq + 1, prev=prev, pinned=pinned)
        heads[stream] = (seq + 1, digest)
        rows.append((number, canonical, digest))
    return rows


ROWS = a_record()


def sealed(rows, signer=KEY, past=()):
    tree = CompactRange().extended(bytes.fromhex(digest) for _, _, digest in [*past, *rows])
    return signer.seal(tree.size, tree.root).note


def take(rows, seal, standing=None):
    standing = standing or Standing()
    heads = {stream: standing.heads.get(stream, (0, GENESIS)) for stream in streams_of(rows)}
    return check_rows(Standing(standing.tree, heads), rows, seal, KEY.public)


def refused(rows, seal, standing=None):
    with pytest.raises(RecordRefused) as no:
        take(rows, seal, standing)
    return no.value.rule


def test_what_arrives_in_parts_stands_as_it_was_written():
    first = take(ROWS[:4], sealed(ROWS[:4]))
    whole = take(ROWS[4:], sealed(ROWS), first)

    assert whole.tree == CompactRange().extended(bytes.fromhex(digest) for _, _, digest in ROWS)
    assert unpack(pack(ROWS), after=0) == ROWS


def test_a_gap_is_refused():
    assert refused([ROWS[0], *ROWS[2:]], sealed(ROWS)) == "record_gap"
    renumbered = [(place, row[1], row[2]) for place, row in enumerate([ROWS[0], *ROWS[3:]], start=1)]
    assert refused(renumbered, sealed(renumbered)) == "record_chain"


def test_a_row_that_is_told_twice_is_refused():
    first = take(ROWS[:4], sealed(ROWS[:4]))

    assert refused(ROWS[3:], sealed(ROWS), first) == "record_gap"


@pytest.mark.parametrize("number", range(6))
def test_a_changed_entry_is_refused_wherever_it_stands(number):
    lines = pack(ROWS).replace(b'"number":%d' % (number + 1), b'"number":9')

    assert refused(unpack(lines, after=0), sealed(ROWS)) in {"record_chain", "record_seal"}


def test_a_whole_record_that_was_computed_anew_has_another_seal():
    other = a_record(4)

    assert refused(other, sealed(ROWS[:3])) == "record_seal"
    assert refused(ROWS, sealed(ROWS, OTHER)) == "record_seal"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("kind", b'"kind":7'), ("kind", b'"kin":"told"'), ("at_us", b'"at_us":"now"'), ("payload", b'"payload":[]')],
    ids=["kind_type", "no_kind", "time", "payload"],
)
def test_an_entry_that_could_not_be_shown_is_refused(field, wrong):
    line = ROWS[0][1]
    changed = re.sub(rb'"%s":(\{[^}]*\}|[^,}]+)' % field.encode(), wrong, line)

    assert changed != line
    with pytest.raises(RecordRefused):
        streams_of(unpack(changed + b"\n", after=0))


def test_what_is_no_entry_is_refused():
    with pytest.raises(RecordRefused):
        streams_of(unpack(b'{"no": "entry"}\n', after=0))
    with pytest.raises(RecordRefused):
        unpack(b"half a line", after=0)
