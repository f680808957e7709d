"""From a checked scenario to a study: the last place that knows YAML names and positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simulator.analysis.study.study import Effort, People, Quality, Slo, Study
from simulator.economics.future import Future
from simulator.scenario.building.endpoints import Clock
from simulator.scenario.building.evaluated import evaluated
from simulator.scenario.building.options import build_options
from simulator.scenario.building.price_notes import price_notes
from simulator.scenario.building.traffic import build_traffic
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.attachments import AttachedFile, read_attached_files, write_copies
from simulator.scenario.document.document import Document, with_values
from simulator.scenario.resolve.load import check_scenario, read_document
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema import scenario as schema
from simulator.scenario.schema.composites import Cascade
from simulator.scenario.schema.owning import future_of, plain
from simulator.traffic.source import TrafficSource
from simulator.units import HOUR_S

WORLDS = 512
"""Of rates alone, which no simulation has to answer for."""
SIMULATED_WORLDS = 64
"""Where what happens depends on uncertain numbers: every world is simulated."""


@dataclass(frozen=True, slots=True)
class Variations:
    """Builds the studies of a scenario with some of its values changed."""

    document: Document
    """As its file says it, with all settings."""
    files: tuple[AttachedFile, ...] = ()
    """That it names, for where they are not."""

    def __call__(self, values: Mapping[str, Any]) -> Study:
        """Return the study with other values at some paths."""
        document = with_values(self.document, values)
        return loaded(replace(document, copies=write_copies(self.files))).study


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario from its file, and what became of it."""

    scenario: schema.Scenario
    document: Document
    study: Study
    variations: Variations

    @property
    def portable(self) -> Study:
        """The study as it can be answered on a machine that has none of the scenario's files."""
        if not self.study.numbers:
            return self.study  # nothing of it is built again
        files = read_attached_files(self.document.data, self.document)
        return replace(self.study, rebuild=replace(self.variations, files=files))


def load(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Loaded:
    """Read a scenario and build its study; see ``read_document`` for the parameters."""
    return loaded(read_document(name, settings, seed))


def loaded(said: Document) -> Loaded:
    """Build the study of a document as its file says it, with all settings."""
    scenario, document = check_scenario(said)
    variations = Variations(said)
    study = replace(build(scenario, document), rebuild=variations)
    return Loaded(scenario, document, study, variations)


def load_study(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Study:
    """Return the study of a scenario alone; see ``read_document`` for the parameters."""
    return load(name, settings, seed).study


def build(scenario: schema.Scenario, document: Document) -> Study:
    """Turn a scenario into plain values and arrays.

    Raises
    ------
    InputError
        At the place in the file whose value cannot be built: an unknown name, a model that does
        not fit its GPUs, a trace with a bad line.
    """
    provenance: dict[str, dict[str, str]] = {"prices": {}, "hardware": {}}
    scenario = evaluated(scenario, document)
    traffic, provenance["traffic"], notes = build_traffic(
        scenario.traffic, scenario.horizon_hours, scenario.seed, document
    )
    if scenario.start.weekday() != 0:
        raise document.fail(("start",), f"start must be a Monday, {scenario.start:%A} given")
    midnight = datetime.combine(scenario.start, time(), UTC)
    begin_s = midnight.timestamp()
    clock = Clock(begin_s, begin_s + traffic.horizon_s, scenario.seed)
    contents = _contents(scenario, traffic)
    book = _price_book(scenario, document)
    built = build_options(scenario, document, book, clock, contents, provenance)
    provenance["versions"] = {
        name: version(name) for name in ("breakeven", "numpy", "numba", "simpy", "genai-prices")
    }
    people = scenario.people
    options = tuple(built[name] for name in scenario.options)
    months = scenario.future.months if scenario.future else None
    return Study(
        name=scenario.name,
        seed=scenario.seed,
        epoch_s=midnight.timestamp(),
        traffic=traffic,
        slo=_slo(scenario.slo),
        options=options,
        people=People(
            plain(people.engineers_fte),
            plain(people.engineer_usd_per_year),
            {
                "tooling": plain(people.tooling_usd_per_month),
                **{name: plain(usd) for name, usd in people.monthly_usd.items()},
            },
        ),
        effort=Effort(
            scenario.analysis.worlds or (SIMULATED_WORLDS if document.uncertain else WORLDS),
            tuple(scenario.analysis.volumes),
            scenario.analysis.sample_requests,
            scenario.analysis.max_replicas,
            _warm_up_s(scenario, traffic, document),
        ),
        future=_future(scenario, document),
        provenance=provenance,
        notes=(*notes, *price_notes(options, clock, months)),
        quality=_quality(scenario),
        numbers=document.uncertain,
        priorities=_priorities(scenario, traffic),
    )


def _future(scenario: schema.Scenario, document: Document) -> Future | None:
    said = scenario.future
    if said is None:
        return None

    def find(path: str, name: str) -> Path:
        return document.file(("future", path, "file"), name)

    return document.made(("future",), lambda: future_of(said, find))


def _slo(said: schema.Slo) -> Slo:
    """Limits, and the shares that must meet them."""
    shares = {str(name): float(text[1:]) / 100 for name, text in said.percentiles.items()}
    jointly = said.attainment
    if jointly is None:
        jointly = 0.0 if shares else 0.95
    return Slo(said.ttft_s, said.tpot_s, said.e2e_s, jointly, shares)


def _warm_up_s(scenario: schema.Scenario, traffic: TrafficSource, document: Document) -> float:
    warm_up_s = scenario.analysis.warm_up_hours * HOUR_S
    if warm_up_s >= traffic.horizon_s:
        raise document.fail(
            ("analysis", "warm_up_hours"),
            f"must be less than the {traffic.horizon_s / HOUR_S:g} hours of traffic",
        )
    return warm_up_s


def _price_book(scenario: schema.Scenario, document: Document) -> PriceBook:
    if scenario.price_file is None:
        return PriceBook()
    path = document.file(("price_file",), scenario.price_file)
    return document.made(("price_file",), lambda: PriceBook.with_file(path))


def _contents(scenario: schema.Scenario, traffic: TrafficSource) -> dict[str, str]:
    """What each workload writes; those of a log are all alike."""
    said = list(scenario.traffic.values())
    return {name: scenario.traffic.get(name, said[0]).content for name in traffic.workload_names}


def _quality(scenario: schema.Scenario) -> Quality | None:
    """How answers are checked; a cascade checks them, whatever is said."""
    said = scenario.quality
    if said is None and any(isinstance(option, Cascade) for option in scenario.options.values()):
        said = composite_schema.Quality()
    if said is None:
        return None
    return Quality(**said.model_dump(exclude={"evaluations", "reference"}))


def _priorities(scenario: schema.Scenario, traffic: TrafficSource) -> tuple[int, ...]:
    """What goes first, by workload; those of a log are all alike."""
    said = list(scenario.traffic.values())
    names = traffic.workload_names
    return tuple(scenario.traffic.get(name, said[0]).priority for name in names)
