"""Trace readers: right rows in, one clear line for a broken one, and the same partition for all."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.readers.log_readers import PERFED, PROFILE, PROFILED
from fuzz.readers.log_readers import SERVED as SAMPLE
from simulator.errors import InputError
from simulator.traffic.formats.catalog import FORMATS, format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.log import UNKNOWN, Log
from simulator.traffic.logs.replay import replay_requests
from tests.support.checkout import on_sample, on_whole
from tests.support.traffic.log_samples import AZURE, GOOD, SPEND, document, lines
from tests.support.traffic.plain_logs import MOONCAKE_BLOCK_TOK, azure_rows, mooncake_prompts, reuse


def read(path: Path, fmt: str, skips: Skips | None = None) -> Log:
    return read_log(path, FORMATS[fmt], skips)


def test_mooncake_rows_and_tree(tmp_path: Path) -> None:
    path = lines(tmp_path, *GOOD)
    assert format_of(path).name == "mooncake"
    log = read(path, "mooncake")
    table = replay_requests(log, 1)
    table.check()
    np.testing.assert_allclose(table.arrival_s, [0, 0.01, 2.5005])
    np.testing.assert_array_equal(table.input_tokens, [1100, 1536, 100])
    np.testing.assert_array_equal(table.output_tokens, [5, 6, 0])
    # Blocks 1 and 2 are one run; the last blocks hang below it; 9 stands alone.
    tree, nodes = table.tree, table.prefix_node
    assert tree.size == 4
    assert tree.parent[nodes[0]] == tree.parent[nodes[1]] >= 0
    assert tree.depth_tok[tree.parent[nodes[0]]] == 1024
    np.testing.assert_array_equal(tree.depth_tok[nodes], [1100, 1536, 100])
    assert tree.parent[nodes[2]] == -1


def with_change(**change: object) -> dict:
    return {**GOOD[1], **change}


@pytest.mark.parametrize(
    ("record", "column", "message"),
    [
        ('{"timestamp": 10, "input_length": 15', 37, "not valid JSON"),
        ("[1, 2]", 1, "expected a JSON object"),
        ({"timestamp": 1}, 1, "missing field 'input_length'"),
        (with_change(timestamp="noon"), 2, "timestamp must be a number"),
        (with_change(timestamp=-5), 2, "timestamp goes backwards"),
        (with_change(input_length=-7), 19, "input_length must be 0 or more, not -7"),
        (with_change(input_length=0, hash_ids=[]), 19, "input_length must be 1 or more"),
        (with_change(output_length=1.5), 41, "output_length must be a whole number, not 1.5"),
        (with_change(output_length=2**40), 41, "output_length must be at most"),
        (with_change(hash_ids=[1]), 61, "hash_ids must list 3 blocks of 512 for 1536 tokens"),
        (with_change(hash_ids="1,2,3"), 61, "hash_ids must list"),
        (with_change(hash_ids=[1, 2, -3]), 61, "hash_ids must be whole numbers"),
        (with_change(hash_ids=[1, 2, "x"]), 61, "hash_ids must be whole numbers"),
    ],
)
def test_mooncake_broken_line(tmp_path: Path, record: object, column: int, message: str) -> None:
    path = lines(tmp_path, GOOD[0], record, GOOD[2])
    with pytest.raises(InputError) as caught:
        read(path, "mooncake")
    found = re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+): (.*)", str(caught.value))
    assert found
    assert (int(found[1]), int(found[2])) == (2, column)
    assert message in found[3]
    skips = Skips(allowed=True)
    assert read(path, "mooncake", skips).rows.size == 2
    assert (skips.count, skips.first) == (1, str(caught.value))


def test_mooncake_time_goes_backwards_and_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2:2: timestamp goes backwards"):
        read(lines(tmp_path, GOOD[2], GOOD[1]), "mooncake")
    with pytest.raises(InputError, match=r":1:1: no usable records"):
        read(lines(tmp_path, ""), "mooncake")
    with pytest.raises(InputError, match=r"no usable records \(2 skipped\)"):
        read(lines(tmp_path, "{", "["), "mooncake", Skips(allowed=True))
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.jsonl", "mooncake")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a,b\n1,2\n", "1:1", "missing column 'TIMESTAMP'"),
        ("TIMESTAMP,ContextToken,GeneratedTokens\n", "1:1", "(found 'ContextToken'?)"),
        (AZURE.strip() + ",CachedTokens\n", "1:4", "unknown column 'CachedTokens'"),
        (AZURE + "yesterday,5,5\n", "2:1", "must be a date and time"),
        (AZURE + "2023-11-16 18:15:46,5\n", "2:1", "expected 3 fields, found 2"),
        (AZURE + "2023-11-16 18:15:46,-5,5\n", "2:21", "ContextTokens must be 1 or more, not -5"),
        (AZURE + "2023-11-16 18:15:46,5,x\n", "2:23", "GeneratedTokens must be a whole number"),
        (AZURE + "2023-11-16 18:15:46,0,5\n", "2:21", "ContextTokens must be 1 or more"),
        (
            AZURE + "2023-11-16 18:15:46,5,5\n2023-11-16 18:15:45,5,5\n",
            "3:1",
            "TIMESTAMP goes backwards",
        ),
        (AZURE, "1:1", "no usable records"),
    ],
)
def test_azure_broken_line(tmp_path: Path, text: str, place: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path, "azure")
    assert str(caught.value).startswith(f"{path}:{place}: ")
    assert message in str(caught.value)


def test_azure_rows(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        AZURE + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
    )
    assert format_of(path).name == "azure"
    table = replay_requests(read(path, "azure"), 1)
    table.check()
    np.testing.assert_allclose(table.arrival_s, [0, 4.314579], atol=1e-6)
    np.testing.assert_array_equal(table.input_tokens, [374, 396])
    assert (table.prefix_node == -1).all()


def test_burstgpt_of_six_and_eight_columns(tmp_path: Path) -> None:
    path = tmp_path / "six.csv"
    path.write_text(
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,230,1317,API log\n"
    )
    assert format_of(path).name == "burstgpt"
    log = read(path, "burstgpt")
    assert log.workloads == ("ChatGPT", "GPT-4")
    np.testing.assert_array_equal(log.rows.at_s, [0, 40])
    assert (log.rows.session == UNKNOWN).all()
    path = tmp_path / "eight.csv"
    path.write_text(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n"
        "1.5,a7,2.5,ChatGPT,20,30,50,Conversation log\n9,a7,3,ChatGPT,80,10,90,Conversation log\n"
    )
    assert format_of(path).name == "burstgpt"
    log = read(path, "burstgpt")
    table = replay_requests(log, 1)
    # The second turn came 5 s after the first one's answer, and goes on from its prompt.
    np.testing.assert_allclose(table.gap_s, [np.nan, 5.0])
    assert log.tree.parent[log.prefix_node[1]] == log.prefix_node[0]


def test_bailian_follows_chats(tmp_path: Path) -> None:
    turn = {"type": "text", "output_length": 7, "turn": 1}
    path = lines(
        tmp_path,
        {**turn, "chat_id": 3, "parent_chat_id": -1, "timestamp": 1.0, "input_length": 33,
         "hash_ids": [7, 8, 9]},
        {**turn, "chat_id": 4, "parent_chat_id": -1, "timestamp": 2.0, "input_length": 16,
         "hash_ids": [5]},
        {**turn, "chat_id": 9, "parent_chat_id": 3, "timestamp": 60.0, "input_length": 60,
         "hash_ids": [7, 8, 10, 11]},
        {**turn, "chat_id": 12, "parent_chat_id": 9, "timestamp": 90.0, "input_length": 48,
         "hash_ids": [7, 8, 10]},
    )  # fmt: skip
    assert format_of(path).name == "bailian"
    log = read(path, "bailian")
    assert log.rows.session.tolist() == [0, 1, 0, 0]
    assert log.tree.depth_tok[log.prefix_node].tolist() == [33, 16, 60, 48]
    assert log.tree.depth_tok[log.tree.parent[log.prefix_node[0]]] == 32


def conversation(**change: Any) -> dict:
    first = {"t": 0.0, "type": "n", "model": "m", "in": 640, "out": 9, "api_time": 4.0,
             "think_time": 0.0, "hp": 0, "ht": [[1, 10]]}  # fmt: skip
    second = {**first, "t": 20.0, "in": 900, "think_time": 16.0, "hp": 8, "ht": [[20, 6]]}
    agent = {"t": 5.0, "type": "subagent", "agent_id": "s", "requests": [{**first, "t": 1.0}]}
    whole = {"id": "c", "hash_id_scope": "local", "block_size": 64}
    return {**whole, "requests": [first, agent, {**second, **change}]}


def test_agent_conversations(tmp_path: Path) -> None:
    path = lines(tmp_path, conversation(), {**conversation(), "id": "d"})
    assert format_of(path).name == "agent"
    log = read(path, "agent")
    table = replay_requests(log, 1)
    table.check()
    # Each conversation has a clock of its own; its sub-agent is a session beside it.
    assert sorted(log.rows.at_s.tolist()) == [0, 6, 20, 600, 606, 620]
    assert table.sessions().size == 4
    assert table.gap_s[1] == 16.0
    first, second = log.prefix_node[0], log.prefix_node[2]
    assert log.tree.depth_tok[[first, second]].tolist() == [640, 14 * 64]
    shared = log.tree.parent[second]
    assert log.tree.depth_tok[shared] == 8 * 64
    # The sub-agent names the same blocks; the other conversation's numbers are its own.
    assert log.prefix_node[1] == first
    assert log.prefix_node[3] != first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"in": -1}, "in must be 0 or more"),
        ({"t": "x"}, "t must be a number"),
        ({"t": -1.0}, "t goes backwards in its list"),
        ({"hp": 11}, "must name existing blocks"),
        ({"ht": [[3]]}, "ht must hold pairs"),
        ({"ht": [[3, 900]]}, "more blocks than the prompt has tokens"),
    ],
)
def test_agent_broken_request(tmp_path: Path, change: dict, message: str) -> None:
    path = lines(tmp_path, conversation(), {**conversation(**change), "id": "d"})
    with pytest.raises(InputError, match=rf":2:\d+: .*{message}"):
        read(path, "agent")


OBSERVATION = {
    "id": "o", "traceId": "t", "sessionId": "s", "type": "GENERATION", "model": "desk",
    "startTime": "2026-11-02T08:00:00.250Z", "endTime": "2026-11-02T08:00:02.250Z",
    "input": "SECRET", "output": "SECRET", "usageDetails": {
        "input": 300, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 100,
        "output": 50, "output_reasoning_tokens": 30, "total": 1080},
}  # fmt: skip
HELICONE = {
    "request_id": "r", "request_created_at": "2026-11-02T08:00:00.250Z", "response_status": 200,
    "response_created_at": "2026-11-02T08:00:02.250Z", "request_model": "desk",
    "request_body": "SECRET", "prompt_tokens": 300, "prompt_cache_read_tokens": 600,
    "prompt_cache_write_tokens": 100, "completion_tokens": 80,
    "request_properties": {"Helicone-Session-Id": "s"},
}  # fmt: skip


def attribute(key: str, value: int | str) -> dict:
    kind = {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}
    return {"key": key, "value": kind}


SPAN = {
    "name": "chat desk", "startTimeUnixNano": "1793606400250000000",
    "endTimeUnixNano": "1793606402250000000", "attributes": [
        attribute("gen_ai.usage.input_tokens", 1000),
        attribute("gen_ai.usage.cache_read.input_tokens", 600),
        attribute("gen_ai.usage.cache_creation.input_tokens", 100),
        attribute("gen_ai.usage.output_tokens", 80),
        attribute("gen_ai.usage.reasoning.output_tokens", 30),
        attribute("gen_ai.conversation.id", "s"),
        attribute("gen_ai.request.model", "desk"),
        attribute("gen_ai.input.messages", "SECRET"),
    ],
}  # fmt: skip


CACHED = {"cache_read_input_tokens": 600, "cache_creation_input_tokens": 100}


def spans(*found: dict) -> dict:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(found)}]}]}


OTHER = {"name": "tool", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": []}
GATEWAYS = {
    "litellm": (SPEND, [SPEND, {**SPEND, "status": "failure"}, {**SPEND, "cache_hit": "True"}]),
    "langfuse": (OBSERVATION, {"data": [{**OBSERVATION, "type": "SPAN"}, OBSERVATION]}),
    "helicone": (HELICONE, [{**HELICONE, "response_status": 500}, HELICONE]),
    "otel": (SPAN, spans(OTHER, SPAN)),
}


@pytest.mark.parametrize("fmt", sorted(GATEWAYS))
def test_gateways_partition_the_prompt_alike(tmp_path: Path, fmt: str) -> None:
    path = document(tmp_path, GATEWAYS[fmt][1])
    assert format_of(path).name == fmt
    log = read(path, fmt)
    rows = log.rows
    assert rows.size == 1  # failures, cached answers and other records are no requests
    assert log.workloads == ("desk",)
    uncached = rows.input_tokens - rows.cached_tokens - rows.written_tokens
    assert (uncached[0], rows.cached_tokens[0], rows.written_tokens[0]) == (300, 600, 100)
    assert uncached + rows.cached_tokens + rows.written_tokens == rows.input_tokens == 1000
    assert rows.output_tokens[0] + rows.reasoning_tokens[0] == 80
    if fmt != "helicone":
        assert rows.reasoning_tokens[0] == 30
    assert rows.end_s[0] - rows.at_s[0] == pytest.approx(2.0)
    assert rows.session[0] == 0


@pytest.mark.parametrize("fmt", ["litellm", "langfuse", "helicone"])
def test_gateway_exports_as_csv_and_lines(tmp_path: Path, fmt: str) -> None:
    import csv

    record = GATEWAYS[fmt][0]
    with (tmp_path / "e.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(record)
        nested = [json.dumps(v) if isinstance(v, dict) else v for v in record.values()]
        writer.writerow(nested)
    for path in (tmp_path / "e.csv", lines(tmp_path, record)):
        assert format_of(path).name == fmt
        rows = read(path, fmt).rows
        assert (rows.input_tokens[0], rows.cached_tokens[0], rows.output_tokens[0]) in (
            (1000, 600, 50),
            (1000, 600, 80),
        )


def test_otel_spans_as_collectors_write_them(tmp_path: Path) -> None:
    path = lines(tmp_path, spans(SPAN), spans(OTHER, SPAN))
    assert read(path, "otel").rows.size == 2


@pytest.mark.parametrize(
    ("fmt", "record", "message"),
    [
        ("litellm", {**SPEND, "prompt_tokens": 650}, "is 1000, but prompt_tokens is 650"),
        (
            "litellm",
            {**SPEND, "prompt_tokens": 650, "metadata": {"usage_object": CACHED}},
            "700 tokens read from and written to a cache",
        ),
        ("litellm", {**SPEND, "prompt_tokens": None}, "missing field 'prompt_tokens'"),
        ("litellm", {**SPEND, "startTime": "soon"}, "startTime must be a date and time"),
        ("litellm", {**SPEND, "metadata": "{"}, "metadata is not valid JSON"),
        ("langfuse", {**OBSERVATION, "usageDetails": {}}, "must contain input and output"),
        ("helicone", {**HELICONE, "prompt_tokens": "many"}, "prompt_tokens must be a whole"),
    ],
)
def test_gateway_broken_record(tmp_path: Path, fmt: str, record: dict, message: str) -> None:
    path = lines(tmp_path, GATEWAYS[fmt][0], record)
    with pytest.raises(InputError, match=rf"trace.jsonl:2:\d+: .*{message}"):
        read(path, fmt)


def test_sessions_without_prefix_ids_go_on_from_their_last_prompt(tmp_path: Path) -> None:
    def call(minute: int, session: str, prompt: int, cached: int) -> dict:
        at = f"2026-11-02T08:{minute:02}:00Z"
        usage = {"cache_read_input_tokens": cached}
        return {**SPEND, "startTime": at, "endTime": at, "session_id": session,
                "prompt_tokens": prompt, "metadata": {"usage_object": usage}}  # fmt: skip

    calls = [call(0, "a", 500, 0), call(1, "b", 700, 400), call(2, "a", 900, 0)]
    log = read(lines(tmp_path, *calls, call(3, "a", 600, 350), call(4, "c", 500, 400)), "litellm")
    depth, parent = log.tree.depth_tok, log.tree.parent
    first, other, second, third, last = log.prefix_node.tolist()
    assert parent[second] == first or depth[parent[second]] == 350
    # A prompt that shrank shares what was cached; first turns share what their workload had cached.
    assert depth[parent[third]] == 350
    assert depth[parent[other]] == depth[parent[last]] == 400
    assert parent[other] == parent[last]


SERVED = {**SAMPLE, "generated_texts": ["SECRET"] * 3}


def test_load_generators(tmp_path: Path) -> None:
    path = document(tmp_path, SERVED)
    assert format_of(path).name == "vllm"
    rows = read(path, "vllm").rows
    np.testing.assert_array_equal(rows.input_tokens, [10, 20])
    np.testing.assert_allclose(rows.end_s, [0.9, 1.25])
    path = lines(tmp_path, {**SERVED, "server_info": {}})
    assert format_of(path).name == "sglang"
    assert read(path, "sglang").rows.size == 2
    old = {name: values for name, values in SERVED.items() if name != "start_times"}
    with pytest.raises(InputError, match="no start_times: save the result with"):
        read(document(tmp_path, old), "vllm")
    path = lines(tmp_path, PROFILED, {**PROFILED, "error": {"code": 500}})
    assert format_of(path).name == "aiperf"
    rows = read(path, "aiperf").rows
    assert (rows.size, rows.output_tokens[0], rows.reasoning_tokens[0]) == (1, 5, 4)
    old = {"request_id": "x", "prompt_tokens": 7, "output_tokens": 3, "start_time": 5.0,
           "end_time": 6.0}  # fmt: skip
    new = {"prompt_tokens": 7, "output_tokens": 3,
           "info": {"timings": {"request_start": 7.0, "request_end": 8.5}}}  # fmt: skip
    path = document(tmp_path, {"benchmarks": [{"requests": {"successful": [old, new]}}]})
    assert format_of(path).name == "guidellm"
    rows = read(path, "guidellm").rows
    np.testing.assert_allclose(rows.end_s, [1.0, 3.5])


def test_requests_of_inference_perf_and_genai_perf(tmp_path: Path) -> None:
    old = {"start_time": 1390.0, "end_time": 1391.0, "error": None,
           "info": {"input_tokens": 7, "output_tokens": 3}}  # fmt: skip
    path = document(tmp_path, [PERFED, {**PERFED, "error": {"error_type": "timeout"}}, old])
    assert format_of(path).name == "inference-perf"
    rows = read(path, "inference-perf").rows
    assert rows.input_tokens.tolist() == [7, 40]
    assert rows.output_tokens.tolist() == [3, 9]
    assert rows.cached_tokens.tolist() == [UNKNOWN, 16]
    np.testing.assert_allclose(rows.at_s, [0.0, 3.25])
    path = document(tmp_path, PROFILE)
    assert format_of(path).name == "genai-perf"
    rows = read(path, "genai-perf").rows
    assert (rows.input_tokens[0], rows.output_tokens[0]) == (40, 9)
    assert rows.end_s[0] - rows.at_s[0] == pytest.approx(1.0)
    request = PROFILE["experiments"][0]["requests"][0]
    silent = {**request, "response_outputs": [{"response": 'data: {"choices": []}'}]}
    path = document(tmp_path, {"experiments": [{"requests": [silent]}]})
    with pytest.raises(InputError, match=r"no response has a usage.*include_usage"):
        read(path, "genai-perf")


CANONICAL = "arrival_s,input_tokens,output_tokens,session,prefix\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("arrival_s,input_tokens\n1,2\n", "1:1", "missing column 'output_tokens'"),
        (CANONICAL.replace("session", "sesion"), "1:4", "(did you mean 'session'?)"),
        (CANONICAL.replace("session", "prefix"), "1:4", "duplicate column"),
        (CANONICAL + "0,5,5,,\n0,5.5,5,,\n", "3:3", "input_tokens must be a whole number"),
        (CANONICAL + "0,5,5,,\nnan,5,5,,\n", "3:1", "arrival_s must be seconds below"),
        (CANONICAL + "0,5,5,,\n0,5,99999999999999999999,,\n", "3:5", "output_tokens must be"),
        (CANONICAL + "0,5,5,a,1+2 x\n", "2:9", "prefix must be runs start+count"),
        (CANONICAL + "0,5,5,a,1+0\n", "2:9", "prefix must be runs start+count"),
        (CANONICAL + "0,5,5,,^3 1+2\n", "2:8", "the row has no session"),
        (CANONICAL + '0,5,5,a,"1+2\n', "2:1", "not valid CSV: unexpected end of data"),
    ],
)
def test_canonical_broken_row(tmp_path: Path, text: str, place: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path, "canonical")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{place}: ")


@pytest.mark.parametrize("prefix", ["^5", "^26 9+9"])
def test_canonical_prefix_longer_than_what_it_shares(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "trace.csv"
    other = "b" if prefix == "^5" else "a"
    path.write_text(CANONICAL + f"0,30,5,a,100+25\n1,50,5,{other},{prefix}\n")
    with pytest.raises(InputError, match="request 2: its prompt should share"):
        read(path, "canonical")


def test_canonical_prefixes(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        CANONICAL + "0,30,5,a,100+20 7+10\n1,40,5,a,^25 900+15\n2,25,5,b,100+25\n3,9,1,,\n"
    )
    log = read(path, "canonical")
    depth, parent = log.tree.depth_tok, log.tree.parent
    assert depth[log.prefix_node[:3]].tolist() == [30, 40, 25]
    assert depth[parent[log.prefix_node]].tolist()[:3] == [25, 25, 20]
    assert log.prefix_node[3] == -1


def test_truncated_gzip_and_long_lines_are_input_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gzip.compress("\n".join(json.dumps(r) for r in GOOD).encode())
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(whole[:-12])
    with pytest.raises(InputError, match="not readable as text"):
        read(path, "mooncake")
    (tmp_path / "t.jsonl.zst").write_bytes(b"not zstd at all")
    with pytest.raises(InputError, match="not readable as text"):
        read(tmp_path / "t.jsonl.zst", "mooncake")
    monkeypatch.setattr("simulator.files.text.MAX_LINE_CHARS", 1000)
    monkeypatch.setattr("simulator.files.text._BLOCK_CHARS", 100)
    path = lines(tmp_path, GOOD[0], "x" * 2000)
    with pytest.raises(InputError, match=r":2:1: line longer than 1000 characters"):
        read(path, "mooncake")


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'mooncake'"):
        format_of(tmp_path / "x", "moncake")
    with pytest.raises(InputError, match="which is no known log or usage export"):
        format_of(lines(tmp_path, {"a": 1}))
    with pytest.raises(InputError, match="no logs are read from mysql://"):
        format_of("mysql://host/db")


HEADS = {
    "mooncake": json.dumps(GOOD[0]),
    "azure": AZURE.strip(),
    "canonical": CANONICAL.strip(),
    "agent": json.dumps(conversation()),
    "litellm": json.dumps(SPEND),
    "otel": json.dumps(spans(SPAN)),
    "vllm": json.dumps(SERVED),
}
SUFFIX = {"azure": ".csv", "canonical": ".csv", "vllm": ".json"}


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(HEADS)), st.booleans())
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, fmt: str, skip: bool
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"trace{SUFFIX.get(fmt, '.jsonl')}"
    for content in (junk, HEADS[fmt].encode() + b"\n" + junk):
        path.write_bytes(content)
        try:
            replay_requests(read(path, fmt, Skips(allowed=skip)), 1).check()
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["t", "in", "ht", "metadata", "value"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(["mooncake", "agent", "litellm", "langfuse", "helicone", "otel"]))
def test_any_json_value_in_any_field_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: Any, fmt: str
) -> None:
    good = {"mooncake": GOOD[0], "agent": conversation()}.get(fmt)
    record = json.loads(json.dumps(good or GATEWAYS[fmt][0]))
    inner = record["requests"][2] if fmt == "agent" else record
    inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(JSON_VALUES)
    path = tmp_path_factory.mktemp("fuzz") / "trace.jsonl"
    path.write_text(json.dumps(spans(record) if fmt == "otel" else record))
    try:
        replay_requests(read(path, fmt), 1).check()
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


def counted_mooncake(trace: Path) -> tuple[float, ...]:
    """Figures of the trace as they are published, counted in plain Python."""
    prompts = mooncake_prompts(trace)
    share, tokens, ages_s = reuse(prompts, MOONCAKE_BLOCK_TOK)
    order = np.argsort(ages_s)
    upto = np.cumsum(tokens[order]) / tokens.sum()
    medium_s, high_s = ages_s[order][np.searchsorted(upto, [0.5, 0.9])]
    young = tokens[ages_s <= 300].sum() / tokens.sum()
    mean_tok = sum(prompt.input_tok for prompt in prompts) / len(prompts)
    return (len(prompts), mean_tok, share, medium_s, high_s, young)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "published"), [on_sample(None), on_whole((12031, 12035, 0.374, 114, 519, 0.785))]
)
def test_mooncake_conversation_trace(data: Path, published: tuple[float, ...] | None) -> None:
    from simulator.traffic.logs.stats import statistics

    path = data / "traces" / "mooncake_conversation_trace.jsonl.gz"
    rows, mean_tok, share, medium_s, high_s, young = published or counted_mooncake(path)
    log = read(path, "mooncake")
    replay_requests(log, 1).check()
    assert log.rows.size == rows
    found = statistics(log)
    assert found.lengths["input_tokens"]["mean"] == pytest.approx(mean_tok, abs=1)
    assert found.reuse.share == pytest.approx(share, abs=0.0005)
    assert found.reuse.age_s(0.5) == pytest.approx(medium_s, rel=0.01)
    assert found.reuse.age_s(0.9) == pytest.approx(high_s, rel=0.01)
    assert found.reuse.younger(300) == pytest.approx(young, abs=0.005)


def counted_azure(trace: Path) -> tuple[float, ...]:
    """Requests, their median prompt and their rate, counted in plain Python."""
    rows = azure_rows(trace)
    return len(rows), float(np.median([tokens for _, tokens in rows])), len(rows) / rows[-1][0]


@pytest.mark.parametrize(("data", "published"), [on_sample(None), on_whole((19366, 1020, 5.53))])
def test_azure_conversation_trace(data: Path, published: tuple[float, ...] | None) -> None:
    path = data / "traces" / "azure2023_conv.csv.gz"
    rows, median_tok, per_s = published or counted_azure(path)
    log = read(path, "azure")
    assert log.rows.size == rows
    assert np.median(log.rows.input_tokens) == pytest.approx(median_tok, abs=1)
    assert log.rows.size / log.rows.at_s[-1] == pytest.approx(per_s, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "requests", "sessions"),
    [on_sample(236 + 56, 18), on_whole(48658 + 676, 773)],
)
def test_agent_trace(data: Path, requests: int, sessions: int) -> None:
    """Requests of conversations and of their sub-agents."""
    path = data / "traces" / "claude_code_agent_traces.jsonl.zst"
    log = read(path, "agent")
    table = replay_requests(log, 1)
    table.check()
    assert log.rows.size == requests
    assert len(table.sessions()) >= sessions
    depth = log.tree.depth_tok[log.prefix_node].astype(np.int64)
    np.testing.assert_array_equal(depth, log.rows.input_tokens // 64 * 64)
