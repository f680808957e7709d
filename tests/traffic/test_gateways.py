"""Exports of gateways: rows that never reached a model, rules of counting, traces, and bills."""

import json
from pathlib import Path
from typing import Any

import pytest

from fuzz.readers.log_readers import PROFILED
from simulator.errors import InputError
from simulator.library.logs import convert_log, log_statistics, read_calls
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.log import UNKNOWN, Log
from tests.support.command import breakeven
from tests.support.traffic.log_samples import SPEND, document, lines

AT = "2026-11-02T08:00:00.250Z"
HELICONE = {
    "request_id": "r", "request_created_at": AT, "response_status": 200, "request_model": "o3",
    "prompt_tokens": 1000, "completion_tokens": 200, "provider": "OPENAI", "cost": 0.5,
}  # fmt: skip
OBSERVATION = {"id": "o", "traceId": "t", "type": "GENERATION", "startTime": AT, "model": "m"}


def read(path: Path, fmt: str, skips: Skips | None = None) -> Log:
    found = format_of(path)
    assert found.name == fmt
    return read_log(path, found, skips)


def observed(tmp_path: Path, *usages: dict[str, Any], **more: Any) -> Log:
    records = [
        {**OBSERVATION, "id": f"o{i}", "usageDetails": usage, **more}
        for i, usage in enumerate(usages)
    ]
    return read(document(tmp_path, records), "langfuse")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"cache_reference_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"}, "cache hits"),
        ({"response_status": 429}, "failed calls"),
        ({"response_status": -3}, "failed calls"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, "calls without tokens"),
        ({"prompt_audio_tokens": 4}, "calls with audio tokens"),
    ],
)
def test_helicone_rows_that_reached_no_model(tmp_path: Path, change: dict, kind: str) -> None:
    nothing = "00000000-0000-0000-0000-000000000000"
    call = {**HELICONE, "cache_reference_id": nothing}
    log = read(document(tmp_path, [{**HELICONE, **change}, call]), "helicone")
    assert log.rows.size == 1
    assert log.summary.left_out == {kind: 1}


def test_helicone_counts_reasoning_apart(tmp_path: Path) -> None:
    counts = {"reasoning_tokens": 800, "total_tokens": 2000, "prompt_cache_read_tokens": 300}
    rows = read(document(tmp_path, [{**HELICONE, **counts}]), "helicone").rows
    assert (rows.input_tokens[0], rows.cached_tokens[0]) == (1300, 300)
    assert (rows.output_tokens[0], rows.reasoning_tokens[0]) == (200, 800)
    with pytest.raises(InputError, match="do not give total_tokens 2100"):
        read(document(tmp_path, [{**HELICONE, **counts, "total_tokens": 2100}]), "helicone")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"call_type": "pass_through_endpoint", "prompt_tokens": 0, "completion_tokens": 0,
          "metadata": {"usage_object": {"total_tokens": 0}}}, "calls without tokens"),
        ({"status": "failure"}, "failed calls"),
        ({"cache_hit": "True"}, "cache hits"),
        ({"call_type": "aretrieve_batch"}, "batch summaries"),
        ({"call_type": "aimage_generation"}, "image calls"),
        ({"call_type": "atranscription"}, "audio calls"),
    ],
)  # fmt: skip
def test_litellm_rows_that_are_no_requests(tmp_path: Path, change: dict, kind: str) -> None:
    log = read(document(tmp_path, [{**SPEND, **change}, SPEND]), "litellm")
    assert log.rows.size == 1
    assert log.summary.left_out == {kind: 1}
    assert log.workloads == ("desk",)


def test_litellm_totals_decide_row_by_row(tmp_path: Path) -> None:
    usage = {"cache_read_input_tokens": 600, "cache_creation_input_tokens": 100}
    rows = [
        {**SPEND, "metadata": {"usage_object": usage}, "total_tokens": 1080},
        {**SPEND, "prompt_tokens": 300, "metadata": {"usage_object": usage}, "total_tokens": 1080},
    ]
    log = read(document(tmp_path, rows), "litellm")
    assert log.rows.input_tokens.tolist() == [1000, 1000]
    wrong = {**rows[0], "total_tokens": 1081}
    skips = Skips(allowed=True)
    log = read(document(tmp_path, [*rows, wrong]), "litellm", skips)
    assert log.summary.text() == "read 2 calls; 1 row contradicts its total"


