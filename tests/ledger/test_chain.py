"""One stream's chain: what was done to it is named at the first entry where it can be proved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.ledger.chain import Chains, Flaw, check_stream, read_link
from remit.ledger.entry import GENESIS

from .chained import M1, M2, PLAN, A, a_record, changed, rechained, stream_of

RECORD = a_record()
ROWS = [row for row in RECORD.rows if stream_of(row) == M2]


def test_an_untouched_stream_has_nothing_to_report():
    assert check_stream(ROWS) is None
    assert check_stream([]) is None


def test_changed_content_is_named():
    idx, canonical, claimed = ROWS[2]
    found = check_stream([*ROWS[:2], (idx, canonical.replace(b"noted", b"voted"), claimed), *ROWS[3:]])
    assert found
    assert (found.flaw, found.ref, found.idx) == (Flaw.CHANGED, f"{M2}@3", idx)


def test_changed_content_with_a_hash_that_fits_is_named_by_its_successor():
    found = check_stream([*ROWS[:2], changed(ROWS[2], kind="voted"), *ROWS[3:]])
    assert found
    assert (found.flaw, found.ref) == (Flaw.CHANGED, f"{M2}@3")
    assert f"{M2}@4" in found.detail


def test_a_missing_entry_is_named():
    found = check_stream([*ROWS[:2], *ROWS[3:]])
    assert found
    assert (found.flaw, found.ref) == (Flaw.MISSING, f"{M2}@3")


def test_a_missing_beginning_is_named():
    found = check_stream(ROWS[1:])
    assert found
    assert (found.flaw, found.ref) == (Flaw.MISSING, f"{M2}@1")


def test_an_entry_told_twice_is_named():
    found = check_stream([*ROWS[:3], ROWS[2], *ROWS[3:]])
    assert found
    assert (found.flaw, found.ref, found.at) == (Flaw.DUPLICATED, f"{M2}@3", 4)


def test_an_entry_out_of_order_shows_at_its_old_place():
    found = check_stream([ROWS[0], ROWS[2], ROWS[1], *ROWS[3:]])
    assert found
    assert (found.flaw, found.ref, found.at) == (Flaw.MISSING, f"{M2}@2", 2)


def test_an_inserted_entry_that_follows_nothing_is_named():
    forged = changed(ROWS[2], kind="forged", prev="f" * 64)
    found = check_stream([*ROWS[:2], forged, *ROWS[2:]])
    assert found
    assert (found.flaw, found.at) == (Flaw.INSERTED, 3)


def test_an_inserted_entry_that_follows_well_is_named_at_the_first_of_the_two():
    found = check_stream([*ROWS[:2], changed(ROWS[2], kind="forged"), *ROWS[2:]])
    assert found
    assert (found.flaw, found.ref, found.at) == (Flaw.INSERTED, f"{M2}@3", 3)


def test_a_first_entry_that_names_one_before_it_is_named():
    found = check_stream([changed(ROWS[0], prev="f" * 64)])
    assert found
    assert (found.flaw, found.ref) == (Flaw.CHANGED, f"{M2}@1")


def test_an_entry_of_another_stream_is_named():
    found = check_stream([*ROWS[:2], RECORD.row(1), *ROWS[2:]])
    assert found
    assert (found.flaw, found.ref) == (Flaw.INSERTED, f"{M1}@1")


@pytest.mark.parametrize("canonical", [b"", b"null", b"[]", b"{}", b'{"seq":true}', b"\xff", b"1", b'"x"'])
def test_what_is_no_entry_is_named(canonical):
    found = check_stream([ROWS[0], (5, canonical, "0" * 64)])
    assert found
    assert (found.flaw, found.idx) == (Flaw.UNREADABLE, 5)


def test_a_pin_is_compared_with_the_stream_that_it_pins():
    rows = [row for row in RECORD.rows if stream_of(row) == M1]
    hashes = {(A, 3): RECORD.row(6)[2]}

    assert check_stream(rows, pinned_hash=lambda stream, seq: hashes.get((stream, seq), rows_pin(stream, seq))) is None
    found = check_stream(rows, pinned_hash=lambda *_: "f" * 64)
    assert found
    assert (found.flaw, found.ref) == (Flaw.PIN_DIFFERS, f"{M1}@2")


def rows_pin(stream: str, seq: int) -> str:
    return next(claimed for _, canonical, claimed in RECORD.rows if at(canonical) == (stream, seq))


def at(canonical: bytes) -> tuple[str, int]:
    link = read_link(canonical, "", idx=1, at=1)
    assert link
    return link.stream, link.seq


def follow(rows, *, proven_to=0):
    chains = Chains()
    found = []
    for order, (idx, canonical, claimed) in enumerate(rows, start=1):
        link = read_link(canonical, claimed, idx=idx, at=order)
        assert link
        found += chains.follow(link)
        if idx <= proven_to:
            chains.proven_to = idx
    found += chains.finish()
    return min(found, key=lambda finding: finding.at, default=None)


def test_many_streams_are_followed_at_once():
    chains = Chains()
    for order, (idx, canonical, claimed) in enumerate(RECORD.rows, start=1):
        link = read_link(canonical, claimed, idx=idx, at=order)
        assert link
        assert chains.follow(link) == []
    assert chains.head(M2) == (6, ROWS[-1][2])
    assert chains.head("mission/unknown") == (0, GENESIS)


def test_a_step_whose_end_was_cut_off_is_missed_by_the_pin():
    rows = [row for row in RECORD.rows if row[0] != 6 and row[0] != 16]
    found = follow(rows)
    assert found
    assert (found.flaw, found.ref) == (Flaw.MISSING, f"{A}@3")


def test_an_entry_slipped_in_before_the_pin_is_named():
    slipped = changed(RECORD.row(16), seq=4, prev=RECORD.row(6)[2], kind="slipped")
    found = follow([*RECORD.rows[:6], slipped, *RECORD.rows[6:15]])
    assert found
    assert (found.flaw, found.at) == (Flaw.INSERTED, 7)


def test_a_step_that_was_chained_anew_is_told_by_the_pin():
    rows = rechained([RECORD.row(1), changed(RECORD.row(2), kind="voted"), *RECORD.rows[2:]])
    found = follow(rows)
    assert found
    assert (found.flaw, found.idx) == (Flaw.PIN_DIFFERS, 2)


def test_behind_a_proved_entry_it_is_the_successor_that_was_changed():
    rows = [*RECORD.rows[:8], changed(RECORD.row(9), prev="f" * 64), *RECORD.rows[9:14]]
    assert PLAN[8] == M2

    unproved, proved = follow(rows), follow(rows, proven_to=8)
    assert unproved
    assert proved
    assert (unproved.idx, proved.idx) == (4, 9)


def test_behind_a_proved_step_it_is_the_pin_that_was_changed():
    rows = [*RECORD.rows[:6], changed(RECORD.row(7), pinned=(A, 3, "f" * 64))]
    found = follow(rows, proven_to=6)
    assert found
    assert (found.flaw, found.idx) == (Flaw.PIN_DIFFERS, 7)


@given(st.data())
def test_dropping_any_entry_but_the_last_is_found_at_its_place(data):
    drop = data.draw(st.integers(0, len(ROWS) - 2))
    found = check_stream(ROWS[:drop] + ROWS[drop + 1 :])
    assert found
    assert found.ref == f"{M2}@{drop + 1}"
