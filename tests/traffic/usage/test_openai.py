"""Exports of OpenAI: the usage API, its CSV, and costs."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.traffic.usage.buckets import Group
from tests.support.traffic.usage_exports import (
    DAY,
    columns,
    document,
    known,
    read,
    refusal,
    table,
)

HOUR = 3600
SUMS = ("begin_s", "length_s", "requests", "uncached_tok", "cached_tok", "completion_tok")


def span(*results: dict[str, Any], hour: int = 0, hours: int = 1) -> dict[str, Any]:
    begin = DAY + hour * HOUR
    return {"start_time": begin, "end_time": begin + hours * HOUR, "results": list(results)}


def page(*spans: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"object": "page", "data": list(spans), "has_more": False, **more}


def result(**change: object) -> dict[str, Any]:
    """Return a result that is grouped by model alone."""
    fields = {
        "object": "organization.usage.completions.result",
        "num_model_requests": 5, "input_tokens": 1000, "output_tokens": 200,
        "input_cached_tokens": 300, "model": "gpt-x", "project_id": None, "user_id": None,
        "api_key_id": None, "batch": None, "service_tier": None,
    }  # fmt: skip
    return {name: value for name, value in {**fields, **change}.items() if value != "absent"}


def cost(value: object = 1.5, **change: object) -> dict[str, Any]:
    return {
        "object": "organization.costs.result", "amount": {"value": value, "currency": "usd"},
        "line_item": "gpt-x, input", "project_id": None, **change,
    }  # fmt: skip


def row(**change: object) -> dict[str, Any]:
    """Return a row of the dashboard's table of completions."""
    return {
        "start_time": DAY, "end_time": DAY + HOUR, "start_time_iso": "2026-11-01T00:00:00+00:00",
        "end_time_iso": "2026-11-01T01:00:00+00:00", "project_id": "proj", "user_id": "anna",
        "api_key_id": "key", "model": "gpt-x", "num_model_requests": "5.0", "input_tokens": 1000,
        "output_tokens": 200, "input_cached_tokens": 300, "input_uncached_tokens": 700, **change,
    }  # fmt: skip


def test_prompt_is_split_and_buckets_are_in_order(tmp_path: Path) -> None:
    later = span(result(input_cached_tokens=0, input_tokens=10), hour=5)
    path = document(tmp_path, [page(later), page(span(result(), hour=2), span(hour=3))])
    usage, notices = read(path, "openai-usage")
    assert usage.groups == (Group("gpt-x", "openai"),)
    assert columns(usage, *SUMS) == [
        (DAY + 2 * HOUR, HOUR, 5, 700, 300, 200),
        (DAY + 5 * HOUR, HOUR, 5, 10, 0, 200),
    ]
    assert (notices.left_out, notices.remarks) == ({}, [])


def test_group_by_fields_and_tiers(tmp_path: Path) -> None:
    results = [
        result(project_id="proj", api_key_id="key", service_tier="default"),
        result(project_id="proj", api_key_id="key", service_tier="flex"),
        result(project_id="proj", api_key_id="key", batch=True, service_tier="default"),
        result(project_id="proj", api_key_id="key", batch=False, service_tier="default-x"),
    ]
    usage, _ = read(document(tmp_path, page(span(*results))), "openai-usage")
    assert [g[2:5] for g in usage.groups] == [
        ("proj", "key", ""), ("proj", "key", "batch"), ("proj", "key", "default-x"),
        ("proj", "key", "flex"),
    ]  # fmt: skip


def test_users_are_summed(tmp_path: Path) -> None:
    results = [result(user_id="a"), result(user_id="b", num_model_requests=1), result()]
    usage, _ = read(document(tmp_path, page(span(*results))), "openai-usage")
    assert columns(usage, *SUMS) == [(DAY, HOUR, 11, 2100, 900, 600)]


def test_written_and_other_modalities(tmp_path: Path) -> None:
    parts = {
        "input_uncached_tokens": 600, "input_cache_write_tokens": 100, "input_text_tokens": 560,
        "input_audio_tokens": 30, "input_cached_audio_tokens": 20, "input_image_tokens": 10,
        "output_audio_tokens": 40, "output_text_tokens": 150, "output_image_tokens": 10,
    }  # fmt: skip
    path = document(tmp_path, page(span(result(**parts))))
    usage, notices = read(path, "openai-usage")
    names = ("uncached_tok", "cached_tok", "written_5m_tok", "audio_input_tok", "image_input_tok")
    assert columns(usage, *names, "audio_output_tok") == [(600, 300, 100, 50, 10, 40)]
    assert usage.prompt_tok.tolist() == [1000]
    assert notices.remarks == ["Image tokens of answers are counted as output tokens."]


