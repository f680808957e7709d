"""Endpoints: limits, queues, budgets, outages, errors, cut outputs, and what answers cost."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Budget, Gateway, Limit, Plan, Target
from simulator.pricing.billing import Usage, bill
from simulator.pricing.caching import PromptCache
from simulator.pricing.outages import draw_outages
from simulator.pricing.rows import RateRow
from simulator.rng import stream
from simulator.scenario.catalog.price_book import PriceBook, known_offers
from tests.support.pricing.api_samples import CARD, EXACT, calls, direct
from tests.support.traffic.traffic_samples import random_table

MONDAY_S = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


def served(ledger: Ledger) -> np.ndarray:
    return ledger.outcome == layout.COMPLETED


def test_requests_per_minute_refill_continuously() -> None:
    """Six a minute with a burst of one: one every ten seconds passes, whatever is asked."""
    limit = Limit("requests", 6, 60.0, burst_s=10.0)
    table = calls(np.arange(0, 100, 2.5))
    ledger = serve_table(direct(replace(EXACT, limits=(limit,))), table, 1e4)
    np.testing.assert_array_equal(table.arrival_s[served(ledger)], np.arange(0, 100, 10.0))
    full = Limit("requests", 6, 60.0, burst_s=60.0)
    ledger = serve_table(direct(replace(EXACT, limits=(full,))), calls(np.zeros(10)), 1e4)
    assert served(ledger).sum() == 6


def test_a_limit_tells_when_to_come_back() -> None:
    limit = Limit("requests", 6, 60.0, burst_s=10.0)
    plan = direct(replace(EXACT, limits=(limit,)), attempts=3)
    ledger = serve_table(plan, calls([0.0, 1.0, 15.0]), 1e4)
    np.testing.assert_allclose(ledger.start_s, [0.0, 10.0, 20.0])
    np.testing.assert_array_equal(ledger.attempts, [1, 2, 2])


def test_input_limit_counts_cached_tokens_only_where_the_provider_does() -> None:
    tree_calls = calls([0.0, 60.0, 61.0], node=0, tree=_one_node(900))
    cached = PromptCache("prefix", 3600.0, 64, 1)
    for counts, expected in ((True, [True, True, False]), (False, [True, True, True])):
        endpoint = replace(
            EXACT,
            cache=cached,
            cached_counts=counts,
            limits=(Limit("input_tok", 1000, 60.0, 60.0),),
        )
        ledger = serve_table(direct(endpoint), tree_calls, 1e4)
        np.testing.assert_array_equal(served(ledger), expected)


def _one_node(depth: int):
    from simulator.traffic.table import PrefixTree

    return PrefixTree.numbered(np.array([-1], np.int32), np.array([depth], np.int32))


def test_output_limit_reserves_what_is_declared_and_gives_the_rest_back() -> None:
    limit = Limit("output_tok", 1000, 6000.0, burst_s=6000.0)
    endpoint = replace(EXACT, limits=(limit,))
    # 900 of 1000 are reserved until the first answer ends at 1.5 s; 101 remain used.
    ledger = serve_table(direct(endpoint), calls([0.0, 1.0, 2.0], declared_tok=850), 1e4)
    np.testing.assert_array_equal(served(ledger), [True, False, True])
    # Declared input plus output is never given back.
    total = replace(EXACT, limits=(Limit("tok", 2000, 6000.0, burst_s=6000.0),))
    ledger = serve_table(direct(total), calls([0.0, 1.0, 2.0], declared_tok=850), 1e4)
    np.testing.assert_array_equal(served(ledger), [True, False, False])


def test_what_no_limit_can_ever_hold_is_refused_at_once() -> None:
    endpoint = replace(EXACT, limits=(Limit("input_tok", 500, 60.0, 60.0),))
    ledger = serve_table(direct(endpoint, attempts=5), calls([0.0]), 1e4)
    assert ledger.outcome[0] == layout.REJECTED
    assert ledger.attempts[0] == 1


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["requests", "input_tok", "tok"]),
    st.floats(1.0, 50.0),
    st.floats(1.0, 30.0),
    st.integers(0, 1000),
)
def test_no_window_ever_passes_more_than_its_limit(
    kind: str, per_s: float, burst_s: float, seed: int
) -> None:
    table = random_table(seed, sessions=80, rate_per_s=10.0)
    scale = 1.0 if kind == "requests" else 200.0
    limit = Limit(kind, per_s * scale * 60, 60.0, burst_s)
    ledger = serve_table(direct(replace(EXACT, limits=(limit,)), attempts=2), table, 1e5)
    begun = np.flatnonzero(~np.isnan(ledger.start_s))
    weight = {
        "requests": np.ones(table.size),
        "input_tok": table.input_tokens,
        "tok": table.input_tokens + table.max_output_tokens,
    }[kind][begun]
    order = np.argsort(ledger.start_s[begun], kind="stable")
    times, taken = ledger.start_s[begun][order], np.cumsum(weight[order])
    for k in range(0, len(times), 7):
        passed = taken - (taken[k - 1] if k else 0)
        allowed = per_s * scale * (times - times[k] + burst_s)
        assert (passed[k:] <= allowed[k:] * (1 + 1e-6)).all()


def test_concurrency_turns_away_or_queues() -> None:
    two = replace(EXACT, concurrency=2)
    ledger = serve_table(direct(two), calls(np.zeros(5)), 1e4)
    assert served(ledger).sum() == 2
    ledger = serve_table(direct(replace(two, queue=2)), calls(np.zeros(5)), 1e4)
    np.testing.assert_allclose(ledger.start_s[served(ledger)], [0, 0, 1.5, 1.5])
    assert (ledger.outcome == layout.REJECTED).sum() == 1


@pytest.mark.slow
def test_slots_with_a_queue_are_m_m_c() -> None:
    """Mean wait against Erlang's C formula, within four standard errors of batch means."""
    servers, load, service_s = 5, 3.5, 2.0
    rng = np.random.default_rng(3)
    n = 200_000
    arrival_s = np.cumsum(rng.exponential(service_s / load, n))
    tokens = np.ceil(rng.exponential(service_s, n) * 1e4).astype(np.int64)
    endpoint = replace(
        EXACT, ttft_median_s=1e-9, output_tok_s=1e4, max_output_tok=10**6, context_tok=10**8,
        concurrency=servers, queue=10**6,
    )  # fmt: skip
    ledger = serve_table(direct(endpoint), calls(arrival_s, output_tok=tokens), 1e7)
    waits = (ledger.start_s - ledger.arrival_s)[1000:]
    batches = waits[: len(waits) // 40 * 40].reshape(40, -1).mean(axis=1)
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    expected = last / (sum(terms) + last) * service_s / (servers - load)
    assert abs(batches.mean() - expected) < 4 * batches.std() / math.sqrt(40)


def test_spend_limit_turns_away_until_its_period_ends() -> None:
    # Each answer costs 1,505 micro-dollars; the third call finds the money of the hour spent.
    endpoint = replace(EXACT, budgets=(Budget(0.003, 3600.0),))
    times = [0.0, 100.0, 200.0, 3500.0, 3601.0]
    ledger = serve_table(direct(endpoint), calls(times), 1e5, MONDAY_S)
    np.testing.assert_array_equal(served(ledger), [True, True, False, False, True])


def test_a_rolling_limit_forgets_what_is_a_period_old() -> None:
    """Two answers fill it; a fixed period would begin anew at the full hour."""
    endpoint = replace(EXACT, budgets=(Budget(0.003, 3600.0, "rolling"),))
    times = [3500.0, 3590.0, 3650.0, 7050.0, 7200.0]
    ledger = serve_table(direct(endpoint), calls(times), 1e5, MONDAY_S)
    np.testing.assert_array_equal(served(ledger), [True, True, False, False, True])


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.005, 0.05))
def test_no_rolling_window_spends_more_than_its_limit(seed: int, usd: float) -> None:
    """But for what was being served when the money was gone."""
    table = random_table(seed, sessions=60, rate_per_s=2.0)
    endpoint = replace(EXACT, budgets=(Budget(usd, 60.0, "rolling"),), concurrency=1)
    ledger = serve_table(direct(endpoint, attempts=1), table, 1e5)
    done = np.flatnonzero(served(ledger))
    order = done[np.argsort(ledger.finished_s[done], kind="stable")]
    ends, paid = ledger.finished_s[order], ledger.usd[order]
    for k in range(len(ends)):
        window = (ends > ends[k] - 60.0) & (ends <= ends[k])
        assert paid[window].sum() <= usd + paid[k] + 1e-12


