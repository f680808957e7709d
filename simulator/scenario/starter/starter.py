"""Write a new scenario from a few answers: commented, complete and checked."""

import json
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
from simulator.scenario.starter.answers import Answers
from simulator.scenario.starter.api_options import api_parts
from simulator.scenario.starter.deployments import Pairs, pairs_of
from simulator.scenario.starter.traffic_text import traffic_text
from simulator.scenario.starter.workload import traffic_of


@dataclass(frozen=True, slots=True)
class NewScenario:
    """A new scenario, which is not written yet."""

    text: str
    left_out: tuple[str, ...]
    """Why pairs of a model and an accelerator are not in it."""


def starter(answers: Answers, target: Path) -> NewScenario:
    """Return a new scenario for a path, without writing it.

    Raises
    ------
    InputError
        When a name is unknown, no pair of a model and an accelerator is possible, or the scenario
        is not valid.
    """
    faults = Faults()
    apis = faults.attempt(lambda: api_parts(answers))
    traffic = faults.attempt(lambda: traffic_of(answers, target))
    pairs = None
    if answers.models and answers.gpus:
        longest_tok = traffic.longest_tok if traffic else 0
        pairs = faults.attempt(lambda: pairs_of(answers.models, answers.gpus, longest_tok))
    faults.check()
    assert traffic is not None
    assert apis is not None
    pairs = pairs or Pairs((), ())
    environment = Environment(
        loader=PackageLoader("simulator.scenario.starter"), undefined=StrictUndefined,
        trim_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters["yaml"] = _written
    text = environment.get_template("new.yaml.j2").render(
        name=_quoted(target.stem),
        file=target.name,
        about=_about(answers),
        start=_monday(SNAPSHOT_DATE).isoformat(),
        traffic=traffic,
        traffic_text=traffic_text(traffic.workloads),
        apis=apis,
        pairs=pairs.fitting,
        left_out=pairs.left_out,
        ttft=answers.ttft,
        tpot=answers.tpot,
        engineers=answers.engineers_fte,
    )
    _check(text, target)
    return NewScenario(text.rstrip() + "\n", pairs.left_out)


def _check(text: str, target: Path) -> None:
    """Build the scenario as if the file were already at its path."""
    with TemporaryDirectory() as elsewhere:
        draft = Path(elsewhere) / "new.yaml"
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        try:
            document = read_document(draft)
        except InputError as error:
            lines = (line.replace(str(draft), str(target)) for line in error.errors)
            raise InputError(*lines) from None
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


def _about(answers: Answers) -> str:
    """Return what the scenario is about."""
    if answers.workloads:
        return "API or own hardware, for measured usage"
    return "API or own hardware" + (", on the requests of a log" if answers.trace else "")
