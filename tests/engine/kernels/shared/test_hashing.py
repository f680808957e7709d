"""Draws from bits: the generator they come from, their distribution, and that purposes differ."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.shared import hashing
from simulator.engine.kernels.shared.hashing import EARLIER, UNSIMULATED, normal, uniform
from simulator.rng import uniforms

IN_ATTEMPT = (
    hashing.LATENCY, hashing.LATENCY + 1, hashing.SPEED, hashing.SPEED + 1, hashing.FAILURE,
    hashing.ROUTE, hashing.PAUSE, hashing.EXPLORE,
)  # fmt: skip
"""All purposes of an attempt, with the second number of normal draws."""
BITS = np.random.default_rng(7).bit_generator.random_raw(1500)


def splitmix(bits: int, number: int) -> int:
    """The ``number``-th output of SplitMix64 with a given state, in whole numbers."""
    x = (bits + 0x9E3779B97F4A7C15 * (number + 1)) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def test_draws_are_the_published_outputs_of_splitmix() -> None:
    """The first outputs for the state 1234567, which implementations are commonly checked with."""
    published = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
        16408922859458223821,
    ]  # fmt: skip
    assert [splitmix(1234567, number) for number in range(5)] == published
    for number, output in enumerate(published):
        assert uniform(np.uint64(1234567), 0, number) == (output >> 11) * 2.0**-53


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 999), st.sampled_from(IN_ATTEMPT))
def test_a_draw_is_a_number_of_the_row_the_attempt_and_the_purpose(
    bits: int, attempt: int, purpose: int
) -> None:
    draw = uniform(np.uint64(bits), attempt, purpose)
    assert draw == (splitmix(bits, 8 * attempt + purpose) >> 11) * 2.0**-53
    assert 0.0 <= draw < 1.0


@pytest.mark.parametrize("purpose", [*IN_ATTEMPT, EARLIER, UNSIMULATED])
def test_draws_equal_those_of_columns(purpose: int) -> None:
    """``rng.uniforms`` puts each number in the middle of its interval; no name adds nothing."""
    columns = uniforms(BITS[:50], "", purpose)
    draws = [uniform(bits, 0, purpose) for bits in BITS[:50]]
    np.testing.assert_allclose(columns, draws, rtol=0, atol=2.0**-53)


def test_no_two_purposes_of_a_request_share_a_number() -> None:
    """Nor do two attempts. Draws that belong to no attempt are numbered by level of the tree."""
    numbers = [8 * attempt + purpose for attempt in range(999) for purpose in IN_ATTEMPT]
    numbers += [8 * level + purpose for level in range(999) for purpose in (EARLIER, UNSIMULATED)]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("purpose", [hashing.FAILURE, hashing.ROUTE, EARLIER])
def test_draws_are_uniform(purpose: int) -> None:
    """Chi-square over 20 intervals: 43.8 is exceeded by chance once in a thousand times."""
    draws = np.array([uniform(bits, 3, purpose) for bits in BITS])
    counts = np.histogram(draws, bins=20, range=(0.0, 1.0))[0]
    expected = len(BITS) / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8


def test_draws_of_consecutive_bits_are_uniform_as_well() -> None:
    draws = np.array([uniform(np.uint64(bits), 0, hashing.ROUTE) for bits in range(1500)])
    counts = np.histogram(draws, bins=20, range=(0.0, 1.0))[0]
    assert ((counts - 75.0) ** 2 / 75.0).sum() < 43.8


def test_draws_of_different_purposes_and_attempts_are_independent() -> None:
    """No correlation of two columns exceeds four standard errors."""
    bits = BITS[:800]
    columns = [[uniform(each, 0, purpose) for each in bits] for purpose in IN_ATTEMPT]
    columns += [[uniform(each, 1, hashing.FAILURE) for each in bits]]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4 / math.sqrt(len(bits))


def test_columns_of_different_names_and_numbers_are_independent() -> None:
    columns = [uniforms(BITS, name, number) for name in ("a", "b", "tools") for number in (0, 1)]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 4 / math.sqrt(len(BITS))


def test_normal_draws_follow_from_two_uniform_ones() -> None:
    for bits in BITS[:20]:
        radius = math.sqrt(-2 * math.log1p(-uniform(bits, 2, hashing.SPEED)))
        angle = 2 * math.pi * uniform(bits, 2, hashing.SPEED + 1)
        assert normal(bits, 2, hashing.SPEED) == pytest.approx(radius * math.cos(angle))


def test_normal_draws_have_mean_zero_and_variance_one() -> None:
    """Within four standard errors; and so has the share within one standard deviation."""
    draws = np.array([normal(bits, 0, hashing.LATENCY) for bits in BITS])
    n = len(draws)
    assert abs(draws.mean()) < 4 / math.sqrt(n)
    assert abs(draws.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((np.abs(draws) < 1).mean() - 0.6827) < 4 * math.sqrt(0.6827 * 0.3173 / n)
