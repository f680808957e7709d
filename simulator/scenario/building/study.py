"""Build the study of a checked scenario; later stages know no YAML names or locations."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simulator.analysis.study.options import Option
from simulator.analysis.study.study import Effort, People, Quality, Slo, Study
from simulator.economics.future import Future
from simulator.errors import Faults
from simulator.scenario.building.endpoints import Clock
from simulator.scenario.building.evaluated import apply_evaluations
from simulator.scenario.building.options import build_options
from simulator.scenario.building.price_notes import price_notes
from simulator.scenario.building.references import workloads_named_by
from simulator.scenario.building.traffic import build_traffic
from simulator.scenario.building.volume import Horizon
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.attachments import AttachedFile, read_attached_files, write_copies
from simulator.scenario.document.document import Document, PlacedFaults, with_values
from simulator.scenario.resolve.load import read_document, resolve
from simulator.scenario.resolve.sound import sound_part
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema import scenario as schema
from simulator.scenario.schema.composites import Cascade
from simulator.scenario.schema.owning import future_of, plain
from simulator.scenario.schema.traffic import Replay
from simulator.traffic.source import TrafficSource
from simulator.units import HOUR_S

WORLDS = 512
"""Default number of draws if only rates and speeds are uncertain, which needs few simulations."""
SIMULATED_WORLDS = 64
"""Default number of draws if numbers of the scenario are uncertain: every draw is simulated."""


@dataclass(frozen=True, slots=True)
class Variations:
    """Builds the studies of a scenario with some of its values changed."""

    document: Document
    """Scenario as written in its file, with all settings applied."""
    files: tuple[AttachedFile, ...] = ()
    """Copies of the files that the scenario names, for machines that do not have them."""

    def __call__(self, values: Mapping[str, Any]) -> Study:
        """Return the study with other values at some paths."""
        document = with_values(self.document, values)
        return load_document(replace(document, copies=write_copies(self.files))).study


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario from its file, and the study built from it."""

    scenario: schema.Scenario
    document: Document
    study: Study
    variations: Variations

    @property
    def portable(self) -> Study:
        """The study in a form that can be answered on a machine without the scenario's files."""
        if not self.study.numbers:
            return self.study  # without uncertain numbers it is never rebuilt
        files = read_attached_files(self.document.data, self.document)
        return replace(self.study, rebuild=replace(self.variations, files=files))


def load(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Loaded:
    """Read a scenario and build its study; see ``read_document`` for the parameters."""
    return load_document(read_document(name, settings, seed))


def load_document(document: Document) -> Loaded:
    """Build the study of a document as its file states it, with all settings applied.

    Raises
    ------
    InputError
        With a line for everything that is wrong, with its file, line and column.
    """
    faults = PlacedFaults()
    scenario, resolved = resolve(document, faults)
    if scenario is None:
        note_further_faults(resolved, faults)
        faults.check()
    assert scenario is not None
    variations = Variations(document)
    study = replace(build(scenario, resolved), rebuild=variations)
    return Loaded(scenario, resolved, study, variations)


def load_study(
    name: str | Path, settings: Sequence[str] | None = None, seed: int | None = None
) -> Study:
    """Return the study of a scenario alone; see ``read_document`` for the parameters."""
    return load(name, settings, seed).study


def build(scenario: schema.Scenario, document: Document) -> Study:
    """Turn a checked scenario into plain values and arrays.

    Raises
    ------
    InputError
        With a line for every value that cannot be built, with its location in the file: a model
        that does not fit its GPUs, an unknown offer, a trace with a bad line.
    """
    faults = Faults()
    parts = _parts(scenario, document, faults)
    faults.check()
    scenario, traffic = parts.scenario, parts.traffic
    assert traffic is not None
    parts.provenance["versions"] = {
        name: version(name) for name in ("breakeven", "numpy", "numba", "simpy", "genai-prices")
    }
    people = scenario.people
    options = tuple(parts.built[name] for name in scenario.options)
    months = scenario.future.months if scenario.future else None
    return Study(
        name=scenario.name,
        seed=scenario.seed,
        epoch_s=parts.clock.begin_s,
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
            scenario.analysis.warm_up_hours * HOUR_S,
        ),
        future=parts.future,
        provenance=parts.provenance,
        notes=(*parts.notes, *price_notes(options, parts.clock, months)),
        quality=_quality(scenario),
        numbers=document.uncertain,
        priorities=_priorities(scenario, traffic),
    )


