"""From a checked scenario to a study: the last place that knows YAML names and positions."""

from dataclasses import replace
from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from simulator.analysis.study import (
    ApiOption,
    Effort,
    HybridOption,
    Option,
    People,
    SelfHostOption,
    Slo,
    Study,
)
from simulator.economics.interval import Interval
from simulator.engine.plan import Autoscaler, Fleet
from simulator.errors import nearest
from simulator.scenario import schema
from simulator.scenario.api_schema import Api, Gateway
from simulator.scenario.calibration_file import calibrated
from simulator.scenario.deployments import deployment
from simulator.scenario.endpoints import Clock, api_option
from simulator.scenario.gateways import gateway_option
from simulator.scenario.load import read_scenario
from simulator.scenario.owning_schema import plain, purchased, rent_factor
from simulator.scenario.price_book import PriceBook
from simulator.scenario.profiles import load_accelerator, load_profile
from simulator.scenario.serving_profile import serving_profile
from simulator.scenario.traffic import build_traffic
from simulator.scenario.yamlfile import Document, Path_
from simulator.serving.deployment import Deployment
from simulator.serving.parallelism import Parallelism
from simulator.serving.speculation import Speculation
from simulator.traffic.source import TrafficSource

T = TypeVar("T")


def load_study(
    name: str | Path, settings: list[str] | None = None, seed: int | None = None
) -> Study:
    """Read a scenario and build its study; see ``read_scenario`` for the parameters."""
    scenario, document = read_scenario(name, settings, seed)
    return build(scenario, document)


def build(scenario: schema.Scenario, document: Document) -> Study:
    """Turn a scenario into plain values and arrays.

    Raises
    ------
    InputError
        At the place in the file whose value cannot be built: an unknown name, a model that does
        not fit its GPUs, a trace with a bad line.
    """
    provenance: dict[str, dict[str, str]] = {"prices": {}, "hardware": {}}
    built: dict[str, Option] = {}
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
    for name, option in scenario.options.items():
        if isinstance(option, Api):
            built[name] = _api(name, option, document, book, clock, contents)
            provenance["prices"][option.offer] = _source(book, option)
        elif isinstance(option, schema.SelfHost):
            built[name] = _self_host(name, option, document, provenance)
    for name, option in scenario.options.items():
        if isinstance(option, Gateway):
            built[name] = _gateway(name, option, document, built, tuple(contents))
    for name, option in scenario.options.items():
        if isinstance(option, schema.Hybrid):
            built[name] = _hybrid(name, option, document, built)
    provenance["versions"] = {
        name: version(name) for name in ("breakeven", "numpy", "numba", "simpy", "genai-prices")
    }
    people = scenario.people
    return Study(
        name=scenario.name,
        seed=scenario.seed,
        epoch_s=midnight.timestamp(),
        traffic=traffic,
        slo=Slo(**scenario.slo.model_dump()),
        options=tuple(built[name] for name in scenario.options),
        people=People(
            plain(people.engineers_fte),
            plain(people.engineer_usd_per_year),
            {
                "tooling": plain(people.tooling_usd_per_month),
                **{name: plain(usd) for name, usd in people.monthly_usd.items()},
            },
        ),
        effort=Effort(
            scenario.analysis.worlds,
            tuple(scenario.analysis.volumes),
            scenario.analysis.sample_requests,
            scenario.analysis.max_replicas,
        ),
        provenance=provenance,
        notes=notes,
    )


def _price_book(scenario: schema.Scenario, document: Document) -> PriceBook:
    if scenario.price_file is None:
        return PriceBook()
    path = document.path.parent / scenario.price_file
    return document.made(("price_file",), lambda: PriceBook.with_file(path))


def _contents(scenario: schema.Scenario, traffic: TrafficSource) -> dict[str, str]:
    """What each workload writes; those of a log are all alike."""
    said = list(scenario.traffic.values())
    return {name: scenario.traffic.get(name, said[0]).content for name in traffic.workload_names}


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
        ("options", name, "policy"), lambda: gateway_option(name, option, members, workloads)
    )


