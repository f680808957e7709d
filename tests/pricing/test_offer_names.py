"""Names of offers: one clear match, or an error with candidates of the same model or family."""

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

import simulator
from simulator.errors import InputError
from simulator.report.terminal.prices import card_document
from simulator.scenario.catalog.offers.naming import provider_of, tables
from simulator.scenario.catalog.price_book import PriceBook
from tests.support.checkout import ROOT
from tests.support.command import breakeven

AT_S = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()
LITELLM = ROOT / "tests" / "support" / "data" / "offer_names.csv"
BOOK = PriceBook()

FOUND = {
    "gpt-4o": "openai/gpt-4o",
    "GPT-4O": "openai/gpt-4o",
    "openai:gpt-4o": "openai/gpt-4o",
    "gpt-4o-2024-08-06": "openai/gpt-4o",
    "gpt-4o-2024-05-13": "openai/gpt-4o-2024-05-13",
    "gpt-3.5-turbo-0301": "openai/gpt-3.5-0301",
    "ft:gpt-4o-mini-2024-07-18:acme::abc123": "openai/ft:gpt-4o-mini",
    "claude-sonnet-4-5-20250929": "anthropic/claude-sonnet-4-5",
    "anthropic/claude-sonnet-4.5": "anthropic/claude-sonnet-4-5",
    "vertex_ai/claude-sonnet-4-5@20250929": "google/claude-sonnet-4-5",
    "projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929":
        "google/claude-sonnet-4-5",
    "models/gemini-2.5-pro": "google/gemini-2.5-pro",
    "google-gla:gemini-2.5-pro": "google/gemini-2.5-pro",
    "anthropic.claude-sonnet-4-5-20250929-v1:0":
        "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "bedrock/converse/eu.anthropic.claude-sonnet-4-5-20250929-v1:0":
        "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0":
        "aws/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0":
        "aws/regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-west-2::foundation-model/meta.llama3-70b-instruct-v1:0":
        "aws/meta.llama3-70b-instruct-v1:0",
    "azure/o3": "azure/o3-2025-04-16",
    "azure/global/o1": "azure/o1",
    "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo":
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "accounts/fireworks/models/llama-v3p3-70b-instruct": "fireworks/llama-v3p3-70b-instruct",
    "fireworks_ai/llama-3.3-70b-instruct": "fireworks/llama-v3p3-70b-instruct",
    "meta-llama/Llama-3.3-70B-Instruct:groq": "huggingface_groq/meta-llama/Llama-3.3-70B-Instruct",
    "deepseek-ai/DeepSeek-V3.2": "deepseek/deepseek-v3.2",
    "groq/gpt-oss-120b": "groq/openai/gpt-oss-120b",
    "groq/openai/gpt-oss-120b": "groq/openai/gpt-oss-120b",
    "llama-3.3-70b-versatile": "groq/llama-3.3-70b-versatile",
    "xai/grok-4": "x-ai/grok-4-0709",
    "moonshot/kimi-k2.6": "moonshotai/kimi-k2.6",
    "voyage/voyage-3.5": "voyageai/voyage-3.5",
    "mistralai/mistral-large-2512": "mistral/mistral-large-2512",
    "dashscope/qwen-plus": "alibaba/qwen-plus",
    "cloudflare/meta/llama-3-8b-instruct": "cloudflare/@cf/meta/llama-3-8b-instruct",
    "databricks/meta-llama-3-3-70b-instruct": "databricks/databricks-meta-llama-3-3-70b-instruct",
    "cerebras/glm-4.7": "cerebras/zai-glm-4.7",
    "openrouter/anthropic/claude-sonnet-4.5:beta": "openrouter/anthropic/claude-sonnet-4.5",
}  # fmt: skip

