"""Sections of replicas: autoscaling, interruptions, batch work, partners and step times."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Whole


class Autoscale(Section):
    """Autoscaling: replicas beyond the always-on ones follow the load or the time of day."""

    metric: Literal["in-flight", "queue", "kv", "schedule"] = "in-flight"
    """Metric that determines the number of replicas. `in-flight`: requests in flight divided by the
    target. `queue`: one more replica for every `target` waiting requests, one fewer when none
    waits. `kv`: in proportion to the mean share of the KV cache in use, divided by the target.
    `schedule`: the numbers of `least_by_hour`, regardless of the load."""
    target: Positive | None = None
    """Target per replica: requests in flight (`in-flight`), requests waiting (`queue`), or the
    share of the KV cache in use, at most 1 (`kv`). Required for every metric except `schedule`."""
    max_replicas: Count
    """Most replicas of the fleet, always-on ones included."""
    interval_s: Positive = 15
    """Seconds between two scaling decisions."""
    scale_up_delay_s: NonNegative = 0
    """Seconds for which more replicas must have been needed before any are launched."""
    scale_down_delay_s: NonNegative = 300
    """Seconds for which fewer replicas must have sufficed before any are drained."""
    least_by_hour: list[Whole] | None = None
    """Fewest replicas in each hour (UTC), where that is more than the always-on ones: 24 numbers
    for every day, or 168 for a week that begins on Monday."""

    @field_validator("least_by_hour")
    @classmethod
    def _check_hours(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and len(value) not in (24, 168):
            raise ValueError(f"give 24 numbers, or 168 for a week; {len(value)} given")
        return value


class Failures(Section):
    """Random failures: a replica loses all requests that it serves, and returns once repaired."""

    mean_days_between: Positive
    """Mean days between failures of one replica. Measured in the training of Llama 3 405B (Meta
    2024): 419
    unexpected interruptions in 54 days on 16,384 H100, 4.7e-4 per GPU-day, so that a node of 8
    fails about every 264 days."""
    repair_s: NonNegative
    """Mean seconds until a replacement can be launched; its cold start is added."""


class Spot(Section):
    """Spot capacity that the provider reclaims at random; `commitment` determines the price."""

    mean_hours_between: Positive
    """Mean hours between interruptions of one replica."""
    notice_s: NonNegative = 120
    """Seconds from the notice, after which a replica accepts no more requests, to its end. AWS
    gives two minutes, GCP 30 s."""
    away_s: NonNegative
    """Mean seconds from the notice until capacity is available again; the cold start is added."""


class Rollouts(Section):
    """Rollouts: every replica is replaced from time to time, by a new model, engine or driver."""

    every_hours: Positive
    """Hours between two rollouts."""
    first_hour: NonNegative | None = None
    """Hours from the start to the first rollout. Default: `every_hours`. Rollouts beyond the
    horizon do not happen."""
    surge: Whole = 1
    """Replicas that are launched before those they replace are drained; with 0, one is drained
    first."""


class Deferred(Section):
    """Batch work: requests with `deadline_hours` wait for idle capacity, nearest deadline first."""

    in_flight: Count | None = None
    """Requests in flight up to which a replica accepts batch work, if no other request waits there.
    Default: half of `max_sequences`, at most 128."""
    lead_s: NonNegative = 3600
    """Seconds before its deadline at which batch work stops waiting and is served like any other
    request. With a lead as long as the deadline, it never waits."""


class Partner(Section):
    """Replicas of another deployment that serve alongside this one; the least loaded gets a
    request.

    Their number is fixed, and their cost is part of this option.
    """

    option: str
    """Name of the `selfhost` option that describes the deployment."""
    replicas: Count
    """Number of replicas, all always on."""
    serves: Annotated[list[str], Field(min_length=1)] | None = None
    """Workloads whose requests these replicas serve. Default: all."""
    weight: Positive = 1.0
    """Weight of each of these replicas: requests in flight are balanced in proportion to it, and
    this option's own replicas have weight 1."""


class DecodePool(Section):
    """Replicas of another deployment that decode what this option's replicas have prefilled."""

    option: str
    """Name of a `selfhost` option with the same model."""
    replicas: Count
    """Number of replicas, all always on."""
    link_gb_per_s: Positive = 25
    """Gigabytes per second at which a prompt's KV cache is sent; 25 is a link of 200 Gbit/s
    (assumed)."""
    latency_s: NonNegative = 0.005
    """Latency of each transfer in seconds; the default is assumed."""


class Rebalance(Section):
    """Move traffic between the base and the API as prices, cache hits and load change.

    A replica is drained if the API would have charged less than its rent for the requests that the
    replica served since the last decision. One is launched if the requests that went to the API
    would have paid for it.
    """

    interval_s: Positive = 3600
    """Seconds between two decisions."""
    margin: NonNegative = 0.1
    """Margin around the rent, as a share of it, that must be exceeded before a replica is launched
    or drained."""
    max_replicas: Count
    """Most replicas that may run."""


class LinearStepTime(Section):
    """Explicit time of an engine step: a fixed part, plus parts for its tokens and sequences.

    It replaces the predicted step time and has no error band, so that queueing theory can check a
    simulation. Requests then have no overhead unless `request_overhead_s` is given.
    """

    fixed_s: Positive
    """Fixed seconds of every step."""
    prefill_token_s: NonNegative = 0
    """Seconds for each prompt token computed in the step."""
    sequence_s: NonNegative = 0
    """Seconds for each decoding sequence."""
    context_token_s: NonNegative = 0
    """Seconds for each token of context of the decoding sequences."""
