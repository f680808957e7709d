"""Prices of answers: the period, the tier, the cached share, and every kind of token."""

import math

import numpy as np
import pytest

from simulator.engine.kernels.api.limits import answer_usd, current_rate
from simulator.engine.records.api_layout import RATE
from simulator.engine.records.layout import EngineState
from simulator.engine.state.fleet_records import records
from tests.support.engine.kernel_states import engine_state
from tests.support.pricing.api_samples import EXACT, calls, direct

PERIODS_S, TIERS_TOK, SHARES = (0.0, 100.0, 200.0), (0, 1000, 5000), (0.0, 0.5)


def priced(input_tok: int = 800) -> EngineState:
    """An endpoint each of whose rates per request tells period, reasoning, tier and share.

    One digit each: 2.101 USD is of the third period, with reasoning, the first tier, and from half
    of the prompt cached on. Tokens are free.
    """
    state = engine_state(direct(EXACT), calls([0.0], input_tok))
    shape = (len(PERIODS_S), 2, len(TIERS_TOK), len(SHARES))
    rates = np.zeros(shape, RATE)
    for position in np.ndindex(shape):
        period, reasons, tier, share = position
        rates[position]["from_s"] = PERIODS_S[period]
        rates[position]["from_tok"] = TIERS_TOK[tier]
        rates[position]["from_share"] = SHARES[share]
        rates[position]["request_usd"] = period + 0.1 * reasons + 0.01 * tier + 0.001 * share
    endpoint = state.endpoints[0]
    endpoint.first_rate, endpoint.period = 1, 0
    endpoint.periods, endpoint.tiers, endpoint.shares = shape[0], shape[2], shape[3]
    # A record of another endpoint precedes them.
    all_rates = np.concatenate([records(RATE, 1), rates.reshape(-1)]).view(np.recarray)
    return state._replace(rates=all_rates)


@pytest.mark.parametrize(
    ("time_s", "period"),
    [(0.0, 0), (math.nextafter(100.0, 0), 0), (100.0, 1), (150.0, 1), (200.0, 2), (1e9, 2)],
)
def test_a_period_begins_with_its_first_moment(time_s: float, period: int) -> None:
    state = priced()
    assert current_rate(state, 0, time_s) == 1 + period * 12
    assert state.endpoints[0].period == period


@pytest.mark.parametrize(
    ("input_tok", "usd"), [(999, 0.0), (1000, 0.01), (4999, 0.01), (5000, 0.02)]
)
def test_a_tier_begins_with_its_shortest_prompt(input_tok: int, usd: float) -> None:
    state = priced(input_tok)
    state.calls[0].rate = current_rate(state, 0, 0.0)
    assert answer_usd(state, 0, 0) == pytest.approx(usd)


@pytest.mark.parametrize(("cached_tok", "usd"), [(0, 0.0), (399, 0.0), (400, 0.001), (800, 0.001)])
def test_a_share_begins_with_its_smallest_part_of_the_prompt(cached_tok: int, usd: float) -> None:
    state = priced(800)
    state.ledger[0].cached_tok = cached_tok
    state.calls[0].rate = current_rate(state, 0, 0.0)
    assert answer_usd(state, 0, 0) == pytest.approx(usd)


def test_all_conditions_hold_together() -> None:
    state = priced(5000)
    state.ledger[0].cached_tok, state.ledger[0].reasoning_tok = 2500, 1
    state.ledger[0].completion_tok = 1
    state.calls[0].rate = current_rate(state, 0, 250.0)
    assert answer_usd(state, 0, 0) == pytest.approx(2.121)


KINDS = {
    "input_usd": 100 - 30 - 20,
    "cache_read_usd": 30,
    "cache_write_usd": 20,
    "storage_usd": 7.5,
    "output_usd": 40 - 15,
    "reasoning_usd": 15,
    "request_usd": 1,
}
"""How much of each kind an answer has that has some of all."""


def answer() -> EngineState:
    """A prompt of 100 tokens, 30 read and 20 written, and 40 of output, 15 of them reasoning."""
    state = engine_state(direct(EXACT), calls([0.0], 100))
    state = state._replace(rates=records(RATE, 2))
    state.endpoints[0].first_rate = 0
    row, call = state.ledger[0], state.calls[0]
    row.cached_tok, row.completion_tok, row.reasoning_tok = 30, 40, 15
    call.written_tok, call.stored_tok_h, call.rate = 20, 7.5, 0
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_price(kind: str) -> None:
    state = answer()
    state.rates[kind] = 0.01
    assert answer_usd(state, 0, 0) == pytest.approx(0.01 * KINDS[kind])


def test_an_answer_costs_the_sum_of_all_kinds() -> None:
    state = answer()
    for number, kind in enumerate(KINDS):
        state.rates[kind] = 10.0**-number
    expected = sum(amount * 10.0**-number for number, amount in enumerate(KINDS.values()))
    assert answer_usd(state, 0, 0) == pytest.approx(expected)


def test_unknown_prices_of_what_an_answer_does_not_have_are_of_no_effect() -> None:
    state = answer()
    for kind in ("cache_read_usd", "cache_write_usd", "storage_usd", "reasoning_usd"):
        state.rates[kind] = math.nan
    state.rates.input_usd = state.rates.output_usd = 0.01
    row, call = state.ledger[0], state.calls[0]
    row.cached_tok = row.reasoning_tok = call.written_tok = 0
    call.stored_tok_h = 0.0
    assert answer_usd(state, 0, 0) == pytest.approx(0.01 * (100 + 40))
    state.rates.output_usd = math.nan
    row.completion_tok = row.reasoning_tok = 15
    state.rates.reasoning_usd = 0.02
    assert answer_usd(state, 0, 0) == pytest.approx(0.01 * 100 + 0.02 * 15)
    row.cached_tok = 1
    assert math.isnan(answer_usd(state, 0, 0)), "a price that is needed is not made up"
