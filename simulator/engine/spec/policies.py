"""Rules of the control plane: when a fleet grows, shrinks, loses replicas, or hands traffic over.

Plain numbers without state; ``fleetcontrol`` and ``control`` act on them.
"""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["in-flight", "queue", "kv", "schedule"]


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Looks at a fleet every ``interval_s`` and starts or drains replicas.

    ``in-flight``: as many as requests in flight over the target, the rule of concurrency targets
    (Knative, Ray Serve). ``queue``: one more for every ``target`` requests that wait, one fewer
    when none waits. ``kv``: in proportion to the mean share of KV blocks in use over the target
    (the rule of the horizontal pod autoscaler). ``schedule``: the hour's floor alone.
    """

    target: float
    max_replicas: int
    interval_s: float
    scale_down_delay_s: float
    """Replicas are drained only after the wish for fewer has lasted this long, to the highest wish
    meanwhile."""
    metric: Metric = "in-flight"
    scale_up_delay_s: float = 0.0
    """The same before replicas are started."""
    floors: tuple[int, ...] = ()
    """Least replicas by hour of the week, Monday 00:00 UTC first, where those are more than the
    always-on ones; empty: never."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """Takes replicas away by chance: failures, or a provider that wants its machines back.

    The time until it hits a replica is exponential, from its launch on. Its replacement is
    launched after a wait that is exponential as well, and serves after its cold start.
    """

    name: str
    """Of its luck, which no other rule shifts."""
    mean_s: float
    """Of the time until a replica is hit."""
    notice_s: float
    """It takes no more requests then, and is lost with what it still serves after this."""
    away_s: float
    """Mean wait, from the notice, until the replacement can be launched: repair, or no capacity."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Replaces every replica, a few at a time: a new model, engine or driver."""

    at_s: tuple[float, ...]
    """Unix times at which one begins."""
    surge: int
    """Replicas launched ahead of those that they replace; 0: one is drained first."""


@dataclass(frozen=True, slots=True)
class Rebalancer:
    """Moves traffic between own replicas and an endpoint as prices, cache hits and load change.

    Every ``interval_s`` it values what the fleet served since the last look at the endpoint's
    prices of now. A replica that earns less than its rent is drained, and its load spills; one is
    launched when what spilled would have paid for it.
    """

    fleet: int
    endpoint: int
    interval_s: float
    rent_usd_per_s: float
    """Of one replica."""
    margin: float
    """Both decisions want this share of the rent beyond it, so that noise decides nothing."""
    max_replicas: int
