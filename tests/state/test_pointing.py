"""State pointers: small, for one reader, for some minutes, and worth nothing once changed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import InvalidInput, PointerForged, PointerNotYours, StalePointer
from remit.ids import MissionId, StepId
from remit.state import Manifest, Owner, Snapshot, StatePointer, check_tiers

KEY = b"p" * 32
OWNER = Owner(MissionId("msn_01jd3k8m6wq5xv2r9t7y4n0bze"), StepId("plan"))
HELD = Manifest(goal="g", tools={"crm": "c", "erp": "e"})
SNAPSHOT = Snapshot(OWNER, 7, HELD.snap_hash, "cid", HELD)
POINTER = StatePointer(
    "default", OWNER, "anna", 7, HELD.snap_hash, ("goal", "tool:crm"), "lawyer", expires_at=1_000, epoch=1
)
READER = {"tenant": "default", "agent": "lawyer", "mission": OWNER.mission, "principal": "anna"}


def test_a_pointer_reads_as_what_was_signed_and_has_some_three_hundred_bytes():
    text = POINTER.signed(KEY)

    assert StatePointer.read(text, KEY) == POINTER
    assert len(text) < 350


@given(place=st.integers(0, 10_000), letter=st.characters())
def test_no_letter_of_it_can_be_changed(place, letter):
    text = POINTER.signed(KEY)
    place %= len(text)
    forged = text[:place] + letter + text[place + 1 :]

    if forged != text:
        with pytest.raises(PointerForged):
            StatePointer.read(forged, KEY)


@given(text=st.text(max_size=200))
def test_no_text_is_taken_for_one(text):
    with pytest.raises(PointerForged):
        StatePointer.read(text, KEY)


def test_one_of_another_home_is_forged():
    with pytest.raises(PointerForged):
        StatePointer.read(POINTER.signed(b"q" * 32), KEY)


@pytest.mark.parametrize("other", [{"agent": "clerk"}, {"tenant": "acme"}, {"mission": "msn-2", "principal": "bob"}])
def test_another_reader_gets_nothing_by_it(other):
    with pytest.raises(PointerNotYours):
        POINTER.check_reader(**{**READER, **other})


def test_its_reader_may_work_in_another_mission_of_the_same_person():
    POINTER.check_reader(**{**READER, "mission": "msn-2"})


def test_it_is_stale_once_it_has_expired_or_its_owner_went_back():
    POINTER.check_fresh(999_000_000, SNAPSHOT, SNAPSHOT)
    with pytest.raises(StalePointer, match="expired"):
        POINTER.check_fresh(1_000_000_000, SNAPSHOT, SNAPSHOT)
    with pytest.raises(StalePointer, match="gone back"):
        POINTER.check_fresh(0, SNAPSHOT, replace(SNAPSHOT, manifest=replace(HELD, epoch=2)))
    with pytest.raises(StalePointer, match="gone back"):
        POINTER.check_fresh(0, replace(SNAPSHOT, hash="0" * 64), SNAPSHOT)


@pytest.mark.parametrize("tiers", [[], ["crm"], ["tool:bank"], ["tool:"], ["everything"]], ids=repr)
def test_only_tiers_that_are_there_are_pointed_at(tiers):
    with pytest.raises(InvalidInput):
        check_tiers(tiers, SNAPSHOT)
    assert check_tiers(["tool:crm", "goal", "goal"], SNAPSHOT) == ("goal", "tool:crm")
