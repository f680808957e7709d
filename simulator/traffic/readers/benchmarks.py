"""Request logs of load generators: vLLM, SGLang, AIPerf and GuideLLM."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulator.traffic.readers.chunks import Broken, Item, Record, RecordChunk, in_chunks
from simulator.traffic.readers.containers import (
    document_items,
    json_document,
    json_items,
    json_lines,
)
from simulator.traffic.readers.gateways import Fields, rows_of
from simulator.traffic.readers.reading import Format
from simulator.traffic.readers.values import BadRecord, number, whole

_ARRAYS = ("input_lens", "output_lens", "start_times")


def _serving_requests(path: Path) -> Iterator[RecordChunk]:
    """Yield the requests of ``vllm bench serve`` or ``sglang.bench_serving`` results.

    vLLM writes one document, SGLang one to a line; requests stand in arrays beside one another.
    """
    lines = ".jsonl" in path.suffixes
    runs = json_items(path) if lines else document_items(path, lambda document: [document])
    return in_chunks(item for run in runs for item in _requests_of_run(run))


def _requests_of_run(run: Item) -> Iterator[Item]:
    if isinstance(run, Broken):
        yield run
        return
    line, result = run.line, run.value
    missing = [name for name in _ARRAYS if not isinstance(result.get(name), list)]
    if missing:
        yield Broken(
            line,
            1,
            f"no {missing[0]}: save the result with --save-detailed (vLLM) or "
            "--output-details (SGLang), in a version that writes start_times",
        )
        return
    arrays = {name: value for name, value in result.items() if isinstance(value, list)}
    size = len(arrays["start_times"])
    if any(len(arrays[name]) != size for name in _ARRAYS):
        yield Broken(line, 1, "input_lens, output_lens and start_times differ in length")
        return
    for i in range(size):
        row = {name: values[i] for name, values in arrays.items() if len(values) == size}
        yield Record(i + 1, row)


def _serving_row(record: Fields) -> Fields | None:
    if record.get("errors"):
        return None
    at_s = number(record, "start_times")
    took_s = None
    itls = record.get("itls")
    if isinstance(itls, list) and "ttfts" in record:
        took_s = number(record, "ttfts") + sum(itls)
    return {
        "at_s": at_s,
        "end_s": None if took_s is None else at_s + took_s,
        "input": whole(record, "input_lens"),
        "output": whole(record, "output_lens"),
    }


def _aiperf_row(record: Fields) -> Fields | None:
    metadata, metrics = record.get("metadata"), record.get("metrics")
    if not isinstance(metadata, dict) or not isinstance(metrics, dict):
        raise BadRecord("metadata", "expected metadata and metrics")
    phase = metadata.get("benchmark_phase", "profiling")
    if record.get("error") or metadata.get("was_cancelled") or phase != "profiling":
        return None

    def value(name: str) -> int | None:
        told = metrics.get(name)
        return None if not isinstance(told, dict) else whole(told, "value")

    prompt, answer = value("input_sequence_length"), value("output_sequence_length")
    if prompt is None or answer is None:
        raise BadRecord("metrics", "metrics must tell input_ and output_sequence_length")
    reasoning = value("reasoning_token_count") or 0
    return {
        "at_s": number(metadata, "request_start_ns") / 1e9,
        "end_s": number(metadata, "request_end_ns") / 1e9,
        "input": prompt,
        "cached": value("usage_prompt_cache_read_tokens"),
        "output": max(0, answer - reasoning),
        "reasoning": reasoning,
        "session": metadata.get("conversation_id"),
    }


def _guidellm_items(document: Any) -> list[Any] | None:
    return [
        request
        for benchmark in document["benchmarks"]
        for request in benchmark["requests"]["successful"]
    ]


def _guidellm_row(record: Fields) -> Fields:
    """Return the row of one request; versions put its times and counts in different places."""
    info = record.get("info") or record.get("scheduler_info") or {}
    timings = info.get("timings") or info.get("request_timings") or {}
    places = {**record, **timings}
    began = next(
        (n for n in ("request_start", "request_start_time", "start_time") if n in places), ""
    )
    ended = next((n for n in ("request_end", "request_end_time", "end_time") if n in places), "")
    if not began:
        raise BadRecord("request_start", "missing field 'request_start'")
    return {
        "at_s": number(places, began),
        "end_s": number(places, ended) if places.get(ended) is not None else None,
        "input": _guidellm_count(record, "prompt_tokens", "input_metrics"),
        "output": _guidellm_count(record, "output_tokens", "output_metrics"),
    }


def _guidellm_count(record: Fields, name: str, metrics: str) -> int:
    told = record.get(metrics)
    if name not in record and isinstance(told, dict):
        return whole(told, "total_tokens" if "total_tokens" in told else "text_tokens")
    return whole(record, name)


VLLM = Format(
    "vllm",
    "results of vllm bench serve --save-detailed",
    ('"input_lens"', '"output_lens"', '"start_times"'),
    _serving_requests,
    rows_of(_serving_row),
    in_order=False,
)
SGLANG = Format(
    "sglang",
    "results of sglang.bench_serving --output-details",
    ('"input_lens"', '"output_lens"', '"start_times"', '"server_info"'),
    _serving_requests,
    rows_of(_serving_row),
    in_order=False,
)
AIPERF = Format(
    "aiperf",
    "AIPerf profile_export.jsonl",
    ('"request_start_ns"', '"metrics"'),
    json_lines,
    rows_of(_aiperf_row),
    in_order=False,
)
GUIDELLM = Format(
    "guidellm",
    "GuideLLM benchmarks.json",
    ('"benchmarks"', '"prompt_tokens"'),
    lambda path: json_document(path, _guidellm_items),
    rows_of(_guidellm_row),
    in_order=False,
)
