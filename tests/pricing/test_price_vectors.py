"""Dated calls of many providers against what the providers' words make them cost, exactly."""

import ast
import csv
import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from simulator.pricing.billing import Usage, problems
from simulator.pricing.book import NoTokenPriceError
from simulator.pricing.rows import CONTEXTS
from simulator.scenario.catalog.price_book import PriceBook, known_offers
from tests.support.checkout import ROOT
from tests.support.pricing.price_samples import costs_and_errors

VECTORS = ROOT / "tests/support/data" / "price_vectors.csv"
OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
}


def read() -> list[dict[str, str]]:
    lines = [line for line in VECTORS.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def worked_out(expression: str) -> float:
    """Sums of products of numbers, and nothing else."""

    def value(node: ast.AST) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATIONS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant)
        assert isinstance(node.value, int | float)
        return float(node.value)

    return value(ast.parse(expression, mode="eval").body)


def test_every_vector_is_exact() -> None:
    rows = read()
    assert len(rows) >= 150
    assert len({row["offer"].partition("/")[0] for row in rows}) >= 12
    counts = [dict(part.split("=") for part in row["usage"].split()) for row in rows]
    names = sorted({name for count in counts for name in count} | {"output_total"})
    columns = {name: [row[name] for row in rows] for name in ("offer", "at", "context")}
    columns |= {name: [count.get(name, "") for count in counts] for name in names}
    cost_usd, errors = costs_and_errors(columns)
    wrong = []
    for row, usd, error in zip(rows, cost_usd.tolist(), errors, strict=True):
        expected = row["micro_usd"]
        if expected.startswith("!"):
            if expected[1:] not in error:
                wrong.append((row, usd, error))
        elif error or usd != pytest.approx(worked_out(expected) / 1e6, rel=1e-12):
            wrong.append((row, usd, error))
    assert wrong == []


def test_contexts_go_by_the_names_of_logs_too() -> None:
    columns = {"offer": ["openai/gpt-4o"] * 3, "at": ["2026-09-15"] * 3,
               "context": ["default", "fast", "priority"],
               "input_total": ["1000"] * 3, "output_total": ["0"] * 3}  # fmt: skip
    assert costs_and_errors(columns)[0] == pytest.approx([0.0025, 0.00425, 0.00425])


def test_most_vectors_are_at_boundaries() -> None:
    """Half of them have a neighbour on the other side: another rate, or no price at all."""
    edges = ("23:59:59Z", "T00:00Z", "59Z", "T16:30Z", "T16:00Z", "T12:15Z", "T00:30Z")
    sizes = ("000 ", "001", "999", "000")
    rows = read()
    at_edge = [
        row
        for row in rows
        if row["at"].endswith(edges)
        or row["micro_usd"].startswith("!")
        or row["context"]
        or any(
            int(part.partition("=")[2]) >= 32_000 and part.partition("=")[2].endswith(sizes)
            for part in row["usage"].split()
        )
        or any(medium in row["usage"] for medium in ("audio", "search", "1h", "reasoning"))
    ]
    assert len(at_edge) >= len(rows) / 2


MONTHS = [date(2026, month, 15) for month in range(1, 13)]


@pytest.mark.slow
def test_every_month_of_2026_is_priced_for_all_offers_that_are_live_in_it() -> None:
    """Contexts included, from the day on which they are known to be sold."""
    book = PriceBook()
    unpriced = []
    for name in book.names():
        try:
            card = book.card(name)
        except NoTokenPriceError:
            continue
        for day in MONTHS:
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            if card.lifetime.state(noon.timestamp()).startswith(("from", "retired")):
                continue
            for context in card.contexts:
                begins = card.begins(context)
                if begins is not None and noon.date() < _day(begins):
                    continue
                ceases = card.ceases(context)
                if ceases is not None and noon.date() >= _day(ceases):
                    continue
                use = Usage.of(
                    np.array([noon.timestamp()]),
                    uncached_input=np.array([100 if _has(card, "input") else 0]),
                    output=np.array([10 if _has(card, "output") else 0]),
                    context=np.array([CONTEXTS.index(context)], np.int8),
                )
                unpriced += [(name, day, text) for _, text in problems(card, use)]
    assert unpriced == []


def _has(card: object, bucket: str) -> bool:
    return any(bucket in row.rates for row in card.rows)  # type: ignore[attr-defined]


def _day(moment: date) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


def test_no_context_of_an_offer_begins_on_the_day_of_a_feeds_check() -> None:
    """What was first looked up in October 2026 was sold before, but where that is known."""
    book = PriceBook()
    known = {"x-ai", "openai"}  # batch on 2026-10-22, ultrafast on 2026-10-08
    late = {}
    for name in book.names():
        try:
            card = book.card(name)
        except NoTokenPriceError:
            continue
        for context in card.contexts[1:]:
            begins = card.begins(context)
            if begins is not None and _day(begins) >= date(2026, 10, 1):
                late[name, context] = begins
    assert {name.partition("/")[0] for name, _ in late} <= known
    assert {context for (name, context) in late if name.startswith("openai/")} <= {"ultrafast"}
    assert {context for (name, context) in late if name.startswith("x-ai/")} <= {"batch"}


def test_promises_ends_and_calendars_are_said() -> None:
    book = PriceBook()

    def doubts(offer: str, begin: str, days: int) -> str:
        moment = datetime.fromisoformat(begin).replace(tzinfo=UTC)
        until = moment + timedelta(days=days)
        return "; ".join(book.card(offer).doubts(moment.timestamp(), until.timestamp()))

    assert "was retired on 2026-08-16" in doubts("groq/llama-3.3-70b-versatile", "2026-11-23", 7)
    assert "ends on 2027-01-14" in doubts("openai/gpt-4o", "2027-01-10", 7)
    assert doubts("openai/gpt-4o", "2026-11-23", 7) == ""
    assert "promised until 2026-11-21" in doubts("openai/gpt-5.6-sol", "2026-11-23", 7)
    assert "holidays from 2027-01-01 on" in doubts("deepseek/deepseek-flash", "2026-12-28", 7)
    assert doubts("deepseek/deepseek-flash", "2026-12-20", 7) == ""
    assert "was not sold before 2026-09-29" in doubts("openai/gpt-6.1-sol", "2026-09-01", 7)


def test_all_simulatable_offers_say_where_they_stand() -> None:
    """Each has a source that says what is published, measured, quoted or assumed."""
    book = PriceBook()
    words = ("published", "measured", "assumed", "quotes", "quoted", "hypothetical", "claims")
    for name in known_offers():
        offer = book.simulated(name)
        assert any(word in offer.source for word in words), name
        assert offer.endpoint is not None
        for reading in offer.endpoint.readings:
            assert reading.by
            assert reading.ttft_s or reading.output_tok_s
