"""Evaluation results: right rows in, one clear line for a broken one, figures out of them."""

import json
import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard import leaderboard_csv

from simulator.analysis.quality.comparison import compare
from simulator.analysis.quality.difficulty import DEFAULT_CORRELATION
from simulator.analysis.quality.quality import (
    SuccessTable,
    TaskRuns,
    cheapest_first,
    scores,
    wilson,
)
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from simulator.scenario.tables.evaluation import OPTIONAL, REQUIRED, read_runs
from simulator.scenario.tables.leaderboard import (
    find_model,
    read_leaderboard,
    read_results,
    read_success_table,
)
from tests.support.checkout import BOTH, ROOT, on_whole
from tests.support.evaluations import HEADER, logs, written
from tests.support.scenarios import SMALL, write_scenario

SHIPPED = ROOT / "simulator/scenario/tables/evaluations/aider-polyglot.csv"

ROW: dict[str, Any] = {
    "task": "t1", "model": "a", "success": True, "input_tokens": 1000, "output_tokens": 50,
    "reasoning_tokens": 20, "cached_tokens": 800, "attempts": 2, "seconds": 3.5, "cost_usd": 0.01,
}  # fmt: skip


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    other = {**ROW, "model": "b", "success": 0, "attempts": None, "cost_usd": "", "note": "extra"}
    records = [ROW, other]
    names = [*REQUIRED, *(n for n in OPTIONAL if n != "retries"), "note"]
    rows = [",".join("" if r.get(n) is None else str(r[n]) for n in names) for r in records]
    table = read_runs(written(tmp_path / "r.csv", "\n".join([",".join(names), *rows])))
    text = "\n".join(map(json.dumps, records))
    for found in (table, read_runs(written(tmp_path / "r.jsonl", text))):
        assert (found.models, found.tasks) == (("a", "b"), ("t1",))
        np.testing.assert_array_equal(found.success, [True, False])
        np.testing.assert_array_equal(found.input_tok, [1000, 1000])
        np.testing.assert_array_equal(found.cached_tok, [800, 800])
        np.testing.assert_array_equal(found.attempts, [2, np.nan])
        np.testing.assert_array_equal(found.usd, [0.01, np.nan])


def test_retries_are_attempts_beyond_the_first(tmp_path: Path) -> None:
    text = f"{HEADER},retries\nt,m,FALSE,10,1,0\nt,m,true,10,1,3\nt,m,1,10,1,\n"
    found = read_runs(written(tmp_path / "r.csv", text))
    np.testing.assert_array_equal(found.attempts, [1, 4, np.nan])
    np.testing.assert_array_equal(found.success, [False, True, True])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"success": "maybe"}, ":2:30: success must be 0, 1, true or false, not 'maybe'"),
        ({"success": 2}, "success must be 0, 1, true or false, not 2"),
        ({"success": 0.5}, "success must be 0, 1, true or false, not 0.5"),
        ({"input_tokens": -1}, "input_tokens must be a number, 0 or more, not -1"),
        ({"input_tokens": 1.5}, "input_tokens must be a whole number, not 1.5"),
        ({"input_tokens": [1]}, "input_tokens must be a number, 0 or more, not [1]"),
        ({"output_tokens": True}, "output_tokens must be a number, 0 or more, not True"),
        ({"cost_usd": math.inf}, "cost_usd must be a number, 0 or more, not inf"),
        ({"cost_usd": 10**400}, "cost_usd must be a number, 0 or more, not 1000"),
        ({"reasoning_tokens": 60}, "60 reasoning tokens of only 50 output_tokens"),
        ({"cached_tokens": 1001}, "1001 cached tokens of only 1000 input_tokens"),
        ({"attempts": 0}, "attempts must be 1 or more"),
        ({"retries": 7}, "7 retries are not 2 attempts less 1"),
        ({"task": ""}, "missing task"),
        ({"model": None}, "missing model"),
        ({"model": {"x": 1}}, "model must be a name, not {'x': 1}"),
        ({"model": "a\ud800"}, "half of a character"),
    ],
)
def test_a_broken_row_is_one_line(tmp_path: Path, change: dict, message: str) -> None:
    path = written(tmp_path / "r.jsonl", f"{json.dumps(ROW)}\n{json.dumps({**ROW, **change})}\n")
    with pytest.raises(InputError) as caught:
        read_runs(path)
    assert str(caught.value).startswith(f"{path}:2:")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "", ":1:1: no runs; expected rows with task, model"),
        ("r.csv", f"{HEADER}\n", ":1:1: no runs"),
        ("r.csv", "tasks_,model\na,b\n", ":1:1: missing column 'task' (found 'tasks_'?)"),
        ("r.csv", f"{HEADER}\nt,m,1,2\n", ":2:1: expected 5 fields, found 4"),
        ("r.csv", f"{HEADER}\nt,m,1,2,3\nt,m,,2,3\n", ":3:1: missing success"),
        ("r.jsonl", '{"task": "t"\n', ":1:13: not valid JSON"),
        ("r.jsonl", "[1]\n", ":1:1: expected a JSON object"),
        ("r.jsonl", '{"task": "t", "modle": "m"}\n', ":1:1: missing model (found 'modle'?)"),
        ("r.jsonl", f"{{}}\n{'1' * 5000}\n", ":2:1: not valid JSON: a number has too many digits"),
        ("b.csv", "model,tasks,solved_1\n", ":1:1: no models"),
        ("b.csv", "model,tasks\na,5\n", ":1:1: missing column 'solved_1'"),
        ("b.csv", "# x\nmodel,tasks,solved_1\na,5\n", ":3:1: expected 3 fields"),
        ("b.csv", "model,tasks,solved_1\na,0,0\n", ":2:1: tasks must be a whole number, 1 or more"),
        ("b.csv", "model,tasks,solved_1\na,5,6\n", ":2:1: solved_1 must be at most 5"),
        ("b.csv", "model,tasks,solved_1\na,5,\n", ":2:1: missing solved_1"),
        ("b.csv", "model,tasks,solved_1,solved_2\na,5,4,3\n", ":2:1: solved_2 must not be less"),
        ("b.csv", "model,tasks,solved_1\na,5,4\na,5,3\n", ":3:1: model 'a' is listed twice"),
        ("b.yml", "a: 1\n", ":1:1: expected a list of entries"),
        ("b.yml", "- a: [1\n", "not valid YAML"),
        ("b.yml", "- 7\n", ":1:1: expected an entry of names and values"),
        ("b.yml", "[]\n", ":1:1: no models"),
        ("b.yml", "- model: a\n  test_cases: 5\n  pass_num_1: 9\n", "pass_num_1 must be at most 5"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = written(tmp_path / name, text)
    with pytest.raises(InputError) as caught:
        read_results(str(path))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_results_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"aidr: no such file \(did you mean 'aider'\?\)"):
        read_results("aidr")


