"""Build the rules by which the engine runs replicas, from the sections of a selfhost option."""

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
"""Largest default of the requests in flight up to which a replica accepts batch work (assumed):
batch work slows down the interactive requests in the same steps."""
_DAYS_PER_WEEK = 7
_HOURS_PER_DAY = 24


def autoscaler(section: Autoscale, document: Document, at: Path_) -> Autoscaler:
    """Return the autoscaler of a section at a path of the document.

    Raises
    ------
    InputError
        When a key that the metric needs is missing, or an hour needs more than ``max_replicas``.
    """
    target, least = section.target, section.least_by_hour
    if section.metric == "schedule" and least is None:
        raise document.fail((*at, "metric"), "schedule needs least_by_hour")
    if target is None:
        if section.metric != "schedule":
            raise document.fail((*at, "metric"), f"{section.metric} needs a target")
        target = 1.0  # a schedule does not use it
    if section.metric == "kv" and target > 1:
        raise document.fail(
            (*at, "target"), f"target of kv is a share of the cache, at most 1, not {target:g}"
        )
    most = max(least or [0])
    if most > section.max_replicas:
        raise document.fail(
            (*at, "least_by_hour"),
            f"needs {most} replicas, but max_replicas is {section.max_replicas}",
        )
    return Autoscaler(
        target=target,
        max_replicas=section.max_replicas,
        interval_s=section.interval_s,
        scale_down_delay_s=section.scale_down_delay_s,
        metric=section.metric,
        scale_up_delay_s=section.scale_up_delay_s,
        floors=_hours_of_week(least or []),
    )


def _hours_of_week(by_hour: list[int]) -> tuple[int, ...]:
    """Return numbers by hour of the week; those of a single day are repeated for every day."""
    days = _DAYS_PER_WEEK if len(by_hour) == _HOURS_PER_DAY else 1
    return tuple(by_hour) * days


def interruptions(option: SelfHost) -> tuple[Interruption, ...]:
    """Return the random interruptions of replicas: failures without notice, and spot capacity."""
    rules = []
    if option.failures is not None:
        mean_s = option.failures.mean_days_between * DAY_S
        rules.append(Interruption("failure", mean_s, 0.0, option.failures.repair_s))
    if option.spot is not None:
        mean_s = option.spot.mean_hours_between * HOUR_S
        rules.append(Interruption("spot", mean_s, option.spot.notice_s, option.spot.away_s))
    return tuple(rules)


def rollout(section: Rollouts, clock: Clock) -> Rollout:
    """Return the rollouts of the simulated span, with the times at which they begin."""
    every_s = section.every_hours * HOUR_S
    first_s = every_s if section.first_hour is None else section.first_hour * HOUR_S
    left_s = clock.end_s - clock.begin_s - first_s
    count = max(0, math.ceil(left_s / every_s))
    at_s = tuple(clock.begin_s + first_s + k * every_s for k in range(count))
    return Rollout(at_s, section.surge)


def engine_limits(option: SelfHost, engine: Engine) -> EngineLimits:
    """Return the limits of the engine: the option's, or the engine's own if not given."""
    return engine.limits.given(
        option.max_batched_tokens,
        option.max_sequences,
        option.memory_utilization,
        option.block_tokens,
    )


def deferred_in_flight(option: SelfHost, max_sequences: int) -> int:
    """Return the requests in flight up to which a replica accepts batch work."""
    given = option.deferred.in_flight
    return max(1, min(max_sequences // 2, USUAL_DEFERRED)) if given is None else given


def step_time(
    option: SelfHost, served: Deployment, max_batched_tok: int, document: Document, here: Path_
) -> StepTime:
    """Return the option's explicit step time, else the predicted one.

    Raises
    ------
    InputError
        When keys that change the predicted step time are given with an explicit one.
    """
    given = option.step_time
    if given is None:
        return served.step_time(max_batched_tok)
    for key in ("calibration", "speculation"):
        if getattr(option, key) is not None:
            raise document.fail((*here, key), f"{key} has no effect on an explicit step_time")
    return StepTime.linear(
        max_batched_tok,
        fixed_s=given.fixed_s,
        prefill_token_s=given.prefill_token_s,
        sequence_s=given.sequence_s,
        context_token_s=given.context_token_s,
    )


def request_overhead_s(option: SelfHost, served: Deployment) -> tuple[float, float]:
    """Return the time of a request outside the engine's steps, fixed and per prompt token [s].

    A given time is the whole of it. With an explicit step time, the default is 0.
    """
    if option.request_overhead_s is not None:
        return option.request_overhead_s, 0.0
    if option.step_time is not None:
        return 0.0, 0.0
    return served.engine.request_s, served.engine.request_token_s