def test_a_monthly_limit_ends_with_the_month() -> None:
    """Through a leap year's February and over a new year, in UTC."""
    endpoint = replace(EXACT, budgets=(Budget(0.001, 1.0, "month"),))
    for last in ("2026-11-30", "2026-12-31", "2028-02-29", "2027-02-28", "2100-02-28"):
        midnight = datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp() + 86400
        times = [0.0, 60.0, 3599.0, 3601.0]
        ledger = serve_table(direct(endpoint), calls(times), 1e5, midnight - 3600)
        np.testing.assert_array_equal(served(ledger), [True, False, False, True], last)
        day = serve_table(direct(endpoint), calls([0.0, 86400.0 - 60]), 2e5, midnight - 2 * 86400)
        np.testing.assert_array_equal(served(day), [True, False], last)


def test_all_spend_limits_of_an_account_count() -> None:
    budgets = (Budget(0.002, 60.0, "rolling"), Budget(0.0045, 1.0, "month"))
    endpoint = replace(EXACT, budgets=budgets)
    times = [0.0, 10.0, 30.0, 100.0, 110.0, 200.0, 300.0]
    ledger = serve_table(direct(endpoint), calls(times), 1e5, MONDAY_S)
    # The minute stops the third and the fifth call, the month all after the fourth answer.
    np.testing.assert_array_equal(served(ledger), [True, True, False, True, False, False, False])


