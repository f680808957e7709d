"""Control plane: who looks at the data plane when, and what follows from it."""

import math
from typing import Any

import numpy as np

from simulator.engine.control.clock import Calendar, Item
from simulator.engine.control.rebalancing import Rebalance
from simulator.engine.control.replica_lifecycle import FleetControl
from simulator.engine.records import layout
from simulator.engine.spec.plan import Plan
from simulator.engine.spec.policies import Autoscaler
from simulator.engine.state.data_plane import DataPlane
from simulator.units import HOUR_S

_HOURS_PER_WEEK = 168
_EPOCH_HOUR = 72
"""Hour of the week at which Unix time begins, a Thursday."""


def control_plane(plan: Plan, plane: DataPlane) -> Calendar:
    """Return the calendar of a plan's controllers, which have asked for their first moments."""
    calendar = Calendar(plane)
    fleets = [FleetControl(plane, calendar, f, plan.seed) for f in range(len(plan.fleets))]
    for fleet in fleets:
        fleet.begin()
        if fleet.fleet.autoscaler is not None:
            Autoscale(plane, calendar, fleet, fleet.fleet.autoscaler)
    for place, endpoint in enumerate(plan.endpoints):
        if endpoint.outages_s:
            Outages(plane, calendar, place, endpoint.outages_s)
    if plan.rebalancer is not None:
        Rebalance(plane, calendar, fleets[plan.rebalancer.fleet], plan.rebalancer)
    return calendar


class Autoscale:
    """Keeps a fleet at the size that its rule wants."""

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
        """Wish since then."""
        calendar.ask(Item(rule.interval_s, self._owner, "look"))

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Look at the fleet, and come back."""
        rule, present = self._rule, self._control.present
        wanted = min(max(self._wanted(), self._floor(now_s)), rule.max_replicas)
        self._more_since_s = _since(self._more_since_s, wanted > present, now_s)
        self._fewer_since_s = _since(self._fewer_since_s, wanted < present, now_s)
        self._highest = max(self._highest, wanted) if self._fewer_since_s is not None else 0
        if _lasted(self._more_since_s, now_s, rule.scale_up_delay_s):
            for _ in range(wanted - present):
                self._control.launch(now_s)
        if _lasted(self._fewer_since_s, now_s, rule.scale_down_delay_s):
            # What starts or is away does not serve yet, and cannot stand in for what is drained.
            ready = self._control.count_in(layout.READY)
            self._control.drain(ready - self._highest, now_s)
            self._fewer_since_s = None
            self._highest = 0
        self._calendar.ask(Item(now_s + rule.interval_s, self._owner, "look"))

    def state(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {
            "more": self._more_since_s,
            "fewer": self._fewer_since_s,
            "highest": self._highest,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        self._more_since_s, self._fewer_since_s = state["more"], state["fewer"]
        self._highest = state["highest"]

    def _wanted(self) -> int:
        """Replicas that the rule's measure asks for."""
        rule, place = self._rule, self._control.index
        if rule.metric == "schedule":
            return 0
        if rule.metric == "in-flight":
            return math.ceil(self._plane.in_flight(place) / rule.target)
        ready = self._control.count_in(layout.READY)
        waiting = self._plane.waiting(place)
        if rule.metric == "queue":
            return ready + (math.ceil(waiting / rule.target) if waiting else -1)
        return max(math.ceil(ready * self._plane.kv_share(place) / rule.target), waiting > 0)

    def _floor(self, now_s: float) -> int:
        """Least replicas of the hour."""
        always = self._control.fleet.replicas
        if not self._rule.floors:
            return always
        hour = math.floor((self._plane.zero_s + now_s) / HOUR_S) + _EPOCH_HOUR
        return max(always, self._rule.floors[hour % _HOURS_PER_WEEK])


def _since(since_s: float | None, holds: bool, now_s: float) -> float | None:
    """Since when something holds without a break."""
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _lasted(since_s: float | None, now_s: float, delay_s: float) -> bool:
    return since_s is not None and now_s - since_s >= delay_s


class Outages:
    """Takes an endpoint down over spans, which do not overlap; what it is answering goes on."""

    def __init__(
        self,
        plane: DataPlane,
        calendar: Calendar,
        endpoint: int,
        spans_s: tuple[tuple[float, float], ...],
    ) -> None:
        self._plane = plane
        self._endpoint = endpoint
        place = calendar.join(self)
        for begin_s, end_s in (np.array(spans_s) - plane.zero_s).tolist():
            if end_s > 0:
                calendar.ask(Item(max(0.0, begin_s), place, "down"))
                calendar.ask(Item(end_s, place, "up"))

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Begin or end an outage."""
        self._plane.set_down(self._endpoint, what == "down")

    def state(self) -> dict[str, Any]:
        """Return nothing: the moments tell all."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up nothing."""
