"""Reader of OpenAI's usage API: `GET /v1/organization/usage/completions`.

Source: OpenAI API reference, usage, read on 2026-11-28. ``input_tokens`` contains cached and audio
tokens, ``output_tokens`` contains audio and reasoning tokens. Fields by which the request did not
group are null.
"""

from collections.abc import Iterator
from typing import Any

from simulator.files.text import fail
from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import (
    Content,
    ExportFormat,
    has_all,
    moment_of,
    sum_of,
)

_RESULT = "organization.usage.completions.result"


def _pages(content: Content) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the pages of a file, which may have one, a list of them, or one a line."""
    for line, document in content.records:
        for page in document if isinstance(document, list) else [document]:
            yield line, page


def _matches(content: Content) -> bool:
    page = next((page for _, page in _pages(content)), None)
    if page is None or content.header is not None or not has_all(page, ["data"]):
        return False
    if not isinstance(page["data"], list):
        return False
    return all(
        has_all(bucket, ["start_time", "end_time"]) and isinstance(_results(bucket), list)
        for bucket in page["data"]
    )


def _results(bucket: dict[str, Any]) -> Any:
    # The reference names the list "results"; some clients print it as "result".
    return bucket.get("results", bucket.get("result"))


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    path = content.path
    for line, page in _pages(content):
        if page.get("has_more"):
            notices.remark("The last page says has_more: the export does not hold all its buckets.")
        for span in page["data"]:
            begin_s = moment_of(span, "start_time", path, line)
            length_s = moment_of(span, "end_time", path, line) - begin_s
            if not length_s > 0:
                fail(path, line, 1, "end_time must be after start_time")
            for result in _results(span):
                kind = result.get("object", _RESULT)
                if kind != _RESULT:
                    notices.leave_out(f"{kind} entries")
                    continue
                yield _bucket(result, begin_s, length_s, content, line)


def _bucket(
    result: dict[str, Any], begin_s: float, length_s: float, content: Content, line: int
) -> Bucket:
    def total(name: str) -> float:
        return sum_of(result, name, content.path, line)

    def text(name: str) -> str:
        return str(result.get(name) or "")

    cached = total("input_cached_tokens")
    prompt = total("input_tokens")
    if cached > prompt:
        fail(content.path, line, 1, "input_cached_tokens exceeds input_tokens, which contains it")
    group = Group(
        text("model"),
        "openai",
        text("project_id"),
        text("api_key_id"),
        "batch" if result.get("batch") is True else text("service_tier").replace("default", ""),
    )
    return Bucket(
        begin_s,
        length_s,
        group,
        requests=total("num_model_requests"),
        uncached_tok=prompt - (0.0 if cached != cached else cached),
        cached_tok=cached,
        completion_tok=total("output_tokens"),
        audio_input_tok=total("input_audio_tokens"),
        audio_output_tok=total("output_audio_tokens"),
    )


OPENAI_USAGE = ExportFormat(
    "openai-usage",
    "OpenAI usage API, completions: JSON pages of buckets of 1m, 1h or 1d",
    _matches,
    _buckets,
)
