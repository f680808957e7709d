"""From a checked scenario to a study: the last place that knows YAML names and positions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from functools import partial
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
from simulator.errors import InputError, nearest
from simulator.pricing.caching import NO_CACHE
from simulator.scenario import schema
from simulator.scenario.load import read_scenario
from simulator.scenario.price_book import load_offer
from simulator.scenario.profiles import load_accelerator, load_model, load_serving_class
from simulator.scenario.yamlfile import Document
from simulator.serving.capacity import kv_capacity
from simulator.serving.steptime import physical_step_time
from simulator.traffic.readers.azure import read_azure
from simulator.traffic.readers.mooncake import read_mooncake
from simulator.traffic.sessions import Lognormal, SessionTraffic
from simulator.traffic.shapes import week_shape
from simulator.traffic.source import GeneratedTraffic, ReplayedTraffic, TrafficSource
from simulator.units import HOUR_S, MONTH_S

T = TypeVar("T")

_READERS = {"mooncake": read_mooncake, "azure": read_azure}


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
    provenance: dict[str, dict[str, str]] = {"prices": {}, "hardware": {}, "traffic": {}}
    built: dict[str, Option] = {}
    for name, option in scenario.options.items():
        if isinstance(option, schema.Api):
            built[name] = _api(name, option, document, provenance)
        elif isinstance(option, schema.SelfHost):
            built[name] = _self_host(name, option, document, provenance)
    for name, option in scenario.options.items():
        if isinstance(option, schema.Hybrid):
            built[name] = _hybrid(name, option, document, built)
    traffic, notes = _traffic(scenario, document, provenance)
    if scenario.start.weekday() != 0:
        raise document.fail(("start",), f"start must be a Monday, {scenario.start:%A} given")
    midnight = datetime.combine(scenario.start, time(), UTC)
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
            _interval(people.engineers_fte),
            _interval(people.engineer_usd_per_year),
            _interval(people.tooling_usd_per_month),
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


def _at(document: Document, path: tuple[str | int, ...], make: Callable[[], T]) -> T:
    """Make a value, and name its place in the file when that fails."""
    try:
        return make()
    except InputError as error:
        raise document.fail(path, str(error)) from None


def _interval(value: float | schema.Interval) -> Interval:
    if isinstance(value, schema.Interval):
        return Interval(value.low, value.mid, value.high)
    return Interval.certain(value)


def _lognormal(lengths: schema.Lengths) -> Lognormal:
    return Lognormal(lengths.median, lengths.sigma, lengths.most)


def _traffic(
    scenario: schema.Scenario, document: Document, provenance: dict[str, dict[str, str]]
) -> tuple[TrafficSource, tuple[str, ...]]:
    sessions = []
    for name, workload in scenario.traffic.items():
        if isinstance(workload, schema.Replay):
            return _replay(name, workload, scenario.seed, document, provenance)
        sessions.append(
            SessionTraffic(
                name=name,
                requests_per_s=workload.requests_per_month / MONTH_S,
                week=_at(document, ("traffic", name, "week"), partial(week_shape, workload.week)),
                turns_mean=workload.turns_mean,
                gap_s=_lognormal(workload.gap_s),
                system_prompt_tok=workload.system_prompt_tokens,
                message_tok=_lognormal(workload.message_tokens),
                output_tok=_lognormal(workload.output_tokens),
                max_output_tok=workload.max_output_tokens,
                max_prompt_tok=workload.max_prompt_tokens,
                prefix_share=workload.prefix_share,
            )
        )
        provenance["traffic"][name] = f"generated sessions, week shape {workload.week}"
    notes: tuple[str, ...] = ()
    if scenario.horizon_hours % 168:
        notes = ("the horizon is not a whole number of weeks: its hours stand for the month",)
    return GeneratedTraffic(tuple(sessions), scenario.horizon_hours * HOUR_S), notes


def _replay(
    name: str,
    replay: schema.Replay,
    seed: int,
    document: Document,
    provenance: dict[str, dict[str, str]],
) -> tuple[TrafficSource, tuple[str, ...]]:
    path = Path(replay.path)
    if not path.is_absolute() and not path.is_file():
        path = document.path.parent / path
    if not path.is_file():
        raise document.fail(("traffic", name, "path"), f"{replay.path}: no such file")
    table = _READERS[replay.format](path, seed, name)
    provenance["traffic"][name] = f"replay of {path.name}, {table.size} requests"
    # One mean gap after the last arrival closes the span, so that a repeat would not touch it.
    horizon_s = float(table.arrival_s[-1]) * (1 + 1 / max(1, table.size - 1)) or 1.0
    notes: tuple[str, ...] = ()
    if horizon_s < 7 * 24 * HOUR_S:
        hours = horizon_s / HOUR_S
        notes = (f"{hours:.1f} h of trace stand for the month: no daily or weekly peaks",)
    return ReplayedTraffic(table, horizon_s), notes


def _api(
    name: str, option: schema.Api, document: Document, provenance: dict[str, dict[str, str]]
) -> ApiOption:
    card, endpoint, source = _at(
        document, ("options", name, "offer"), lambda: load_offer(option.offer)
    )
    if not option.caching:
        endpoint = replace(endpoint, cache=NO_CACHE)
    if option.price_multiplier != 1.0:
        card = card.scaled(option.price_multiplier)
    parts = (f"{card.source}, as of {card.as_of}", "" if source == card.source else source)
    provenance["prices"][option.offer] = "; ".join(part for part in parts if part)
    return ApiOption(name, card, endpoint, option.success_rate)


def _self_host(
    name: str, option: schema.SelfHost, document: Document, provenance: dict[str, dict[str, str]]
) -> SelfHostOption:
    here = ("options", name)
    gpu, rent = _at(document, (*here, "accelerator"), lambda: load_accelerator(option.accelerator))
    model = _at(document, (*here, "model"), lambda: load_model(option.model))
    kv = _at(
        document,
        (*here, "gpus_per_replica"),
        lambda: kv_capacity(
            model,
            gpu,
            gpus=option.gpus_per_replica,
            weight_precision=option.weight_precision,
            kv_precision=option.kv_precision,
            memory_utilization=option.memory_utilization,
            block_tok=option.block_tokens,
        ),
    )
    if option.max_batched_tokens < option.max_sequences:
        raise document.fail(
            (*here, "max_batched_tokens"), "must be at least max_sequences: one token for each"
        )
    coefficients = load_serving_class(model.serving_class)
    step = physical_step_time(
        model,
        gpu,
        coefficients,
        gpus=option.gpus_per_replica,
        weight_precision=option.weight_precision,
        kv_precision=option.kv_precision,
        max_batched_tok=option.max_batched_tokens,
    )
    scaler = option.autoscale
    fleet = Fleet(
        step_time=step,
        kv=kv,
        max_batched_tok=option.max_batched_tokens,
        max_sequences=option.max_sequences,
        max_model_tok=min(option.max_model_tokens, model.context_tok),
        prefix_cache=option.prefix_cache,
        request_overhead_s=option.request_overhead_s,
        replicas=1,
        cold_start_s=option.cold_start_s,
        autoscaler=Autoscaler(**scaler.model_dump()) if scaler else None,
    )
    provenance["hardware"][name] = (
        f"{model.source}; {gpu.source}; step time: {model.serving_class} class, zero-shot, "
        f"throughput within {coefficients.band_low - 1:+.0%} to {coefficients.band_high - 1:+.0%}"
    )
    given = option.rent_usd_per_gpu_hour
    return SelfHostOption(
        name=name,
        fleet=fleet,
        replicas=None if option.replicas == "auto" else option.replicas,
        spare_replicas=option.spare_replicas,
        gpus_per_replica=option.gpus_per_replica,
        rent_usd_per_gpu_hour=rent if given is None else _interval(given),
        speed=Interval(coefficients.band_low, 1.0, coefficients.band_high),
        label=f"{option.gpus_per_replica}x{gpu.name}, {model.name} {option.weight_precision}",
        success_rate=option.success_rate,
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