def test_output_that_counts_as_it_is_produced_lets_long_declarations_pass() -> None:
    """Claude's limit: two calls may declare 64,000 tokens each at 100,000 a minute."""
    declared = replace(EXACT, limits=(Limit("output_tok", 100_000, 60.0, 60.0),))
    produced = replace(EXACT, limits=(Limit("produced_tok", 100_000, 60.0, 60.0),))
    table = calls([0.0, 0.1], declared_tok=64_000)
    np.testing.assert_array_equal(served(serve_table(direct(declared), table, 1e4)), [True, False])
    np.testing.assert_array_equal(served(serve_table(direct(produced), table, 1e4)), [True, True])


def test_produced_output_turns_calls_away_once_it_is_used_up() -> None:
    """Six calls of 101 tokens in 1.5 s use 600 at 400 a second; the bucket of 100 is empty by then.

    It refills at 100 tokens a second: after the last answer it is 491 below what has come in.
    """
    limit = Limit("produced_tok", 100, 1.0, burst_s=1.0)
    endpoint = replace(EXACT, limits=(limit,))
    times = [0.0] * 6 + [1.0, 1.6, 4.9, 5.2]
    ledger = serve_table(direct(endpoint), calls(times), 1e4)
    # At 1.5 s the level is 100 + 150 - 606 = -356; it is above 0 from 5.06 s on.
    np.testing.assert_array_equal(served(ledger), [True] * 6 + [False, False, False, True])


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(50.0, 2000.0))
def test_produced_output_never_runs_ahead_for_long(seed: int, per_s: float) -> None:
    """Over any run: what is produced is at most what refills, the bucket, and what was begun."""
    table = random_table(seed, sessions=80, rate_per_s=10.0)
    limit = Limit("produced_tok", per_s, 1.0, burst_s=2.0)
    endpoint = replace(EXACT, limits=(limit,))
    ledger = serve_table(direct(endpoint, attempts=1), table, 1e5)
    done = np.flatnonzero(served(ledger))
    for k in done[::5]:
        begun = ledger.start_s[k]
        before = done[ledger.start_s[done] < begun]
        length = ledger.finished_s[before] - ledger.start_s[before]
        share = np.clip((begun - ledger.start_s[before]) / length, 0, 1)
        told = float((ledger.completion_tok[before] * share).sum())
        # It was let in: something was left then, so no more had been produced than had come in.
        assert told <= per_s * (begun + 2.0) + 1e-6