REFUSED = {
    "azure/gpt-4o": "azure has no gpt-4o in the price book; others have it: openai/gpt-4o, ",
    "azure/eu/gpt-4o": "azure has no gpt-4o in the price book; others have it: openai/gpt-4o, ",
    "gpt-4o-2030-01-01": "no such snapshot, only openai/gpt-4o, openai/gpt-4o-2024-05-13",
    "x-ai/grok-4-0813": "no such snapshot, only x-ai/grok-4-0709",
    "mistral/mistral-small": "only mistral/mistral-small-2603, mistral/mistral-small-latest",
    "novita/deepseek/deepseek-v4-flash": "only novita/deepseek/deepseek-v4-flash-0731",
    "mistral-large-latest": "name one of mistral/mistral-large, mistral/mistral-large-2512",
    "mistralai/mistral-medium": "the price of Mistral Medium 3.5; name one of mistral/mistral-m",
    "meta-llama/Llama-3.3-70B-Instruct-Turbo":
        "sold by several providers; name one of deepinfra/meta-llama/Llama-3.3-70B-Instruct-Turbo, "
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "Qwen/Qwen3-32B": "alibaba has no Qwen3-32B in the price book; others have it: aws/",
    "together/meta-llama/Llama-3.3-70B-Instruct":
        "(did you mean 'together/meta-llama/Llama-3.3-70B-Instruct-Turbo'?); others have it: ",
    "us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0": "price in region 'us-gov' is not known",
    "eu.amazon.nova-2-lite-v1:0": "price in region 'eu' is not known",
    "amazon.nova-2-lite-v1:0":
        "name one of aws/global.amazon.nova-2-lite-v1:0, aws/regional.amazon.nova-2-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1":
        "names a resource of an account, not a model",
    "oci/meta.llama-3.1-8b-instruct": "oci has no meta.llama-3.1-8b-instruct in the price book",
    "foo/gpt-4o": "no provider 'foo'; others have it: github-copilot/gpt-4o, openai/gpt-4o",
    "foo/Llama-3.1-8B-Instruct": "the price book has no provider 'foo'",
    "opnai/gpt-4o": "unknown offer 'opnai/gpt-4o' (did you mean 'openai/gpt-4o'?)",
    "openrouter/anthropic/claude-sonnet-4.5:nitro":
        "(did you mean 'openrouter/anthropic/claude-sonnet-4.5'?)",
    "deepseek-v4-flash-vision-exp": "others have it: openrouter/deepseek/deepseek-v4-flash-v",
    "gpt-4o-é": "unknown offer",
    "gpt-4o/": "unknown offer",
    "": "unknown offer ''",
}  # fmt: skip


def prices(offer: str) -> tuple[float, float]:
    rates = card_document(BOOK.card(offer), AT_S)["rates"]
    return rates.get("input", 0.0), rates.get("output", 0.0)


@pytest.mark.parametrize("name", FOUND)
def test_a_name_of_any_source_leads_to_one_offer(name: str) -> None:
    assert BOOK.card(name).offer == FOUND[name]


@pytest.mark.parametrize("name", REFUSED)
def test_other_names_are_refused_with_candidates(name: str) -> None:
    with pytest.raises(InputError) as caught:
        BOOK.card(name)
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_of_litellms_map_lead_to_offers_of_its_prices() -> None:
    """``validation/offer_names.py`` draws the names; a difference has a reason there."""
    with LITELLM.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 700
    for row in rows:
        name = row["name"]
        assert BOOK.find(name).offer == row["offer"], name
        theirs = (float(row["input_per_mtok"]), float(row["output_per_mtok"]))
        pairs = zip(theirs, prices(name), strict=True)
        same = all(math.isclose(a, b, rel_tol=0.005) for a, b in pairs)
        assert same == (row["differs"] == ""), (name, theirs, prices(name))
    assert sum(row["differs"] == "" for row in rows) > 650


def test_names_as_openrouter_writes_them_lead_to_the_maker_or_to_openrouter() -> None:
    makers = {name: maker for maker, names in tables().makers.items() for name in (maker, *names)}
    found = 0
    for own in BOOK.names():
        if not own.startswith("openrouter/") or own.count("/") != 2:
            continue
        name = own.removeprefix("openrouter/")
        try:
            offer = BOOK.find(name).offer
        except InputError:
            continue
        found += 1
        maker = name.partition("/")[0]
        seller = offer.partition("/")[0]
        assert own == offer or seller in (makers.get(maker), provider_of(maker)), (name, offer)
    assert found > 300


def test_every_offer_is_found_by_its_own_name() -> None:
    lowered: dict[str, set[str]] = {}
    for name in BOOK.names():
        assert BOOK.find(name).offer == name
        lowered.setdefault(name.lower(), set()).add(name)
    for lower, names in lowered.items():
        if len(names) == 1:
            assert {BOOK.find(lower).offer} == names


