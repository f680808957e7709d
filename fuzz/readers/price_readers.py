"""Readers of prices, usage and evaluations."""

import io
import json
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from fuzz.cases import Reader, Sample, Unusable
from fuzz.commands import argument, command, given
from fuzz.samples import (
    csv_sample,
    json_sample,
    lines_sample,
    parquet_sample,
    text_samples,
    yaml_file,
)
from simulator.files.jsontext import json_text
from simulator.pricing.book import NoTokenPriceError
from simulator.pricing.feeds.checking import changes
from simulator.pricing.feeds.reading import read_feed
from simulator.pricing.rates import RateCard
from simulator.report.terminal.prices import card_document, print_cards
from simulator.scenario.catalog.price_book import PriceBook

_AT_S = 1_793_600_000.0
_LITELLM = {
    "sample_spec": {"mode": "chat", "litellm_provider": "one of the providers"},
    "gpt-4o": {
        "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 128000,
        "input_cost_per_token": 3e-6, "output_cost_per_token": 1e-5,
        "cache_read_input_token_cost": 1.5e-6, "input_cost_per_token_batches": 1.5e-6,
    },
    "gemini/gemini-9": {
        "litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 1e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6, "output_cost_per_token": 1e-5,
        "input_cost_per_audio_token": 2e-6, "deprecation_date": "2027-01-14",
        "search_context_cost_per_query": {"low": 0.01, "high": 0.01},
    },
    "deepseek/deepseek-flash": {
        "litellm_provider": "deepseek", "mode": "chat", "input_cost_per_token": 3e-7,
        "output_cost_per_token": 1.2e-6, "off_peak_pricing": {
            "input_cost_per_token": 1.5e-7, "windows": [
                {"hours_utc": ["00:00-01:00", "22:00-00:30"], "weekdays": [1, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]},
    },
    "dashscope/qwen9": {
        "litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 3e-7},
            {"range": [32000.0, 128000], "input_cost_per_token": 5e-7}],
    },
}  # fmt: skip
_RATES = {"input": 1.0, "output": 2.0, "tiers": [{"above": 1000, "input": 3.0}]}
_MODEL_PRICES = {
    "schema": 1, "status": {"deepseek": {"deepseek-flash": "deprecated"}},
    "schedules": {"schedule": [
        {"provider": "deepseek", "valid_from": "2026-08-16T16:00:00Z", "peak_multiplier": 2.0,
         "peak_hours_utc": [["01:00", "04:00"]], "weekdays_only": True, "holidays": "cn"}]},
    "prices": {"deepseek": {"deepseek-flash": {
        "standard": [{"rates": _RATES, "start": None},
                     {"rates": {"input": 2.0}, "start": "2026-09-01T00:00:00Z"}],
        "batch": [{"rates": None, "start": None},
                  {"rates": {"input": 0.5}, "start": "2026-10-01T00:00:00Z"}]}}},
}  # fmt: skip
_GENAI = [{
    "id": "acme", "name": "Acme", "api_pattern": "https://api\\.acme\\.example", "models": [
        {"id": "small", "match": {"equals": "small"}, "prices": [
            {"prices": {"input_mtok": 1, "output_mtok": 4, "cache_read_mtok": 0.1}},
            {"constraint": {"start_date": "2026-12-01"},
             "prices": {"input_mtok": {"base": 2, "tiers": [{"start": 1000, "price": 3}]},
                        "output_mtok": 5}},
        ]},
        {"id": "hours", "match": {"or": [{"starts_with": "h"}, {"regex": "^x"}]}, "prices": [
            {"constraint": {"start_time": "08:00:00Z", "end_time": "20:00:00Z"},
             "prices": {"input_mtok": 1, "output_mtok": 4}},
            {"prices": {"input_mtok": 2, "output_mtok": 5}},
        ]},
        {"id": "pages", "match": {"equals": "pages"}, "prices": {"requests_kcount": 1}},
    ],
}]  # fmt: skip
_BOOK = {
    "openai/gpt-4o": {
        "as_of": "2026-11-02", "rates": {"input": 3.0, "output": 10.0, "cache_read": 1.5},
        "rows": [{"when": {"context": "batch"}, "rates": {"input": 1.5}},
                 {"when": {"prompt_tokens_above": 200000, "utc_days": ["mon"], "not_on": "china"},
                  "rates": {"input": 6.0, "input_audio": 9.0, "web_search": 0.01}}],
        "facts": {"ends": "2027-01-14", "successor": "acme/small"}, "max_input_tok": 120000,
        "context_tok": 128000, "source": "a file",
    },
    "acme/small": {"as_of": "2026-11-02", "rates": {"input": 1.0, "output": 4.0}, "rows": [],
                   "context_tok": None, "source": "a file"},
}  # fmt: skip
_USAGE: dict[str, list[Any]] = {
    "offer": ["openai/gpt-4o", "fireworks/llama-v3p3-70b-instruct", "acme/none"],
    "at": ["2026-11-02T08:00:00Z", "2026-11-02", "2026-11-02 09:30"],
    "context": ["", "standard", "batch"], "input_total": [1000, 2000, 3000],
    "cache_read": [500, 0, 0], "cache_write_5m": [0, 0, 0], "cache_write_1h": [0, 0, 0],
    "output_total": [100, 200, 300], "reasoning": [0, 0, 10], "web_search": [0, 1, 0],
    "input_audio_tokens": [0, 0, 5], "image_count": [0, 0, 0],
}  # fmt: skip
_RUN = {
    "task": "t1", "model": "a", "success": True, "input_tokens": 1000, "output_tokens": 50,
    "reasoning_tokens": 20, "cached_tokens": 800, "attempts": 2, "seconds": 3.5, "cost_usd": 0.01,
}  # fmt: skip
_RUNS = [{**_RUN, "task": task, "model": model} for task in ("t1", "t2") for model in ("a", "b")]
_LEADERS = b"""\
- dirname: one
  model: a
  date: 2026-11-02
  edit_format: diff
  test_cases: 225
  pass_num_1: 100
  pass_num_2: 150
  prompt_tokens: 1000000
  completion_tokens: 200000
  total_cost: 12.5
  seconds_per_case: 30.5
- dirname: two
  model: b
  date: 2026-11-03
  edit_format: whole
  test_cases: 225
  pass_num_1: 50
  pass_num_2: 80
  total_cost: 0
  seconds_per_case: 10
"""
_TOTALS = (
    ("model", "date", "tasks", "solved_1", "solved_2", "prompt_tokens", "completion_tokens",
     "cost_usd", "seconds_per_task"),
    ("a", "2026-11-02", 225, 100, 150, 1000000, 200000, 12.5, 30.5),
    ("b", "", 225, 50, 80, "", "", "", ""),
)  # fmt: skip


def _import(path: Path, out: Path) -> None:
    """Import a price file, compare it with the book, and read the imported file."""
    book = out / "book.json"
    command("prices", "import", path, book, "--as-of", "2026-11-02")
    command("prices", "diff", path, "openai/gpt-4o", "--output", "json")
    command("prices", "check", path, "--only", "gpt-4o", "--propose", out / "new.yaml")
    raw = json.loads(path.read_bytes())
    feed = read_feed(raw, path.name, date(2026, 11, 2))
    changes(_some_cards(), feed.cards, feed.whole, _AT_S, 0.0)
    _show(book)


@cache
def _some_cards() -> dict[str, RateCard]:
    """Return a few cards of the book, since comparing all of them takes seconds."""
    return {name: PriceBook().card(name) for name in ("openai/gpt-4o", "openai/gpt-5")}


def _show(path: Path) -> None:
    """Show all offers of an imported file, as ``prices list`` does."""
    book = PriceBook.with_file(path)
    documents = []
    for name in json.loads(path.read_bytes()):
        with suppress(NoTokenPriceError):
            documents.append({**card_document(book.card(name), _AT_S), "simulated": False})
    json_text({"offers": documents}).encode()
    if documents:
        print_cards(documents, Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")))


def _book(path: Path, out: Path) -> None:
    command("prices", "list", "openai/gpt-4o", "--book", path)
    command("prices", "show", "openai/gpt-4o", "--book", path)
    usage = out / "usage.csv"
    usage.write_bytes(_usage_table().data)
    command("prices", "cost", usage, "--book", path)
    _show(path)


@cache
def _usage_table() -> Sample:
    return csv_sample("usage.csv", list(_USAGE), *zip(*_USAGE.values(), strict=True))


def _cost(path: Path, out: Path) -> None:
    command("prices", "cost", path, *(("--out", out / "p") if path.suffix == ".parquet" else ()))


def _price_columns(path: Path, out: Path) -> None:
    """Price columns, as scripts do."""
    from simulator import price_usage

    columns = given(path)
    if not isinstance(columns, dict) or not all(isinstance(c, list) for c in columns.values()):
        raise Unusable("no columns")
    price_usage(columns)


def _offer(path: Path, out: Path) -> None:
    """Look up an offer by name."""
    name = argument(path)
    if name.startswith("-"):
        raise Unusable("an option")
    command("prices", "show", name)
    command("prices", "list", name)
    command("prices", "find", name)


def _quality(path: Path, out: Path) -> None:
    command("quality", "show", path, "--output", "json")
    command("quality", "show", path)
    command("quality", "compare", path, "a", "b")


def _shipped(path: Path, out: Path) -> None:
    """Compare models of the shipped evaluations by parts of their names."""
    name = argument(path)
    if name.startswith("-"):
        raise Unusable("an option")
    command("quality", "compare", "aider", name, "o3-mini (high)")


def _evaluations() -> tuple[Sample, ...]:
    return (
        csv_sample("e.csv", list(_RUN), *(list(run.values()) for run in _RUNS)),
        lines_sample("e.jsonl", *_RUNS), yaml_file("e.yaml", _LEADERS),
        csv_sample("e.csv", *_TOTALS),
    )  # fmt: skip


def readers() -> tuple[Reader, ...]:
    """Return the readers of prices, usage and evaluations."""
    feeds = (
        json_sample("litellm.json", _LITELLM),
        json_sample("genai.json", _GENAI),
        json_sample("model-prices.json", _MODEL_PRICES),
    )
    return (
        Reader("price-feed", lambda: feeds, _import),
        Reader("price-book", lambda: (json_sample("book.json", _BOOK),), _book),
        Reader("usage", lambda: (_usage_table(),), _cost),
        Reader("usage-parquet", lambda: (parquet_sample("usage.parquet", _USAGE),), _cost),
        Reader("usage-columns", lambda: (json_sample("usage.json", _USAGE),), _price_columns),
        Reader("offer-name", lambda: text_samples("openai/gpt-4o"), _offer, slow=True),
        Reader("evaluations", _evaluations, _quality),
        Reader("evaluated-name", lambda: text_samples("o1-mini-2024-09-12", "o3 (high)"), _shipped),
    )  # fmt: skip
