"""The same call twice in an export of a gateway, as where pages overlap, counts once."""

import csv
from pathlib import Path
from typing import Any

import pytest

from simulator.traffic.formats.catalog import format_of, read_log
from tests.support.traffic.log_samples import SPEND, document

HELICONE = {
    "request_id": "h1", "request_created_at": "2026-11-02T08:00:00.250Z", "response_status": 200,
    "request_model": "o3", "prompt_tokens": 1000, "completion_tokens": 200, "provider": "OPENAI",
}  # fmt: skip


@pytest.mark.parametrize("record", [SPEND, HELICONE], ids=["litellm", "helicone"])
def test_a_repeated_call_counts_once(tmp_path: Path, record: dict[str, Any]) -> None:
    other = {**record, "request_id": "another"}
    nameless = {**record, "request_id": None}
    path = document(tmp_path, [record, other, record, nameless, nameless])
    log = read_log(path, format_of(path))
    assert log.rows.size == 4
    assert log.summary.left_out == {"repeated calls": 1}


def test_the_same_identifier_at_another_time_is_another_call(tmp_path: Path) -> None:
    later = {**SPEND, "startTime": "2026-11-02T08:00:01Z"}
    path = document(tmp_path, [SPEND, later])
    assert read_log(path, format_of(path)).rows.size == 2


def test_repeats_are_found_in_csv_files(tmp_path: Path) -> None:
    fields = ("request_id", "startTime", "prompt_tokens", "completion_tokens", "model")
    path = tmp_path / "spend.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows([SPEND, {**SPEND, "request_id": "r2"}, SPEND])
    log = read_log(path, format_of(path))
    assert (log.rows.size, log.summary.left_out) == (2, {"repeated calls": 1})