def test_langfuse_totals_decide(tmp_path: Path) -> None:
    log = observed(
        tmp_path,
        {"input": 117231, "cache_read_input_tokens": 115584, "output": 225, "total": 117456},
        {"input": 40, "input_cached_tokens": 60, "output": 5, "total": 105},
        {"prompt_token_count": 2638, "candidates_token_count": 204, "thoughts_token_count": 890,
         "cached_content_token_count": 2048, "total_token_count": 3732},
        {"promptTokenCount": 2638, "candidatesTokenCount": 204, "thoughtsTokenCount": 890},
        {"input": 9, "output": 4, "output_reasoning_tokens": 3},
    )  # fmt: skip
    rows = log.rows
    assert rows.input_tokens.tolist() == [117231, 100, 2638, 2638, 9]
    assert rows.cached_tokens.tolist() == [115584, 60, 2048, UNKNOWN, UNKNOWN]
    assert rows.output_tokens.tolist() == [225, 5, 204, 204, 4]
    assert rows.reasoning_tokens.tolist() == [0, 0, 890, 890, 3]
    with pytest.raises(InputError, match="do not give total 99 by any rule"):
        observed(tmp_path, {"input": 5, "output": 1, "total": 99})
    with pytest.raises(InputError, match="unknown token count 'magic'"):
        observed(tmp_path, {"input": 5, "output": 1, "magic": 7})


def test_langfuse_traces_and_observations_that_are_no_calls(tmp_path: Path) -> None:
    usage = {"usageDetails": {"input": 5, "output": 1}}
    observations = [
        {"id": "a", "type": "AGENT", "startTime": AT, "usageDetails": {"input": 10, "output": 2}},
        {"id": "b", "type": "GENERATION", "startTime": AT, "parentObservationId": "a", **usage},
        {"id": "c", "type": "GENERATION", "startTime": AT, "parentObservationId": "b", **usage},
        {"id": "d", "type": "EMBEDDING", "startTime": AT, "usageDetails": {"input": 7}},
        {"id": "e", "type": "GENERATION", "startTime": AT, "level": "ERROR", **usage},
        {"id": "f", "type": "GENERATION", "startTime": AT,
         "usage": {"input": 9, "output": 9, "unit": "CHARACTERS"}},
    ]  # fmt: skip
    trace = {"id": "t", "sessionId": "s", "timestamp": AT, "observations": observations}
    for value in (trace, [trace], {"data": [trace]}):
        log = read(document(tmp_path, value), "langfuse")
        assert log.rows.input_tokens.tolist() == [5, 7]
        assert log.rows.output_tokens.tolist() == [1, 0]
        assert log.rows.session.tolist() == [0, 0]
        assert log.summary.left_out == {
            "agent spans": 1, "spans whose children are the calls": 1, "failed calls": 1,
            "calls in characters": 1,
        }  # fmt: skip
    with pytest.raises(InputError, match="names its observations without their contents"):
        read(document(tmp_path, [{**trace, "observations": ["a", "b"]}]), "langfuse")


def test_mooncake_dialects(tmp_path: Path) -> None:
    turn = {"session_id": "s", "timestamp": 0, "input_length": 1024, "output_length": 5,
            "hash_ids": [1, 2]}  # fmt: skip
    later = {"session_id": "s", "delay": 5000, "input_length": 1536, "output_length": 6,
             "hash_ids": [1, 2, 3]}  # fmt: skip
    other = {**turn, "session_id": "u", "timestamp": 1000}
    log = read(lines(tmp_path, turn, later, other), "mooncake")
    assert log.rows.at_s.tolist() == [0, 1, 5]
    assert log.rows.gap_s[2] == 5.0
    assert "later turns have delays in place of times" in log.summary.text()
    with pytest.raises(InputError, match=r":2:1: missing field 'timestamp'"):
        read(lines(tmp_path, turn, {**later, "session_id": "x"}), "mooncake")
    bare = {"timestamp": 0, "input_length": 1024, "output_length": 5}
    log = read(lines(tmp_path, bare), "mooncake")
    assert (log.prefix_node == -1).all()
    assert log.summary.remarks == ("prompts have no hash_ids: what they share is unknown",)
    del bare["output_length"]
    with pytest.raises(InputError, match=r":1:1: missing field 'output_length'"):
        read(lines(tmp_path, bare), "mooncake")


def test_burstgpt_totals_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    header = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    path.write_text(header + "5,GPT-4,472,18,490,API log\n6,GPT-4,10,5,16,API log\n")
    with pytest.raises(InputError, match=r"b.csv:3:\d+: 10 \+ 5 tokens do not give Total tokens"):
        read(path, "burstgpt")


