"""Reader of OpenAI's usage API, `GET /v1/organization/usage/...`, and of the dashboard's CSV.

Source: types of the usage API in openai-python (`types/admin/organization/
usage_completions_response.py`), which are generated from OpenAI's specification, and headers of
`completions_usage_*.csv` as tools read them; both read on 2026-11-28. ``input_tokens`` contains
cached and written tokens, ``output_tokens`` contains audio, image and reasoning tokens, which are
not counted apart. ``input_audio_tokens`` and ``input_image_tokens`` are uncached ones; their cached
ones have fields of their own. Fields by which the request did not group are null. The CSV has a
row for each result, and a row without numbers for an empty bucket.
"""

from collections.abc import Iterator

from simulator.traffic.usage.buckets import Bucket, Group, Notices
from simulator.traffic.usage.export_format import Content, ExportFormat, has_all
from simulator.traffic.usage.fields import Fields, known_sum
from simulator.traffic.usage.pages import (
    OPENAI_SPAN,
    begin_and_length,
    has_pages,
    note_pages,
    results,
)
from simulator.traffic.usage.rows import Rows

COMPLETIONS = "organization.usage.completions.result"
_EMBEDDINGS = "organization.usage.embeddings.result"
COSTS = "organization.costs.result"
_COUNTS = (
    "num_model_requests", "input_tokens", "output_tokens", "input_cached_tokens",
    "input_cache_write_tokens", "input_uncached_tokens", "input_text_tokens", "output_text_tokens",
    "input_cached_text_tokens", "input_audio_tokens", "input_cached_audio_tokens",
    "output_audio_tokens", "input_image_tokens", "input_cached_image_tokens", "output_image_tokens",
)  # fmt: skip
_GROUP = ("model", "project_id", "api_key_id", "batch", "service_tier", "object", "project_name")
_COLUMNS = (*OPENAI_SPAN, "input_tokens")
_NOT_DISTINGUISHED = (*_COUNTS, *_GROUP, *OPENAI_SPAN, "start_time_iso", "end_time_iso")
_STANDARD = ("default", "standard", "auto")


def kinds(content: Content) -> set[str]:
    """Return the kinds of results in pages of the usage or the costs API."""
    if not has_pages(content, OPENAI_SPAN):
        return set()
    found = {str(result.values.get("object", COMPLETIONS)) for _, result in results(content)}
    return found or {COMPLETIONS}


def _matches(content: Content) -> bool:
    if content.header is not None:
        return has_all(dict.fromkeys(content.header), _COLUMNS)
    return bool(kinds(content) - {COSTS})


def _buckets(content: Content, notices: Notices) -> Iterator[Bucket]:
    note_pages(content, OPENAI_SPAN, notices)
    rows = Rows(notices, all_have_model=True)
    for span, result in results(content):
        kind = result.text("object") or COMPLETIONS
        if kind not in (COMPLETIONS, _EMBEDDINGS):
            notices.leave_out(f"{kind} entries")
            continue
        result.refuse_unknown_tokens(_COUNTS)
        if any(result.text(name) for name in _COUNTS):
            # The table of embeddings has no kind of result, and no column for output.
            is_table = content.header is not None and "output_tokens" not in result.values
            if is_table:
                notices.remark("A table without output tokens is read as embeddings.")
            bucket = _bucket(result, span, is_table or kind == _EMBEDDINGS)
            rows.add(bucket, result, result.others(_NOT_DISTINGUISHED))
            if result.count("output_image_tokens") > 0:
                notices.remark("Image tokens of answers are counted as output tokens.")
    yield from rows.buckets()


def _bucket(result: Fields, span: Fields, is_embedding: bool) -> Bucket:
    count = result.count
    _check_parts(result)
    cached, written = count("input_cached_tokens"), count("input_cache_write_tokens")
    return Bucket(
        *begin_and_length(span, OPENAI_SPAN),
        Group(
            result.text("model"),
            "openai",
            result.text("project_id") or result.text("project_name"),
            result.text("api_key_id"),
            _tier(result),
        ),
        requests=count("num_model_requests"),
        uncached_tok=count("input_tokens") - known_sum(cached, written),
        cached_tok=cached,
        written_5m_tok=written,
        completion_tok=0.0 if is_embedding else count("output_tokens"),
        audio_input_tok=_with_cached(result, "audio"),
        audio_output_tok=count("output_audio_tokens"),
        image_input_tok=_with_cached(result, "image"),
    )


def _check_parts(result: Fields) -> None:
    """Raise InputError for counts that contradict one another."""
    parts = ("input_uncached_tokens", "input_cached_tokens", "input_cache_write_tokens")
    known = [name for name in parts if result.text(name)]
    if {"input_uncached_tokens", "input_cached_tokens"} <= set(known):
        result.refuse_other_total("input_tokens", known)
    for part in known:
        result.refuse_excess(part, "input_tokens")
    for kind in ("text", "audio", "image"):
        result.refuse_excess(f"input_cached_{kind}_tokens", "input_cached_tokens")
        result.refuse_excess(f"input_{kind}_tokens", "input_tokens")
        result.refuse_excess(f"output_{kind}_tokens", "output_tokens")
    cached = known_sum(*map(result.count, parts[1:]))
    if cached > result.count("input_tokens"):
        result.fail("cached and written tokens together exceed input_tokens, which contains them")


def _with_cached(result: Fields, kind: str) -> float:
    cached = result.count(f"input_cached_{kind}_tokens")
    return result.count(f"input_{kind}_tokens") + known_sum(cached)


def _tier(result: Fields) -> str:
    if result.text("batch").lower() == "true":
        return "batch"
    tier = result.text("service_tier")
    return "" if tier.lower() in _STANDARD else tier


OPENAI_USAGE = ExportFormat(
    "openai-usage",
    "OpenAI usage API, completions and embeddings: JSON pages, or CSV of the dashboard",
    _matches,
    _buckets,
    fields=_COLUMNS,
)
