"""Azure Monitor metrics of Azure OpenAI and Foundry."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.traffic.usage.buckets import Group, Notices, UsageTable
from tests.support.traffic.metric_files import read_documents, refusal

ACCOUNT = (
    "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/desk"
    "/providers/Microsoft.Insights/metrics/"
)
GROUP = Group("chat", "azure", "desk")


def series(*totals: float | None, **dimensions: str) -> Any:
    data = [
        {"timeStamp": f"2026-11-02T{hour:02}:00:00Z", "total": total, "average": None}
        for hour, total in enumerate(totals)
    ]
    names = [{"name": {"value": n}, "value": v} for n, v in dimensions.items()]
    return {"data": data, "metadatavalues": names}


def metric(name: str, *parts: Any, **more: Any) -> Any:
    return {
        "id": ACCOUNT + name, "name": {"value": name, "localizedValue": name}, "unit": "Count",
        "timeseries": list(parts), "errorCode": "Success", **more,
    }  # fmt: skip


def simple(name: str, *totals: float | None) -> Any:
    """A metric of one deployment."""
    return metric(name, series(*totals, modeldeploymentname="chat"))


def document(*metrics: Any, interval: str = "PT1H") -> Any:
    return {"cost": 0, "interval": interval, "timespan": "x/y", "value": list(metrics)}


def read(tmp_path: Path, *documents: Any) -> tuple[UsageTable, Notices]:
    return read_documents(tmp_path / "metrics.json", "azure-metrics", *documents)


def test_azure_openai_metrics_by_deployment(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, document(
        simple("AzureOpenAIRequests", 10, None, 0), simple("ProcessedPromptTokens", 900, None, 0),
        simple("GeneratedTokens", 90, None, 0), simple("TokenTransaction", 990, None, 0),
        simple("Latency", 1, 2, 3),
    ))  # fmt: skip
    assert usage.groups == (GROUP,)
    # A point without a total has no data, and is no zero.
    assert (usage.begin_s - usage.begin_s[0]).tolist() == [0, 7200]
    assert usage.length_s.tolist() == [3600, 3600]
    assert usage.requests.tolist() == [10, 0]
    assert usage.uncached_tok.tolist() == [900, 0]
    assert usage.completion_tok.tolist() == [90, 0]
    assert np.isnan(usage.cached_tok).all()
    assert notices.left_out == {"series of Latency": 1}
    assert "How many prompt tokens were read from a cache is unknown." in notices.remarks


def test_foundry_names_count_once(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, document(
        simple("InputTokens", 900), simple("ProcessedPromptTokens", 900),
        simple("OutputTokens", 90), simple("ModelRequests", 10), simple("AudioInputTokens", 50),
    ))  # fmt: skip
    assert usage.prompt_tok.tolist() == [900]
    assert usage.requests.tolist() == [10]
    assert usage.audio_input_tok.tolist() == [50]
    text = "series of ProcessedPromptTokens, which InputTokens counts as well"
    assert notices.left_out == {text: 1}


def test_cached_tokens_follow_from_active_tokens(tmp_path: Path) -> None:
    usage, _ = read(tmp_path, document(
        simple("InputTokens", 900), simple("OutputTokens", 90), simple("ActiveTokens", 390),
    ))  # fmt: skip
    assert usage.cached_tok.tolist() == [600]
    assert usage.uncached_tok.tolist() == [300]


def test_a_mean_of_percentages_gives_no_cached_tokens(tmp_path: Path) -> None:
    rate = "AzureOpenAIContextTokensCacheMatchRate"
    usage, notices = read(tmp_path, document(simple("InputTokens", 900), simple(rate, 50)))
    assert np.isnan(usage.cached_tok).all()
    assert any(rate in remark and "ActiveTokens" in remark for remark in notices.remarks)


@pytest.mark.parametrize(
    ("present", "missing", "column"),
    [("InputTokens", 700, "completion_tok"), ("OutputTokens", 700, "uncached_tok")],
)
def test_a_missing_half_follows_from_the_total(
    tmp_path: Path, present: str, missing: float, column: str
) -> None:
    usage, _ = read(tmp_path, document(simple("TotalTokens", 1000), simple(present, 300)))
    assert getattr(usage, column).tolist() == [missing]


def test_dimensions_are_summed_and_failures_left_out(tmp_path: Path) -> None:
    calls = [
        series(6, ModelDeploymentName="chat", ModelName="gpt-4o", StatusCode="200", Region="a"),
        series(4, ModelDeploymentName="chat", ModelName="gpt-4o", StatusCode="200", Region="b"),
        series(3, ModelDeploymentName="chat", ModelName="gpt-4o", StatusCode="429", Region="a"),
    ]
    usage, notices = read(
        tmp_path, document(metric("AzureOpenAIRequests", *calls), simple("GeneratedTokens", 50))
    )
    # Token metrics have no model, and the metric of calls tells which one a deployment runs.
    assert usage.groups == (Group("gpt-4o", "azure", "desk"),)
    assert usage.requests.tolist() == [10]
    assert usage.completion_tok.tolist() == [50]
    assert notices.left_out == {"calls with status 429": 3}


def test_tiers_are_groups(tmp_path: Path) -> None:
    parts = [
        series(6, modeldeploymentname="chat", servicetierresponse="Default"),
        series(4, modeldeploymentname="chat", servicetierresponse="Priority"),
    ]
    usage, _ = read(tmp_path, document(metric("AzureOpenAIRequests", *parts)))
    assert [group.tier for group in usage.groups] == ["", "priority"]


def test_resources_are_projects_and_one_document_each(tmp_path: Path) -> None:
    first = document(simple("ModelRequests", 5))
    second = json.loads(json.dumps(first).replace("accounts/desk", "accounts/other"))
    usage, _ = read(tmp_path, first, second)
    assert [group.project for group in usage.groups] == ["desk", "other"]
    assert usage.requests.tolist() == [5, 5]


@pytest.mark.parametrize(
    ("interval", "length_s"),
    [("PT1M", 60), ("PT6H", 21600), ("P1D", 86400), ("0:05:00", 300), ("1 day, 0:00:00", 86400)],
)
def test_intervals(tmp_path: Path, interval: str, length_s: float) -> None:
    usage, _ = read(tmp_path, document(simple("ModelRequests", 5), interval=interval))
    assert usage.length_s.tolist() == [length_s]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (document(), "no metric of ModelRequests, AzureOpenAIRequests"),
        (document(simple("Latency", 1)), "no metric of ModelRequests"),
        (document(simple("ModelRequests", 1), interval="FULL"), "interval must be a duration"),
        (document(simple("ModelRequests", -1)), "total must be a number of 0 or more, not -1"),
        (document(simple("ModelRequests", 1), simple("ModelRequests", 2)), "has two values at"),
        (document(simple("InputTokens", 9), simple("OutputTokens", 9), simple("TotalTokens", 9)),
         "chat at 2026-11-02T00:00:00+00:00: 9 tokens are not 9 + 9"),
        (document(simple("InputTokens", 9), simple("TotalTokens", 5)),
         "9 prompt tokens exceed 5 tokens in total"),
        (document(simple("InputTokens", 9), simple("OutputTokens", 1), simple("ActiveTokens", 99)),
         "99 active tokens exceed 10 tokens in total"),
        (document(simple("InputTokens", 9), metric("ModelRequests", series(1))),
         "InputTokens is split by model or deployment and ModelRequests is not"),
        (document(metric("ModelRequests", series(1), errorCode="Throttled", errorMessage="slow")),
         "ModelRequests: Azure Monitor reports 'slow'"),
        (document(metric("ModelRequests", {"data": 5})), "data must be a list of objects"),
        ([document(simple("ModelRequests", 1)), {"value": []}], "expected value and interval"),
        (document(metric("ModelRequests", {"data": [{"total": 1}]})), "missing field 'timeStamp'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_its_location(
    tmp_path: Path, value: Any, message: str
) -> None:
    assert message in refusal(tmp_path / "metrics.json", value)


def test_series_without_totals_are_left_out(tmp_path: Path) -> None:
    only_averages = {"data": [{"timeStamp": "2026-11-02T00:00:00Z", "average": 3}]}
    usage, notices = read(
        tmp_path, document(simple("ModelRequests", 5), metric("InputTokens", only_averages))
    )
    assert usage.requests.tolist() == [5]
    assert notices.left_out == {"series of InputTokens without totals": 1}