def _self_host(
    name: str, option: schema.SelfHost, document: Document, provenance: dict[str, dict[str, str]]
) -> SelfHostOption:
    here = ("options", name)
    served = _deployment(option, document, here)
    gpu, c = served.gpu, served.coefficients
    kv = document.made(
        (*here, "gpus_per_replica"),
        lambda: served.kv(option.memory_utilization, option.block_tokens),
    )
    if option.max_batched_tokens < option.max_sequences:
        raise document.fail(
            (*here, "max_batched_tokens"), "must be at least max_sequences: one token for each"
        )
    engine, overhead_s = served.engine, option.request_overhead_s
    scaler = option.autoscale
    fleet = Fleet(
        step_time=served.step_time(option.max_batched_tokens),
        kv=kv,
        max_batched_tok=option.max_batched_tokens,
        max_sequences=option.max_sequences,
        max_model_tok=min(option.max_model_tokens, served.model.context_tok),
        prefix_cache=option.prefix_cache,
        request_overhead_s=engine.request_s if overhead_s is None else overhead_s,
        request_token_s=engine.request_token_s if overhead_s is None else 0.0,
        reserves_output=engine.reserves_output,
        replicas=1,
        cold_start_s=option.cold_start_s,
        autoscaler=Autoscaler(**scaler.model_dump()) if scaler else None,
    )
    zero_shot = f"{served.model.serving_class} class, zero-shot"
    origin = "calibrated" if option.calibration else zero_shot
    provenance["hardware"][name] = (
        f"{served.model.source}; {gpu.source}; step time: {origin}, "
        f"throughput within {c.band_low - 1:+.0%} to {c.band_high - 1:+.0%}"
    )
    return SelfHostOption(
        name=name,
        fleet=fleet,
        replicas=None if option.replicas == "auto" else option.replicas,
        spare_replicas=option.spare_replicas,
        gpus_per_replica=option.gpus_per_replica,
        gpu_usd_per_hour=_gpu_usd_per_hour(option, document, here),
        bought=option.purchase is not None,
        speed=Interval(c.band_low, 1.0, c.band_high),
        label=served.label,
        success_rate=option.success_rate,
    )


def _gpu_usd_per_hour(option: schema.SelfHost, document: Document, here: Path_) -> Interval:
    """What an hour of one accelerator costs, rented or bought."""
    name = option.accelerator
    bought = option.purchase
    if bought is not None:
        return document.made(
            (*here, "purchase"),
            lambda: purchased(bought, name, load_profile(name)).total_usd_per_gpu_hour(),
        )
    _, rents = load_accelerator(name)
    given = option.rent_usd_per_gpu_hour
    rent = rents.get(option.commitment) if given is None else plain(given)
    if rent is None:
        raise document.fail(
            (*here, "accelerator"),
            f"no {option.commitment} rent of {name} is known: give rent_usd_per_gpu_hour",
        )
    moving = option.rent_path
    if moving is None:
        return rent
    return rent.scaled(
        document.made((*here, "rent_path"), lambda: rent_factor(moving, document.path.parent))
    )


def _deployment(option: schema.SelfHost, document: Document, here: Path_) -> Deployment:
    """What one replica is, by the names of its profiles."""
    stages = option.pipeline_stages
    if option.gpus_per_replica % stages:
        raise document.fail(
            (*here, "pipeline_stages"),
            f"must divide the {option.gpus_per_replica} GPUs of a replica",
        )
    spread = document.made(
        (*here, "expert_parallel"),
        lambda: Parallelism(
            option.gpus_per_replica // stages,
            stages,
            option.expert_parallel,
            option.data_parallel_attention,
        ),
    )
    gpu, _ = document.made((*here, "accelerator"), lambda: load_accelerator(option.accelerator))
    document.made(
        (*here, "engine"), lambda: serving_profile().engine(option.engine, gpu.generation)
    )
    found = document.made(
        (*here, "model"),
        lambda: deployment(
            serving_profile(),
            option.model,
            option.accelerator,
            option.engine,
            spread,
            option.weight_precision,
            option.kv_precision,
        ),
    )
    if option.calibration is not None:
        path = document.path.parent / option.calibration
        found = document.made((*here, "calibration"), lambda: calibrated(found, path))
    guess = option.speculation
    return replace(
        found,
        kv_tok=option.kv_tokens,
        speculation=Speculation(
            guess.draft_tokens, guess.acceptance, guess.decay, guess.draft_step_share
        )
        if guess
        else None,
    )


def _hybrid(
    name: str, option: schema.Hybrid, document: Document, built: dict[str, Option]
) -> HybridOption:
    def part(field: str, wanted: str, kind: type[T]) -> T:
        found = built.get(wanted)
        if not isinstance(found, kind):
            fitting = [n for n, o in built.items() if isinstance(o, kind)]
            what = "selfhost" if kind is SelfHostOption else "api"
            raise document.fail(
                ("options", name, field),
                f"{wanted!r} is no {what} option{nearest(wanted, fitting)}",
            )
        return found

    return HybridOption(
        name,
        part("base", option.base, SelfHostOption),
        part("overflow", option.overflow, ApiOption),
        None if option.replicas == "auto" else option.replicas,
        None if option.spill_in_flight == "auto" else option.spill_in_flight,
    )
