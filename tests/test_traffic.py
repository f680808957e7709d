"""Generated and replayed traffic: what was asked for, nested volumes, windows of a whole."""

import numpy as np
import pytest
from traffic_samples import random_table

from simulator.errors import InputError
from simulator.traffic.sessions import Lognormal, SessionTraffic, generate
from simulator.traffic.shapes import week_shape
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic
from simulator.traffic.table import RequestTable
from simulator.units import DAY_S, HOUR_S, WEEK_S

CHAT = SessionTraffic(
    name="chat",
    requests_per_s=0.5,
    week=week_shape("azure-conversation"),
    turns_mean=3.0,
    gap_s=Lognormal(60, 1.0, 3600),
    system_prompt_tok=1500,
    message_tok=Lognormal(80, 1.0, 4000),
    output_tok=Lognormal(200, 0.8, 1024),
    max_output_tok=1024,
    max_prompt_tok=20000,
    prefix_share=0.9,
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
    assert np.corrcoef(starts, CHAT.week)[0, 1] > 0.9
    assert 1 / np.mean(table.turn == 0) == pytest.approx(CHAT.turns_mean, rel=0.03)
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
    assert shared.mean() == pytest.approx(CHAT.prefix_share, abs=0.03)
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
    other = SessionTraffic(**{name: getattr(CHAT, name) for name in CHAT.__slots__} | {"name": "b"})
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
    alone = np.flatnonzero(np.isnan(table.gap_s))
    return ReplayedTraffic(table.take(alone), float(table.arrival_s.max()) + 1.0)


def test_replay_is_exact_at_volume_one() -> None:
    source = replayed()
    table = source.draw(9, 1.0)
    np.testing.assert_array_equal(table.arrival_s, source.table.arrival_s)
    np.testing.assert_array_equal(table.prefix_node, source.table.prefix_node)
    assert source.hourly_load().sum() == source.table.size


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
