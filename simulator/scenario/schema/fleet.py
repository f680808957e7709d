"""What a scenario may say of replicas: how many there are, what takes them away, what waits."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from simulator.scenario.document.base_section import Count, NonNegative, Positive, Section, Whole


class Autoscale(Section):
    """Follow the load, or the clock, above the always-on replicas."""

    metric: Literal["in-flight", "queue", "kv", "schedule"] = "in-flight"
    """in-flight: as many replicas as requests in flight over the target. queue: one more for every
    `target` requests that wait, one fewer when none waits. kv: in proportion to the mean share of
    the KV cache in use over the target. schedule: what least_by_hour says, whatever the load."""
    target: Positive | None = None
    """Per replica: requests in flight (in-flight), requests waiting (queue), share of the KV cache
    in use, at most 1 (kv). Needed but for schedule, which has none."""
    max_replicas: Count
    """Most that are started, the always-on ones among them."""
    interval_s: Positive = 15
    """Between two looks at the fleet."""
    scale_up_delay_s: NonNegative = 0
    """Replicas are started only after more have been wanted for so long."""
    scale_down_delay_s: NonNegative = 300
    """Replicas are drained only after fewer have been wanted for so long."""
    least_by_hour: list[Whole] | None = None
    """Least replicas by hour (UTC), where those are more than the always-on ones: 24 numbers for
    every day, or 168 for a week that begins on Monday."""

    @field_validator("least_by_hour")
    @classmethod
    def _day_or_week(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and len(value) not in (24, 168):
            raise ValueError(f"give 24 numbers, or 168 for a week; {len(value)} given")
        return value


class Failures(Section):
    """Replicas fail by chance, with all that they serve, and come back when they are repaired."""

    mean_days_between: Positive
    """Between failures of one replica. Measured in the training of Llama 3 405B (Meta 2024): 419
    unexpected interruptions in 54 days on 16,384 H100, 4.7e-4 per GPU-day, so that a node of 8
    fails about every 264 days."""
    repair_s: NonNegative
    """Mean time until the replacement can be launched; its cold start comes on top."""


class Spot(Section):
    """The provider takes machines back by chance; `commitment` decides on what is paid."""

    mean_hours_between: Positive
    """Between interruptions of one replica."""
    notice_s: NonNegative = 120
    """From the notice, when the replica takes no more requests, to its end. AWS gives two minutes,
    GCP 30 s."""
    away_s: NonNegative
    """Mean time from the notice until there is capacity again; the cold start comes on top."""


class Rollouts(Section):
    """Every replica is replaced now and then: a new model, engine or driver."""

    every_hours: Positive
    """Between two rollouts."""
    first_hour: NonNegative | None = None
    """Since the start; default: every_hours. What lies behind the horizon does not happen."""
    surge: Whole = 1
    """Replicas launched ahead of those that they replace; 0: one is drained first."""


class Deferred(Section):
    """Work with `deadline_hours` waits for idle capacity, the nearest deadline first."""

    in_flight: Count | None = None
    """A replica takes such work while it has fewer requests than this in flight and nobody else
    waits there; default: half of max_sequences, at most 128."""
    lead_s: NonNegative = 3600
    """So long before its deadline it stops waiting, and is served like all other. A lead as long as
    the deadline: it never waits."""


class Partner(Section):
    """Replicas of another deployment that serve beside this one; the least loaded gets a request.

    Their number is fixed, and they are paid for within this option.
    """

    option: str
    """Name of a selfhost option."""
    replicas: Count
    """How many, always on."""
    serves: Annotated[list[str], Field(min_length=1)] | None = None
    """Workloads whose requests go there; default: all."""
    weight: Positive = 1.0
    """Requests in flight are balanced over replicas in proportion to it; this option's have 1."""


class DecodePool(Section):
    """Replicas of another deployment that decode what this option's have prefilled."""

    option: str
    """Name of a selfhost option with the same model."""
    replicas: Count
    """How many, always on."""
    link_gb_per_s: Positive = 25
    """At which a prompt's KV cache is sent; 25 is a link of 200 Gbit/s (assumed)."""
    latency_s: NonNegative = 0.005
    """Of each transfer; assumed."""


class Rebalance(Section):
    """Move traffic between the base and the overflow as prices, cache hits and load change.

    A replica that earned less than its rent since the last look, at what the overflow would have
    charged for its answers, is drained; one is launched when what spilled would have paid for it.
    """

    interval_s: Positive = 3600
    """Between two looks."""
    margin: NonNegative = 0.1
    """Both decisions want this share of the rent beyond it."""
    max_replicas: Count
    """Most that are launched."""


class LinearStepTime(Section):
    """Time of an engine step, as given: fixed, plus what its tokens and sequences add.

    It stands in the place of the predicted one, without an error band, so that queueing theory can
    check a simulation. Requests have no overhead then unless `request_overhead_s` is given.
    """

    fixed_s: Positive
    """Of every step."""
    prefill_token_s: NonNegative = 0
    """Per prompt token computed in the step."""
    sequence_s: NonNegative = 0
    """Per decoding sequence."""
    context_token_s: NonNegative = 0
    """Per token of context of the decoding sequences."""
