"""Write a new scenario from a few answers: commented, complete and checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulator.errors import Faults, InputError
from simulator.files.writing import made_folder
from simulator.pricing.book import SNAPSHOT_DATE
from simulator.scenario.building.study import load_document
from simulator.scenario.document.document import parse_value
from simulator.scenario.resolve.load import read_document
from simulator.scenario.starter.answers import Answers, known_offer
from simulator.scenario.starter.deployments import Pairs, pairs_of
from simulator.scenario.starter.traffic_text import traffic_text
from simulator.scenario.starter.workload import traffic_of


@dataclass(frozen=True, slots=True)
class StartedScenario:
    """A new scenario, which is not written yet."""

    text: str
    left_out: tuple[str, ...]
    """Why pairs of a model and an accelerator are not in it."""


def starter(answers: Answers, target: Path) -> StartedScenario:
    """Return a new scenario for a path, without writing it.

    Raises
    ------
    InputError
        When a name is unknown, no pair of a model and an accelerator is possible, or the scenario
        is not valid.
    """
    faults = Faults()
    names = faults.attempt(lambda: _offer_names(answers.offers)) or {}
    traffic = faults.attempt(
        lambda: traffic_of(answers.preset, answers.requests_per_month, answers.trace, target)
    )
    pairs = None
    if answers.models and answers.gpus:
        longest_tok = traffic.longest_tok if traffic else 0
        pairs = faults.attempt(lambda: pairs_of(answers.models, answers.gpus, longest_tok))
    faults.check()
    assert traffic is not None
    pairs = pairs or Pairs((), ())
    environment = Environment(
        loader=PackageLoader("simulator.scenario.starter"), undefined=StrictUndefined,
        trim_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters["yaml"] = _written
    text = environment.get_template("new.yaml.j2").render(
        name=_quoted(target.stem),
        file=target.name,
        about="API or own hardware, on the requests of a log"
        if answers.trace
        else "API or own hardware",
        start=_monday(SNAPSHOT_DATE).isoformat(),
        traffic=traffic,
        traffic_text=traffic_text(traffic.workloads),
        offers=[{"name": name, "offer": offer} for offer, name in names.items()],
        pairs=pairs.fitting,
        left_out=pairs.left_out,
        ttft=answers.ttft,
        tpot=answers.tpot,
        engineers=answers.engineers_fte,
    )
    _check(text, target)
    return StartedScenario(text.rstrip() + "\n", pairs.left_out)


def _check(text: str, target: Path) -> None:
    """Build the scenario as if the file were already at its path."""
    with TemporaryDirectory() as elsewhere:
        draft = Path(elsewhere) / "new.yaml"
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        try:
            document = read_document(draft)
        except InputError as error:
            raise InputError(str(error).replace(str(draft), str(target))) from None
    # Relative paths out of the folder can only be resolved if the folder exists.
    with made_folder(target.parent):
        load_document(replace(document, path=target))


def _written(value: Any) -> str:
    """Return a value as it is written in YAML, in a line."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Return a text for YAML, in quotes if it would otherwise be read as something else."""
    try:
        plain = parse_value(text, text) == text
    except InputError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())


def _monday(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def _offer_names(offers: Sequence[str]) -> dict[str, str]:
    """Return names of options by offer: the model, with its provider if it is ambiguous."""
    faults = Faults()
    known = [faults.attempt(lambda each=each: known_offer(each)) or each for each in offers]  # type: ignore[misc]
    faults.check()
    models = {offer: offer.rpartition("/")[2] for offer in known}
    shared = {model for model in models.values() if list(models.values()).count(model) > 1}
    return {
        offer: (offer.replace("/", "-") if model in shared else model).replace(".", "-")
        for offer, model in models.items()
    }
