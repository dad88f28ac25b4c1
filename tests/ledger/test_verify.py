"""Verification: whatever is done to a record, the first entry that was touched is named."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.ledger.export import Header, extract, full, mission_streams
from remit.ledger.seal import PublicKey, Signer, open_seal
from remit.ledger.verify import Verdict, Verifier, verify_export

from .chained import (
    M1,
    M2,
    PLAN,
    SEALS,
    SIGNER,
    TENANT,
    VKEY,
    A,
    Record,
    T,
    a_record,
    changed,
    rechained,
    ref_of,
    sealed,
)

RECORD = a_record()
FULL = RECORD.full()
EXTRACT = RECORD.extract()
FORGER = Signer.from_seed(SIGNER.public.name, b"f" * 32)


def exported(rows, notes=None):
    return list(full(rows, RECORD.notes if notes is None else notes, tenant=TENANT, vkey=VKEY))


def bad(lines, **options):
    verdict = verify_export(lines, **options)
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert verdict.first_bad.reason
    return verdict.first_bad


def line_of(idx):
    """The line of an entry in the full export."""
    return 1 + idx + sum(size < idx for size in SEALS)


# --- What is whole ---------------------------------------------------------------------------------------------------


def test_a_whole_record_is_proved_up_to_its_newest_seal():
    verdict = verify_export(FULL, vkey=VKEY)
    assert verdict == Verdict(
        ok=True,
        entries=22,
        sealed=17,
        unsealed=5,
        notes=("5 of 22 entries: durable, not sealed (checked against their chains only)",),
    )


def test_an_extract_is_proved_by_itself():
    verdict = verify_export(EXTRACT, vkey=VKEY)
    assert verdict.ok
    assert (verdict.entries, verdict.sealed, verdict.unsealed) == (13, 11, 2)


def test_without_a_key_the_file_is_checked_against_its_own_and_says_so():
    verdict = verify_export(FULL)
    assert verdict.ok
    assert any(VKEY in note for note in verdict.notes)


def test_a_record_that_was_never_sealed_is_whole_and_nothing_of_it_is_sealed():
    lines = list(full(RECORD.rows, [], tenant=TENANT, vkey=None))
    verdict = verify_export(lines)
    assert verdict.ok
    assert (verdict.sealed, verdict.unsealed) == (0, 22)


def test_the_empty_record_is_whole():
    assert verify_export(full([], [], tenant=TENANT, vkey=None)).ok
    assert verify_export(full([], sealed([], [0]), tenant=TENANT, vkey=VKEY)).ok


def test_lines_may_come_without_their_newline():
    assert verify_export([line.rstrip(b"\n") for line in FULL]).ok


@given(st.lists(st.sampled_from([*PLAN, f"{M2}>{M1}", f"{T}>{A}"]), max_size=40), st.sets(st.integers(0, 40)))
def test_every_record_that_is_whole_passes(plan, sizes):
    record = a_record(plan, seals=sorted(size for size in sizes if size <= len(plan)))
    assert verify_export(record.full(), vkey=VKEY).ok
    assert verify_export(record.extract("m-1"), vkey=VKEY).ok
    assert verify_export(record.extract("m-2"), vkey=VKEY).ok


# --- Any line, any byte ----------------------------------------------------------------------------------------------


def lines_of(data):
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@given(st.data())
def test_any_byte_changed_in_any_line_is_found_at_that_line_or_before(data):
    lines = data.draw(st.sampled_from([FULL, EXTRACT]))
    number = data.draw(st.integers(0, len(lines) - 1))
    at = data.draw(st.integers(0, len(lines[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda drawn: drawn != lines[number][at]))
    line = lines[number][:at] + bytes([byte]) + lines[number][at + 1 :]

    found = bad(lines_of(b"".join([*lines[:number], line, *lines[number + 1 :]])))

    assert found.line is not None
    assert found.line <= number + 1


@pytest.mark.parametrize("idx", range(1, len(PLAN) + 1))
def test_every_byte_of_an_entrys_line_is_guarded_and_names_that_entry(idx):
    number = line_of(idx) - 1
    for at in range(0, len(FULL[number]) - 1, 7):
        line = bytearray(FULL[number])
        line[at] ^= 1
        found = bad([*FULL[:number], bytes(line), *FULL[number + 1 :]])
        assert found.line == number + 1
        assert found.idx == idx


@given(st.data())
def test_a_dropped_line_is_found_at_its_place_or_before(data):
    number = data.draw(st.integers(0, len(FULL) - 1))
    found = bad(FULL[:number] + FULL[number + 1 :])
    assert found.line is not None
    assert found.line <= number + 1


@pytest.mark.parametrize("idx", range(1, len(PLAN) + 1))
def test_a_dropped_entry_is_named(idx):
    found = bad([line for number, line in enumerate(FULL, start=1) if number != line_of(idx)])
    assert (found.line, found.ref, found.idx) == (line_of(idx), ref_of(RECORD.row(idx)), idx)
    assert found.reason.startswith("missing")


@given(st.data())
def test_a_line_told_twice_is_found_where_it_stands_again_or_before(data):
    number = data.draw(st.integers(0, len(FULL) - 1))
    place = data.draw(st.integers(0, len(FULL)))
    found = bad([*FULL[:place], FULL[number], *FULL[place:]])
    assert found.line is not None
    assert found.line <= place + 1 + (place == number)


@given(st.data())
def test_two_lines_that_changed_places_are_found_at_the_first(data):
    first = data.draw(st.integers(0, len(FULL) - 2))
    second = data.draw(st.integers(first + 1, len(FULL) - 1))
    lines = list(FULL)
    lines[first], lines[second] = lines[second], lines[first]
    found = bad(lines)
    assert found.line is not None
    assert found.line <= first + 1


@pytest.mark.parametrize("idx", [4, 5, 10, 11, 12, 18, 19])
def test_neighbours_that_changed_places_are_named_as_such(idx):
    number = line_of(idx) - 1
    lines = [*FULL[:number], FULL[number + 1], FULL[number], *FULL[number + 2 :]]
    found = bad(lines)
    assert (found.line, found.ref, found.idx) == (line_of(idx), ref_of(RECORD.row(idx)), idx)
    assert found.reason.startswith("reordered")


@given(st.data())
def test_a_line_dropped_from_an_extract_is_found(data):
    number = data.draw(st.integers(0, len(EXTRACT) - 1))
    found = bad(EXTRACT[:number] + EXTRACT[number + 1 :])
    fields = orjson.loads(EXTRACT[number])
    if "entry" in fields:
        assert found.ref == f"{fields['entry']['stream']}@{fields['entry']['seq']}"
    else:
        assert found.line is not None
        assert found.line <= number + 1


@given(st.data())
def test_lines_of_an_extract_that_stand_twice_or_elsewhere_are_found(data):
    number, place = data.draw(st.integers(0, len(EXTRACT) - 1)), data.draw(st.integers(0, len(EXTRACT)))
    found = bad([*EXTRACT[:place], EXTRACT[number], *EXTRACT[place:]])
    assert found.line is not None
    assert found.line <= place + 1 + (place == number)


@given(st.data())
def test_lines_of_an_extract_that_changed_places_are_found_at_the_first(data):
    first = data.draw(st.integers(0, len(EXTRACT) - 2))
    second = data.draw(st.integers(first + 1, len(EXTRACT) - 1))
    lines = list(EXTRACT)
    lines[first], lines[second] = lines[second], lines[first]
    found = bad(lines)
    assert found.line is not None
    assert found.line <= first + 1


@given(st.data())
def test_a_file_cut_off_anywhere_is_found(data):
    whole = b"".join(FULL)
    cut = data.draw(st.integers(0, len(whole) - 2))
    assert not verify_export(lines_of(whole[:cut])).ok


@given(st.lists(st.binary()), st.booleans())
def test_garbage_is_a_verdict_and_never_an_error(garbage, headed):
    found = bad([FULL[0], *garbage] if headed else garbage)
    assert found.line is not None


@given(st.data())
def test_garbage_among_the_lines_is_found(data):
    place = data.draw(st.integers(1, len(FULL)))
    found = bad([*FULL[:place], data.draw(st.binary()), *FULL[place:]])
    assert found.line is not None
    assert found.line <= place + 1


# --- A forger who computes hashes too ---------------------------------------------------------------------------------


@pytest.mark.parametrize("idx", [1, 2, 4, 5, 8, 9, 10, 12, 16])
def test_an_entry_changed_together_with_its_hash_is_named_by_its_successor(idx):
    rows = [changed(row, kind="forged") if row[0] == idx else row for row in RECORD.rows]
    found = bad(exported(rows), vkey=VKEY)
    if idx in (12, 16):  # nothing follows them: a pin or the seal tells that it is one of several, from idx 10
        assert found.idx == 10
    else:
        assert (found.line, found.ref, found.idx) == (line_of(idx), ref_of(RECORD.row(idx)), idx)


@given(st.integers(1, SEALS[-1]), st.booleans())
def test_a_forger_who_computes_a_whole_stream_anew_is_caught_by_the_seal(idx, pins):
    rows = rechained(
        [changed(row, payload={"paid": 1}) if row[0] == idx else row for row in RECORD.rows],
        pins=pins,
    )
    found = bad(exported(rows), vkey=VKEY)
    assert found.idx is not None
    assert found.idx <= idx
    assert found.idx > max(size for size in (0, *SEALS) if size < idx)


@given(st.integers(1, SEALS[-1]))
def test_an_entry_taken_out_and_the_rest_numbered_and_chained_anew_is_caught_by_the_seal(idx):
    rows = rechained([row for row in RECORD.rows if row[0] != idx], pins=True)
    found = bad(exported(rows), vkey=VKEY)
    assert found.idx is not None
    assert found.idx <= idx


@given(st.integers(1, SEALS[-1] - 1))
def test_an_entry_put_in_and_the_rest_numbered_and_chained_anew_is_caught_by_the_seal(idx):
    rows = rechained([*RECORD.rows[:idx], changed(RECORD.row(idx), kind="forged"), *RECORD.rows[idx:]], pins=True)
    found = bad(exported(rows), vkey=VKEY)
    assert found.idx is not None
    assert found.idx <= idx + 1


def test_a_seal_that_fails_says_which_entries_it_is_about():
    rows = rechained([changed(row, kind="forged") if row[0] == 12 else row for row in RECORD.rows], pins=True)
    verdict = verify_export(exported(rows), vkey=VKEY)
    assert verdict.sealed == 9
    assert verdict.first_bad is not None
    assert verdict.first_bad.idx == 10
    assert "up to idx 17" in verdict.first_bad.reason


def test_what_may_stand_before_the_named_entry_unproved_is_noted():
    verdict = verify_export(exported([row for row in RECORD.rows if row[0] != 13]))
    assert verdict.first_bad is not None
    assert verdict.first_bad.idx == 13
    assert any("from idx 10 to 12" in note for note in verdict.notes)


def test_an_unsealed_end_is_held_by_the_footer():
    rows = [*RECORD.rows[:21], changed(RECORD.row(22), kind="forged")]
    lines = [*exported(rows)[:-1], FULL[-1]]
    found = bad(lines)
    assert found.idx == 20  # the first of that stream's entries that no seal proves
    assert "the footer" in found.reason


def refooted(lines, **fields):
    return [*lines[:-1], orjson.dumps({**orjson.loads(lines[-1]), **fields}) + b"\n"]


def test_more_entries_than_the_footer_says_are_found():
    assert "more than the footer says" in bad(refooted(FULL, entries=21)).reason
    assert "more than the footer says" in bad(refooted(FULL, seals=[3, 9])).reason


def test_a_stream_that_the_footer_does_not_know_is_named():
    heads = {stream: head for stream, head in orjson.loads(FULL[-1])["heads"].items() if stream != T}
    found = bad(refooted(FULL, heads=heads))
    assert "the footer" in found.reason
    assert found.ref == f"{T}@3"  # what the seals prove is beyond doubt


def test_a_number_that_no_seal_proves_is_held_by_the_footer():
    lines = [line.replace(b'{"idx":21,', b'{"idx":29,', 1) for line in EXTRACT]
    found = bad(lines)
    assert found.line is not None
    assert EXTRACT[found.line - 1].startswith(b'{"idx":18,')
    assert "number" in found.reason


def test_an_extract_names_the_forged_entry_exactly_for_each_has_its_proof():
    forged = Record([changed(row, kind="forged") if row[0] == 10 else row for row in RECORD.rows], RECORD.notes)
    lines = [
        forged.extract()[number] if b'"forged"' in forged.extract()[number] else line
        for number, line in enumerate(EXTRACT)
    ]
    found = bad(lines, vkey=VKEY)
    assert (found.idx, found.ref) == (10, ref_of(RECORD.row(10)))


def test_an_extract_cannot_take_an_entry_of_another_mission():
    rows = [row for row in RECORD.rows if row[0] in (1, 4)]
    lines = extract(
        rows, leaves=RECORD.leaves, note=RECORD.notes[-1], tenant=TENANT, vkey=VKEY, streams=mission_streams("m-1")
    )
    assert bad(lines).idx == 4


def test_an_entry_of_another_tenant_is_named():
    rows = rechained([changed(row, tenant="other") if row[0] == 20 else row for row in RECORD.rows])
    assert bad(exported(rows)).idx == 20


# --- Seals and keys ---------------------------------------------------------------------------------------------------


def test_a_forger_of_everything_is_found_by_the_key_that_the_caller_trusts():
    forged = a_record([M1, M1, M1], seals=(3,), signer=FORGER)
    lines = list(full(forged.rows, forged.notes, tenant=TENANT, vkey=FORGER.public.vkey))

    assert verify_export(lines).ok
    found = bad(lines, vkey=VKEY)
    assert found.line == 1
    assert FORGER.public.vkey in found.reason


def test_a_seal_by_another_key_is_named():
    notes = [*RECORD.notes[:2], sealed(RECORD.rows, [17], FORGER)[0]]
    found = bad(exported(RECORD.rows, notes), vkey=VKEY)
    assert found.line == line_of(18) - 1
    assert "not signed by the key" in found.reason


def test_a_seal_over_more_than_there_is_tells_of_a_missing_end():
    rows = RECORD.rows[:15]
    found = bad(exported(rows), vkey=VKEY)
    assert found.idx == 16
    assert "covers 17" in found.reason


def test_a_seal_that_was_kept_elsewhere_finds_a_record_that_was_cut_back():
    lines = exported(RECORD.rows[:12], RECORD.notes[:2])
    assert verify_export(lines, vkey=VKEY).ok
    found = bad(lines, vkey=VKEY, kept=[RECORD.notes[2]])
    assert found.idx == 13


def test_a_seal_that_was_kept_elsewhere_finds_what_the_owner_of_the_key_wrote_anew():
    rows = rechained([changed(row, kind="forged") if row[0] == 5 else row for row in RECORD.rows], pins=True)
    lines = exported(rows, sealed(rows, SEALS))
    assert verify_export(lines, vkey=VKEY, kept=RECORD.notes[:1]).ok
    found = bad(lines, vkey=VKEY, kept=RECORD.notes)
    assert found.idx == 4
    forged = Record(rows, sealed(rows, SEALS))
    assert verify_export(forged.extract(), vkey=VKEY).ok
    assert not verify_export(forged.extract(), vkey=VKEY, kept=RECORD.notes).ok


def test_seals_without_any_key_are_not_believed():
    found = bad(full(RECORD.rows, RECORD.notes, tenant=TENANT, vkey=None))
    assert "no key" in found.reason


@pytest.mark.parametrize("vkey", ["x", "a+b+c", VKEY[:-1]])
def test_a_key_that_cannot_be_read_is_said_to_be_so(vkey):
    assert bad(FULL, vkey=vkey).line is None


def test_a_kept_seal_that_cannot_be_read_is_said_to_be_so():
    assert "signed note" in bad(FULL, vkey=VKEY, kept=["x"]).reason
    assert "no key" in bad(full([], [], tenant=TENANT, vkey=None), kept=RECORD.notes).reason


@pytest.mark.parametrize(
    "lines", [[], [b""], [b"%PDF-1.7\n"], FULL[1:], [b'{"format":"remit-ledger/9","tenant":"x","vkey":null}\n']]
)
def test_what_is_no_export_is_refused_as_such(lines):
    found = bad(lines)
    assert found.line == 1
    assert "not a Remit export" in found.reason


def test_lines_behind_the_footer_are_found():
    assert bad([*FULL, FULL[3]]).line == len(FULL) + 1


# --- Inside a store ---------------------------------------------------------------------------------------------------


def verified(rows, notes):
    verifier = Verifier(PublicKey.parse(VKEY), tenant=TENANT)
    waiting = {open_seal(note, SIGNER.public).size: note for note in notes}
    for idx, canonical, claimed in rows:
        verifier.entry(idx, canonical, claimed)
        if idx in waiting:
            verifier.seal(waiting[idx])
    return verifier.finish()


def test_a_stores_rows_are_verified_without_lines():
    assert verified(RECORD.rows, RECORD.notes) == verify_export(FULL, vkey=VKEY)


def test_a_changed_row_is_named_without_a_line():
    idx, canonical, claimed = RECORD.row(11)
    verdict = verified(
        [*RECORD.rows[:10], (idx, canonical.replace(b"noted", b"voted"), claimed), *RECORD.rows[11:]], RECORD.notes
    )
    assert verdict.first_bad is not None
    assert verdict.first_bad[:3] == (None, f"{M1}@3", 11)
    assert verdict.sealed == 17


def test_a_row_that_is_not_even_json_is_named():
    verdict = verified([*RECORD.rows[:10], (11, b"\x00", "zz"), *RECORD.rows[11:]], RECORD.notes)
    assert verdict.first_bad is not None
    assert verdict.first_bad.idx == 11


def test_a_header_that_names_no_streams_covers_all():
    assert replace(Header(TENANT, None), streams=("a/",)).covers("a/b")
