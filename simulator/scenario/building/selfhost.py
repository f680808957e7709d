"""Build a self-hosted option, from a scenario's section and the hardware profiles."""

from dataclasses import replace
from functools import partial

from simulator.analysis.study.options import SelfHostOption
from simulator.economics.interval import Interval
from simulator.economics.purchase import Purchase
from simulator.engine.spec.plan import Fleet
from simulator.errors import Faults
from simulator.scenario.building.endpoints import Clock
from simulator.scenario.building.fleet_rules import (
    autoscaler,
    deferred_in_flight,
    engine_limits,
    interruptions,
    request_overhead_s,
    rollout,
    step_time,
)
from simulator.scenario.building.transforms import reshaping
from simulator.scenario.catalog.deployments import deployment
from simulator.scenario.catalog.profiles import load_accelerator, load_model, load_profile
from simulator.scenario.catalog.serving_profile import serving_profile
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.owning import plain, purchase_of, rent_factor
from simulator.scenario.schema.scenario import SelfHost
from simulator.scenario.tables.calibration_file import calibrated
from simulator.serving.deployment import Deployment
from simulator.serving.engines import EngineLimits
from simulator.serving.parallelism import Parallelism
from simulator.serving.speculation import Speculation

USUAL_CONTEXT_TOK = 32768
"""Default of the longest prompt with its answer."""


def self_host_option(
    name: str, option: SelfHost, document: Document, clock: Clock, hardware: dict[str, str]
) -> SelfHostOption:
    """Build the option of one deployment, and note the sources of its figures in ``hardware``.

    Raises
    ------
    InputError
        With a line for every value that cannot be used: a model that does not fit its GPUs, an
        unknown rent.
    """
    here = ("options", name)
    faults = Faults()
    if option.replicas == 0 and option.autoscale is None:
        problem = "no replica would ever serve: add autoscale"
        faults.add(document.fail((*here, "replicas"), problem))
    purchase = faults.attempt(lambda: _purchase(option, document, here))
    rent = Interval.certain(0.0)
    if option.purchase is None:
        rent = faults.attempt(lambda: _rent(option, document, here)) or rent
    served = faults.attempt(lambda: _deployment(option, document, here))
    fleet = None
    if served is not None:
        fleet = faults.attempt(lambda: _fleet(option, served, document, clock, here))
    faults.check()
    assert served is not None
    assert fleet is not None
    is_explicit = option.step_time is not None
    origin = "step time: as given" if is_explicit else _prediction_origin(option, served)
    hardware[name] = f"{served.model.source}; {served.gpu.source}; {origin}"
    band = (served.coefficients.band_low, 1.0, served.coefficients.band_high)
    return SelfHostOption(
        name=name,
        fleet=fleet,
        replicas=None if option.replicas == "auto" else option.replicas,
        spare_replicas=option.spare_replicas,
        gpus_per_replica=option.gpus_per_replica,
        gpu_usd_per_hour=purchase.total_usd_per_gpu_hour() if purchase else rent,
        purchase=purchase,
        speed=Interval.certain(1.0) if is_explicit else Interval(*band),
        label=f"{served.label}, {origin}" if is_explicit else served.label,
        success_rate=option.success_rate,
        reshaping=reshaping(option),
        kv_bytes_per_tok=served.model.kv_bytes_per_tok(option.kv_precision, Parallelism(1)),
    )


def _prediction_origin(option: SelfHost, served: Deployment) -> str:
    """Describe the origin of a predicted step time, and its error band."""
    c = served.coefficients
    zero_shot = f"{served.model.serving_class} class, zero-shot"
    origin = "calibrated" if option.calibration else zero_shot
    return f"step time: {origin}, throughput within {c.band_low - 1:+.0%} to {c.band_high - 1:+.0%}"


