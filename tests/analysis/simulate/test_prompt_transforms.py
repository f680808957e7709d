"""Applications that ask otherwise than the traffic says: what their calls add up to."""

import math
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from simulator.analysis.quality.difficulty import joint_failure, success_given, task_grid
from simulator.analysis.simulate.prompt_transforms import apply_reshaping, rejects, repeat_rejected
from simulator.analysis.size.correctness import checked_success
from simulator.analysis.study.options import Reshaping
from simulator.analysis.study.study import Quality
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Plan
from simulator.rng import stream, uniforms
from simulator.traffic.table import NO_NODE, RequestTable
from tests.support.engine.plans import FLEET, OWN
from tests.support.traffic.traffic_samples import open_loop, random_table

MANY = 100_000
WAYS = st.builds(
    Reshaping,
    st.sampled_from([0.3, 1.0, 1.7]),
    st.one_of(st.none(), st.integers(1, 700)),
    st.integers(1, 40),
    st.one_of(st.none(), st.integers(1, 700)),
)
CHECKS = st.builds(
    Quality,
    correlation=st.sampled_from([0.0, 0.5, 0.802, 1.0]),
    attempts=st.integers(1, 5),
    catches=st.sampled_from([0.0, 0.6, 1.0]),
    false_alarms=st.sampled_from([0.0, 0.2]),
    check_s=st.sampled_from([0.0, 3.0]),
)
TABLES = st.builds(lambda seed: random_table(seed, sessions=12), st.integers(0, 10_000))


def labelled(table: RequestTable) -> RequestTable:
    """The same table, in which a row's workload is its number, so that its calls are known."""
    names = tuple(f"row {n}" for n in range(table.size))
    return replace(table, workload=np.arange(table.size, dtype=np.int32), workloads=names)


def many(size: int = MANY, seed: int = 5) -> RequestTable:
    """Requests that arrive by themselves, with difficulties and dice of a table's kind."""
    rng = stream(seed, "many")
    table = open_loop(np.arange(size, dtype=np.float64), np.full(size, 9), np.full(size, 2))
    return replace(
        table, difficulty=rng.random(size), random_bits=rng.bit_generator.random_raw(size)
    )


def calls_by_row(calls: RequestTable, rows: int) -> np.ndarray:
    return np.bincount(calls.workload, minlength=rows)


def assert_is_made_of(calls: RequestTable, table: RequestTable, gap_s: float) -> None:
    """The calls of a row follow one another in its place, in its session, and turns are counted."""
    calls.check()
    assert (np.diff(calls.workload) >= 0).all(), "rows keep their order, calls stay together"
    assert set(calls.workload) == set(range(table.size)), "every row is asked"
    first = np.append(True, np.diff(calls.workload) > 0)
    of = calls.workload
    np.testing.assert_array_equal(calls.gap_s[first], table.gap_s)
    np.testing.assert_array_equal(calls.gap_s[~first], gap_s)
    for column in ("arrival_s", "session", "deadline_s", "patience_s", "difficulty"):
        np.testing.assert_array_equal(getattr(calls, column), getattr(table, column)[of])
    np.testing.assert_array_equal(calls.random_bits[first], table.random_bits)
    assert len(np.unique(calls.random_bits)) == calls.size, "every call has luck of its own"
    begins = calls.sessions()
    lengths = np.diff(np.append(begins, calls.size))
    np.testing.assert_array_equal(calls.turn, np.concatenate([np.arange(n) for n in lengths]))


@pytest.mark.slow
@settings(deadline=None)
@given(TABLES, WAYS)
def test_any_way_of_asking_makes_a_table(table: RequestTable, how: Reshaping) -> None:
    table = labelled(table)
    table.check()
    calls = apply_reshaping(table, how)
    assert_is_made_of(calls, table, 0.0)
    assert (calls_by_row(calls, table.size) >= 1).all()


