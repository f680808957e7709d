"""OpenRouter's generations, one row for each: the activity CSV and the answers of the API."""

from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.library.bills import reproduce_bill
from simulator.library.logs import read_calls
from simulator.traffic.formats.catalog import format_of, read_log
from simulator.traffic.logs.log import Log
from tests.support.command import breakeven
from tests.support.traffic.log_samples import document, lines

COLUMNS = (
    "generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,"
    "byok_usage_inference,tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,"
    "model_permaslug,provider_name,variant,cancelled,streamed,user,finish_reason_raw,"
    "finish_reason_normalized,generation_time_ms,time_to_first_token_ms,api_key_disabled,"
    "api_key_name,app_name"
)
CALL = {
    "generation_id": "gen-1", "created_at": "2026-11-02 08:00:00.250", "cost_total": 0.0205,
    "tokens_prompt": 10000, "tokens_completion": 800, "tokens_reasoning": 300,
    "tokens_cached": 0, "model_permaslug": "openai/gpt-5-2025-08-07", "variant": "standard",
    "provider_name": "OpenAI", "cancelled": "false", "finish_reason_normalized": "stop",
    "generation_time_ms": 4000, "time_to_first_token_ms": 700, "api_key_name": "desk",
    "app_name": "Helpdesk",
}  # fmt: skip
GENERATION = {
    "id": "gen-1", "created_at": "2026-11-02T08:00:00.25+00:00", "model": "openai/gpt-5",
    "total_cost": 0.002, "is_byok": False, "upstream_inference_cost": 0.5, "session_id": "s",
    "tokens_prompt": 990, "tokens_completion": 75, "native_tokens_prompt": 1000,
    "native_tokens_completion": 80, "native_tokens_reasoning": 30, "native_tokens_cached": 600,
    "native_tokens_completion_images": 0, "num_media_completion": 0, "finish_reason": "stop",
    "api_type": "completions", "cancelled": False,
}  # fmt: skip


def activity(tmp_path: Path, *calls: dict[str, Any]) -> Path:
    rows = [",".join(str(call.get(name, "")) for name in COLUMNS.split(",")) for call in calls]
    path = tmp_path / "activity.csv"
    path.write_text("\r\n".join([COLUMNS, *rows, ""]))
    return path


def read(path: Path) -> Log:
    found = format_of(path)
    assert found.name == "openrouter"
    return read_log(path, found)


def test_activity_contains_cached_tokens_and_reasoning(tmp_path: Path) -> None:
    rows = read(activity(tmp_path, {**CALL, "tokens_cached": 6000})).rows
    assert (rows.input_tokens[0], rows.cached_tokens[0]) == (10000, 6000)
    assert (rows.output_tokens[0], rows.reasoning_tokens[0]) == (500, 300)


def test_the_bill_agrees_with_what_was_charged(tmp_path: Path) -> None:
    bill = reproduce_bill(str(activity(tmp_path, CALL))).document
    assert bill["format"] == "openrouter"
    (line,) = bill["lines"]
    assert (line["provider"], line["team"], line["key"]) == ("openrouter", "Helpdesk", "desk")
    # gpt-5 costs 1.25 $ per million tokens of input and 10 $ of output.
    assert line["recorded_usd"] == 0.0205
    assert line["agrees"]
    assert line["list_low_usd"] == pytest.approx(10000 * 1.25e-6 + 800 * 10e-6)


def test_costs_contain_what_was_paid_with_own_keys(tmp_path: Path) -> None:
    path = activity(tmp_path, {**CALL, "cost_total": 0.01, "byok_usage_inference": 0.2})
    assert read_calls(str(path)).calls[0].spend_usd == pytest.approx(0.21)
    path = document(tmp_path, [{**GENERATION, "is_byok": True}, GENERATION])
    assert [c.spend_usd for c in read_calls(str(path)).calls] == pytest.approx([0.502, 0.002])


def test_a_variant_is_part_of_the_name_of_a_model(tmp_path: Path) -> None:
    path = activity(tmp_path, CALL, {**CALL, "variant": "free"})
    models = [call.model for call in read_calls(str(path)).calls]
    assert models == ["openai/gpt-5-2025-08-07", "openai/gpt-5-2025-08-07:free"]
    # Text between colons is no name of a sign to show.
    assert "openai/gpt-5-2025-08-07:free: no list price" in breakeven("bill", path).stdout


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"finish_reason_normalized": "error"}, "failed calls"),
        ({"finish_reason": "error", "finish_reason_normalized": ""}, "failed calls"),
        ({"cancelled": "true", "tokens_prompt": 0, "tokens_completion": 0, "tokens_reasoning": 0},
         "calls without tokens"),
        ({"response_cache_source_id": "gen-0"}, "cache hits"),
        ({"api_type": "tts"}, "audio calls"),
        ({"api_type": "rerank"}, "rerank calls"),
        ({"num_input_audio_prompt": 1}, "audio calls"),
        ({"num_media_completion": 2}, "image calls"),
        ({"tokens_completion_images": 40}, "calls with image tokens"),
    ],
)  # fmt: skip
def test_rows_that_are_no_requests(tmp_path: Path, change: dict[str, Any], kind: str) -> None:
    log = read(lines(tmp_path, {**CALL, **change}, CALL))
    assert log.rows.size == 1
    assert log.summary.left_out == {kind: 1}


def test_a_cancelled_call_counts(tmp_path: Path) -> None:
    assert read(activity(tmp_path, {**CALL, "cancelled": "true"}, CALL)).rows.size == 2


def test_answers_of_the_api_count_by_the_tokenizer_of_the_model(tmp_path: Path) -> None:
    answer = {"data": GENERATION}
    for path in (
        document(tmp_path, answer),
        document(tmp_path, [answer, answer]),
        lines(tmp_path, answer, GENERATION),
        document(tmp_path, {"data": [GENERATION]}),
    ):
        rows = read(path).rows
        assert set(rows.input_tokens) == {1000}
        assert set(rows.cached_tokens) == {600}
        assert (rows.output_tokens[0], rows.reasoning_tokens[0]) == (50, 30)
    later = {**GENERATION, "native_tokens_prompt": None, "native_tokens_completion": None}
    assert read(lines(tmp_path, later)).rows.input_tokens[0] == 990


def test_embeddings_have_no_output(tmp_path: Path) -> None:
    counts = {"native_tokens_completion": None, "native_tokens_reasoning": None}
    call = {**GENERATION, **counts, "api_type": "embeddings"}
    assert read(lines(tmp_path, call)).rows.output_tokens[0] == 0
    with pytest.raises(InputError, match="missing field 'tokens_completion'"):
        read(lines(tmp_path, {**call, "api_type": "completions"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens_reasoning": 900}, "900 reasoning tokens of only 800 output"),
        ({"tokens_cached": 20000}, "20000 tokens read from and written to a cache"),
        ({"tokens_telepathy": 5}, "unknown token count 'tokens_telepathy' of 5"),
        ({"tokens_prompt": "1.5"}, "tokens_prompt must be a whole number, not '1.5'"),
        ({"created_at": ""}, "missing field 'created_at'"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(lines(tmp_path, CALL, {**CALL, **change}))
