"""OpenTelemetry spans: dialects, containers, and spans that are no calls of a model."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from fuzz.otlp import otlp_request, with_lengths
from simulator.errors import InputError
from simulator.traffic.formats.catalog import FORMATS, format_of, read_log
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.logs.log import Log
from tests.support.traffic.log_samples import document, lines
from tests.support.traffic.span_samples import chat, export, span


def read(path: Path, skips: Skips | None = None) -> Log:
    assert format_of(path).name == "otel"
    return read_log(path, FORMATS["otel"], skips)


def read_spans(tmp_path: Path, *spans: dict, skips: Skips | None = None) -> Log:
    return read(document(tmp_path, export(*spans)), skips)


def tokens(log: Log) -> list[tuple[int, int]]:
    return list(zip(log.rows.input_tokens.tolist(), log.rows.output_tokens.tolist(), strict=True))


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20,
         "gen_ai.usage.cache_read_input_tokens": 64, "gen_ai.usage.reasoning_tokens": 8},
        {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
         "gen_ai.usage.details.cache_read_tokens": 64, "gen_ai.usage.details.input_tokens": 36,
         "gen_ai.usage.details.reasoning_tokens": 8},
        {"openinference.span.kind": "LLM", "llm.token_count.prompt": 100,
         "llm.token_count.completion": 20, "llm.token_count.total": 120,
         "llm.token_count.prompt_details.cache_read": 64,
         "llm.token_count.prompt_details.audio": 0,
         "llm.token_count.completion_details.reasoning": 8},
        {"openinference.span.kind": "LLM", "llm.token_count.prompt": 36,
         "llm.token_count.completion": 20, "llm.token_count.total": 120,
         "llm.token_count.prompt_details.cache_read": 64,
         "llm.token_count.completion_details.reasoning": 8},
        {"gen_ai.usage.prompt_tokens": 100, "gen_ai.usage.completion_tokens": 20,
         "llm.usage.total_tokens": 120, "gen_ai.usage.cache_read_input_tokens": 64,
         "llm.usage.reasoning_tokens": 8},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.usage.inputTokens": 100,
         "ai.usage.outputTokens": 20, "ai.usage.cachedInputTokens": 64,
         "ai.usage.reasoningTokens": 8, "ai.usage.totalTokens": 120,
         "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20},
        {"langfuse.observation.type": "generation", "langfuse.observation.usage_details":
         '{"input": 100, "input_cached_tokens": 64, "output": 20, "output_reasoning_tokens": 8}'},
    ],
)  # fmt: skip
def test_dialects_say_the_same(tmp_path: Path, attributes: dict[str, Any]) -> None:
    rows = read_spans(tmp_path, span(**attributes)).rows
    found = (rows.input_tokens[0], rows.cached_tokens[0], rows.output_tokens[0])
    assert (*found, rows.reasoning_tokens[0]) == (100, 64, 12, 8)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "invoke_agent"}, "agent spans"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool spans"),
        ({"gen_ai.operation.name": "invoke_workflow"}, "workflow spans"),
        ({"openinference.span.kind": "AGENT"}, "agent spans"),
        ({"openinference.span.kind": "CHAIN"}, "workflow spans"),
        ({"traceloop.span.kind": "workflow"}, "workflow spans"),
        ({"langfuse.observation.type": "tool"}, "tool spans"),
        ({"ai.operationId": "ai.streamText"}, "spans whose children are the calls"),
        ({}, "spans whose children are the calls"),
    ],
)
def test_sums_of_calls_are_no_calls(tmp_path: Path, attributes: dict, kind: str) -> None:
    usage = {"gen_ai.usage.input_tokens": 150, "gen_ai.usage.output_tokens": 25}
    parent = span("1", **attributes, **usage)
    found = (chat("2", "1"), chat("3", "1", (50, 5)))
    for spans in ((parent, *found), (*found, parent)):  # children may be exported first
        log = read_spans(tmp_path, *spans)
        assert tokens(log) == [(100, 20), (50, 5)]
        assert log.summary.left_out == {kind: 1}


def test_a_root_of_several_steps_is_no_call_whatever_it_counts(tmp_path: Path) -> None:
    root = span("1", **{"ai.operationId": "ai.generateText", "ai.usage.promptTokens": 50,
                        "ai.usage.completionTokens": 5})  # fmt: skip
    assert len(tokens(read_spans(tmp_path, root, chat("2", "1"), chat("3", "1", (50, 5))))) == 2
    assert tokens(read_spans(tmp_path, root)) == [(50, 5)]  # nothing else has its tokens


def test_spans_between_a_call_and_its_server_do_not_hide_it(tmp_path: Path) -> None:
    client = chat("1", gen_ai__request__model="desk")
    server = span("3", "2", **{"gen_ai.usage.prompt_tokens": 100,
                               "gen_ai.usage.completion_tokens": 20})  # fmt: skip
    log = read_spans(tmp_path, client, span("2", "1"), server)
    assert tokens(log) == [(100, 20)]
    assert log.workloads == ("desk",)  # the server does not name it
    assert log.summary.left_out == {"spans whose children are the calls": 1, "other spans": 1}
    without = span("1", **{"gen_ai.operation.name": "chat"})
    log = read_spans(tmp_path, without, span("2", "1"), server)
    assert log.summary.left_out == {"spans whose children are the calls": 1, "other spans": 1}


def test_calls_of_a_tool_are_calls_of_their_own(tmp_path: Path) -> None:
    tool = span("2", "1", **{"gen_ai.operation.name": "execute_tool"})
    log = read_spans(tmp_path, chat("1"), tool, chat("3", "2", (7, 3)))
    assert tokens(log) == [(100, 20), (7, 3)]


def test_calls_within_calls_that_differ_are_refused(tmp_path: Path) -> None:
    spans = (chat("1"), chat("2", "1", (90, 20)))
    with pytest.raises(InputError, match=r":1:1: the span has 100 input and 20 output tokens, but"):
        read_spans(tmp_path, *spans)
    skips = Skips(allowed=True)
    assert tokens(read_spans(tmp_path, *spans, skips=skips)) == [(90, 20)]


def test_a_call_that_is_exported_twice_counts_once(tmp_path: Path) -> None:
    log = read_spans(tmp_path, chat("1"), chat("1"), chat("2", gen_ai__response__id="a"),
                     chat("3", gen_ai__response__id="a"))  # fmt: skip
    assert tokens(log) == [(100, 20)] * 2
    assert log.summary.left_out == {"spans of the same call": 2}
    with pytest.raises(InputError, match="the span occurs twice, with different token counts"):
        read_spans(tmp_path, chat("1"), chat("1", tokens=(100, 21)))


def test_calls_without_output_or_tokens(tmp_path: Path) -> None:
    embeddings = span("1", **{"gen_ai.operation.name": "embeddings",
                              "gen_ai.usage.input_tokens": 512})  # fmt: skip
    vercel = span("2", **{"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 7})
    failed = chat("3", failed=True)
    silent = span("4", **{"gen_ai.operation.name": "chat"})
    log = read_spans(tmp_path, embeddings, vercel, failed, silent, span("5"), chat("6", "", (0, 0)))
    assert tokens(log) == [(512, 0), (7, 0)]
    assert log.summary.left_out == {
        "failed calls": 1, "calls without token counts": 1, "other spans": 1,
        "calls without tokens": 1,
    }  # fmt: skip
    half = span("1", **{"gen_ai.usage.input_tokens": 5})
    with pytest.raises(InputError, match=r"missing field 'gen_ai\.usage\.output_tokens'"):
        read_spans(tmp_path, half)


def test_other_media_are_counted_and_unknown_counts_refused(tmp_path: Path) -> None:
    audio = chat("1", gen_ai__usage__details__input_audio_tokens=30)
    log = read_spans(tmp_path, audio, chat("2"))
    assert log.summary.text() == "read 1 call; left out 1 call with audio tokens"
    with pytest.raises(InputError, match=r"unknown token count 'gen_ai\..*magic_tokens' of 3"):
        read_spans(tmp_path, chat("1", gen_ai__usage__magic_tokens=3))
    skips = Skips(allowed=True)
    log = read_spans(tmp_path, chat("1", gen_ai__usage__magic_tokens=3), chat("2"), skips=skips)
    assert log.summary.text() == "read 1 call; 1 row with unknown token counts"


def test_containers(tmp_path: Path) -> None:
    first, second = export(chat("1")), export(chat("2", "", (5, 1)))
    text = "\n".join(map(json.dumps, (first, second)))
    (tmp_path / "named.json").write_text(text)  # the collector's exporter names it as told
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "marked.json").write_text("\ufeff" + json.dumps([first, second]))
    paths = [tmp_path / name for name in ("named.json", "packed.json.gz", "marked.json")]
    paths += [document(tmp_path, [first, second]), lines(tmp_path, first, second)]
    for path in paths:
        assert tokens(read(path)) == [(100, 20), (5, 1)], path
    old = json.dumps(first).replace("resourceSpans", "resource_spans")
    (tmp_path / "snake.json").write_text(old.replace("scopeSpans", "scope_spans"))
    assert tokens(read(tmp_path / "snake.json")) == [(100, 20)]


def test_a_long_document_is_recognised_by_its_beginning(tmp_path: Path) -> None:
    spans = [chat(f"{i:x}") for i in range(1, 400)]
    path = document(tmp_path, export(*spans))
    assert path.stat().st_size > 2 * 65536
    assert len(tokens(read(path))) == 399


def test_protobuf(tmp_path: Path) -> None:
    path = tmp_path / "spans.bin"
    for data in (otlp_request(), with_lengths(otlp_request())):
        for name, content in (("spans.bin", data), ("spans.pb.gz", gzip.compress(data))):
            path = tmp_path / name
            path.write_bytes(content)
            log = read(path)
            assert tokens(log) == [(1000, 80)]
            assert log.rows.cached_tokens[0] == 600
            assert log.rows.billing.spend_usd[0] == 0.25
            assert log.rows.end_s[0] - log.rows.at_s[0] == pytest.approx(2.0)
            assert log.summary.left_out == {"agent spans": 1, "failed calls": 1}
    path = tmp_path / "cut.bin"
    path.write_bytes(otlp_request()[:-9])
    with pytest.raises(InputError, match=r"cut.bin:1:1: not an export of OTLP spans: it ends in"):
        read(path)