@pytest.mark.slow
@settings(deadline=None)
@given(TABLES, WAYS, CHECKS)
def test_asking_again_makes_a_table_of_any(
    table: RequestTable, how: Reshaping, quality: Quality
) -> None:
    table = labelled(table)
    calls = repeat_rejected(table, "model", 0.6, quality)
    assert_is_made_of(calls, table, quality.check_s)
    counts = calls_by_row(calls, table.size)
    assert counts.max() <= quality.attempts
    for column in ("input_tokens", "output_tokens", "reasoning_tokens", "max_output_tokens"):
        np.testing.assert_array_equal(
            getattr(calls, column), getattr(table, column)[calls.workload]
        )
    repeat_rejected(apply_reshaping(table, how), "model", 0.6, quality).check()


@pytest.mark.slow
@settings(deadline=None)
@given(TABLES, st.integers(1, 700), st.integers(1, 40))
def test_parts_of_a_prompt_are_all_of_it(
    table: RequestTable, part_tok: int, part_output_tok: int
) -> None:
    table = labelled(replace(table, max_output_tokens=table.max_output_tokens + 40))
    calls = apply_reshaping(
        table, Reshaping(split_above_tok=part_tok, part_output_tok=part_output_tok)
    )
    for row in range(table.size):
        own = np.flatnonzero(calls.workload == row)
        prompt = int(table.input_tokens[row])
        answer = (table.output_tokens[row], table.reasoning_tokens[row])
        if prompt <= part_tok:
            assert len(own) == 1
            assert calls.input_tokens[own[0]] == prompt
            assert calls.prefix_node[own[0]] == table.prefix_node[row]
        else:
            parts, final = own[:-1], own[-1]
            assert len(parts) == math.ceil(prompt / part_tok)
            assert calls.input_tokens[parts].max() <= part_tok
            assert calls.input_tokens[parts].sum() == prompt
            assert (calls.output_tokens[parts] == part_output_tok).all()
            assert (calls.reasoning_tokens[parts] == 0).all()
            assert calls.input_tokens[final] == len(parts) * part_output_tok
            # Passages and answers to them are nobody else's prefix.
            assert (calls.prefix_node[own[1:]] == NO_NODE).all()
        last = own[-1]
        assert (calls.output_tokens[last], calls.reasoning_tokens[last]) == answer


@pytest.mark.slow
@settings(deadline=None)
@given(TABLES, st.integers(1, 40), st.integers(1, 40))
def test_the_last_call_reads_what_the_parts_were_answered_in(
    table: RequestTable, part_tok: int, part_output_tok: int
) -> None:
    """Whatever limit an answer has."""
    table = labelled(table)
    how = Reshaping(split_above_tok=part_tok, part_output_tok=part_output_tok)
    calls = apply_reshaping(table, how)
    last = np.append(np.diff(calls.workload) > 0, True)
    split = calls_by_row(calls, table.size) > 1
    answered = np.bincount(calls.workload[~last], calls.output_tokens[~last], table.size)
    read = calls.input_tokens[last]
    np.testing.assert_array_equal(read[split], np.maximum(answered[split], 1))


@pytest.mark.slow
@settings(deadline=None)
@given(TABLES, st.integers(1, 900))
def test_retrieval_never_lengthens_a_prompt(table: RequestTable, most_tok: int) -> None:
    found = apply_reshaping(table, Reshaping(retrieve_tok=most_tok))
    found.check()
    np.testing.assert_array_equal(found.input_tokens, np.minimum(table.input_tokens, most_tok))
    np.testing.assert_array_equal(found.output_tokens, table.output_tokens)
    short = table.input_tokens <= most_tok
    np.testing.assert_array_equal(found.prefix_node[short], table.prefix_node[short])
    # What is shared beyond the system prompt is not in the passages.
    kept = found.prefix_node[~short]
    assert (table.tree.parent[kept[kept != NO_NODE]] == NO_NODE).all()


def test_system_prompts_are_still_shared_behind_a_search() -> None:
    table = random_table(3)
    longest = int(table.tree.depth_tok[table.tree.parent == NO_NODE].max())
    found = apply_reshaping(table, Reshaping(retrieve_tok=longest + 1))
    cut = (table.input_tokens > longest + 1) & (table.prefix_node != NO_NODE)
    assert cut.sum() > 10
    assert (found.prefix_node[cut] != NO_NODE).all()