def note_further_faults(document: Document, faults: PlacedFaults) -> None:
    """Note what cannot be built in the valid part of a scenario with faults."""
    part = sound_part(document, faults)
    if part is None:
        return
    book = _parts(part.scenario, document, faults, part.missing).book
    for name in part.missing:
        section = document.data["options"][name]
        offer = section.get("offer") if isinstance(section, dict) else None
        at = ("options", name, "offer")
        if isinstance(offer, str) and not faults.known.cover(at):
            with faults.collected():
                document.made(at, partial(book.simulated, offer))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts of a study that are built independently of one another."""

    scenario: schema.Scenario
    """The scenario with the figures of its evaluations."""
    traffic: TrafficSource | None
    """Source of the requests; None if it has a fault."""
    clock: Clock
    book: PriceBook
    built: dict[str, Option]
    """Options without a fault, by name."""
    future: Future | None
    notes: tuple[str, ...]
    provenance: dict[str, dict[str, str]]


def _parts(
    scenario: schema.Scenario,
    document: Document,
    faults: Faults,
    missing: Collection[str] = (),
) -> _Parts:
    """Build the parts of a study, and note the faults of each.

    ``missing`` are the options whose sections are not valid.
    """
    provenance: dict[str, dict[str, str]] = {"prices": {}, "hardware": {}}
    if any(getattr(option, "evaluated_as", None) for option in scenario.options.values()):
        scenario = apply_evaluations(scenario, document, faults)
    traffic: TrafficSource | None = None
    notes: tuple[str, ...] = ()
    with faults.collected():
        traffic, provenance["traffic"], notes = build_traffic(
            scenario.traffic,
            Horizon(scenario.start, scenario.horizon_hours),
            scenario.seed,
            document,
        )
    if scenario.start.weekday() != 0:
        problem = f"start must be a Monday, {scenario.start:%A} given"
        faults.add(document.fail(("start",), problem))
    begin_s = datetime.combine(scenario.start, time(), UTC).timestamp()
    horizon_s = traffic.horizon_s if traffic else scenario.horizon_hours * HOUR_S
    clock = Clock(begin_s, begin_s + horizon_s, scenario.seed)
    book = faults.attempt(lambda: _price_book(scenario, document))
    built: dict[str, Option] = {}
    if book is not None:
        names = traffic.workload_names if traffic else _named_workloads(scenario)
        contents = _contents(scenario, names)
        built = build_options(
            scenario, document, book, clock, contents, provenance, faults, missing
        )
    if scenario.analysis.warm_up_hours * HOUR_S >= horizon_s:
        problem = f"must be less than the {horizon_s / HOUR_S:g} hours of traffic"
        faults.add(document.fail(("analysis", "warm_up_hours"), problem))
    future = faults.attempt(lambda: _future(scenario, document))
    return _Parts(
        scenario, traffic, clock, book or PriceBook(), built, future, notes, provenance
    )  # fmt: skip


def _named_workloads(scenario: schema.Scenario) -> list[str]:
    """Return the workloads of traffic that cannot be built: those that the scenario names.

    The workloads of a log are not known if it cannot be read: whatever an option names may be one.
    """
    names = dict.fromkeys(scenario.traffic)
    if any(isinstance(workload, Replay) for workload in scenario.traffic.values()):
        for option in scenario.options.values():
            names |= dict.fromkeys(workloads_named_by(option))
    return list(names)


def _future(scenario: schema.Scenario, document: Document) -> Future | None:
    section = scenario.future
    if section is None:
        return None

    def find(path: str, name: str) -> Path:
        return document.file(("future", path, "file"), name)

    return document.made(("future",), lambda: future_of(section, find))


def _slo(section: schema.Slo) -> Slo:
    """Return the limits, and the shares of requests that must meet them."""
    shares = {str(name): float(text[1:]) / 100 for name, text in section.percentiles.items()}
    jointly = section.attainment
    if jointly is None:
        jointly = 0.0 if shares else 0.95
    return Slo(section.ttft_s, section.tpot_s, section.e2e_s, jointly, shares)


def _price_book(scenario: schema.Scenario, document: Document) -> PriceBook:
    if scenario.price_file is None:
        return PriceBook()
    path = document.file(("price_file",), scenario.price_file)
    return document.made(("price_file",), lambda: PriceBook.with_file(path))


def _contents(scenario: schema.Scenario, workloads: Iterable[str]) -> dict[str, str]:
    """Return the kind of output of each workload; all workloads of a log have the same."""
    sections = list(scenario.traffic.values())
    return {name: scenario.traffic.get(name, sections[0]).content for name in workloads}


def _quality(scenario: schema.Scenario) -> Quality | None:
    """Return how answers are checked; a cascade checks them without such a section, too."""
    section = scenario.quality
    if section is None and any(isinstance(option, Cascade) for option in scenario.options.values()):
        section = composite_schema.Quality()
    if section is None:
        return None
    return Quality(**section.model_dump(exclude={"evaluations", "reference"}))


def _priorities(scenario: schema.Scenario, traffic: TrafficSource) -> tuple[int, ...]:
    """Return the priority of each workload; all workloads of a log have the same."""
    sections = list(scenario.traffic.values())
    names = traffic.workload_names
    return tuple(scenario.traffic.get(name, sections[0]).priority for name in names)
