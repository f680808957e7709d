"""From a checked scenario to a study: the last place that knows YAML names and positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from simulator.analysis.simulate.evaluate import reshaping_of, success_rate_of
from simulator.analysis.study.study import (
    ApiOption,
    Choice,
    Effort,
    HybridOption,
    Option,
    People,
    Quality,
    Rebalancing,
    SelfHostOption,
    Slo,
    Study,
    single_options,
)
from simulator.analysis.study.study import Cascade as StudyCascade
from simulator.economics.future import Future
from simulator.errors import nearest
from simulator.scenario.building.composites import cascade, choice, hybrid_of, pools
from simulator.scenario.building.endpoints import Clock, api_option
from simulator.scenario.building.evaluated import evaluated
from simulator.scenario.building.gateways import gateway_option
from simulator.scenario.building.partners import with_partners
from simulator.scenario.building.price_notes import price_notes
from simulator.scenario.building.selfhost import self_host_option
from simulator.scenario.building.traffic import build_traffic
from simulator.scenario.catalog.price_book import PriceBook
from simulator.scenario.document.attachments import AttachedFile, read_attached_files, write_copies
from simulator.scenario.document.document import Document, with_values
from simulator.scenario.resolve.load import check_scenario, read_document
from simulator.scenario.schema import composites as composite_schema
from simulator.scenario.schema import scenario as schema
from simulator.scenario.schema.api import Api, Gateway
from simulator.scenario.schema.composites import Cascade, Pools
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
    built = _options(scenario, document, book, clock, contents, provenance)
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


def _options(
    scenario: schema.Scenario,
    document: Document,
    book: PriceBook,
    clock: Clock,
    contents: dict[str, str],
    provenance: dict[str, dict[str, str]],
) -> dict[str, Option]:
    """Build all options, those that name others behind them, and note their sources."""
    built: dict[str, Option] = {}
    workloads, said = list(contents), scenario.options
    attempts = scenario.quality.attempts if scenario.quality else 1

    def deploy(name: str, option: schema.SelfHost) -> SelfHostOption:
        return self_host_option(name, option, document, clock, provenance["hardware"])

    for name, option in said.items():
        if isinstance(option, Api):
            built[name] = _api(name, option, document, book, clock, contents)
            provenance["prices"][option.offer] = _source(book, option)
        elif isinstance(option, schema.SelfHost) and option.choose:
            built[name] = choice(name, option, document, deploy)
        elif isinstance(option, schema.SelfHost):
            built[name] = deploy(name, option)
    alone = {name: option for name, option in built.items() if isinstance(option, SelfHostOption)}
    for name, option in said.items():
        if isinstance(option, schema.SelfHost):
            found = built[name]
            joined = [
                with_partners(name, single, option, document, alone, workloads)
                for single in single_options(found)
                if isinstance(single, SelfHostOption)
            ]
            if isinstance(found, Choice):
                built[name] = replace(found, candidates=tuple(joined))
            else:
                (built[name],) = joined
        elif isinstance(option, Gateway):
            built[name] = _gateway(
                name, option, document, built, tuple(contents), clock.end_s - clock.begin_s
            )
    for name, option in said.items():
        if isinstance(option, schema.Hybrid):
            built[name] = _hybrid(name, option, document, built, attempts)
    for name, option in said.items():
        if isinstance(option, Pools):
            built[name] = pools(name, option, document, built, workloads)
        elif isinstance(option, Cascade):
            built[name] = cascade(name, option, document, built)
    return built


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


def _api(
    name: str,
    option: Api,
    document: Document,
    book: PriceBook,
    clock: Clock,
    contents: dict[str, str],
) -> ApiOption:
    return document.made(
        ("options", name, "offer"), lambda: api_option(name, option, book, clock, contents)
    )


def _source(book: PriceBook, option: Api) -> str:
    card, source = book.card(option.offer), book.simulated(option.offer).source
    parts = (f"{card.source}, as of {card.as_of}", "" if source in card.source else source)
    return "; ".join(part for part in parts if part)


def _gateway(
    name: str,
    option: Gateway,
    document: Document,
    built: dict[str, Option],
    workloads: tuple[str, ...],
    span_s: float,
) -> ApiOption:
    members = []
    for place, wanted in enumerate(option.targets):
        found = built.get(wanted)
        if not isinstance(found, ApiOption):
            fitting = [n for n, o in built.items() if isinstance(o, ApiOption)]
            raise document.fail(
                ("options", name, "targets", place),
                f"{wanted!r} is no api option{nearest(wanted, fitting)}",
            )
        members.append(found)
    return document.made(
        ("options", name, "policy"),
        lambda: gateway_option(name, option, members, workloads, span_s),
    )


def _hybrid(
    name: str,
    option: schema.Hybrid,
    document: Document,
    built: dict[str, Option],
    attempts: int,
) -> HybridOption | Choice:
    base, overflow = built.get(option.base), built.get(option.overflow)
    for field, wanted, found, what in (
        ("base", option.base, base, "selfhost"),
        ("overflow", option.overflow, overflow, "api"),
    ):
        if found is None or found.kind != what or isinstance(found, StudyCascade):
            fitting = [n for n, o in built.items() if o.kind == what]
            raise document.fail(
                ("options", name, field),
                f"{wanted!r} is no {what} option{nearest(wanted, fitting)}",
            )
    assert isinstance(base, SelfHostOption | Choice)
    assert isinstance(overflow, ApiOption)
    if reshaping_of(overflow) != reshaping_of(single_options(base)[0]):
        raise document.fail(
            ("options", name, "overflow"),
            "output_factor, split_prompts and retrieve must be those of the base",
        )
    rates = {success_rate_of(single) for single in (overflow, *single_options(base))}
    if attempts > 1 and len(rates) > 1:
        raise document.fail(
            ("options", name, "overflow"),
            "with quality.attempts, success_rate must be that of the base",
        )
    rule = Rebalancing(**option.rebalance.model_dump()) if option.rebalance else None

    def make(own: SelfHostOption) -> HybridOption:
        return HybridOption(
            name,
            own,
            overflow,
            None if option.replicas == "auto" else option.replicas,
            None if option.spill_in_flight == "auto" else option.spill_in_flight,
            rule,
        )

    return hybrid_of(name, base, make)