MANGLED = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    st.sampled_from(["\x00", '"', "\n", "\r", ",", "{", "}", "[", ":", "NaN", "1e999", "\ud800"]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=5,
    ).map(json.dumps),
)
SAMPLES = {
    "r.csv": f"{HEADER},cost_usd\nt1,a,1,100,10,0.5\nt2,a,0,100,10,\n",
    "r.jsonl": f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n",
    "b.csv": "# source: x\nmodel,date,tasks,solved_1,solved_2,cost_usd\na,2025-01-01,5,1,2,0.3\n",
    "b.yml": "- model: a\n  test_cases: 5\n  pass_num_1: 2\n  total_cost: 0.1\n  date: 2025-01-1\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_readers_raise_nothing_but_input_errors(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = SAMPLES[name].encode()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 20)))
    part = data.draw(MANGLED)
    inside = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
    path = tmp_path_factory.mktemp("mangled") / name
    path.write_bytes(text[:begin] + inside + text[end:])
    with suppress(InputError):
        assert scores(read_results(str(path)))


def test_wilson_and_newcombe_as_published() -> None:
    """Newcombe (1998), Two-sided confidence intervals, and Interval estimation, table II (a)."""
    found = wilson(81 / 263, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (wilson(0.0, 20).low, wilson(1.0, 20).high) == (0.0, 1.0)
    rows = ("model,tasks,solved_1\nb,80,48\na,70,56\n").splitlines(keepends=True)
    table = _table("".join(rows))
    difference = compare(table, "b", "a").success_difference
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def _table(text: str) -> SuccessTable:
    with tempfile.TemporaryDirectory() as folder:
        return read_success_table(written(Path(folder) / "b.csv", text))


def test_scores_of_runs() -> None:
    runs = logs()
    cheap, dear = scores(runs)
    assert cheap.success.value == runs.success[:400].mean()
    assert cheap.usd_per_correct.value == pytest.approx(
        runs.usd[:400].sum() / runs.success[:400].sum()
    )
    assert cheap.usd_per_correct.low < cheap.usd_per_correct.value < cheap.usd_per_correct.high
    assert (dear.output_tok, dear.seconds, dear.first_try) == (200.0, 2.0, dear.success.value)
    assert math.isnan(dear.reasoning_tok)
    assert [s.model for s in cheapest_first([dear, cheap])] == ["cheap", "dear"]


def test_interval_of_cost_per_correct_covers() -> None:
    """The truth lies in the stated interval in about 95 of 100 repetitions."""
    truth = scores(logs(200_000))[0].usd_per_correct.value
    found = [scores(logs(150, seed=k))[0].usd_per_correct for k in range(100)]
    assert sum(f.low <= truth <= f.high for f in found) >= 88


def test_runs_at_one_task_are_not_independent() -> None:
    """Ten runs of each task that always end alike are worth one."""
    runs = logs(60)
    cheap = runs.model == 0
    again = TaskRuns(
        runs.models[:1],
        runs.tasks,
        *(
            np.repeat(getattr(runs, name)[cheap], 10)
            for name in TaskRuns.__slots__
            if name not in ("models", "tasks")
        ),
    )
    once, ten = scores(runs)[0].success, scores(again)[0].success
    assert (ten.low, ten.high) == pytest.approx((once.low, once.high))


def test_what_some_runs_do_not_tell_is_not_known() -> None:
    runs = logs(50)
    runs.usd[3] = np.nan
    cheap, dear = scores(runs)
    assert math.isnan(cheap.usd)
    assert math.isnan(cheap.usd_per_correct.value)
    assert dear.usd > 0
    assert cheapest_first([cheap, dear])[0] is dear


@pytest.mark.slow
def test_comparison_of_pairs() -> None:
    runs = logs(2000)
    found = compare(runs, "cheap", "dear", seed=1)
    solved = runs.success.reshape(2, -1)
    assert found.tasks == 2000
    assert found.discordant == ((solved[0] & ~solved[1]).sum(), (solved[1] & ~solved[0]).sum())
    assert found.success_difference.value == pytest.approx(solved[1].mean() - solved[0].mean())
    assert found.success_difference.low > 0
    assert found.p_value < 1e-6
    assert found.verbosity.value == pytest.approx(2.0)
    cost = found.usd_per_correct_difference
    assert cost.low < cost.value < cost.high
    assert found.correlation is not None
    assert found.correlation.correlation == pytest.approx(DEFAULT_CORRELATION, abs=0.06)
    assert compare(runs, "cheap", "dear", seed=1).success_difference == found.success_difference
    assert compare(runs, "cheap", "dear", seed=2).success_difference != found.success_difference


def test_pairs_make_the_interval_narrower() -> None:
    runs = logs(400)
    paired = compare(runs, "cheap", "dear").success_difference
    rows = "".join(f"{s.model},400,{round(s.success.value * 400)}\n" for s in scores(runs))
    apart = compare(_table(f"model,tasks,solved_1\n{rows}"), "cheap", "dear").success_difference
    assert paired.value == pytest.approx(apart.value)
    assert paired.high - paired.low < 0.75 * (apart.high - apart.low)


@pytest.mark.slow
def test_cascade_of_the_logs_is_foretold_by_shared_difficulty_alone() -> None:
    found = compare(logs(20_000), "cheap", "dear").cascades
    logged, shared, apart = (
        found[name] for name in ("as logged", "shared difficulty", "independent")
    )
    assert shared.success == pytest.approx(logged.success, abs=0.01)
    assert apart.success > logged.success + 0.1
    assert shared.second_calls == pytest.approx(logged.second_calls, abs=1e-9)
    # Whatever the first fails at is hard, and dear for the second, which no mean cost tells.
    assert logged.usd > shared.usd


def test_mcnemar_is_exact() -> None:
    runs = logs(20)
    runs.success[:20], runs.success[20:] = False, False
    runs.success[0] = True
    runs.success[21:27] = True
    assert compare(runs, "cheap", "dear").discordant == (1, 6)
    assert compare(runs, "cheap", "dear").p_value == pytest.approx(0.125)


def test_models_without_a_common_task() -> None:
    runs = logs(5)
    runs.task[:5] = [5, 6, 7, 8, 9]
    with pytest.raises(InputError, match="'cheap' and 'dear' have no task in common"):
        compare(runs, "cheap", "dear")


def test_a_single_task_has_no_interval() -> None:
    found = compare(logs(1), "cheap", "dear")
    assert math.isnan(found.success_difference.low)
    assert found.correlation is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("gpt-5 (low)", "gpt-5 (low)"),
        ("GPT-5 low", "gpt-5 (low)"),
        ("deepseek v3.2 chat", "DeepSeek-V3.2-Exp (Chat)"),
        ("gpt-oss-120b", "gpt-oss-120b (high)"),
        ("o3", "o3"),
        ("kimi", "Kimi K2"),
    ],
)
def test_models_are_known_by_words(text: str, model: str) -> None:
    assert find_model(text, read_results("aider").models) == model


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpt-5", "model 'gpt-5' may be any of 'gpt-5 (high)', 'gpt-5 (medium)', 'gpt-5 (low)'"),
        ("kimmi k2", "unknown model 'kimmi k2' (did you mean 'Kimi K2'?)"),
        ("", "unknown model ''"),
        ("()", "unknown model '()'"),
    ],
)
def test_other_models_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        find_model(text, read_results("aider").models)
    assert str(caught.value) == message


