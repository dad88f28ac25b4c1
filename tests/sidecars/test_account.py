"""Whatever is lost or said twice on the way, all sidecars together hold no more than was granted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.errors import LeaseRefused
from remit.sidecars import Account, Told


def test_an_old_word_changes_nothing_where_it_is_the_same():
    account = Account(granted=10, used=4, returned=2, changes=7)

    assert account.heard(Told(10, 4, 2)) == account
    assert account.outstanding == 4


@pytest.mark.parametrize(
    "told",
    [Told(10, 3, 2), Told(10, 4, 1), Told(10, 9, 2), Told(11, 4, 2), Told(10, 4, 7)],
    ids=["spent_less", "returned_less", "spent_too_much", "granted_more", "returned_too_much"],
)
def test_what_does_not_fit_is_refused(told):
    with pytest.raises(LeaseRefused):
        Account(granted=10, used=4, returned=2).heard(told)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(0, 40)), max_size=20))
def test_what_is_outstanding_is_never_negative(words):
    account = Account(granted=20)
    for used, returned, granted in words:
        try:
            account = account.heard(Told(granted, used, returned))
        except LeaseRefused:
            continue
        assert account.outstanding >= 0
        assert account.used + account.returned + account.outstanding == account.granted


def test_the_store_gives_back_what_it_was_given():
    account = Account(10, 4, 2, 7)

    assert Account.from_json(account.to_json()) == account
    assert Account.from_json(None) == Account()
