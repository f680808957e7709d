"""Price files of others: read, compared, imported, and used by scenarios."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.pricing.book import snapshot_card
from simulator.pricing.feeds.checking import changes
from simulator.pricing.feeds.reading import read_feed
from simulator.scenario.building.study import load_study
from simulator.scenario.catalog.offer_cards import imported_entry, own_card
from simulator.scenario.catalog.offer_schema import Offer
from simulator.scenario.catalog.price_book import PriceBook
from tests.support.command import breakeven
from tests.support.pricing.price_samples import LITELLM, costs_and_errors, token_cards
from tests.support.scenarios import SMALL, write_scenario

DAY = date(2026, 12, 24)
AT_S = datetime(2026, 12, 24, 12, tzinfo=UTC).timestamp()
GENAI: list[Any] = [
    {
        "id": "acme",
        "name": "Acme",
        "api_pattern": "https://api\\.acme\\.example",
        "models": [
            {
                "id": "small",
                "match": {"equals": "small"},
                "prices": [
                    {"prices": {"input_mtok": 1, "output_mtok": 4, "cache_read_mtok": 0.1}},
                    {
                        "constraint": {"start_date": "2026-12-01"},
                        "prices": {
                            "input_mtok": {"base": 2, "tiers": [{"start": 1000, "price": 3}]},
                            "output_mtok": 5,
                        },
                    },
                ],
            },
            {"id": "pages", "match": {"equals": "pages"}, "prices": {"requests_kcount": 1}},
        ],
    }
]


def test_litellm_map() -> None:
    cards = read_feed(LITELLM, "map.json", DAY).cards
    assert set(cards) == {"openai/gpt-4o", "google/gemini-9"}
    card = cards["openai/gpt-4o"]
    assert (card.as_of, card.context_tok, card.max_input_tok) == (DAY, None, 128000)
    assert card.contexts == ("standard", "batch", "priority")
    assert card.rows[0].rates == pytest.approx({"input": 3, "output": 10, "cache_read": 1.5})
    batch = next(row for row in card.rows if row.context == "batch")
    assert batch.rates == pytest.approx({"input": 1.5, "output": 5})
    base, tier = cards["google/gemini-9"].rows
    assert base.rates == pytest.approx(
        {"input": 1, "output": 10, "reasoning": 20, "cache_write_1h": 4}
    )
    assert tier.prompt_tokens_above == 200_000
    assert tier.rates == pytest.approx({"input": 2, "output": 15})


def test_genai_file() -> None:
    cards = read_feed(GENAI, "data.json", DAY).cards
    assert set(cards) == {"acme/small"}
    first, dated, tier = cards["acme/small"].rows
    assert first.rates == {"input": 1, "output": 4, "cache_read": 0.1}
    assert (dated.from_time, dated.replaces) == (date(2026, 12, 1), True)
    assert (tier.prompt_tokens_above, tier.rates) == (1000, {"input": 3})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"a": 1}, "neither genai-prices' data file, nor LiteLLM's price map"),
        ("x", "neither"),
        ([], "contains no token prices"),
        ([{"id": 3}], "not a price file of genai-prices"),
        (
            [
                {
                    **GENAI[0],
                    "models": [
                        {
                            "id": "m",
                            "match": {"equals": "m"},
                            "prices": {
                                "input_mtok": {"base": 1, "tiers": [{"start": 2**62, "price": 2}]}
                            },
                        }
                    ],
                }
            ],
            "acme/m: a tier must start at 1 token or more, and at most at 1e",
        ),
        (
            {"m": {**LITELLM["gpt-4o"], "output_cost_per_token": "free"}},
            "output_cost_per_token must",
        ),
        ({"m": {**LITELLM["gpt-4o"], "input_cost_per_token": -1}}, "must be a number, 0 or more"),
        ({"m": {**LITELLM["gpt-4o"], "input_cost_per_token": float("inf")}}, "at most 1,000,000"),
        ({"m": {**LITELLM["gpt-4o"], "input_cost_per_token": 10**400}}, r"not 10{39}\.\.\.$"),
        ({"m": {**LITELLM["gpt-4o"], "max_input_tokens": float("inf")}}, "a number of tokens"),
        ({"m": {**LITELLM["gpt-4o"], "max_input_tokens": -5}}, "a number of tokens, not -5"),
    ],
)
def test_files_that_are_no_prices(raw: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_feed(raw, "f.json", DAY)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "models", "prices", "mode", "litellm_provider",
                         "input_cost_per_token", "input_mtok"]), inner, max_size=4)))  # fmt: skip
def test_any_json_is_a_feed_or_refused(raw: Any) -> None:
    for whole in (raw, [raw], {"m": raw}, {"m": {**LITELLM["gpt-4o"], "mode": "chat", "x": raw}}):
        try:
            assert read_feed(whole, "f.json", DAY)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.slow
def test_every_card_survives_import() -> None:
    cards = token_cards()
    for name in sorted(cards)[::7]:
        entry = json.loads(json.dumps(imported_entry(cards[name])))
        card = own_card(name, Offer.model_validate(entry))
        told = replace(cards[name], left_out=(), lifetime=card.lifetime)
        assert card == replace(told, source=card.source)
        assert changes({name: cards[name]}, {name: card}, True, AT_S, 0.0) == []


def test_an_imported_offer_keeps_what_feeds_do_not_tell(tmp_path: Path) -> None:
    names = ("deepseek/deepseek-flash", "google/gemini-3.8-flash")
    path = tmp_path / "book.json"
    feed = {name: snapshot_card(name) for name in names}
    path.write_text(json.dumps({name: imported_entry(card) for name, card in feed.items()}))
    imported, shipped = PriceBook.with_file(path), PriceBook()
    flash = imported.card(names[0])
    assert flash.billed_at == shipped.card(names[0]).billed_at == "completion"
    assert any(row.utc_window_s is not None for row in flash.rows)
    for name in names:
        card = imported.card(name)
        assert {(r.utc_window_s, r.utc_days, r.not_on) for r in card.rows} == {
            (r.utc_window_s, r.utc_days, r.not_on) for r in shipped.card(name).rows
        }
        assert {b for r in card.rows for b in r.rates} == {
            b for r in shipped.card(name).rows for b in r.rates
        }
    weekend = {"offer": [names[0]], "at": ["2026-11-28T09:00:00Z"], "input_total": ["20000"],
               "output_total": ["800"]}  # fmt: skip
    assert costs_and_errors(weekend, imported)[0] == pytest.approx(costs_and_errors(weekend)[0])


def test_changes_are_named_rate_by_rate() -> None:
    before = read_feed(LITELLM, "map.json", DAY).cards
    newer = json.loads(json.dumps(LITELLM))
    newer["gpt-4o"]["output_cost_per_token_batches"] = 6e-6
    newer["gpt-9"] = newer.pop("gemini/gemini-9") | {"litellm_provider": "openai"}
    found = changes(before, read_feed(newer, "map.json", DAY).cards, True, AT_S, 0.0)
    assert [(c["offer"], c["change"]) for c in found] == [
        ("google/gemini-9", "gone"),
        ("openai/gpt-4o", "rate"),
        ("openai/gpt-9", "new"),
    ]
    rate = found[1]
    assert (rate["bucket"], rate["when"]) == ("output", "batch")
    assert (rate["before"], rate["after"], rate["percent"]) == pytest.approx((5, 6, 20))
    assert found[0]["rates"] == found[2]["rates"]
    assert found[2]["rates"]["input"] == pytest.approx(1)
    some = changes(before, read_feed(newer, "map.json", DAY).cards, False, AT_S, 0.0)
    assert [change["change"] for change in some] == ["rate", "new"]


@pytest.mark.slow
def test_import_diff_and_use(tmp_path: Path) -> None:
    feed, target = tmp_path / "map.json", tmp_path / "book.json"
    feed.write_text(json.dumps(LITELLM))
    run = breakeven("prices", "import", str(feed), str(target), "--as-of", "2026-12-24")
    assert (run.returncode, run.stdout) == (0, "")
    shown = breakeven("prices", "show", "openai/gpt-4o", "--book", str(target), "-o", "json")
    assert json.loads(shown.stdout)["as_of"] == "2026-12-24"
    found = json.loads(breakeven("prices", "diff", str(feed), "gpt-4o", "-o", "json").stdout)
    changed = {(c["bucket"], c["when"]): c for c in found["changes"] if c["change"] == "rate"}
    assert changed["input", "always"]["before"] == 2.5
    assert changed["input", "always"]["after"] == pytest.approx(3)
    usage = tmp_path / "usage.csv"
    usage.write_text("offer,at,input_total,output_total\nopenai/gpt-4o,2026-11-23,1000,10\n")
    for book, cost in (((), 0.0026), (("--book", str(target)), 0.0031)):
        run = breakeven("prices", "cost", str(usage), *book)
        assert run.stdout.splitlines()[1].endswith(f",{cost},")


def test_scenarios_bill_by_their_price_file(tmp_path: Path) -> None:
    offer = SMALL["options"]["hosted"]["offer"]
    card = PriceBook().card(offer)
    dear = replace(card.scaled(2.0), as_of=DAY, source="our contract")
    (tmp_path / "book.json").write_text(json.dumps({offer: imported_entry(dear)}))
    path = write_scenario(tmp_path / "s.yaml", {**SMALL, "price_file": "book.json"})
    study = load_study(path)
    (option,) = [o for o in study.options if o.name == "hosted"]
    assert option.endpoints[0].card.rows[0].rates["input"] == 2 * card.rows[0].rates["input"]
    assert study.provenance["prices"][offer].startswith("our contract, as of 2026-12-24")
    with pytest.raises(InputError, match=r"s.yaml:\d+:\d+: .*nowhere.json: no such file"):
        load_study(path, []) and load_study(
            write_scenario(tmp_path / "s.yaml", {**SMALL, "price_file": "nowhere.json"})
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "absent.json", "t.json"), "absent.json: no such file"),
        (("import", "ftp://host/x.json", "t.json"), "only https:// addresses are fetched"),
        (("diff", "bad.json"), "bad.json:1:2: not valid JSON"),
        (("show", "openai/gpt-4o", "--book", "bad.json"), "bad.json:1:2: not valid JSON"),
    ],
)
def test_bad_sources_are_one_line(tmp_path: Path, arguments: tuple, message: str) -> None:
    (tmp_path / "bad.json").write_text("{")
    run = breakeven("prices", *arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.count("\n") == 1
    assert message in run.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.json"]
