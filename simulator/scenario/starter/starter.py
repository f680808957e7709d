"""Write a new scenario from a few answers: commented, complete and checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from os.path import relpath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from simulator.errors import InputError
from simulator.files.writing import made_folder
from simulator.pricing.book import SNAPSHOT_DATE
from simulator.scenario.building.study import load_document
from simulator.scenario.catalog.deployments import deployment, usual_precision
from simulator.scenario.catalog.names import known_gpu, known_model
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.catalog.profiles import load_accelerator, load_model, profile_names
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.scenario.document.document import parse_value
from simulator.scenario.resolve.load import read_document
from simulator.scenario.resolve.presets import load_preset
from simulator.serving.parallelism import Parallelism
from simulator.traffic.formats.catalog import format_of, read_log, source_of
from simulator.traffic.formats.records.reading import Skips
from simulator.units import DAY_S, HOUR_S, WEEK_S

MOST_GPUS = 16
"""Most GPUs of a replica that are tried for a model."""
LEAST_KV_TOKENS = 32768
"""KV cache in tokens that a replica needs at least, so that it can serve one long prompt."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of the user, from which a new scenario is written."""

    offers: Sequence[str]
    """Names of offers, as ``provider/model``; without any, the scenario has no API."""
    model: str | None
    """Model to self-host; None for no self-hosted option."""
    gpu: str | None
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


def starter(answers: Answers, target: Path) -> str:
    """Return the text of a new scenario for a path, without writing it.

    Raises
    ------
    InputError
        When a name is unknown, no number of GPUs holds the model, or the scenario is not valid.
    """
    names = _offer_names(answers.offers)
    log = _log_values(answers.trace, target) if answers.trace else None
    preset = None if answers.trace or not answers.preset else _preset_values(answers.preset)
    environment = Environment(
        loader=PackageLoader("simulator.scenario.starter"), undefined=StrictUndefined,
        trim_blocks=True, autoescape=False,
    )  # fmt: skip
    volume = answers.requests_per_month
    text = environment.get_template("new.yaml.j2").render(
        name=_quoted(target.stem),
        file=target.name,
        about="API or own hardware, on the requests of a log" if log else "API or own hardware",
        start=_monday(SNAPSHOT_DATE).isoformat(),
        log=log,
        preset=preset,
        requests_per_month=_plain_number(volume),
        fewest=_plain_number(volume / 10) if volume else None,
        offers=[{"name": name, "offer": offer} for offer, name in names.items()],
        own=_deployment_values(answers.model, answers.gpu)
        if answers.model and answers.gpu
        else None,
        ttft=answers.ttft,
        tpot=answers.tpot,
        engineers=answers.engineers_fte,
    )
    _check(text, target)
    return text.rstrip() + "\n"


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


def _plain_number(value: float | None) -> float | None:
    """Return a number without a decimal point if it is whole."""
    return value if value is None or value % 1 else int(value)


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


def _preset_values(name: str) -> dict[str, Any]:
    """Return the values of a preset for the template."""
    data = load_preset(name).data
    return {"name": name, "about": data["about"], "source": " ".join(data["source"].split())}


def _offer_names(offers: Sequence[str]) -> dict[str, str]:
    """Return names of options by offer: the model, with its provider if it is ambiguous."""
    models = {offer: offer.rpartition("/")[2] for offer in map(_simulated_offer, offers)}
    shared = {model for model in models.values() if list(models.values()).count(model) > 1}
    return {
        offer: (offer.replace("/", "-") if model in shared else model).replace(".", "-")
        for offer, model in models.items()
    }


def _simulated_offer(name: str) -> str:
    """Return the book's name of an offer that can be simulated; its name with a region stays."""
    book = PriceBook()
    found = book.find(name)
    book.simulated(found.offer)
    book.card(name)
    return found.offer if found.region is None else name


def _deployment_values(model: str, gpu: str) -> dict[str, Any]:
    """Return a deployment on the fewest GPUs that hold the model and a useful cache."""
    shape = load_model(known_model(model, profile_names("models")))
    name = known_gpu(gpu, profile_names("accelerators"))
    accelerator, _ = load_accelerator(name)
    weights = usual_precision(shape)
    if weights == "bf16" and "fp8" in accelerator.peak_tflops:
        weights = "fp8"
    kv = "fp8" if weights != "bf16" and "fp8" in accelerator.peak_tflops else "bf16"
    gpus = 1
    while gpus <= MOST_GPUS:
        served = deployment(
            serving_profile(), shape.name, name, "vllm", Parallelism(gpus), weights, kv
        )
        try:
            space = served.kv()
        except InputError:
            space = None
        if space is not None and space.longest_tok >= LEAST_KV_TOKENS:
            return {
                "name": f"own-{name}", "model": shape.name, "gpu": name, "gpus": gpus,
                "weights": weights, "kv": kv,
            }  # fmt: skip
        gpus *= 2
    raise InputError(f"{shape.name} does not fit {MOST_GPUS} x {name} in {weights}")


def _log_values(trace: Path, target: Path) -> dict[str, Any]:
    """Return the values of a log for the template."""
    source = source_of(str(trace))
    log_format = format_of(source)
    log = read_log(source, log_format, Skips(allowed=False))
    span_s = log.span_s
    shown = f"{span_s / DAY_S:.1f} days" if span_s > 2 * DAY_S else f"{span_s / HOUR_S:.1f} hours"
    return {
        "path": _quoted(relpath(trace, target.parent)),
        "format": log_format.name,
        "requests": f"{log.rows.size:,}",
        "span": shown,
        "short": span_s < WEEK_S * 0.9,
    }
