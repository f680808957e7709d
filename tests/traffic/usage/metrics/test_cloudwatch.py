"""CloudWatch metrics of Amazon Bedrock."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.traffic.usage.buckets import Group, Notices, UsageTable
from tests.support.traffic.metric_files import read_documents, refusal

HAIKU, SONNET = "anthropic.claude-haiku-4-5-20251001-v1:0", "us.anthropic.claude-sonnet-4-6"


def result(label: str, *values: float, hours: tuple[int, ...] | None = None, **more: Any) -> Any:
    """One result, newest point first, as CloudWatch orders them."""
    at = [f"2026-11-02T{hour:02}:00:00+00:00" for hour in hours or range(len(values))]
    return {
        "Id": "m1", "Label": label, "Timestamps": at[::-1], "Values": list(values)[::-1],
        "StatusCode": "Complete", **more,
    }  # fmt: skip


def read(tmp_path: Path, *documents: Any) -> tuple[UsageTable, Notices]:
    return read_documents(tmp_path / "metrics.json", "bedrock-cloudwatch", *documents)


def data(*results: Any, **more: Any) -> Any:
    return {"MetricDataResults": list(results), "Messages": [], **more}


def test_models_and_metrics_become_buckets_of_the_period(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, data(
        result(f"Invocations {HAIKU}", 10, 20, 0),
        result(f"InputTokenCount {HAIKU}", 1000, 3000, 0),
        result(f"OutputTokenCount {HAIKU}", 100, 250, 0),
        result(f"CacheReadInputTokenCount {HAIKU}", 5000, 7000, hours=(0, 1)),
        result(f"{SONNET} | Invocations".replace(" |", ""), 1, 2, hours=(1, 2)),
        result(f"InvocationThrottles {HAIKU}", 2, 1, 0),
        result(f"InvocationLatency {HAIKU}", 900, 800, 700),
    ))  # fmt: skip
    assert usage.groups == (Group(HAIKU, "bedrock"), Group(SONNET, "bedrock"))
    assert set(usage.length_s) == {3600.0}
    haiku = usage.take(usage.group == 0)
    assert haiku.requests.tolist() == [10, 20, 0]
    # Input tokens of Bedrock are those that no cache was read for.
    assert haiku.uncached_tok.tolist() == [1000, 3000, 0]
    assert haiku.prompt_tok.tolist() == [6000, 10000, 0]
    np.testing.assert_array_equal(haiku.cached_tok, [5000, 7000, np.nan])
    sonnet = usage.take(usage.group == 1)
    assert sonnet.requests.tolist() == [1, 2]
    assert np.isnan(sonnet.uncached_tok).all()
    assert notices.left_out == {
        "calls of InvocationThrottles": 3, f"series 'InvocationLatency {HAIKU}'": 1,
    }  # fmt: skip
    assert any("3600 s" in remark for remark in notices.remarks)


@pytest.mark.parametrize("name", ["CacheWriteInputTokenCount", "CacheWriteInputTokens"])
def test_both_names_of_cache_metrics_are_known(tmp_path: Path, name: str) -> None:
    usage, notices = read(tmp_path, data(result(f"{name} {HAIKU}", 5, 6)))
    assert usage.written_5m_tok.tolist() == [5, 6]
    assert "Bedrock does not tell for how long prompts are cached: five minutes." in notices.remarks
    assert any("CacheReadInputTokenCount is missing" in remark for remark in notices.remarks)


def test_the_period_is_the_longest_that_fits_all_series(tmp_path: Path) -> None:
    usage, _ = read(tmp_path, data(
        result("Invocations a", 1, 2, hours=(0, 4)), result("Invocations b", 1, 2, hours=(0, 6)),
    ))  # fmt: skip
    assert set(usage.length_s) == {7200.0}


def test_errors_and_missing_pages_are_said(tmp_path: Path) -> None:
    _, notices = read(tmp_path, data(
        result("Invocations a", 1, 2, StatusCode="PartialData"),
        result("InvocationServerErrors a", 4, 0), NextToken="more",
    ))  # fmt: skip
    assert notices.left_out == {"calls of InvocationServerErrors": 4}
    text = " ".join(notices.remarks)
    assert "NextToken" in text
    assert "PartialData" in text
    assert "not unanimous" in text


def test_pages_of_one_result_are_joined(tmp_path: Path) -> None:
    pages = [data(result("Invocations a", 1, 2)), data(result("Invocations a", 3, hours=(2,)))]
    usage, _ = read(tmp_path, pages)
    assert usage.requests.tolist() == [1, 2, 3]


def statistics(label: str, *sums: float) -> Any:
    points = [
        {"Timestamp": f"2026-11-{day:02}T00:00:00Z", "Sum": value, "Unit": "Count"}
        for day, value in enumerate(sums, start=2)
    ]
    return {"Label": label, "Datapoints": points[::-1]}


def test_statistics_of_several_metrics_are_read_together(tmp_path: Path) -> None:
    documents = [statistics("Invocations", 10, 20), statistics("InputTokenCount", 100, 300)]
    for together in (documents, [documents]):
        usage, notices = read(tmp_path, *together)
        assert usage.groups == (Group("", "bedrock"),)
        assert usage.length_s.tolist() == [86400, 86400]
        assert usage.requests.tolist() == [10, 20]
        assert usage.uncached_tok.tolist() == [100, 300]
        assert "Answers of get-metric-statistics do not name the model." in notices.remarks


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (data(), "no series of Invocations, InputTokenCount"),
        (data(result("InvocationLatency", 1, 2)), "no series of Invocations, InputTokenCount"),
        (data(result("Invocations a", 1)), "the period is unknown"),
        (data(result("Invocations a", 1, -2)), "Values must be a number of 0 or more, not -2"),
        (data(result("Invocations a", 1, None)), "Invocations a: a point has no value"),
        (data(result("Invocations a", 1, "x")), "Values must be a number of 0 or more"),
        (data(result("Invocations a", 1, 2, Values=[1])), "must be lists of one size"),
        (data(result("Invocations a", 1, 2, StatusCode="Forbidden")), "status is 'Forbidden'"),
        (data(result("Invocations InputTokenCount", 1, 2)), "names several metrics"),
        (data(result("InputTokenCount a Average", 1, 2)), "query the stat Sum"),
        (data(result("Invocations a", 1, 2), result("Invocations a", 1, 2)),
         "Invocations a has two values at 2026-11-02T01:00:00+00:00"),
        (data(result("Invocations a", 1, 2, Timestamps=["x", "y"])), "a date and time, not 'x'"),
        (data(result("Invocations a", 1, 2), result("InputTokenCount a", 5, 5, Timestamps=[
            "2026-11-02T00:30:00Z", "2026-11-02T01:30:00Z"])), "is no multiple of 3600 s"),
        ({"Label": "Invocations", "Datapoints": [{"Timestamp": "2026-11-02", "Average": 1}]},
         "a datapoint has no Sum; query --statistics Sum"),
        ([data(result("Invocations a", 1, 2)), {"Metrics": []}], "expected MetricDataResults, or"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_its_location(
    tmp_path: Path, document: Any, message: str
) -> None:
    assert message in refusal(tmp_path / "metrics.json", document)
