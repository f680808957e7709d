"""From what a scenario says of replicas to the rules by which the engine runs them."""

import math

from simulator.engine.spec.policies import Autoscaler, Interruption, Rollout
from simulator.scenario.building.endpoints import Clock
from simulator.scenario.document.document import Document, Path_
from simulator.scenario.schema.fleet import Autoscale, Rollouts
from simulator.scenario.schema.scenario import SelfHost
from simulator.serving.deployment import Deployment
from simulator.serving.engines import Engine, EngineLimits
from simulator.serving.steptime import StepTime
from simulator.units import DAY_S, HOUR_S

USUAL_DEFERRED = 128
"""Requests in flight up to which a replica takes deferred work, where an option does not say and
half a batch is more (assumed): those that somebody waits for share its steps."""
_DAYS_PER_WEEK = 7
_HOURS_PER_DAY = 24


def autoscaler(said: Autoscale, document: Document, at: Path_) -> Autoscaler:
    """Return the rule of an autoscaler.

    Raises
    ------
    InputError
        When the metric lacks what it needs, or an hour wants more replicas than there may be.
    """
    target, least = said.target, said.least_by_hour
    if said.metric == "schedule" and least is None:
        raise document.fail((*at, "metric"), "schedule needs least_by_hour")
    if target is None:
        if said.metric != "schedule":
            raise document.fail((*at, "metric"), f"{said.metric} needs a target")
        target = 1.0  # no schedule asks for it
    if said.metric == "kv" and target > 1:
        raise document.fail(
            (*at, "target"), f"target of kv is a share of the cache, at most 1, not {target:g}"
        )
    most = max(least or [0])
    if most > said.max_replicas:
        raise document.fail(
            (*at, "least_by_hour"), f"wants {most} replicas, max_replicas is {said.max_replicas}"
        )
    return Autoscaler(
        target=target,
        max_replicas=said.max_replicas,
        interval_s=said.interval_s,
        scale_down_delay_s=said.scale_down_delay_s,
        metric=said.metric,
        scale_up_delay_s=said.scale_up_delay_s,
        floors=_week(least or []),
    )


def _week(by_hour: list[int]) -> tuple[int, ...]:
    """Numbers by hour of the week, of which those of one day hold for every day."""
    days = _DAYS_PER_WEEK if len(by_hour) == _HOURS_PER_DAY else 1
    return tuple(by_hour) * days


def interruptions(option: SelfHost) -> tuple[Interruption, ...]:
    """Return what takes replicas away by chance: failures without notice, then the provider."""
    found = []
    if option.failures is not None:
        mean_s = option.failures.mean_days_between * DAY_S
        found.append(Interruption("failure", mean_s, 0.0, option.failures.repair_s))
    if option.spot is not None:
        mean_s = option.spot.mean_hours_between * HOUR_S
        found.append(Interruption("spot", mean_s, option.spot.notice_s, option.spot.away_s))
    return tuple(found)


def rollout(said: Rollouts, clock: Clock) -> Rollout:
    """Return the moments of the simulated span at which all replicas begin to be replaced."""
    every_s = said.every_hours * HOUR_S
    first_s = every_s if said.first_hour is None else said.first_hour * HOUR_S
    left_s = clock.end_s - clock.begin_s - first_s
    count = max(0, math.ceil(left_s / every_s))
    at_s = tuple(clock.begin_s + first_s + k * every_s for k in range(count))
    return Rollout(at_s, said.surge)


def engine_limits(option: SelfHost, engine: Engine) -> EngineLimits:
    """Return the limits that the engine is started with, its own where the option gives none."""
    return engine.limits.given(
        option.max_batched_tokens,
        option.max_sequences,
        option.memory_utilization,
        option.block_tokens,
    )


def deferred_in_flight(option: SelfHost, max_sequences: int) -> int:
    """Return how many requests a replica has at most when it takes work with a deadline."""
    given = option.deferred.in_flight
    return max(1, min(max_sequences // 2, USUAL_DEFERRED)) if given is None else given


def step_time(
    option: SelfHost, served: Deployment, max_batched_tok: int, document: Document, here: Path_
) -> StepTime:
    """Return the step time as given, else as predicted.

    Raises
    ------
    InputError
        When one as given stands beside what changes the predicted one.
    """
    given = option.step_time
    if given is None:
        return served.step_time(max_batched_tok)
    for key in ("calibration", "speculation"):
        if getattr(option, key) is not None:
            raise document.fail((*here, key), f"{key} changes nothing where step_time is given")
    return StepTime.linear(
        max_batched_tok,
        fixed_s=given.fixed_s,
        prefill_token_s=given.prefill_token_s,
        sequence_s=given.sequence_s,
        context_token_s=given.context_token_s,
    )


def request_overhead_s(option: SelfHost, served: Deployment) -> tuple[float, float]:
    """Return the time of a request outside the engine's steps, and that per prompt token [s].

    What a scenario gives is all of it; beside a step time as given it is nothing by default.
    """
    if option.request_overhead_s is not None:
        return option.request_overhead_s, 0.0
    if option.step_time is not None:
        return 0.0, 0.0
    return served.engine.request_s, served.engine.request_token_s