def test_embeddings_have_no_output_and_other_kinds_are_counted(tmp_path: Path) -> None:
    kinds = ("images", "images", "vector_stores", "moderations", "audio_speeches")
    others = [
        {"object": f"organization.usage.{kind}.result", "num_model_requests": 1} for kind in kinds
    ]
    embedding = {
        "object": "organization.usage.embeddings.result", "model": "embed", "input_tokens": 70,
        "num_model_requests": 7,
    }  # fmt: skip
    path = document(tmp_path, page(span(embedding, *others, cost())))
    usage, notices = read(path, "openai-usage")
    assert columns(usage, *SUMS) == [(DAY, HOUR, 7, 70, None, 0)]
    assert notices.left_out == {
        "organization.usage.images.result entries": 2,
        "organization.usage.vector_stores.result entries": 1,
        "organization.usage.moderations.result entries": 1,
        "organization.usage.audio_speeches.result entries": 1,
        "organization.costs.result entries": 1,
    }


def test_unknown_counts_stay_unknown(tmp_path: Path) -> None:
    fields = result(input_cached_tokens="absent", num_model_requests=None)
    usage, _ = read(document(tmp_path, page(span(fields))), "openai-usage")
    assert columns(usage, *SUMS) == [(DAY, HOUR, None, 1000, None, 200)]
    assert known(usage) == {"uncached_tok", "completion_tok"}


def test_missing_pages_are_noted(tmp_path: Path) -> None:
    _, notices = read(document(tmp_path, page(span(result()), has_more=True)), "openai-usage")
    assert notices.remarks == [
        "The last page says has_more: the export does not hold all its buckets."
    ]


def test_the_same_page_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps(page(span(result(), result(model="b")))) + "\n")
    once, _ = read(path, "openai-usage")
    path.write_text(path.read_text() * 3)
    again, notices = read(path, "openai-usage")
    assert columns(again, *SUMS) == columns(once, *SUMS)
    assert notices.left_out == {"rows that are there twice": 4}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_cached_tokens": 1001}, "input_cached_tokens (1,001) exceeds input_tokens (1,000)"),
        (
            {"input_cached_tokens": 600, "input_cache_write_tokens": 500},
            "cached and written tokens together exceed input_tokens",
        ),
        (
            {"input_uncached_tokens": 600},
            "input_uncached_tokens + input_cached_tokens is 900, but input_tokens is 1,000",
        ),
        ({"output_audio_tokens": 201}, "output_audio_tokens (201) exceeds output_tokens (200)"),
        ({"input_audio_tokens": 2000}, "input_audio_tokens (2,000) exceeds input_tokens (1,000)"),
        ({"input_video_tokens": 3}, "unknown count of tokens 'input_video_tokens' (3) (did you"),
        ({"input_tokens": -1}, "input_tokens must be a number of 0 or more, not -1"),
        ({"input_tokens": "many"}, "input_tokens must be a number of 0 or more, not 'many'"),
        ({"input_tokens": True}, "input_tokens must be a number of 0 or more, not True"),
        ({"output_tokens": 1.5}, "output_tokens must be a whole number, not 1.5"),
        ({"output_tokens": 1e300}, "output_tokens must be below 1e+18, not 1e+300"),
        ({"model": ["gpt-x"]}, "model must be a text, not ['gpt-x']"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    text = refusal(document(tmp_path, page(span(result()), span(result(**change), hour=1))))
    assert text.startswith("1:1: data[1].results[0]")
    assert message in text


def test_an_unknown_count_of_zero_is_accepted(tmp_path: Path) -> None:
    path = document(tmp_path, page(span(result(input_video_tokens=0))))
    assert read(path, "openai-usage")[0].size == 1


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([span(result(), hours=24), span(result(), hour=3)], "one that begins 3 h earlier"),
        ([span(result(), hours=24), span(result(model="b"))], "overlaps one that begins 0 h earli"),
        ([span(result()), span(result(output_tokens=7))], "is there twice with different values"),
        ([span(result(), result(model=None))], "has no model, but others of the same time have"),
        (
            [span(result(user_id="a"), result(user_id="b"), result(num_model_requests=10,
             input_tokens=2000, output_tokens=400, input_cached_tokens=600))],
            "is the total of the rows with user_id",
        ),
        ([span(result(), hours=0)], "must end after it begins"),
        ([{**span(result()), "start_time": None}], "missing field 'data[0].start_time'"),
        ([{**span(result()), "start_time": DAY * 1000}], "between the years 2001 and 5138"),
        ([{**span(result()), "results": 5}], "data[0]: results must be a list, not 5"),
        ([{**span(), "results": [5]}], "results[0] must be an object, not 5"),
    ],
)  # fmt: skip
def test_nothing_is_counted_twice(tmp_path: Path, spans: list, message: str) -> None:
    assert message in refusal(document(tmp_path, page(*spans)), "openai-usage")


