"""Formats are recognised by their structure, wherever words of another format occur."""

import csv
import json
from pathlib import Path

import pytest

from fuzz.readers.log_readers import readers
from simulator.errors import InputError
from simulator.scenario.starter.sources import read_source
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.heads import Container, head_of
from tests.support.traffic.log_samples import SPEND, document, lines
from tests.support.traffic.span_samples import export, span

SAMPLES = [
    (reader.name.removeprefix("log-"), sample)
    for reader in readers()
    if reader.name.startswith("log-") and not reader.name.endswith("-skipping")
    for sample in reader.samples()
    if reader.name.removeprefix("log-") not in ("parquet", "unknown", "drawn", "address")
]


@pytest.mark.parametrize(("fmt", "sample"), SAMPLES)
def test_every_sample_is_recognised(tmp_path: Path, fmt: str, sample: object) -> None:
    path = tmp_path / sample.name
    path.write_bytes(sample.data)
    assert format_of(path).name == fmt


def test_words_of_other_formats_decide_nothing(tmp_path: Path) -> None:
    old = span(**{"gen_ai.usage.prompt_tokens": 17, "gen_ai.usage.completion_tokens": 40,
                  "note": "startTime traceId usageDetails request_created_at"})  # fmt: skip
    assert format_of(document(tmp_path, export(old))).name == "otel"
    text = json.dumps({**SPEND, "messages": "resourceSpans usageDetails traceId benchmarks"})
    (tmp_path / "spend.json").write_text(f"[{text}]")
    assert format_of(tmp_path / "spend.json").name == "litellm"
    assert format_of(lines(tmp_path, {**SPEND, "metadata": {"hash_ids": 1}})).name == "litellm"


def test_columns_may_be_in_any_order_and_quoted(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    text = '"GeneratedTokens","TIMESTAMP","ContextTokens"\n5,2023-11-16 18:15:46,374\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    log = read_log(path, format_of(path))
    assert (log.rows.input_tokens[0], log.rows.output_tokens[0]) == (374, 5)


def test_a_long_first_record_is_no_obstacle(tmp_path: Path) -> None:
    path = document(tmp_path, [{"messages": "x" * 200_000, **SPEND}])
    assert format_of(path).name == "litellm"


def test_the_first_record_may_be_of_another_kind(tmp_path: Path) -> None:
    other = {"id": "s", "type": "SPAN"}
    call = {"id": "o", "traceId": "t", "startTime": "2026-11-02T08:00:00Z", "type": "GENERATION",
            "usageDetails": {"input": 5, "output": 1}}  # fmt: skip
    assert format_of(document(tmp_path, {"data": [other, call]})).name == "langfuse"


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("own.json", '[{"ts": 1, "prompt_tokens": 5}]', "JSON array with the fields ts, prompt_to"),
        ("own.jsonl", '{"ts": 1}\n{"ts": 2}\n', "JSON lines with the fields ts,"),
        ("own.csv", "when,tokens\n1,2\n", "CSV with the columns when, tokens,"),
        ("own.tsv", "when\ttokens\n1\t2\n", "CSV with the columns when, tokens,"),
        ("empty.csv", "", "this is an empty file,"),
        ("numbers.json", "[1, 2]", "a JSON array without objects,"),
    ],
)
def test_what_was_seen_is_said_with_the_way_out(
    tmp_path: Path, name: str, text: str, seen: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        format_of(path)
    message = str(caught.value)
    assert seen in message
    assert ", which is no known log or usage export. Write a CSV file with the columns " in message
    assert message.endswith("arrival_s, input_tokens, output_tokens (docs/logs.md)")


def test_heads_of_texts_that_are_cut_or_broken() -> None:
    whole = json.dumps({"a": [1, {"b": "]}"}], "c": {}, "d": []})
    for length in range(1, len(whole)):
        assert head_of(whole[:length]).container is Container.DOCUMENT
    assert head_of(whole).values == [json.loads(whole)]
    assert head_of(whole[:12]).values == [{"a": [1, {}]}]
    assert head_of(f"{whole}\n{whole}").container is Container.LINES
    assert head_of("[" * 100_000).container is Container.ARRAY
    assert head_of('{"a" 1}').values == [{}]


def test_unknown_columns_of_a_trace_are_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["TIMESTAMP", "NumImages", "Region", "ContextTokens", "GeneratedTokens"])
        writer.writerow(["2024-10-15 12:00:00", 1, "eu", 1000, 100])
    log = read_log(path, format_of(path))
    assert log.summary.unread_columns == ("Region",)
    assert "does not say whether ContextTokens include" in log.summary.text()
    assert "columns not read: Region" in log.summary.text()


def test_rows_of_another_width_are_no_other_format(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("day,requests,input_tokens\n2026-11-01,1\n")
    with pytest.raises(InputError, match=r"usage\.csv:2:1: expected 3 fields, found 2"):
        read_source(str(path))