def test_a_prompt_above_the_greatest_input_is_refused() -> None:
    endpoint = replace(EXACT, max_input_tok=1000)
    ledger = serve_table(
        direct(endpoint), calls([0.0, 10.0], input_tok=np.array([1000, 1001])), 1e4
    )
    np.testing.assert_array_equal(served(ledger), [True, False])


def test_the_first_token_takes_what_was_measured_over_the_prompts_length() -> None:
    """Epoch AI's fit of GPT-5.6 Terra: 1.29 s at 100,000 tokens, 5.43 s at 500,000."""
    endpoint = replace(
        EXACT, ttft_median_s=0.65, prefill_token_s=5.54e-6, prefill_token2_s=8.03e-12,
        context_tok=10**6,
    )  # fmt: skip
    table = calls([0.0, 100.0], input_tok=np.array([100_000, 500_000]))
    ledger = serve_table(direct(endpoint), table, 1e4)
    ttft_s = ledger.first_token_s - ledger.start_s
    np.testing.assert_allclose(ttft_s, [1.2843, 5.4275], rtol=1e-6)


def test_outage_fails_every_attempt_and_ends() -> None:
    endpoint = replace(EXACT, outages_s=((MONDAY_S + 10.0, MONDAY_S + 20.0),))
    ledger = serve_table(direct(endpoint), calls([9.0, 12.0, 20.0, 21.0]), 1e4, MONDAY_S)
    np.testing.assert_array_equal(served(ledger), [True, False, True, True])
    # What is being answered when it begins goes on; what retries long enough gets through.
    patient = direct(endpoint, attempts=6, backoff_max_s=8.0, jitter=0.0)
    ledger = serve_table(patient, calls([12.0]), 1e4, MONDAY_S)
    # Pauses of 0.5, 1, 2, 4 and 8 s.
    np.testing.assert_allclose(ledger.start_s, [12 + 15.5])
    assert ledger.attempts[0] == 6


def test_outages_make_the_availability() -> None:
    year_s = 365 * 86400.0
    spans = draw_outages(stream(1, "outages/x"), 0.996, 0.0, 40 * year_s)
    down = sum(end - begin for begin, end in spans)
    assert down / (40 * year_s) == pytest.approx(0.004, rel=0.1)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    assert draw_outages(stream(1, "outages/x"), 1.0, 0.0, year_s) == ()


def test_error_rate_and_retries() -> None:
    """Three attempts at 30 % failures lose 2.7 % of requests."""
    ledger = serve_table(
        direct(replace(EXACT, error_rate=0.3), attempts=3), calls(np.arange(40000.0)), 1e6
    )
    lost = (ledger.outcome == layout.REJECTED).mean()
    assert lost == pytest.approx(0.3**3, abs=4 * math.sqrt(0.027 / 40000))


def test_batch_window_expires_what_takes_longer() -> None:
    slow = replace(EXACT, ttft_median_s=420.0, ttft_sigma=1.676, output_tok_s=1e6, window_s=3600.0)
    ledger = serve_table(direct(slow), calls(np.arange(20000.0)), 1e6)
    expired = ledger.outcome == layout.TIMED_OUT
    # A tenth takes longer than an hour; what expires is not billed.
    assert expired.mean() == pytest.approx(0.1, abs=0.01)
    assert (ledger.usd[expired] == 0).all()
    assert (ledger.finished_s - ledger.start_s)[expired] == pytest.approx(3600.0)


def test_long_outputs_are_cut_or_refused() -> None:
    short = replace(EXACT, max_output_tok=50)
    ledger = serve_table(direct(short), calls([0.0]), 1e4)
    assert ledger.completion_tok[0] == 50
    ledger = serve_table(direct(replace(short, refuses_long_outputs=True)), calls([0.0]), 1e4)
    assert ledger.outcome[0] == layout.REJECTED