def test_equal_users_are_no_total(tmp_path: Path) -> None:
    """One row without a user equals one with, by coincidence: both count."""
    path = document(tmp_path, page(span(result(), result(user_id="a"))))
    assert columns(read(path, "openai-usage")[0], "requests") == [(10,)]


def test_table_of_the_dashboard(tmp_path: Path) -> None:
    empty = {"start_time": DAY + HOUR, "end_time": DAY + 2 * HOUR}
    path = table(
        tmp_path, row(), row(user_id="ben"), empty, row(model="gpt-y", service_tier="flex")
    )
    usage, notices = read(path, "openai-usage")
    assert usage.groups == (
        Group("gpt-x", "openai", "proj", "key"),
        Group("gpt-y", "openai", "proj", "key", "flex"),
    )
    assert columns(usage, *SUMS) == [
        (DAY, HOUR, 10, 1400, 600, 400),
        (DAY, HOUR, 5, 700, 300, 200),
    ]
    assert (notices.left_out, notices.remarks) == ({}, [])


def test_names_in_a_table(tmp_path: Path) -> None:
    first = row(project_id="", project_name="Desk")
    again = table(tmp_path, first, {**first, "output_tokens": 7})
    text = refusal(again)
    assert "bucket of 2026-11-01T00:00:00Z (model gpt-x, project Desk, key key, user_id a" in text
    assert "iso" not in text


def test_other_name_of_the_list_of_results(tmp_path: Path) -> None:
    bucket = span()
    bucket["result"] = [result()]
    del bucket["results"]
    assert read(document(tmp_path, page(bucket)), "openai-usage")[0].size == 1


def test_table_of_embeddings(tmp_path: Path) -> None:
    columns_of_embeddings = (
        "start_time",
        "end_time",
        "model",
        "num_model_requests",
        "input_tokens",
    )
    path = table(tmp_path, {name: row()[name] for name in columns_of_embeddings})
    usage, notices = read(path, "openai-usage")
    assert columns(usage, *SUMS) == [(DAY, HOUR, 5, 1000, None, 0)]
    assert notices.remarks == ["A table without output tokens is read as embeddings."]


def test_fault_in_a_table_has_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, row(), row(user_id="ben", input_cached_tokens=1001))
    assert refusal(path).startswith("3:1: input_uncached_tokens + input_cached_tokens is 1,701")


def test_costs_have_neither_calls_nor_tokens(tmp_path: Path) -> None:
    results = [
        cost("1.25"), cost(0.5, line_item="gpt-x, output"),
        cost(2, line_item="gpt-x, batch, input"), cost(3, line_item="web search"),
        cost(4, line_item=None, project_id="proj"),
    ]  # fmt: skip
    usage, notices = read(document(tmp_path, page(span(*results, hours=24))), "openai-costs")
    assert [g[0:5:2] for g in usage.groups] == [
        ("", "proj", ""), ("gpt-x", "", ""), ("gpt-x", "", "batch"), ("web search", "", ""),
    ]  # fmt: skip
    assert columns(usage, "group", "spend_usd") == [(0, 4), (1, 1.75), (2, 2), (3, 3)]
    assert known(usage) == {"spend_usd"}
    assert notices.left_out == {}


def test_table_of_costs(tmp_path: Path) -> None:
    rows = [
        {"start_time": DAY, "end_time": DAY + 24 * HOUR, "amount_value": amount,
         "amount_currency": "usd", "line_item": item, "quantity": 5, "project_id": "proj"}
        for amount, item in (("0.125", "gpt-x, input"), ("1e-3", "gpt-x, output"), ("", ""),
                             ("-2", "gpt-x, credit"))
    ]  # fmt: skip
    usage, notices = read(table(tmp_path, *rows), "openai-costs")
    assert columns(usage, "length_s", "spend_usd") == [(24 * HOUR, 0.126)]
    assert notices.left_out == {"credits and refunds": 1}


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ({"value": 1, "currency": "eur"}, "currency must be usd, not 'eur'"),
        ({"value": "?", "currency": "usd"}, "value must be a number of 0 or more, not '?'"),
        ({"value": "-?", "currency": "usd"}, "value must be a number of 0 or more, not '?'"),
        (5, "amount must be an object, not 5"),
    ],
)
def test_costs_in_other_units_are_refused(tmp_path: Path, amount: object, message: str) -> None:
    path = document(tmp_path, page(span(cost(amount=amount))))
    assert message in refusal(path)


def test_costs_by_item_and_their_total_are_refused(tmp_path: Path) -> None:
    results = [cost(1), cost(2, line_item="b, input"), cost(3, line_item=None)]
    assert "is the total of the rows with" in refusal(document(tmp_path, page(span(*results))))