def _fleet(
    option: SelfHost, served: Deployment, document: Document, clock: Clock, here: Path_
) -> Fleet:
    """Build a fleet of one replica, with the rules by which it grows."""
    limits = engine_limits(option, served.engine)
    faults = Faults()
    kv = faults.attempt(
        lambda: document.made(
            (*here, "gpus_per_replica"),
            lambda: served.kv(
                option.memory_utilization, option.block_tokens, option.max_batched_tokens
            ),
        )
    )
    max_model_tok = option.max_model_tokens or min(USUAL_CONTEXT_TOK, served.model.context_tok)
    if max_model_tok > served.model.context_tok:
        problem = f"the context of {served.model.name} is {served.model.context_tok} tokens"
        faults.add(document.fail((*here, "max_model_tokens"), problem))
    with faults.collected():
        _check_budget(option, limits, max_model_tok, document, here)
    step = faults.attempt(lambda: step_time(option, served, limits.max_batched_tok, document, here))
    scale = option.autoscale
    scaler = None
    if scale is not None:
        scaler = faults.attempt(lambda: autoscaler(scale, document, (*here, "autoscale")))
    faults.check()
    assert kv is not None
    assert step is not None
    overhead_s, overhead_token_s = request_overhead_s(option, served)
    return Fleet(
        step_time=step,
        kv=kv,
        max_batched_tok=limits.max_batched_tok,
        max_sequences=limits.max_sequences,
        max_model_tok=max_model_tok,
        prefix_cache=option.prefix_cache,
        request_overhead_s=overhead_s,
        request_token_s=overhead_token_s,
        reserves_output=served.engine.reserves_output,
        schedules_ahead=served.engine.schedules_ahead and option.step_time is None,
        replicas=1,
        cold_start_s=option.cold_start_s,
        autoscaler=scaler,
        interruptions=interruptions(option),
        rollout=rollout(option.rollouts, clock) if option.rollouts else None,
        chunked_prefill=option.chunked_prefill,
        order=option.queue_order,
        max_waiting=option.max_waiting,
        affinity=option.affinity,
        affinity_slack=option.affinity_slack,
        deferred_in_flight=deferred_in_flight(option, limits.max_sequences),
        deferred_lead_s=option.deferred.lead_s,
    )


def _check_budget(
    option: SelfHost, limits: EngineLimits, max_model_tok: int, document: Document, here: Path_
) -> None:
    """Check that the token budget of a step suffices for its sequences and prompts."""
    budget_tok = limits.max_batched_tok
    if budget_tok < limits.max_sequences:
        raise document.fail(
            (*here, "max_batched_tokens"), "must be at least max_sequences: one token for each"
        )
    if not option.chunked_prefill and budget_tok < max_model_tok:
        raise document.fail(
            (*here, "chunked_prefill"),
            f"without it, a step must hold the longest prompt: max_batched_tokens is {budget_tok}, "
            f"max_model_tokens {max_model_tok}",
        )


def _purchase(option: SelfHost, document: Document, here: Path_) -> Purchase | None:
    """Return the purchase of one accelerator, or None if it is rented."""
    name, section = option.accelerator, option.purchase
    if section is None:
        return None
    return document.made(
        (*here, "purchase"), lambda: purchase_of(section, name, load_profile(name))
    )


def _rent(option: SelfHost, document: Document, here: Path_) -> Interval:
    """Return the rent of one accelerator [USD/hour]."""
    name = option.accelerator
    _, rents = load_accelerator(name)
    given = option.rent_usd_per_gpu_hour
    rent = rents.get(option.commitment) if given is None else plain(given)
    if rent is None:
        raise document.fail(
            (*here, "accelerator"),
            f"no {option.commitment} rent of {name} is known: give rent_usd_per_gpu_hour",
        )
    section = option.rent_path
    if section is None:
        return rent
    return rent.scaled(
        document.made(
            (*here, "rent_path"),
            lambda: rent_factor(
                section, partial(document.file, (*here, "rent_path", "path", "file"))
            ),
        )
    )


def _deployment(option: SelfHost, document: Document, here: Path_) -> Deployment:
    """Assemble the deployment of one replica from the names of its profiles."""
    model = _model_path(option.model, document, here)
    faults = Faults()
    with faults.collected():
        document.made((*here, "model"), lambda: load_model(model))
    with faults.collected():
        spread = _parallelism(option, document, here)
    faults.check()
    served = document.made(
        (*here, "gpus_per_replica"),
        lambda: deployment(
            serving_profile(),
            model,
            option.accelerator,
            option.engine,
            spread,
            option.weight_precision,
            option.kv_precision,
        ),
    )
    if option.calibration is not None:
        path = document.file((*here, "calibration"), option.calibration)
        served = document.made((*here, "calibration"), lambda: calibrated(served, path))
    section = option.speculation
    return replace(
        served,
        kv_tok=option.kv_tokens,
        weights_gb=option.weights_gb,
        eager=option.enforce_eager,
        speculation=Speculation(
            section.draft_tokens,
            section.acceptance,
            section.decay,
            None if section.draft_params_b is None else section.draft_params_b * 1e9,
            section.draft_launch_s,
        )
        if section
        else None,
    )


def _parallelism(option: SelfHost, document: Document, here: Path_) -> Parallelism:
    """Return the parallelism of one replica."""
    stages = option.pipeline_stages
    if option.gpus_per_replica % stages:
        raise document.fail(
            (*here, "pipeline_stages"),
            f"must divide the {option.gpus_per_replica} GPUs of a replica",
        )
    return document.made(
        (*here, "expert_parallel"),
        lambda: Parallelism(
            option.gpus_per_replica // stages,
            stages,
            option.expert_parallel,
            option.data_parallel_attention,
        ),
    )


def _model_path(name: str, document: Document, here: Path_) -> str:
    """Return the name of a profile, or the path of a configuration relative to the scenario."""
    return str(document.file((*here, "model"), name)) if name.endswith(".json") else name
