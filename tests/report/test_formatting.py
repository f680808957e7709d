"""Numbers as readers see them."""

import pytest

from simulator.report.formatting import (
    counted,
    digits,
    duration,
    quantity,
    seconds,
    share,
    tokens,
    usd,
)
from simulator.units import DAY_S, HOUR_S, MINUTE_S


def test_missing_numbers_are_a_dash() -> None:
    assert {form(None) for form in (digits, quantity, seconds, share, tokens, usd)} == {"-"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (usd(1234567.8), "1,234,568"),
        (quantity(7_000_000), "7M"),
        (quantity(2.5e9), "2.5B"),
        (seconds(0.0261), "26 ms"),
        (seconds(1.234), "1.23 s"),
        (share(-0.001), "0%"),
        (digits(0.000123456789), "0.000123457"),
        (digits(12.3456, 3), "12.3"),
        (digits(12.3456, 3, "+"), "+12.3"),
        (tokens(9_999), "9,999"),
        (tokens(131_072), "131K"),
        (tokens(1_048_576), "1,049K"),
        (duration(1.5 * MINUTE_S), "90.0 s"),
        (duration(2 * MINUTE_S), "2.0 min"),
        (duration(47 * HOUR_S), "47.0 h"),
        (duration(7 * DAY_S), "7.0 d"),
        (counted(0, "replica"), "0 replicas"),
        (counted(1, "replica"), "1 replica"),
        (counted(2, "own replica"), "2 own replicas"),
    ],
)
def test_numbers_are_short_and_have_their_units(text: str, expected: str) -> None:
    assert text == expected
