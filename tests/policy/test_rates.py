"""The rate table of a home."""

from datetime import date

import pytest

from remit.policy import load_rates
from remit.quantities import Rates


def test_a_table_is_read_exactly():
    rates, problems = load_rates("base: USD\non: 2026-01-02\nrates: {EUR: '1.08', JPY: 0.0064}\n", "rates.yaml")

    assert problems == []
    assert rates == Rates("USD", date(2026, 1, 2), {"EUR": 1_080_000, "JPY": 6_400})


@pytest.mark.parametrize(
    ("text", "line", "where"),
    [
        ("base: USD\non: 2026-01-02\nrates:\n  EUR: 1,08\n", 4, "rates.EUR"),
        ("base: USD\non: 2026-01-02\nrates:\n  EUR: 0\n", 4, "rates.EUR"),
        ("base: USD\non: 2026-01-02\nrates:\n  EUR: true\n", 4, "rates.EUR"),
        ("base: USD\non: 2026-01-02\nrates:\n  EUR: '0.0000001'\n", 4, "rates.EUR"),
        ("base: USD\non: 2026-01-02\nrates:\n  euro: 1\n", 4, "rates.euro"),
        ("base: USD\non: yesterday\nrates: {}\n", 2, "on"),
        ("base: dollars\non: 2026-01-02\nrates: {}\n", 1, "base"),
        ("base: USD\nrates: {}\n", 1, "on"),
        ("base: USD\non: 2026-01-02\nrates: {}\ndate: 1\n", 4, "date"),
        ("- USD\n", 1, ""),
        ("base: [\n", 2, ""),
    ],
)
def test_what_is_wrong_is_named_at_its_line(text, line, where):
    rates, problems = load_rates(text, "rates.yaml")

    assert rates is None
    assert [(problem.line, problem.where) for problem in problems] == [(line, where)]
