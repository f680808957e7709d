"""Cloud Monitoring time series of Vertex AI."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.traffic.usage.buckets import Group, Notices, UsageTable
from tests.support.traffic.metric_files import read_documents, refusal

FAMILY = "aiplatform.googleapis.com/publisher/online_serving/"
GROUP = Group("gemini-2.5-pro", "vertex", "desk")


def series(name: str, *values: Any, kind: str = "DELTA", **labels: str) -> Any:
    points = [
        {"interval": {"startTime": f"2026-11-02T{hour:02}:00:00.000001Z",
                      "endTime": f"2026-11-02T{hour + 1:02}:00:00Z"},
         "value": {"int64Value": value}}
        for hour, value in enumerate(values)
    ]  # fmt: skip
    return {
        "metric": {"type": FAMILY + name, "labels": labels},
        "resource": {"type": "aiplatform.googleapis.com/PublisherModel", "labels": {
            "model_user_id": "gemini-2.5-pro", "publisher": "google", "project_id": "desk"}},
        "metricKind": kind, "valueType": "INT64", "points": points[::-1],
    }  # fmt: skip


def page(*parts: Any, **more: Any) -> Any:
    return {"timeSeries": list(parts), "unit": "1", **more}


def read(tmp_path: Path, *documents: Any) -> tuple[UsageTable, Notices]:
    return read_documents(tmp_path / "series.json", "vertex-monitoring", *documents)


def test_tokens_and_calls_of_a_model(tmp_path: Path) -> None:
    usage, notices = read(tmp_path, page(
        series("token_count", "1000", "2000", type="input", request_type="shared"),
        series("token_count", "100", "200", type="output", request_type="shared"),
        series("model_invocation_count", "10", "20", response_code="200", method="Predict"),
        series("model_invocation_count", "1", "0", response_code="429", method="Predict"),
        series("characters", "5", "6"), nextPageToken="x",
    ))  # fmt: skip
    assert usage.groups == (GROUP,)
    assert usage.length_s.tolist() == [3600, 3600]
    assert usage.requests.tolist() == [10, 20]
    assert usage.prompt_tok.tolist() == [1000, 2000]
    assert usage.completion_tok.tolist() == [100, 200]
    assert np.isnan(usage.cached_tok).all()
    assert notices.left_out == {
        "calls with response code 429": 1, f"series of {FAMILY}characters": 1,
    }  # fmt: skip
    assert any("nextPageToken" in remark for remark in notices.remarks)


def test_pages_modalities_and_tiers(tmp_path: Path) -> None:
    pages = [
        page(series("token_count", "1000", type="input", modality="TEXT")),
        page(series("token_count", "500", type="input", modality="AUDIO"),
             series("token_count", "70", type="input", modality="IMAGE")),
        page(series("token_count", "9", type="output", request_type="dedicated")),
        page(series("token_count", "8", type="output", source="batch_us-central1")),
    ]  # fmt: skip
    for together in (pages, [pages]):
        usage, _ = read(tmp_path, *together)
        assert [group.tier for group in usage.groups] == ["", "batch", "dedicated"]
        assert usage.prompt_tok.tolist()[0] == 1570
        assert usage.audio_input_tok.tolist()[0] == 500
        assert usage.image_input_tok.tolist()[0] == 70
        assert usage.completion_tok.tolist()[1:] == [8, 9]


BACKWARDS = json.loads(json.dumps(series("token_count", "5", type="input")).replace("T01", "T00"))
OTHER_PERIOD = json.loads(
    json.dumps(series("model_invocation_count", "5")).replace("T01:00", "T00:01")
)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (page(), f"no points of {FAMILY}token_count"),
        (page(series("token_count", "1", kind="GAUGE", type="input")),
         "the metricKind is 'GAUGE'; query the sums of periods, with the aligner ALIGN_DELTA"),
        (page(series("token_count", "1")), "must be input or output, not ''; group by"),
        (page(series("token_count", "-1", type="input")), "int64Value must be a number of 0 or"),
        (page(series("token_count", None, type="input")), "a point has no value"),
        (page(BACKWARDS), "endTime must be after startTime"),
        (page(OTHER_PERIOD, series("token_count", "5", type="input")),
         "no two metrics have a bucket in common; buckets are 60 s and 3600 s long"),
        (page(series("token_count", "1", type="input"), series("token_count", "1", type="input")),
         "has two values at 2026-11-02T00:00:00+00:00"),
        (page(series("token_count", "1", type="input"), executionErrors=[{"code": 8}]),
         "the query had executionErrors"),
        ([page(series("token_count", "1", type="input")), {}], "expected timeSeries"),
        (page({**series("token_count", type="input"), "points": [{"value": {}}]}),
         "a point must have an interval and a value"),
        (page({**series("token_count", type="input"), "points": [{"value": {}, "interval": {}}]}),
         "a point must have an int64Value or a doubleValue"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_its_location(
    tmp_path: Path, value: Any, message: str
) -> None:
    assert message in refusal(tmp_path / "series.json", value)
