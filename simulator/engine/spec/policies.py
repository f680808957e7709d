"""Rules of the control plane: when a fleet grows, shrinks, loses replicas, or hands over traffic.

Plain numbers without state; the controllers in ``engine.control`` act on them.
"""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["in-flight", "queue", "kv", "schedule"]


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Rule that starts or drains replicas of a fleet every ``interval_s``.

    The recommended number of replicas depends on ``metric``. ``in-flight``: requests in flight over
    the target, the rule of concurrency targets (Knative, Ray Serve). ``queue``: one more for every
    ``target`` requests that wait, one fewer when none waits. ``kv``: the ready replicas times the
    mean share of KV blocks in use over the target (the rule of the horizontal pod autoscaler).
    ``schedule``: the floor of the hour alone.
    """

    target: float
    max_replicas: int
    interval_s: float
    scale_down_delay_s: float
    """Time for which fewer replicas must have been recommended before any are drained; the fleet
    then shrinks to the highest recommendation of that time."""
    metric: Metric = "in-flight"
    scale_up_delay_s: float = 0.0
    """Time for which more replicas must have been recommended before any are started."""
    floors: tuple[int, ...] = ()
    """Fewest replicas by hour of the week, Monday 00:00 UTC first, where that is more than the
    always-on ones; empty: never."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """Random loss of replicas: failures, or a provider that takes its machines back.

    The time from a replica's launch to its interruption is exponential. The replacement is launched
    after another exponential wait, and serves after its cold start.
    """

    name: str
    """Name of the rule's random stream, which no other rule shifts."""
    mean_s: float
    """Mean time from launch to interruption."""
    notice_s: float
    """Time from notice to loss: the replica takes no more requests, and those still running at the
    end lose their progress."""
    away_s: float
    """Mean wait from the notice until the replacement can be launched: a repair, or no capacity."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Replacement of every replica, a few at a time: a new model, serving engine or driver."""

    at_s: tuple[float, ...]
    """Unix times at which a rollout begins."""
    surge: int
    """Replicas launched before those that they replace are drained; 0: one is drained first."""


@dataclass(frozen=True, slots=True)
class Rebalancer:
    """Rule that moves traffic between own replicas and an endpoint as prices, cache hits and load
    change.

    Every ``interval_s`` it values the answers of the fleet in that interval at the endpoint's
    current prices. When replicas earn less than their rent, one is drained and its load overflows
    to the endpoint; when the overflow cost more than the rent of one, a replica is launched.
    """

    fleet: int
    endpoint: int
    interval_s: float
    rent_usd_per_s: float
    """Rent of one replica."""
    margin: float
    """Share of the rent by which values must differ from it for either decision, so that noise
    decides nothing."""
    max_replicas: int
