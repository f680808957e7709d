"""Generated and replayed traffic: what was asked for, nested volumes, windows of a whole."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from simulator.errors import InputError
from simulator.traffic.generate import chunks, generate
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.replay import recorded, recorded_stream, replay_requests
from simulator.traffic.quantity import Quantity
from simulator.traffic.rate import Rate, Tenants
from simulator.traffic.sessions import Documents, SessionTraffic, Tools
from simulator.traffic.shapes import week_shape
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic
from simulator.traffic.table import RequestTable
from simulator.units import DAY_S, HOUR_S, WEEK_S
from tests.support.traffic.traffic_samples import random_table

CHAT = SessionTraffic(
    name="chat",
    requests_per_s=0.5,
    rate=Rate("chat", 0.5 / 3.0, week_shape("azure-conversation")),
    turns=Quantity.geometric(3.0),
    gap_s=Quantity.lognormal(60, 1.0, 3600),
    system_prompt_tok=Quantity.constant(1500),
    message_tok=Quantity.lognormal(80, 1.0, 4000),
    output_tok=Quantity.lognormal(200, 0.8, 1024),
    max_output_tok=1024,
    max_prompt_tok=20000,
    stable_session_share=0.9,
)


def sessions_of(table: RequestTable, offset_s: float = 0.0) -> set[tuple]:
    heads = table.turn == 0
    return set(
        zip(
            np.round(table.arrival_s[heads] + offset_s, 6).tolist(),
            table.input_tokens[heads].tolist(),
            table.output_tokens[heads].tolist(),
            strict=True,
        )
    )


def test_week_has_the_asked_volume_and_shape() -> None:
    table = generate((CHAT,), 1, end_s=WEEK_S)
    table.check()
    expected = CHAT.requests_per_s * WEEK_S
    assert table.size == pytest.approx(expected, rel=0.02)
    starts = np.histogram(table.arrival_s[table.turn == 0], 168, (0, WEEK_S))[0]
    assert np.corrcoef(starts, CHAT.rate.week)[0, 1] > 0.9
    assert 1 / np.mean(table.turn == 0) == pytest.approx(3.0, rel=0.03)
    assert np.median(table.output_tokens) == pytest.approx(200, rel=0.03)


def test_prompts_grow_by_what_was_said() -> None:
    table = generate((CHAT,), 2, end_s=DAY_S)
    follows = table.turn > 0
    rows = np.flatnonzero(follows)
    grown = table.input_tokens[rows] - table.input_tokens[rows - 1] - table.output_tokens[rows - 1]
    assert (grown >= 1).all()
    assert (table.session[rows] == table.session[rows - 1]).all()
    assert table.input_tokens.max() <= CHAT.max_prompt_tok
    shared = table.prefix_node >= 0
    assert shared.mean() == pytest.approx(CHAT.stable_session_share, abs=0.03)
    depth = table.tree.depth_tok[table.prefix_node[shared]]
    np.testing.assert_array_equal(depth, table.input_tokens[shared])
    parents = table.tree.parent[table.prefix_node[rows[shared[rows]]]]
    np.testing.assert_array_equal(parents, table.prefix_node[rows[shared[rows]] - 1])


def test_larger_volume_contains_the_smaller() -> None:
    small, middle, large = (
        sessions_of(generate((CHAT,), 3, volume=v, end_s=DAY_S)) for v in (0.3, 1.0, 2.4)
    )
    assert small < middle < large
    assert len(small) / len(middle) == pytest.approx(0.3, rel=0.1)
    assert len(large) / len(middle) == pytest.approx(2.4, rel=0.1)


def test_window_is_a_part_of_the_whole() -> None:
    whole = sessions_of(generate((CHAT,), 4, end_s=DAY_S))
    begin_s, end_s = 5.5 * HOUR_S, 9.25 * HOUR_S
    window = sessions_of(generate((CHAT,), 4, begin_s=begin_s, end_s=end_s), begin_s)
    assert window == {s for s in whole if begin_s <= s[0] < end_s}


def test_second_workload_leaves_the_first_alone() -> None:
    other = replace(CHAT, name="b", rate=replace(CHAT.rate, stream="b"))
    alone = sessions_of(generate((CHAT,), 5, end_s=DAY_S))
    both = generate((CHAT, other), 5, end_s=DAY_S)
    both.check()
    assert both.workloads == ("chat", "b")
    assert alone <= sessions_of(both)
    roots = np.unique(
        both.tree.parent[both.prefix_node[(both.turn == 0) & (both.prefix_node >= 0)]]
    )
    np.testing.assert_array_equal(roots, [0, 1])


def replayed(seed: int = 1) -> ReplayedTraffic:
    table = random_table(seed, sessions=400)
    return ReplayedTraffic(table, float(table.arrival_s.max()) + 1.0)


def test_replay_is_exact_at_volume_one() -> None:
    source = replayed()
    table = source.draw(9, 1.0)
    np.testing.assert_array_equal(table.arrival_s, source.table.arrival_s)
    np.testing.assert_array_equal(table.prefix_node, source.table.prefix_node)
    assert source.hourly_load().sum() == source.table.size
    for name in ("session", "turn", "gap_s"):
        np.testing.assert_array_equal(getattr(table, name), getattr(source.table, name))


def test_replay_thins_and_superposes() -> None:
    source = replayed()
    thin = source.draw(9, 0.4)
    thin.check()
    assert thin.size / source.table.size == pytest.approx(0.4, abs=0.07)
    assert sessions_of(thin) < sessions_of(source.table)
    more = source.draw(9, 2.5)
    more.check()
    assert more.size / source.table.size == pytest.approx(2.5, abs=0.1)
    assert sessions_of(source.table) < sessions_of(more)
    assert (np.diff(more.arrival_s) >= 0).all()
    # Copies are other users: they share the roots, never a whole conversation.
    used = more.prefix_node[more.prefix_node >= 0]
    assert len(np.unique(used)) > 2 * len(np.unique(source.table.prefix_node))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("arrival_s", np.nan, "arrivals must be finite"),
        ("gap_s", -1.0, "gaps must not be negative"),
        ("input_tokens", 0, "at least one token"),
        ("output_tokens", -1, "outputs must not be negative"),
        ("reasoning_tokens", -1, "reasoning must not be negative"),
        ("input_tokens", 1, "must not be longer than its prompt"),
    ],
)
def test_check_names_the_broken_rule(column: str, value: float, message: str) -> None:
    table = random_table(2)
    shared = table.prefix_node >= 0
    rows = np.flatnonzero(shared & (table.turn > 0) & (table.input_tokens > 1))
    getattr(table, column)[rows[0]] = value
    with pytest.raises(InputError, match=message):
        table.check()


def test_generated_source_knows_its_rate() -> None:
    source = GeneratedTraffic((CHAT, CHAT), WEEK_S)
    assert source.requests_per_s == 1.0
    assert source.hourly_load().shape == (168,)
    assert source.hourly_load().mean() == pytest.approx(1.0)


def test_replay_keeps_sessions_whole() -> None:
    source = replayed()
    turns = np.bincount(source.table.session)
    for volume in (0.4, 1.7):
        table = source.draw(9, volume)
        table.check()
        assert set(np.bincount(table.session)) <= set(turns)
        begins = table.sessions()
        assert (np.diff(table.session) >= 0).all()
        assert (table.session[begins] == np.arange(len(begins))).all()
        np.testing.assert_array_equal(table.turn[begins], 0)


def test_a_day_of_log_becomes_a_week_of_a_shape() -> None:
    table = random_table(3, sessions=2000, rate_per_s=2000 / DAY_S)
    shape = week_shape("azure-code")
    source = ReplayedTraffic(table, DAY_S, shape)
    assert source.horizon_s == WEEK_S
    week = source.draw(4, 1.0)
    week.check()
    assert week.size == pytest.approx(7 * table.size, rel=0.03)
    starts = week.arrival_s[week.sessions()]
    hourly = np.histogram(starts, 168, (0, WEEK_S))[0]
    np.testing.assert_allclose(np.corrcoef(hourly, source.hourly_load())[0, 1], 1, atol=0.06)
    # A window holds exactly what the week has there.
    begin_s, end_s = 30.5 * HOUR_S, 52.25 * HOUR_S
    window = source.draw(4, 1.0, begin_s, end_s)
    inside = starts[(starts >= begin_s) & (starts < end_s)]
    np.testing.assert_allclose(window.arrival_s[window.sessions()] + begin_s, inside)


def flat(requests_per_s: float, **change: object) -> SessionTraffic:
    """Single requests at a flat mean rate."""
    rate = Rate("flat", requests_per_s, week_shape("flat"))
    return replace(
        CHAT,
        name="flat",
        requests_per_s=requests_per_s,
        rate=replace(rate, **change.pop("rate", {})),
        turns=Quantity.constant(1),
        **change,
    )


def counts(spec: SessionTraffic, window_s: float, hours: int = 60) -> np.ndarray:
    table = generate((spec,), 11, end_s=hours * HOUR_S)
    windows = int(hours * HOUR_S / window_s)
    return np.histogram(table.arrival_s, windows, (0, hours * HOUR_S))[0]


@pytest.mark.slow
def test_without_noise_arrivals_are_poisson() -> None:
    table = generate((flat(2.0),), 11, end_s=10 * HOUR_S)
    gaps = np.diff(table.arrival_s)
    assert kstest(gaps, "expon", args=(0, 0.5)).pvalue > 0.01
    for window in (1, 60, 600):
        found = counts(flat(2.0), window)
        assert found.var() / found.mean() == pytest.approx(1, abs=0.25)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [10, 60, 600])
def test_noise_has_the_size_asked_for(scale: int) -> None:
    """Var(N) = mean + mean^2 CV^2 in windows well below the time scale of the noise."""
    spec = flat(8.0, rate={"cv": {scale: 0.5}})
    found = counts(spec, scale / 10, hours=100 if scale > 100 else 20)
    mean = found.mean()
    assert mean == pytest.approx(8.0 * scale / 10, rel=0.06)
    assert (found.var() - mean) / mean**2 == pytest.approx(0.25, rel=0.25)
    # Averaged over many knots it fades: the dispersion grows slower than the window.
    wide = counts(spec, 3600, hours=100)
    assert wide.var() / wide.mean() < 1 + 0.25 * wide.mean()


@pytest.mark.slow
def test_dispersion_grows_with_the_window() -> None:
    spec = flat(5.0, rate={"cv": {10: 0.3, 60: 0.3, 600: 0.3, 3600: 0.3}})
    found = [counts(spec, window) for window in (1, 10, 60, 600, 3600)]
    dispersion = [c.var() / c.mean() for c in found]
    assert (np.diff(dispersion) > 0).all()
    assert dispersion[-1] > 50


@pytest.mark.slow
def test_tenants_are_unequal_and_spikier_than_the_pool() -> None:
    tenants = Tenants(count=20, zipf=1.2, rate_cv=1.0)
    spec = flat(10.0, rate={"tenants": tenants}, system_prompt_tok=Quantity.lognormal(500, 0.5))
    table = generate((spec,), 2, end_s=100 * HOUR_S)
    table.check()
    stable = table.prefix_node >= 0
    root = table.tree.parent[table.prefix_node[stable]]
    shares = np.bincount(root, minlength=20) / stable.sum()
    np.testing.assert_allclose(shares, tenants.shares(), rtol=0.35, atol=0.003)
    assert len(np.unique(table.tree.depth_tok[:20])) > 10

    def variation(arrivals: np.ndarray) -> float:
        found = np.histogram(arrivals, 600, (0, 100 * HOUR_S))[0]
        return float(found.std() / found.mean())

    at_s = table.arrival_s[stable]
    assert variation(at_s[root == 0]) == pytest.approx(1.0, rel=0.3)
    assert variation(at_s) < 0.7 * variation(at_s[root == 0])


@pytest.mark.slow
def test_volume_grows_by_the_month() -> None:
    spec = flat(0.5, rate={"growth_per_month": 0.5})
    table = generate((spec,), 1, end_s=4 * WEEK_S)
    weeks = np.histogram(table.arrival_s, 4, (0, 4 * WEEK_S))[0]
    np.testing.assert_allclose(weeks[1:] / weeks[:-1], 1.5 ** (168 / 730), rtol=0.02)
    assert GeneratedTraffic((spec,), 4 * WEEK_S).hourly_load()[-1] > 0.5 * 1.4


def test_lengths_follow_their_table_and_correlate() -> None:
    points = {0.1: 24.0, 0.25: 157.0, 0.5: 350.0, 0.75: 472.0, 0.9: 597.0, 0.99: 1119.0}
    spec = flat(5.0, output_tok=Quantity.quantiles(points, 1500), correlation=0.42)
    spec = replace(spec, max_output_tok=4000, stable_session_share=1.0)
    table = generate((spec,), 3, end_s=10 * HOUR_S)
    for share, value in points.items():
        assert np.quantile(table.output_tokens, share) == pytest.approx(value, rel=0.05)
    assert table.output_tokens.max() <= 1500
    ranks = [np.argsort(np.argsort(c)) for c in (table.input_tokens, table.output_tokens)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(0.40, abs=0.03)  # 6/pi asin(rho/2)


def test_reasoning_is_hidden_and_forgotten() -> None:
    spec = replace(CHAT, reasoning_share=Quantity.quantiles({0.25: 0.5, 0.75: 0.9}, 1.0))
    table = generate((spec,), 4, end_s=DAY_S)
    table.check()
    share = table.reasoning_tokens / table.completion_tokens
    assert np.quantile(share, 0.25) == pytest.approx(0.5, abs=0.03)
    assert (table.output_tokens >= 1).all()
    rows = np.flatnonzero(table.turn > 0)
    grown = table.input_tokens[rows] - table.input_tokens[rows - 1]
    assert (grown > table.output_tokens[rows - 1]).all()
    assert (grown < table.completion_tokens[rows - 1]).any()


def test_tool_calls_have_their_own_pauses_and_sizes() -> None:
    tools = Tools(0.9, Quantity.constant(2.0), Quantity.constant(700))
    spec = replace(CHAT, tools=tools, turns=Quantity.constant(10), max_prompt_tok=10**6)
    table = generate((spec,), 5, end_s=DAY_S)
    follows = table.turn > 0
    assert (table.gap_s[follows] == 2.0).mean() == pytest.approx(0.9, abs=0.02)
    rows = np.flatnonzero(follows & (table.gap_s == 2.0))
    grown = table.input_tokens[rows] - table.input_tokens[rows - 1] - table.output_tokens[rows - 1]
    assert (grown == 700).all()


def test_retries_repeat_the_prompt() -> None:
    spec = replace(
        CHAT, retry_share=0.3, retry_gap_s=Quantity.constant(4.0), stable_session_share=1.0
    )
    table = generate((spec,), 6, end_s=DAY_S)
    table.check()
    again = np.flatnonzero(table.gap_s == 4.0)
    assert len(again) / (table.turn > 0).sum() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(table.input_tokens[again], table.input_tokens[again - 1])
    np.testing.assert_array_equal(table.prefix_node[again], table.prefix_node[again - 1])


@pytest.mark.slow
def test_full_sessions_are_compacted_or_end() -> None:
    long = replace(CHAT, turns=Quantity.constant(60), stable_session_share=1.0, max_prompt_tok=6000)
    ended = generate((long,), 7, end_s=DAY_S)
    assert np.bincount(ended.session).max() < 60
    spec = replace(long, compact_to_tok=Quantity.constant(400))
    table = generate((spec,), 7, end_s=DAY_S)
    table.check()
    assert table.input_tokens.max() <= 6000
    # Only a message that fits nowhere ends a compacted session.
    assert np.median(np.bincount(table.session)) == 60
    rows = np.flatnonzero((table.turn > 0) & (np.diff(table.input_tokens, prepend=0) < 0))
    assert (table.tree.parent[table.prefix_node[rows]] == 0).all()


@pytest.mark.slow
def test_documents_share_by_popularity() -> None:
    documents = Documents(200, 0.8, 4, 0.75, Quantity.lognormal(300, 0.3))
    spec = replace(CHAT, documents=documents, stable_session_share=1.0)
    table = generate((spec,), 8, end_s=DAY_S)
    table.check()
    rows = table.prefix_node
    above = table.tree.parent[rows]
    # A node that is no prompt's own end and no root is a passage.
    own = np.zeros(table.tree.size, bool)
    own[rows] = True
    passage = (above >= 0) & ~own[above] & (table.tree.parent[above] >= 0)
    assert passage.mean() == pytest.approx(0.75, abs=0.02)
    level, depth = above.copy(), np.zeros(table.size, int)
    for _ in range(4):
        deeper = (level >= 0) & ~own[level] & (table.tree.parent[level] >= 0)
        depth += deeper
        level = np.where(deeper, table.tree.parent[level], level)
    assert depth.max() == 4
    log = collect([recorded(table, 0.5, 0.02)], ["chat"])
    assert log.tree.depth_tok.max() == table.tree.depth_tok.max()


@pytest.mark.slow
def test_chunks_are_the_whole() -> None:
    """Hours that are drawn one by one and joined in time are the log of the whole span."""
    spec = replace(CHAT, gap_s=Quantity.lognormal(900, 1.0), stable_session_share=0.8)
    whole = collect([recorded(generate((spec,), 9, end_s=DAY_S), 0.5, 0.02)], ["chat"])
    parts = list(recorded_stream(chunks((spec,), 9, volume=1.0, end_s=DAY_S), 0.5, 0.02))
    assert len(parts) >= 24
    joined = collect(parts, ["chat"])
    for name in ("at_s", "input_tokens", "output_tokens", "gap_s"):
        np.testing.assert_allclose(getattr(joined.rows, name), getattr(whole.rows, name))
    assert joined.tree.size == whole.tree.size
    depth = [log.tree.depth_tok[log.tree.parent[log.prefix_node]] for log in (joined, whole)]
    np.testing.assert_array_equal(*depth)


def test_a_recorded_table_is_laid_out_again_as_it_was() -> None:
    table = generate((CHAT,), 10, end_s=DAY_S)
    again = replay_requests(collect([recorded(table, 0.5, 0.02)], ["chat"]), 1)
    again.check()
    # A log begins with its first request.
    np.testing.assert_allclose(again.arrival_s, table.arrival_s - table.arrival_s[0])
    for name in ("gap_s", "input_tokens", "output_tokens", "turn", "session"):
        np.testing.assert_allclose(getattr(again, name), getattr(table, name), atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantity.quantiles({0.5: 3.0}), "two or more points"),
        (lambda: Quantity.quantiles({0.0: 3.0, 0.5: 4.0}), "between 0 and 1"),
        (lambda: Quantity.quantiles({0.1: 5.0, 0.5: 4.0}), "must not decrease"),
        (lambda: Quantity.quantiles({0.1: 0.0, 0.5: 4.0}), "above 0"),
        (lambda: week_shape("azure-cod"), "did you mean 'azure-code'"),
    ],
)
def test_quantities_and_shapes_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
