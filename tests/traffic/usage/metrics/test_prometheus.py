"""Range data of Prometheus in files: counters, histograms, groups and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.errors import InputError
from simulator.traffic.usage.buckets import Group, Notices, UsageTable
from tests.support.traffic.metric_files import read_documents, refusal

BEGIN_S, STEP_S = 1_793_577_600, 3600
LLAMA = Group("llama", "vllm")


def series(name: str, *values: Any, first: int = 0, **labels: str) -> Any:
    """A series with one sample an hour; None is a missing sample."""
    if name.startswith("vllm:") and "model_name" not in labels:
        labels["model_name"] = "llama"
    return {
        "metric": {"__name__": name, **labels},
        "values": [
            [BEGIN_S + (first + hour) * STEP_S, str(value)]
            for hour, value in enumerate(values)
            if value is not None
        ],
    }


def answer(*parts: Any, **more: Any) -> Any:
    data = {"resultType": "matrix", "result": list(parts)}
    return {"status": "success", "data": data, **more}


def read(tmp_path: Path, *documents: Any) -> tuple[UsageTable, Notices]:
    return read_documents(tmp_path / "range.json", "prometheus", *documents)


def hours(usage: UsageTable) -> list[float]:
    return ((usage.begin_s - BEGIN_S) / STEP_S).tolist()


PROMPT = series("vllm:prompt_tokens_total", 1000, 3000, 3000, 6000)
FORMS = {
    "answer": [answer(PROMPT)],
    "answers": [[answer(PROMPT), answer(series("vllm:generation_tokens_total", 0, 5, 5, 9))]],
    "lines": [answer(PROMPT), answer(series("vllm:generation_tokens_total", 0, 5, 5, 9))],
    "promtool": [[PROMPT, series("vllm:generation_tokens_total", 0, 5, 5, 9)]],
    "promtool-lines": [[PROMPT], [series("vllm:generation_tokens_total", 0, 5, 5, 9)]],
    "series": [PROMPT, series("vllm:generation_tokens_total", 0, 5, 5, 9)],
    "data": [{"resultType": "matrix", "result": [PROMPT]}],
}


@pytest.mark.parametrize("form", FORMS)
def test_counters_become_increases_in_every_form_of_file(tmp_path: Path, form: str) -> None:
    usage, _ = read(tmp_path, *FORMS[form])
    assert usage.groups == (LLAMA,)
    assert hours(usage) == [0, 1, 2]
    assert usage.length_s.tolist() == [STEP_S] * 3
    assert usage.uncached_tok.tolist() == [2000, 0, 3000]
    if form not in ("answer", "data"):
        assert usage.completion_tok.tolist() == [5, 0, 4]


def test_a_drop_is_a_restart(tmp_path: Path) -> None:
    name = "vllm:prompt_tokens_total"
    usage, notices = read(tmp_path, answer(series(name, 900, 1000, 40, 50)))
    assert usage.prompt_tok.tolist() == [100, 40, 10]
    assert notices.left_out == {f"parts of steps before a restart in series of {name}": 1}


@pytest.mark.parametrize("gap", [(None, None), ("NaN", "NaN")])
def test_steps_without_samples_are_missing_and_counted(tmp_path: Path, gap: Any) -> None:
    usage, notices = read(
        tmp_path, answer(series("vllm:prompt_tokens_total", 0, 10, *gap, 100, 110))
    )
    assert hours(usage) == [0, 4]
    assert usage.prompt_tok.tolist() == [10, 10]
    text = "steps without samples in series of vllm:prompt_tokens_total"
    assert notices.left_out == {text: 3}


def test_instances_and_engines_are_summed(tmp_path: Path) -> None:
    parts = [
        series("vllm:prompt_tokens_total", 0, 10 * weight, 30 * weight, instance=i, engine=e)
        for weight, (i, e) in enumerate([("a", "0"), ("a", "1"), ("b", "0")], start=1)
    ]
    usage, _ = read(tmp_path, answer(*parts))
    assert usage.prompt_tok.tolist() == [60, 120]


def test_a_counter_that_appears_in_a_known_process_began_at_zero(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, answer(
        series("vllm:prompt_tokens_total", 0, 10, 20, 30, instance="a"),
        series("vllm:prompt_tokens_cached_total", 7, 9, first=2, instance="a"),
        series("vllm:prompt_tokens_total", 500, 520, first=2, instance="b"),
    ))  # fmt: skip
    # Of the process "b", nothing tells how long it had been counting.
    assert usage.prompt_tok.tolist() == [10, 10, 30]
    np.testing.assert_array_equal(usage.cached_tok, [np.nan, 7, 2])
    text = "first samples of vllm:prompt_tokens_total, which began to count before them"
    assert notices.left_out == {text: 1}


def test_the_first_counter_that_there_is_counts(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, answer(
        series("vllm:prompt_tokens_total", 0, 100), series("vllm:prefix_cache_hits_total", 0, 70),
        series("vllm:prompt_tokens_cached_total", 0, 60), series("up", 1, 1),
        series("vllm:request_prompt_tokens_sum", 0, 90),
        series("vllm:request_prompt_tokens_count", 0, 9),
    ))  # fmt: skip
    assert usage.cached_tok.tolist() == [60]
    assert usage.uncached_tok.tolist() == [40]
    assert usage.requests.tolist() == [9]
    assert notices.left_out == {
        "series of vllm:prefix_cache_hits_total, which vllm:prompt_tokens_cached_total counts "
        "as well": 1,
        "series of vllm:request_prompt_tokens_sum, which vllm:prompt_tokens_total counts "
        "as well": 1,
        "series of up": 1,
    }  # fmt: skip


def test_names_without_colons_are_known(tmp_path: Path) -> None:
    usage, _ = read(tmp_path, answer(series("vllm_prompt_tokens_total", 0, 5, model_name="llama")))
    assert usage.groups == (LLAMA,)


def test_failed_requests_of_vllm_are_left_out(tmp_path: Path) -> None:
    name = "vllm:request_success_total"
    usage, notices = read(tmp_path, answer(
        series(name, 0, 8, finished_reason="stop"), series(name, 0, 1, finished_reason="abort"),
        series(name, 0, 3, finished_reason="error"),
    ))  # fmt: skip
    assert usage.requests.tolist() == [9]
    assert notices.left_out == {f"failed calls in series of {name}": 3}


def test_sglang_sums_the_sources_of_cached_tokens(tmp_path: Path) -> None:
    labels = {"model_name": "qwen"}
    usage, _ = read(tmp_path, answer(
        series("sglang:prompt_tokens_total", 0, 100, **labels),
        series("sglang:cached_tokens_total", 0, 30, cache_source="device", **labels),
        series("sglang:cached_tokens_total", 0, 20, cache_source="host", **labels),
        series("sglang:generation_tokens_total", 0, 10, **labels),
        series("sglang:num_requests_total", 0, 2, **labels),
    ))  # fmt: skip
    assert usage.groups == (Group("qwen", "sglang"),)
    assert usage.cached_tok.tolist() == [50]
    assert usage.uncached_tok.tolist() == [50]
    assert usage.requests.tolist() == [2]


def lite(name: str, *values: Any, **labels: str) -> Any:
    common = {"team_alias": "search", "api_key_alias": "None", "hashed_api_key": "88dc"}
    return series(f"litellm_{name}_metric_total", *values, **{**common, **labels})


def test_litellm_by_model_team_and_key(tmp_path: Path) -> None:
    both = {"model": "gpt-4o", "requested_model": "desk"}
    usage, notices = read(tmp_path, answer(
        lite("input_tokens", 0, 100, **both), lite("output_tokens", 0, 10, **both),
        lite("input_cached_tokens", 0, 60, **both), lite("spend", 0, 0.25, model="gpt-4o"),
        lite("input_cache_creation_tokens", 0, 15, **both), lite("requests", 0, 4, model="gpt-4o"),
        lite("total_tokens", 0, 110, **both), lite("output_reasoning_tokens", 0, 3, **both),
    ))  # fmt: skip
    assert usage.groups == (Group("gpt-4o", "litellm", "search"),)
    sums = {
        "requests": 4, "uncached_tok": 25, "cached_tok": 60, "written_5m_tok": 15,
        "completion_tok": 10, "reasoning_tok": 3, "spend_usd": 0.25,
    }  # fmt: skip
    assert {name: getattr(usage, name).tolist() for name in sums} == {
        name: [value] for name, value in sums.items()
    }
    assert notices.left_out == {"series of litellm_total_tokens_metric_total": 1}


def test_litellm_groups_have_the_labels_that_all_metrics_have(tmp_path: Path) -> None:
    """Requests of older proxies have the requested model alone."""
    usage, notices = read(tmp_path, answer(
        lite("input_tokens", 0, 70, model="gpt-4o", requested_model="desk"),
        lite("input_tokens", 0, 30, model="gpt-4o-mini", requested_model="desk"),
        lite("proxy_total_requests", 0, 4, requested_model="desk", status_code="200"),
        lite("proxy_total_requests", 0, 1, requested_model="desk", status_code="429"),
    ))  # fmt: skip
    assert usage.groups == (Group("desk", "litellm", "search"),)
    assert usage.prompt_tok.tolist() == [100]
    assert usage.requests.tolist() == [4]
    text = "failed calls in series of litellm_proxy_total_requests_metric_total"
    assert notices.left_out == {text: 1}


def test_calls_through_several_systems_are_said(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, answer(
        lite("input_tokens", 0, 70, model="m"), PROMPT, series("tgi_request_success", 0, 1, 2, 4),
    ))  # fmt: skip
    assert [group.provider for group in usage.groups] == ["tgi", "vllm", "litellm"]
    assert "The metrics of tgi do not name the model." in notices.remarks
    assert any("litellm and tgi and vllm" in remark for remark in notices.remarks)


def test_cached_tokens_of_the_bucket_before_are_left_out(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, answer(
        series("vllm:prompt_tokens_total", 0, 100, 300),
        series("vllm:prefix_cache_hits_total", 0, 130, 200),
    ))  # fmt: skip
    assert usage.cached_tok.tolist() == [100, 70]
    assert usage.uncached_tok.tolist() == [0, 130]
    assert notices.left_out == {"tokens of a cache above the prompt tokens of their bucket": 30}


@pytest.mark.parametrize("name", ["vllm:prompt_tokens_total:increase1h",
                                  "model:vllm_prompt_tokens:increase1h"])  # fmt: skip
def test_increases_by_a_recording_rule(tmp_path: Path, name: str) -> None:
    usage, _ = read(tmp_path, answer(series(name, 50, 20, 90, 10, model_name="llama")))
    assert hours(usage) == [-1, 0, 1, 2]
    assert usage.prompt_tok.tolist() == [50, 20, 90, 10]


def test_rates_by_a_recording_rule(tmp_path: Path) -> None:
    name = "model:vllm_generation_tokens:rate1h"
    usage, notices = read(tmp_path, answer(series(name, 0.5, 2, model_name="llama"), PROMPT))
    assert usage.completion_tok[:2].tolist() == [1800, 7200]
    assert not notices.left_out


def test_a_counter_is_better_than_its_recording_rule(tmp_path: Path) -> None:
    rule = series("vllm:prompt_tokens_total:increase1h", 5, 5, 5, 5)
    usage, notices = read(tmp_path, answer(PROMPT, rule))
    assert usage.prompt_tok.tolist() == [2000, 0, 3000]
    text = "series of recording rules of vllm:prompt_tokens_total, which is there itself"
    assert notices.left_out == {text: 1}


def test_parts_of_a_series_are_joined(tmp_path: Path) -> None:
    name = "vllm:prompt_tokens_total"
    usage, _ = read(tmp_path, answer(series(name, 0, 1, 3)), answer(series(name, 3, 6, first=2)))
    assert usage.prompt_tok.tolist() == [1, 2, 3]


def test_warnings_and_native_histograms_are_said(tmp_path: Path) -> None:
    native = {"metric": {"__name__": "vllm:request_prompt_tokens"}, "histograms": []}
    _, notices = read(tmp_path, answer(PROMPT, native, warnings=["partial response"]))
    assert "Prometheus says: partial response" in notices.remarks
    assert notices.left_out == {"native histograms of vllm:request_prompt_tokens": 1}


def histogram(name: str, *rows: tuple[str, tuple[Any, ...]], **labels: str) -> list[Any]:
    return [series(f"{name}_bucket", *values, le=le, **labels) for le, values in rows]


def test_histograms_are_distributions_of_lengths(tmp_path: Path) -> None:
    name = "vllm:request_prompt_tokens"
    usage, _ = read(tmp_path, answer(
        PROMPT,
        # The first process restarts, which only some of its counters show.
        *histogram(name, ("100.0", (5, 6, 7, 8)), ("200.0", (5, 9, 8, 12)),
                   ("+Inf", (5, 10, 9, 14)), instance="a"),
        *histogram(name, ("100", (0, 1, 1, 1)), ("150", (0, 1, 1, 1)), ("200", (0, 2, 2, 2)),
                   ("+Inf", (0, 2, 2, 2)), instance="b"),
        *histogram("vllm:request_generation_tokens", ("10", (0, 0, 0, 0)), ("+Inf", (0, 0, 0, 0))),
    ))  # fmt: skip
    lengths = usage.lengths[LLAMA]
    assert lengths.completion is None
    assert lengths.prompt is not None
    # Only edges that all processes have tell anything of their sum.
    assert lengths.prompt.edges_tok.tolist() == [100, 200, np.inf]
    assert lengths.prompt.counts.tolist() == [1 + 7 + 1 + 1, 3 + 1 + 3 + 1, 1 + 1 + 1 + 0]
    assert usage.take(usage.begin_s > BEGIN_S).lengths == usage.lengths


def test_an_edge_that_is_written_in_two_ways_is_one(tmp_path: Path) -> None:
    name = "vllm:request_prompt_tokens"
    usage, _ = read(tmp_path, answer(
        PROMPT, *histogram(name, ("100", (1, 2)), ("+Inf", (1, 3, 5, 8))),
        series(f"{name}_bucket", 3, 5, first=2, le="100.0"),
    ))  # fmt: skip
    prompt = usage.lengths[LLAMA].prompt
    assert prompt is not None
    assert prompt.counts.tolist() == [4, 3]


NOISE = series("vllm:prompt_tokens_total", *([5, 3] * 8))
HALF = {"metric": PROMPT["metric"], "values": [[BEGIN_S + 1800 * k, str(k)] for k in range(5)]}
LATE = {"metric": PROMPT["metric"], "values": [[BEGIN_S + 3600 * k + 60, "5"] for k in range(5)]}


def renamed(part: Any, name: str) -> Any:
    return {**part, "metric": {**part["metric"], "__name__": name}}


def valued(*values: Any) -> Any:
    return answer({**PROMPT, "values": list(values)})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (answer(), "no counter of vllm, sglang, litellm, tgi such as vllm:request_success_total"),
        (answer(series("up", 1, 1)), "no counter of vllm"),
        (answer(series("vllm:prompt_tokens_total", 5)), "no series has two samples"),
        (answer({"metric": {"model_name": "m"}, "values": [[1, "2"]]}), "a series has no name"),
        (answer(NOISE), "decreases at 8 of 15 steps, and so is no counter"),
        (answer(PROMPT, renamed(HALF, "vllm:generation_tokens_total")),
         "vllm:prompt_tokens_total has samples every 3600 s, others every 1800 s"),
        (answer(PROMPT, renamed(LATE, "vllm:generation_tokens_total")), "at other moments than"),
        ([answer(PROMPT), answer(series("vllm:prompt_tokens_total", 1))], "has two values at 2026"),
        (answer(series("vllm:prompt_tokens_total:rate5m", 1, 2)),
         "holds spans of 300 s and has samples every 3600 s; ask for a step of the same length"),
        (answer(series("vllm:prompt_tokens_total", 0, 10, 20),
                series("vllm:prefix_cache_hits_total", 0, 30, 40)),
         "llama at 2026-11-02T00:00:00+00:00: 40 tokens of the cache exceed 20 prompt tokens in"),
        ({"status": "error", "errorType": "bad_data", "error": "parse error"},
         "Prometheus answered with an error: parse error"),
        ({"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {}, "value": [1, "2"]}]}}, "resultType must be matrix, not 'vector'"),
        ([{"metric": {"__name__": "up"}, "value": [1, "2"]}], "one value and no range of them"),
        (valued([BEGIN_S, "1"], [BEGIN_S * 1000, "2"]), "is no moment in seconds and value"),
        (valued([BEGIN_S, "1"], [BEGIN_S + 1, "-2"]), "is no moment in seconds and value"),
        (valued([BEGIN_S, "1"], [BEGIN_S + 1, "+Inf"]), "is no moment in seconds and value"),
        (valued([BEGIN_S, "1", "2"]), "values must be pairs of a moment and a value"),
        (answer(PROMPT, *histogram("vllm:request_prompt_tokens", ("100", (0, 1)))),
         'vllm:request_prompt_tokens_bucket has no series with le="+Inf"'),
        (answer(PROMPT, *histogram("vllm:request_prompt_tokens", ("x", (0, 1)))),
         "le must be a number or +Inf, not 'x'"),
        (answer(PROMPT, *histogram("vllm:request_prompt_tokens", ("9", (0, 5)), ("+Inf", (0, 2)))),
         "fewer calls up to inf tokens than up to the edge before"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_its_location(
    tmp_path: Path, document: Any, message: str
) -> None:
    assert message in refusal(tmp_path / "range.json", document)


def test_the_line_of_an_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"range\.json:2:1: Prometheus answered with an error: x"):
        read(tmp_path, answer(PROMPT), {"status": "error", "errorType": "timeout", "error": "x"})