FACTS: list[tuple[str, float, float, Callable[[float], float]]] = [
    ("gpt-5 (high)", 0.880, 0.147, lambda x: round(x, 3)),
    ("gpt-5 (low)", 0.813, 0.057, lambda x: round(x, 3)),
    ("o3-pro (high)", 0.849, 0.766, lambda x: round(x, 3)),
    ("DeepSeek-V3.2-Exp (Chat)", 0.702, 0.0055, lambda x: round(x, 4)),
    ("gpt-oss-120b (high)", 0.418, 0.0079, lambda x: round(x, 4)),
]


@pytest.mark.parametrize(("model", "success", "usd", "shown"), FACTS)
def test_published_costs_per_correct(
    model: str, success: float, usd: float, shown: Callable[[float], float]
) -> None:
    table = read_results("aider")
    assert isinstance(table, SuccessTable)
    assert (table.as_of, table.licence.split(",")[0]) == ("2025-10-03", "Apache-2.0")
    score = next(s for s in scores(table) if s.model == model)
    assert round(score.success.value, 3) == success
    assert shown(score.usd_per_correct.value) == usd
    assert score.usd_per_correct.low < usd < score.usd_per_correct.high
    assert score.first_try < score.success.value


def test_no_price_is_not_free() -> None:
    score = next(s for s in scores(read_results("aider")) if s.model.startswith("Gemini 2.0 Pro"))
    assert math.isnan(score.usd)
    assert math.isnan(score.usd_per_correct.value)