def test_aiperf_reasoning_is_part_of_the_output(tmp_path: Path) -> None:
    few = {**PROFILED["metrics"], "output_sequence_length": {"value": 3}}
    warm_up = {**PROFILED, "metadata": {**PROFILED["metadata"], "benchmark_phase": "warmup"}}
    with pytest.raises(InputError, match=r":2:\d+: 4 reasoning tokens of only 3 output"):
        read(lines(tmp_path, PROFILED, {**PROFILED, "metrics": few}), "aiperf")
    log = read(lines(tmp_path, PROFILED, warm_up), "aiperf")
    assert log.summary.left_out == {"calls of the warmup phase": 1}


BILLED = {
    **SPEND, "model": "gpt-5", "custom_llm_provider": "openai", "api_key": "hash", "spend": 0.25,
    "team_id": "team-id", "metadata": {
        "user_api_key_team_alias": "search", "user_api_key_alias": "search-prod",
        "usage_object": {
            "cache_read_input_tokens": 600, "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70},
            "completion_tokens_details": {"reasoning_tokens": 30}}},
}  # fmt: skip


def test_calls_for_bills(tmp_path: Path) -> None:
    failed = {**SPEND, "status": "failure", "spend": 0.01, "startTime": "2026-11-02T09:00:00Z"}
    hit = {**SPEND, "cache_hit": "True", "startTime": "2026-11-02T10:00:00Z"}
    found = read_calls(str(document(tmp_path, [failed, hit, BILLED])))
    first, second, third = found.calls
    assert first == (
        1793606400.25, "gpt-5", "openai", "search", "search-prod", 0.25, None, 300, 600, 100, 70,
        50, 30,
    )  # fmt: skip
    assert second.failed
    assert (second.spend_usd, second.output_tokens + second.reasoning_tokens) == (0.01, 80)
    assert (third.left_out, third.spend_usd, third.provider) == ("cache hits", None, None)
    assert found.summary.text() == "read 1 call; left out 1 failed call, 1 cache hit"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_conversion_keeps_what_bills_need(tmp_path: Path, suffix: str) -> None:
    source = document(tmp_path, [BILLED, {**SPEND, "startTime": "2026-11-02T09:00:00Z"}])
    target = tmp_path / f"log{suffix}"
    convert_log(str(source), target)
    before, after = read_calls(str(source)).calls, read_calls(str(target)).calls
    origin_s = before[0].at_s
    assert [call._replace(at_s=call.at_s - origin_s) for call in before] == after
    # Traffic alone has no such columns.
    plain = tmp_path / "plain.csv"
    plain.write_text("arrival_s,input_tokens,output_tokens\n0,5,1\n")
    convert_log(str(plain), target)
    assert read_calls(str(target)).calls[0].model == "replay"


def test_commands_say_what_they_read(tmp_path: Path) -> None:
    path = str(
        document(tmp_path, [SPEND, {**SPEND, "request_id": "r2"}, {**SPEND, "status": "failure"}])
    )
    text = "read 2 calls; left out 1 failed call"
    stats = breakeven("traffic", "stats", path)
    assert f"summary     {text}" in stats.stdout
    found = json.loads(breakeven("traffic", "stats", path, "-o", "json").stdout)["summary"]
    assert (found["calls"], found["left_out"], found["text"]) == (2, {"failed calls": 1}, text)
    for command in (("convert", path, str(tmp_path / "o.csv")), ("cache", path, "--rule",
                    "infinite"), ("stats", path)):  # fmt: skip
        assert f"{text}\n" in breakeven("traffic", *command).stderr
    result = log_statistics(path)
    assert result.log.summary.left_out == {"failed calls": 1}
    assert result.notes == (text,)


def test_one_page_of_several_of_langfuse_is_named(tmp_path: Path) -> None:
    call = {
        "id": "a", "type": "GENERATION", "traceId": "t", "startTime": "2026-11-02T08:00:00Z",
        "endTime": "2026-11-02T08:00:02Z", "model": "gpt-4o",
        "usageDetails": {"input": 100, "output": 10, "total": 110},
    }  # fmt: skip
    for pages, remarks in ((1, ()), (3, ("this is one page of 3",))):
        path = tmp_path / f"{pages}.json"
        path.write_text(json.dumps({"data": [call], "meta": {"page": 1, "totalPages": pages}}))
        assert log_statistics(str(path)).log.summary.remarks == remarks
