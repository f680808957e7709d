"""Controllers of a plan: autoscaling and outages; those of fleets are in modules of their own."""

import math
from typing import Any

import numpy as np

from simulator.engine.control.clock import Calendar, ControlEvent
from simulator.engine.control.rebalancing import Rebalance
from simulator.engine.control.replica_lifecycle import FleetControl
from simulator.engine.records import layout
from simulator.engine.spec.plan import Plan
from simulator.engine.spec.policies import Autoscaler
from simulator.engine.state.data_plane import DataPlane
from simulator.units import HOUR_S

_HOURS_PER_WEEK = 168
_EPOCH_HOUR = 72
"""Hour of the week, from Monday 00:00 UTC, at which Unix time begins: a Thursday."""


def control_plane(plan: Plan, plane: DataPlane) -> Calendar:
    """Return the calendar of a plan's controllers, with their first events scheduled."""
    calendar = Calendar(plane)
    fleets = [FleetControl(plane, calendar, f, plan.seed) for f in range(len(plan.fleets))]
    for fleet in fleets:
        fleet.begin()
        if fleet.fleet.autoscaler is not None:
            Autoscale(plane, calendar, fleet, fleet.fleet.autoscaler)
    for index, endpoint in enumerate(plan.endpoints):
        if endpoint.outages_s:
            Outages(plane, calendar, index, endpoint.outages_s)
    if plan.rebalancer is not None:
        Rebalance(plane, calendar, fleets[plan.rebalancer.fleet], plan.rebalancer)
    return calendar


class Autoscale:
    """Keeps a fleet at the size that its autoscaler recommends; see ``policies.Autoscaler``."""

    def __init__(
        self, plane: DataPlane, calendar: Calendar, control: FleetControl, rule: Autoscaler
    ) -> None:
        self._plane = plane
        self._control = control
        self._rule = rule
        self._calendar = calendar
        self._owner = calendar.join(self)
        self._more_since_s: float | None = None
        self._fewer_since_s: float | None = None
        self._highest = 0
        """Highest recommendation since ``_fewer_since_s``."""
        calendar.schedule(ControlEvent(rule.interval_s, self._owner, "look"))

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Observe the fleet, launch or drain replicas, and schedule the next check."""
        rule, present = self._rule, self._control.present
        recommended = min(max(self._recommended(), self._floor(now_s)), rule.max_replicas)
        self._more_since_s = _since(self._more_since_s, recommended > present, now_s)
        self._fewer_since_s = _since(self._fewer_since_s, recommended < present, now_s)
        self._highest = max(self._highest, recommended) if self._fewer_since_s is not None else 0
        if _lasted(self._more_since_s, now_s, rule.scale_up_delay_s):
            for _ in range(recommended - present):
                self._control.launch(now_s)
        if _lasted(self._fewer_since_s, now_s, rule.scale_down_delay_s):
            # Replicas that start or are away do not serve yet, and cannot replace those drained.
            ready = self._control.count_in(layout.READY)
            self._control.drain(ready - self._highest, now_s)
            self._fewer_since_s = None
            self._highest = 0
        self._calendar.schedule(ControlEvent(now_s + rule.interval_s, self._owner, "look"))

    def state(self) -> dict[str, Any]:
        """Return since when more or fewer replicas are recommended, and how many at most."""
        return {
            "more": self._more_since_s,
            "fewer": self._fewer_since_s,
            "highest": self._highest,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        self._more_since_s, self._fewer_since_s = state["more"], state["fewer"]
        self._highest = state["highest"]

    def _recommended(self) -> int:
        """Return the number of replicas that the rule's metric recommends."""
        rule, index = self._rule, self._control.index
        if rule.metric == "schedule":
            return 0
        if rule.metric == "in-flight":
            return math.ceil(self._plane.in_flight(index) / rule.target)
        ready = self._control.count_in(layout.READY)
        waiting = self._plane.waiting(index)
        if rule.metric == "queue":
            return ready + (math.ceil(waiting / rule.target) if waiting else -1)
        return max(math.ceil(ready * self._plane.kv_share(index) / rule.target), waiting > 0)

    def _floor(self, now_s: float) -> int:
        """Return the fewest replicas of the current hour."""
        always = self._control.fleet.replicas
        if not self._rule.floors:
            return always
        hour = math.floor((self._plane.zero_s + now_s) / HOUR_S) + _EPOCH_HOUR
        return max(always, self._rule.floors[hour % _HOURS_PER_WEEK])


def _since(since_s: float | None, holds: bool, now_s: float) -> float | None:
    """Return since when a condition has held without a break [s], None if it does not hold."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _lasted(since_s: float | None, now_s: float, delay_s: float) -> bool:
    """Return whether a condition has held for a delay."""
    return since_s is not None and now_s - since_s >= delay_s


class Outages:
    """Takes an endpoint down over spans that do not overlap; answers that have begun continue."""

    def __init__(
        self,
        plane: DataPlane,
        calendar: Calendar,
        endpoint: int,
        spans_s: tuple[tuple[float, float], ...],
    ) -> None:
        self._plane = plane
        self._endpoint = endpoint
        owner = calendar.join(self)
        for begin_s, end_s in (np.array(spans_s) - plane.zero_s).tolist():
            if end_s > 0:
                calendar.schedule(ControlEvent(max(0.0, begin_s), owner, "down"))
                calendar.schedule(ControlEvent(end_s, owner, "up"))

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Begin or end an outage."""
        self._plane.set_down(self._endpoint, what == "down")

    def state(self) -> dict[str, Any]:
        """Return nothing: the scheduled events suffice."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore nothing."""
