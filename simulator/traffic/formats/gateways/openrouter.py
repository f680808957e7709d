"""Reader of OpenRouter generations: its activity export, and ``GET /api/v1/generation``.

The columns of the export are those of files of 2026: times in UTC, ``cost_total`` in USD as
charged, and ``byok_usage_inference``, which is what was paid to providers with keys of one's own.
The fields of the API are those of ``GenerationResponseData`` in OpenRouter's reference (2026).
Prompts contain cached tokens, and completions contain reasoning (OpenRouter's page on activity
exports, 2026). The API counts tokens by the model's own tokenizer as ``native_tokens_...``, which
are those that are charged. Whether ``generation_time`` contains the time to the first token is not
documented, so that the end of an answer is unknown. A call that was cancelled has reached the
model, and is charged.
"""

from collections.abc import Iterator
from typing import Any

from simulator.traffic.formats.records.call_records import (
    CACHE_HITS,
    FAILED,
    Fields,
    call_row,
    count,
    export_items,
    moment,
    money,
    required_moment,
    row_parser,
)
from simulator.traffic.formats.records.containers import records_of
from simulator.traffic.formats.records.count_names import Part
from simulator.traffic.formats.records.heads import Head
from simulator.traffic.formats.records.reading import Format
from simulator.traffic.formats.records.usage import INCLUSIVE, Counts

_REQUIRED = ("created_at", "tokens_prompt", "tokens_completion")
_NATIVE = "native_"
_NAMES = {Part.INPUT: "tokens_prompt", Part.OUTPUT: "tokens_completion"}
_STANDARD = ("", "standard")
_OTHER_CALLS = {
    "image": "image calls",
    "rerank": "rerank calls",
    "stt": "audio calls",
    "tts": "audio calls",
    "video": "video calls",
}
"""Values of ``api_type`` for calls that are none of a language model."""
_MEDIA = {"num_input_audio_prompt": "audio calls", "num_media_completion": "image calls"}
"""Numbers of media whose tokens do not cost what text does."""


def _row(record: Fields) -> Fields:
    record = _generation(record)
    left_out = _left_out(record)
    find = required_moment if left_out is None else moment
    model = _model(record)
    fields = {
        "at_s": find(record, "created_at"),
        "session": record.get("session_id"),
        "workload": model,
        "model": model,
        "provider": "openrouter",
        "team": record.get("app_name"),
        "key": record.get("api_key_name"),
        "spend_usd": _spend(record),
    }
    has_output = record.get("api_type") != "embeddings"
    return call_row(
        fields,
        lambda: Counts.of(_counts(record)),
        INCLUSIVE,
        left_out,
        has_output=has_output,
        names=_NAMES,
    )


def _generation(record: Fields) -> Fields:
    """Return the fields of a generation, which the API puts into ``data``."""
    inner = record.get("data")
    return inner if isinstance(inner, dict) else record


def _model(record: Fields) -> str:
    """Return the model with its variant, such as ``free``, in the form of OpenRouter's names."""
    model = str(record.get("model_permaslug") or record.get("model") or "")
    variant = str(record.get("variant") or "")
    return model if variant in _STANDARD or ":" in model else f"{model}:{variant}"


def _left_out(record: Fields) -> str | None:
    finish = record.get("finish_reason_normalized") or record.get("finish_reason")
    if finish == "error":
        return FAILED
    if record.get("response_cache_source_id"):
        return CACHE_HITS
    other = _OTHER_CALLS.get(str(record.get("api_type") or ""))
    return other or next((kind for name, kind in _MEDIA.items() if count(record, name)), None)


def _spend(record: Fields) -> float | None:
    """Return what was charged, with what was paid to providers with keys of one's own."""
    charged = money(record, "cost_total", "total_cost")
    own_keys = money(record, "byok_usage_inference")
    if record.get("is_byok") is True:
        own_keys = money(record, "upstream_inference_cost")
    return charged if charged is None or own_keys is None else charged + own_keys


def _counts(record: Fields) -> Iterator[tuple[str, Any]]:
    """Yield the counts of the row, those of the model's own tokenizer if there are any."""
    has_native = record.get("native_tokens_prompt") is not None
    for name, value in record.items():
        plain = name.removeprefix(_NATIVE)
        is_count = plain.startswith("tokens_") or plain.endswith("_tokens")
        if is_count and value not in (None, "") and has_native == name.startswith(_NATIVE):
            yield plain, value


def _matches(head: Head) -> bool:
    return head.has(*_REQUIRED) or any(
        set(_REQUIRED) <= set(_generation(record)) for record in head.records()
    )


def _items(document: Any) -> list[Any] | None:
    """Return the generations of a document, which has one or a list of them."""
    if isinstance(document, dict) and not isinstance(document.get("data"), list):
        return [document]
    return export_items(document)


OPENROUTER = Format(
    "openrouter",
    "OpenRouter generations: activity CSV with a row for each, or JSON of the API",
    _matches,
    lambda path: records_of(path, _items),
    row_parser(_row),
    in_order=False,
    fields=_REQUIRED,
)
