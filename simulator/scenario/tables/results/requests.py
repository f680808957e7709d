"""Requests one by one, as AIPerf and inference-perf write them: logs for a calibration.

``profile_export.jsonl`` of AIPerf (``src/aiperf/common/models/record_models.py``) and
``per_request_lifecycle_metrics.json`` of inference-perf (``reportgen/base.py``), 2026-11. Requests
that failed, and those of warm-up phases, are left out.
"""

from collections.abc import Iterator
from typing import Any

from simulator.errors import InputError
from simulator.scenario.tables.request_log import Row
from simulator.scenario.tables.results.fields import inner

Documents = list[tuple[int, Any]]
"""Values of a file with their lines."""


def request_rows(documents: Documents, where: str) -> list[tuple[int, Row]]:
    """Return the requests of a file with their lines, or nothing if it does not hold requests."""
    first = documents[0][1] if documents else None
    if inner(first, "metadata", "request_start_ns") and inner(first, "metrics"):
        return list(_of_aiperf(documents, where))
    if isinstance(first, list) and first and isinstance(inner(first[0], "info"), dict):
        return list(_of_inference_perf(first, where))
    return []


def _of_aiperf(documents: Documents, where: str) -> Iterator[tuple[int, Row]]:
    for line, record in documents:
        start, end = (inner(record, "metadata", f"request_{n}_ns") for n in ("start", "end"))
        phase = inner(record, "metadata", "benchmark_phase") or "profiling"
        if phase != "profiling" or inner(record, "error"):
            continue
        if any(inner(record, "metadata", n) for n in ("was_cancelled", "context_overflow_skip")):
            continue
        ttft_ms = inner(record, "metrics", "time_to_first_token", "value")
        numbers = (start, end, ttft_ms)
        if not all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers):
            raise InputError(
                f"{where}:{line}: request_start_ns, request_end_ns and time_to_first_token must "
                "be numbers; a calibration needs streamed answers"
            )
        yield (
            line,
            {
                "arrival_s": start / 1e9,
                "first_token_s": start / 1e9 + ttft_ms / 1e3,
                "finished_s": end / 1e9,
                "input_tokens": inner(record, "metrics", "input_sequence_length", "value"),
                "output_tokens": inner(record, "metrics", "output_sequence_length", "value"),
                "cached_tokens": inner(
                    record, "metrics", "usage_prompt_cache_read_tokens", "value"
                ),
            },
        )


def _of_inference_perf(records: list[Any], where: str) -> Iterator[tuple[int, Row]]:
    """Yield the requests of one document; their lines are record numbers."""
    for number, record in enumerate(records, start=1):
        info = inner(record, "info")
        if inner(record, "error") or not isinstance(info, dict):
            continue
        answer = inner(info, "response_metrics") or info
        times = inner(answer, "output_token_times")
        if not isinstance(times, list) or not times:
            raise InputError(
                f"{where}:{number}: no output_token_times; a calibration needs streamed answers"
            )
        prompt = inner(info, "request_metrics", "text", "input_tokens")
        yield (
            number,
            {
                "arrival_s": record.get("start_time"),
                "first_token_s": times[0],
                "finished_s": record.get("end_time"),
                "input_tokens": info.get("input_tokens") if prompt is None else prompt,
                "output_tokens": inner(answer, "output_tokens"),
                "cached_tokens": inner(
                    answer, "server_usage", "prompt_tokens_details", "cached_tokens"
                ),
            },
        )