@settings(deadline=None)
@given(TABLES, st.sampled_from([0.25, 0.5, 1.0, 1.5, 3.0]))
def test_a_wordier_model_says_more(table: RequestTable, factor: float) -> None:
    calls = apply_reshaping(table, Reshaping(factor))
    assert calls.size == table.size
    for column in ("output_tokens", "reasoning_tokens", "max_output_tokens"):
        exact = getattr(table, column) * factor
        got = getattr(calls, column)
        assert (got >= exact).all()
        assert (got < exact + 1).all(), "no more than what rounding up adds"
    np.testing.assert_array_equal(calls.input_tokens, table.input_tokens)


def test_a_hundred_tokens_of_a_model_a_tenth_wordier_are_a_hundred_and_ten() -> None:
    table = open_loop(np.zeros(1), np.array([5]), np.array([100]))
    assert apply_reshaping(table, Reshaping(1.1)).output_tokens.tolist() == [110]


def test_a_search_comes_before_the_split_and_neither_where_nothing_is_long() -> None:
    table = labelled(random_table(8))
    both = apply_reshaping(
        table, Reshaping(retrieve_tok=200, split_above_tok=150, part_output_tok=20)
    )
    counts = calls_by_row(both, table.size)
    long = table.input_tokens > 150
    np.testing.assert_array_equal(counts, np.where(long, 3, 1))
    untouched = apply_reshaping(
        table, Reshaping(retrieve_tok=10**6, split_above_tok=10**6, part_output_tok=20)
    )
    for field in fields(table):
        if field.name not in ("tree", "workloads"):
            np.testing.assert_array_equal(
                getattr(untouched, field.name), getattr(table, field.name)
            )


@settings(deadline=None, max_examples=20)
@given(TABLES, WAYS, CHECKS)
def test_the_engine_serves_calls_one_behind_the_other(
    table: RequestTable, how: Reshaping, quality: Quality
) -> None:
    calls = repeat_rejected(apply_reshaping(table, how), "model", 0.6, quality)
    calls = replace(calls, workload=np.zeros(calls.size, np.int32), workloads=("sample",))
    ledger = serve_table(Plan(OWN, (FLEET,)), calls, 1e6)
    assert (ledger.completed | (calls.input_tokens > FLEET.max_model_tok)).all()
    turns = np.flatnonzero(~np.isnan(calls.gap_s))
    waits_s = ledger.arrival_s[turns] - ledger.finished_s[turns - 1]
    np.testing.assert_allclose(waits_s, calls.gap_s[turns], atol=1e-6)


RATES = pytest.mark.parametrize("rate", [0.3, 0.75])
QUALITIES = pytest.mark.parametrize(
    "quality",
    [
        Quality(0.802, 4, 1.0, 0.0, 0.0),
        Quality(0.0, 3, 0.7, 0.15, 2.0),
        Quality(0.6, 5, 0.5, 0.3, 0.0),
        Quality(1.0, 3, 0.9, 0.1, 0.0),
    ],
    ids=["perfect-check", "independent", "poor-check", "same-tasks"],
)


def expected_calls(rate: float, quality: Quality) -> float:
    """Mean calls of a request: in difficulty, a geometric series cut off at the last attempt."""
    difficulty, weights = task_grid((rate,), quality.correlation)
    p = success_given(difficulty, rate, quality.correlation)
    on = p * quality.false_alarms + (1 - p) * quality.catches
    return float(sum(weights @ on**attempt for attempt in range(quality.attempts)))


def last_is_right(table: RequestTable, counts: np.ndarray, rate: float, q: Quality) -> np.ndarray:
    """Whether the answer that was kept is right, from the luck of each row's last attempt."""
    luck = np.choose(
        counts - 1, [uniforms(table.random_bits, "success/model", k) for k in range(q.attempts)]
    )
    return luck < success_given(table.difficulty, rate, q.correlation)


def assert_share(found: np.ndarray, expected: float) -> None:
    """A mean of independent draws, within a confidence interval that 1 of 100,000 misses."""
    half = norm.ppf(1 - 0.5e-5) * max(found.std(), 1e-3) / math.sqrt(len(found))
    assert found.mean() == pytest.approx(expected, abs=half)


