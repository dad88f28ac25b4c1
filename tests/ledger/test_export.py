"""The export's lines: exact to the byte, and read back in one form only."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInput, StoreCorrupted
from remit.ledger.entry import leaf_hash, parse
from remit.ledger.export import (
    EntryLine,
    Exporter,
    Footer,
    Header,
    SealLine,
    extract,
    full,
    mission_streams,
    read_line,
)
from remit.ledger.seal import parse_seal

from .chained import M1, SEALS, TENANT, VKEY, a_record, sealed, stream_of

RECORD = a_record()


def test_what_stands_behind_entry_is_what_was_hashed():
    lines = [read_line(line[:-1]) for line in RECORD.full()]

    entries = [line for line in lines if isinstance(line, EntryLine)]
    assert [(line.idx, line.canonical, line.hash) for line in entries] == RECORD.rows
    assert all(leaf_hash(line.canonical) == line.hash for line in entries)
    assert [parse(line.canonical, idx=line.idx).hash for line in entries] == [row[2] for row in RECORD.rows]


def test_the_canonical_bytes_can_be_made_again_from_the_parsed_line():
    for line in RECORD.full():
        fields = orjson.loads(line)
        if "entry" in fields:
            assert leaf_hash(orjson.dumps(fields["entry"], option=orjson.OPT_SORT_KEYS)) == fields["hash"]


def test_each_line_is_json_and_ends_with_one_newline():
    for line in RECORD.full() + RECORD.extract():
        orjson.loads(line)
        assert line.count(b"\n") == 1
        assert line.endswith(b"\n")


def test_a_full_export_has_header_entries_with_their_seals_and_footer():
    lines = [read_line(line[:-1]) for line in RECORD.full()]

    assert lines[0] == Header(TENANT, VKEY)
    places = [number for number, line in enumerate(lines) if isinstance(line, SealLine)]
    assert places == [size + 1 + before for before, size in enumerate(SEALS)]
    assert isinstance(lines[-1], Footer)
    assert (lines[-1].entries, lines[-1].seals) == (len(RECORD.rows), SEALS)
    assert lines[-1].heads[M1] == (6, RECORD.row(21)[2])


def test_an_extract_has_its_streams_the_newest_seal_and_a_proof_for_what_it_covers():
    lines = [read_line(line[:-1]) for line in RECORD.extract()]

    header, seal, *entries, footer = lines
    assert header == Header(TENANT, VKEY, ("mission/m-1", "step/m-1/"))
    assert isinstance(seal, SealLine)
    assert parse_seal(seal.note).size == SEALS[-1]
    assert isinstance(footer, Footer)
    assert set(footer.heads) == {"mission/m-1", "step/m-1/a/1", "step/m-1/b/1"}
    for line in entries:
        assert isinstance(line, EntryLine)
        assert (line.proof is not None) == (line.idx <= SEALS[-1])
        assert stream_of((line.idx, line.canonical, line.hash)) in footer.heads


def test_a_mission_whose_name_begins_another_is_not_taken_for_it():
    header = Header(TENANT, None, mission_streams("m-1"))
    assert header.covers("mission/m-1")
    assert header.covers("step/m-1/a/1")
    assert not header.covers("mission/m-10")
    assert not header.covers("step/m-10/a/1")
    assert Header(TENANT, None).covers("anything")


def test_the_full_export_takes_rows_one_by_one():
    taken = []

    def rows():
        for row in RECORD.rows:
            taken.append(row[0])
            yield row

    lines = full(rows(), RECORD.notes, tenant=TENANT, vkey=VKEY)
    next(lines)
    next(lines)
    next(lines)
    assert len(taken) <= 3


def test_an_extract_with_one_leaf_has_an_empty_proof():
    one = a_record([M1], seals=(1,))
    line = read_line(one.extract()[2][:-1])
    assert isinstance(line, EntryLine)
    assert line.proof == ()


def test_an_empty_record_is_exported():
    assert len(list(full([], [], tenant=TENANT, vkey=None))) == 2
    lines = list(extract([], leaves=lambda _: [], note=None, tenant=TENANT, vkey=None, streams=[M1]))
    assert len(lines) == 2
    assert len(list(full([], sealed([], [0]), tenant=TENANT, vkey=VKEY))) == 3


@pytest.mark.parametrize("canonical", [b"{", b"null", b'{"v":1}', RECORD.row(1)[1].replace(b'{"', b'{\n"', 1)])
def test_what_is_no_entry_stops_the_export(canonical):
    with pytest.raises(StoreCorrupted, match="idx 7"):
        Exporter(Header(TENANT, None)).entry(7, canonical, "0" * 64)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe",
        b"{" * 100_000,
        b'{"format":"remit-ledger/2","tenant":"default","vkey":null}',
        b'{"format":"remit-ledger/1","tenant":"default"}',
        b'{"format":"remit-ledger/1","tenant":3,"vkey":null}',
        b'{"format":"remit-ledger/1","tenant":"default","vkey":null,"streams":[1]}',
        b'{"format":"remit-ledger/1","tenant":"default","vkey":null,"streams":3}',
        b'{"format": "remit-ledger/1","tenant":"default","vkey":null}',
        b'{"seal":"x","more":1}',
        b'{"seal":1}',
        b'{"entries":1,"seals":["1"],"heads":{},"header":"","sha256":""}',
        b'{"entries":1,"seals":[],"heads":{"a":1},"header":"","sha256":""}',
        b'{"entries":1,"seals":[],"heads":{"a":["1",""]},"header":"","sha256":""}',
        b'{"idx":0,"entry":{},"hash":"' + b"0" * 64 + b'"}',
        b'{"idx":1,"entry":{},"hash":"' + b"0" * 63 + b'"}',
    ],
)
def test_what_is_not_exactly_a_line_of_an_export_is_refused(line):
    with pytest.raises(InvalidInput):
        read_line(line)


@given(st.binary())
def test_garbage_is_refused_and_nothing_else_happens(line):
    with pytest.raises(InvalidInput):
        read_line(line)
