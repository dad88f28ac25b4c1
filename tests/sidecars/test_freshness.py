"""A policy counts from when it was asked for, by the clock that says the longer time."""

import pytest

from remit.errors import PolicyStale
from remit.sidecars import Freshness, Moment

SECOND = 1_000_000


def moment(at, steady=None):
    return Moment(int(at * SECOND), steady)


def age_refused(freshness, now):
    with pytest.raises(PolicyStale) as no:
        freshness.check(now)
    return no.value


def test_nothing_goes_on_before_a_policy_was_confirmed():
    assert "ever confirmed" in age_refused(Freshness(300), moment(0, 0)).detail


def test_calls_go_on_up_to_the_age_and_not_beyond():
    fresh = Freshness(300)
    fresh.confirmed(moment(1000, 50))

    fresh.check(moment(1300, 350))
    no = age_refused(fresh, moment(1301, 351))
    assert "301 s ago" in no.detail
    assert "300 s" in no.detail
    assert no.retryable
    assert no.hint


def test_setting_the_clock_back_makes_no_policy_younger():
    fresh = Freshness(300)
    fresh.confirmed(moment(1000, 50))

    age_refused(fresh, moment(0, 351))


def test_the_time_that_the_machine_slept_counts():
    fresh = Freshness(300)
    fresh.confirmed(moment(1000, 50))

    age_refused(fresh, moment(2000, 60))


def test_over_a_restart_the_wall_clock_counts_and_one_that_went_back_proves_nothing():
    fresh = Freshness(300, asked=moment(1000))

    fresh.check(moment(1200, 5))
    age_refused(fresh, moment(1301, 5))
    age_refused(fresh, moment(999, 5))


def test_a_confirmation_renews():
    fresh = Freshness(300)
    fresh.confirmed(moment(1000, 50))
    fresh.trouble = "The control plane is not heard."
    fresh.confirmed(moment(1290, 340))

    fresh.check(moment(1500, 550))
    assert not fresh.trouble


def test_a_sidecar_that_was_removed_stands_still_at_once():
    fresh = Freshness(300)
    fresh.confirmed(moment(1000, 50))
    fresh.withdrawn = True

    assert age_refused(fresh, moment(1001, 51)).rule == "sidecar_unknown"