def test_thinking_budget_ends_reasoning_and_keeps_the_answer() -> None:
    table = calls([0.0], output_tok=600, reasoning_tok=500)
    ledger = serve_table(direct(replace(EXACT, thinking_budget_tok=200)), table, 1e4)
    assert (ledger.completion_tok[0], ledger.reasoning_tok[0]) == (300, 200)
    cut = serve_table(direct(replace(EXACT, max_output_tok=450)), table, 1e4)
    assert (cut.completion_tok[0], cut.reasoning_tok[0]) == (450, 450)


def test_compiled_chance_is_normal_and_independent_of_order() -> None:
    wide = replace(EXACT, ttft_sigma=0.6, speed_sigma=0.3)
    ledger = serve_table(direct(wide), calls(np.arange(20000.0)), 1e6)
    z = np.log((ledger.first_token_s - ledger.start_s) / 0.5) / 0.6
    assert abs(z.mean()) < 0.03
    assert z.std() == pytest.approx(1.0, abs=0.02)
    speed = np.log(100 / (ledger.finished_s - ledger.first_token_s) / 100) / 0.3
    assert speed.std() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(z, speed)[0, 1]) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("name", known_offers())
def test_the_engine_knows_the_same_prices_as_the_bill(name: str) -> None:
    """Budgets and gateways see, call by call, what the bill says; over a week, with its peaks."""
    card, behaviour = PriceBook().card(name), PriceBook().simulated(name)
    assert behaviour.cache is not None
    cache = PromptCache("breakpoint", 60.0, 1, 1, stored=behaviour.cache.stored)
    endpoint = replace(EXACT, card=card, cache=cache, context_tok=card.context_tok or 400_000)
    table = random_table(
        5, sessions=150, rate_per_s=150 / (7 * 86400), prompt_tok=endpoint.context_tok // 8
    )
    if "embedding" in name:
        table = replace(
            table,
            output_tokens=np.zeros_like(table.output_tokens),
            reasoning_tokens=np.zeros_like(table.output_tokens),
        )
    ledger = serve_table(direct(endpoint), table, 8 * 86400, MONDAY_S)
    done = served(ledger)
    assert done.sum() > 20
    moment_s = ledger.finished_s if card.billed_at == "completion" else ledger.start_s
    read, written = ledger.cached_tok[done], ledger.written_tok[done]
    reasoning = ledger.reasoning_tok[done]
    usage = Usage.of(
        moment_s[done] + MONDAY_S,
        uncached_input=table.input_tokens[done] - read - written,
        cache_read=read,
        cache_write=written,
        output=ledger.completion_tok[done] - reasoning,
        reasoning=reasoning,
        stored_tok_h=ledger.stored_tok_h[done],
    )
    billed = sum(bill(card, usage).values())
    np.testing.assert_allclose(ledger.usd[done], billed, rtol=1e-9)


def test_price_windows_open_and_close_to_the_second_in_the_engine() -> None:
    rows = (
        RateRow({"input": 1.0, "output": 1.0}),
        RateRow({"input": 2.0}, utc_window_s=(3600, 7200)),
    )
    endpoint = replace(EXACT, card=replace(CARD, rows=rows))
    times = [3599.0, 3599.999, 3600.0, 7199.999, 7200.0]
    ledger = serve_table(direct(endpoint), calls(times, output_tok=0), 1e5, MONDAY_S)
    np.testing.assert_allclose(ledger.usd, np.array([1, 1, 2, 2, 1]) * 1e-3)
    # Billed by completion, what began before the window ends within it.
    late = replace(endpoint, card=replace(endpoint.card, billed_at="completion"))
    ledger = serve_table(direct(late), calls(times, output_tok=0), 1e5, MONDAY_S)
    np.testing.assert_allclose(ledger.usd, np.array([1, 2, 2, 1, 1]) * 1e-3)


def test_a_plan_with_too_many_targets_is_refused() -> None:
    from simulator.errors import InputError

    gateway = Gateway(tuple(Target(0) for _ in range(63)))
    with pytest.raises(InputError, match="1 to 62 targets"):
        serve_table(Plan((0,), (), (EXACT,), (gateway,)), calls([0.0]), 1.0)