@pytest.mark.slow
@RATES
@QUALITIES
def test_calls_and_right_answers_are_those_of_the_closed_form(
    rate: float, quality: Quality
) -> None:
    table = labelled(many())
    counts = calls_by_row(repeat_rejected(table, "model", rate, quality), MANY)
    assert_share(counts.astype(float), expected_calls(rate, quality))
    right = last_is_right(table, counts, rate, quality)
    assert_share(right.astype(float), checked_success([rate] * quality.attempts, quality))


@pytest.mark.slow
@RATES
@pytest.mark.parametrize("correlation", [0.0, 0.802, 1.0])
@pytest.mark.parametrize("attempts", [2, 4])
def test_a_check_that_sees_everything_leaves_the_joint_failures(
    rate: float, correlation: float, attempts: int
) -> None:
    quality = Quality(correlation, attempts, 1.0, 0.0, 0.0)
    table = labelled(many(seed=attempts))
    counts = calls_by_row(repeat_rejected(table, "model", rate, quality), MANY)
    right = last_is_right(table, counts, rate, quality)
    expected = 1 - joint_failure([rate] * attempts, correlation)
    assert_share(right.astype(float), expected)
    assert checked_success([rate] * attempts, quality) == pytest.approx(expected, abs=1e-9)
    # Whoever was not asked to the last attempt has the right answer.
    assert right[counts < attempts].all()


def test_the_closed_form_agrees_with_a_tree_of_everything_that_can_happen() -> None:
    """Two models at one difficulty, answer by answer, without the module's recursion."""
    quality = Quality(0.0, 1, 0.8, 0.1, 0.0)
    a, b, c = 0.6, 0.3, 0.9
    right = 0.0
    for first, p in ((True, a), (False, 1 - a)):
        on = 0.1 if first else 0.8
        right += p * (1 - on) * first
        for second, q in ((True, b), (False, 1 - b)):
            further = 0.1 if second else 0.8
            right += p * on * q * ((1 - further) * second + further * c)
    assert checked_success([a, b, c], quality) == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (Quality(0.5, 3, 0.0, 0.0, 0.0), 1),
        (Quality(0.5, 3, 1.0, 1.0, 0.0), 3),
    ],
    ids=["finds-nothing", "believes-nothing"],
)
def test_checks_at_the_ends(quality: Quality, expected: int) -> None:
    table = labelled(many(1000))
    counts = calls_by_row(repeat_rejected(table, "model", 0.5, quality), 1000)
    assert (counts == expected).all()


def test_each_attempt_and_each_model_has_luck_of_its_own() -> None:
    table, quality = many(20_000), Quality(0.0, 4, 1.0, 0.0, 0.0)
    wrong = [rejects(table, "one", 0.5, quality, k) for k in range(2)]
    wrong.append(rejects(table, "other", 0.5, quality))
    np.testing.assert_allclose(np.corrcoef(wrong), np.eye(3), atol=0.04)


def test_a_row_is_asked_again_by_its_own_luck() -> None:
    """In any table that holds it, so that chunks and lenses see the same calls."""
    table, quality = labelled(many(2000)), Quality(0.5, 4, 1.0, 0.0, 0.0)
    counts = calls_by_row(repeat_rejected(table, "model", 0.6, quality), 2000)
    some = np.arange(500, 1500, 3)
    alone = repeat_rejected(table.take(some), "model", 0.6, quality)
    np.testing.assert_array_equal(calls_by_row(alone, 2000)[some], counts[some])


MAKES: list[Callable[[RequestTable], RequestTable]] = [
    lambda t: apply_reshaping(t, Reshaping(2.0, 100, 10)),
    lambda t: repeat_rejected(t, "model", 0.5, Quality(0.5, 3, 1.0, 0.0, 0.0)),
]


@pytest.mark.parametrize("make", MAKES, ids=["reshaped", "asked again"])
def test_a_table_is_left_as_it_was(make: Callable[[RequestTable], RequestTable]) -> None:
    table, same = random_table(4), random_table(4)
    make(table)
    for field in fields(table):
        if field.name not in ("tree", "workloads"):
            np.testing.assert_array_equal(getattr(table, field.name), getattr(same, field.name))


@pytest.mark.parametrize("make", MAKES, ids=["reshaped", "asked again"])
def test_nothing_comes_of_nothing(make: Callable[[RequestTable], RequestTable]) -> None:
    empty = random_table(4).take(np.arange(0))
    assert make(empty).size == 0
