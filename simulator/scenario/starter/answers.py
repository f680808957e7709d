"""Answers from which a new scenario is written, and the check of each as soon as it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from simulator.errors import Faults, InputError
from simulator.scenario.catalog.price_book import PriceBook, known_offers
from simulator.scenario.catalog.profiles import accelerator_name, model_name, profile_names
from simulator.scenario.document.document import (
    Document,
    PlacedFaults,
    checked_by,
    parse_value,
)
from simulator.scenario.resolve.presets import load_preset, preset_names
from simulator.scenario.resolve.quantities import in_unit, parse_units
from simulator.scenario.schema.scenario import People, Slo
from simulator.scenario.starter.deployments import pairs_of


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of the user, from which a new scenario is written."""

    offers: Sequence[str]
    """Names of offers, as ``provider/model``; without any, the scenario has no API."""
    models: Sequence[str]
    """Models to self-host; without any, there is no self-hosted option."""
    gpus: Sequence[str]
    """Accelerators to host them on."""
    preset: str | None
    requests_per_month: float | None
    """Volume of the preset."""
    trace: Path | None
    """Log to replay instead of a preset."""
    ttft: str | None
    """Target for the time to the first token, as written, such as 2s."""
    tpot: str | None
    """Target for the time per further token, as written, such as 60ms."""
    engineers_fte: str


def check_answers(given: Mapping[str, Sequence[str]]) -> None:
    """Check answers by the names of their flags, as far as they are given.

    Raises
    ------
    InputError
        With a line for every answer that is not valid, and the nearest valid ones.
    """
    faults = Faults()
    for flag, texts in given.items():
        for text in texts:
            with faults.collected():
                CHECKS[flag](text)
    if not faults and given.get("model") and given.get("gpu"):
        with faults.collected():
            pairs_of(given["model"], given["gpu"])
    faults.check()


def choices(flag: str) -> list[str]:
    """Return what may be answered: the names that are known, or examples of a number."""
    return NAMES[flag]() if flag in NAMES else EXAMPLES[flag]


def known_offer(name: str) -> str:
    """Return the book's name of an offer that can be simulated; its name with a region stays.

    Raises
    ------
    InputError
        When there is none of that name.
    """
    book = PriceBook()
    found = book.find(name)
    book.simulated(found.offer)
    book.card(name)
    return found.offer if found.region is None else name


def _check_number(
    flag: str, model: type[BaseModel], key: str, others: dict[str, Any], text: str
) -> None:
    """Check a number with a unit as the key of a section."""
    data = {key: parse_value(text, f"--{flag}"), **others}
    document = Document(Path(f"--{flag}"), data, {(key,): f"--{flag}"})
    faults = PlacedFaults()
    checked_by(model, parse_units(model, document, faults), faults)
    faults.check()


def _check_volume(text: str) -> None:
    value = in_unit(("requests_per_month",), text)
    if value <= 0:
        raise InputError(f"requests_per_month must be greater than 0, not {value:g}")


def _check_ttft(text: str) -> None:
    _check_number("ttft", Slo, "ttft_s", {}, text)


def _check_tpot(text: str) -> None:
    _check_number("tpot", Slo, "tpot_s", {}, text)


def _check_engineers(text: str) -> None:
    others = {"engineer_usd_per_year": 0, "tooling_usd_per_month": 0}
    _check_number("engineers", People, "engineers_fte", others, text)


CHECKS: dict[str, Callable[[str], Any]] = {
    "preset": load_preset,
    "requests-per-month": _check_volume,
    "offer": known_offer,
    "model": model_name,
    "gpu": accelerator_name,
    "ttft": _check_ttft,
    "tpot": _check_tpot,
    "engineers": _check_engineers,
}
"""Check of each answer, by the name of its flag; raises InputError."""
NAMES: dict[str, Callable[[], list[str]]] = {
    "preset": preset_names,
    "offer": known_offers,
    "model": lambda: profile_names("models"),
    "gpu": lambda: profile_names("accelerators"),
}
EXAMPLES = {
    "requests-per-month": ["10M", "300k", "3.2/s", "50k/day"],
    "ttft": ["500ms", "2s"],
    "tpot": ["20ms", "60ms"],
    "engineers": ["0.25", "0.5", "1", "2"],
}