@pytest.mark.parametrize("data", BOTH)
def test_shipped_table_is_the_leaderboard(data: Path) -> None:
    path = data / "quality" / "polyglot_leaderboard.yml"
    shipped, source = read_success_table(SHIPPED), read_leaderboard(path)
    copied = {row.model: row for row in shipped.rows}
    for theirs in source.rows:
        mine = copied[theirs.model]
        assert (mine.tasks, mine.solved, mine.date) == (theirs.tasks, theirs.solved, theirs.date)
        np.testing.assert_allclose(
            [mine.usd, mine.input_tok, mine.seconds], [theirs.usd, theirs.input_tok, theirs.seconds]
        )
    assert "Qwen2.5-Coder-32B-Instruct [whole]" in source.models
    listed = [model for model in shipped.models if model in source.models]
    assert listed == list(source.models)
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    assert set(_rows_of(leaderboard_csv(path))) <= set(lines)


@pytest.mark.parametrize("data", [on_whole()])
def test_shipped_table_has_the_whole_leaderboard(data: Path) -> None:
    path = data / "quality" / "polyglot_leaderboard.yml"
    assert SHIPPED.read_text(encoding="utf-8") == leaderboard_csv(path)


def _rows_of(table: str) -> list[str]:
    return [line for line in table.splitlines() if not line.startswith("#")]


def test_options_take_their_success_from_evaluations(tmp_path: Path) -> None:
    log = ["task,model,success,input_tokens,output_tokens"]
    log += [f"t{k},terse,{int(k < 6)},100,200" for k in range(10)]
    log += [f"t{k},wordy,{int(k < 9)},100,500" for k in range(10)]
    (tmp_path / "runs.csv").write_text("\n".join(log) + "\n")
    said = deepcopy(SMALL)
    said["quality"] = {"evaluations": "runs.csv", "reference": "terse"}
    said["options"]["frontier"]["evaluated_as"] = "wordy"
    said["options"]["hosted"] |= {"evaluated_as": "terse", "success_rate": 0.5}
    options = {o.name: o for o in load_study(write_scenario(tmp_path / "s.yaml", said)).options}
    assert options["frontier"].success_rate == pytest.approx(0.9)
    assert options["frontier"].reshaping.output_factor == pytest.approx(2.5)
    assert options["hosted"].success_rate == 0.5
    assert options["hosted"].reshaping is None
    said["options"]["frontier"]["evaluated_as"] = "wordier"
    with pytest.raises(InputError, match=r"evaluated_as|s\.yaml:\d+:\d+: .*wordy"):
        load_study(write_scenario(tmp_path / "s.yaml", said))
    said["quality"] = {}
    with pytest.raises(InputError, match=r"needs quality\.evaluations"):
        load_study(write_scenario(tmp_path / "s.yaml", said))
    said["quality"] = {"evaluations": "aider"}
    said["options"]["frontier"]["evaluated_as"] = "gpt-5 (high)"
    del said["options"]["hosted"]["evaluated_as"]
    study = load_study(write_scenario(tmp_path / "s.yaml", said))
    assert study.options[0].success_rate == pytest.approx(0.88)  # type: ignore[union-attr]