def test_the_further_names_of_an_offer_lead_to_it() -> None:
    for offer in ("openai/gpt-4o", "x-ai/grok-4-0709", "mistral/mistral-medium-3-1"):
        names = BOOK.further_names(offer)
        assert names
        assert {BOOK.find(name).offer for name in names} == {offer}


def test_a_region_in_a_name_is_that_of_the_price() -> None:
    with pytest.raises(InputError, match="azure/o1 has no known price in region 'eu'"):
        BOOK.card("azure/eu/o1")
    with pytest.raises(InputError, match="is of region 'eu', not 'us'"):
        BOOK.card("azure/eu/o1", "us")
    with pytest.raises(InputError, match="no known price in region 'eu'"):
        BOOK.card("arn:aws:bedrock:eu-west-1::foundation-model/meta.llama3-2-1b-instruct-v1:0")


def test_imported_offers_come_first_and_are_found_by_their_parts(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    entry = {"rates": {"input": 7, "output": 9}, "as_of": "2026-11-01", "source": "a contract"}
    offers = {"azure/gpt-4o": entry, "bedrock/us-gov.anthropic.claude-opus-5": entry}
    file.write_text(json.dumps(offers))
    book = PriceBook.with_file(file)
    assert book.card("azure/global/gpt-4o").offer == "azure/gpt-4o"
    assert book.find("us-gov.anthropic.claude-opus-5").offer == list(offers)[1]
    assert book.find("us.anthropic.claude-opus-5").offer == "aws/regional.anthropic.claude-opus-5"
    assert book.find("gpt-4o").offer == "openai/gpt-4o"


@pytest.mark.parametrize("sort", ["input", "output", "cache_read", "context"])
def test_offers_are_listed_by_a_figure(sort: str) -> None:
    found = simulator.list_offers("claude", provider="bedrock", sort=sort).document["offers"]
    assert len(found) > 20
    assert all(offer["offer"].startswith("aws/") for offer in found)
    figures = [
        offer["context_tokens"] if sort == "context" else offer["rates"].get(sort)
        for offer in found
    ]
    known = [figure for figure in figures if figure is not None]
    assert known == sorted(known)
    assert figures[: len(known)] == known


def test_words_are_found_in_any_order_and_by_provider_or_maker() -> None:
    def offers(*words: str) -> list[str]:
        return [offer["offer"] for offer in simulator.find_offers(words).document["offers"]]

    assert offers("70b", "bedrock", "llama") == offers("llama 70b aws")
    assert offers("llama-3.3-70b", "bedrock") == ["aws/meta.llama3-3-70b-instruct-v1:0"]
    assert "cerebras/gpt-oss-120b" in offers("openai", "120b")
    simulated = simulator.find_offers(["llama"], simulated=True).document["offers"]
    assert simulated
    assert all(offer["simulated"] for offer in simulated)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "gpt-4o-2024-08-06"), "it is a name of 'openai/gpt-4o'"),
        (("list", "gpt-6.1-tera"), "did you mean 'openai/gpt-6.1-terra'?"),
        (("list", "--provider", "opnai"), "no provider 'opnai' (did you mean 'openai'?)"),
        (("list", "gpt", "--provider", "anthropic"), "anthropic sells none of the offers found"),
        (("list", "voyage", "--simulated"), "none of the offers found can be simulated"),
        (("find", "claude", "sonnet", "bedrok"), "no offer has the word 'bedrok' (did you mean"),
        (("find", "claude", "grok"), "no offer has all of the words claude, grok"),
        (("find", " "), "expected at least one word"),
    ],
)
def test_an_empty_list_is_an_error(arguments: tuple[str, ...], message: str) -> None:
    found = breakeven("prices", *arguments)
    assert found.returncode == 3
    assert message in found.stderr
    assert found.stdout == ""


@pytest.mark.slow
def test_show_prints_the_further_names() -> None:
    shown = breakeven("prices", "show", "gpt-4o-2024-11-20").stdout
    assert shown.startswith("openai/gpt-4o, ")
    assert "also named: openai/gpt-4o-2024-08-06, openai/gpt-4o-2024-11-20" in shown
