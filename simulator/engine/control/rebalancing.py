"""Continuous rebalancing: a fleet grows and shrinks with the value of its work at API prices."""

from typing import Any

import numpy as np

from simulator.engine.control.clock import Calendar, ControlEvent
from simulator.engine.control.replica_lifecycle import FleetControl
from simulator.engine.records import layout
from simulator.engine.spec.policies import Rebalancer
from simulator.engine.state.data_plane import DataPlane


class Rebalance:
    """Moves traffic between a fleet and an endpoint; see ``policies.Rebalancer``."""

    def __init__(
        self, plane: DataPlane, calendar: Calendar, control: FleetControl, rule: Rebalancer
    ) -> None:
        self._plane = plane
        self._control = control
        control.keeps_size = False
        self._rule = rule
        self._calendar = calendar
        self._owner = calendar.join(self)
        self._last_tok = [0.0, 0.0, 0.0]
        self._last_overflow_usd = 0.0
        calendar.schedule(ControlEvent(rule.interval_s, self._owner, "look"))

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Compare what replicas earned with their rent, act, and schedule the next check."""
        rule, control = self._rule, self._control
        earned_usd, overflow_usd = self._earned_usd(now_s), self._overflow_usd()
        serving = control.count_in(layout.READY)
        rent_usd = rule.rent_usd_per_s * rule.interval_s
        if overflow_usd > (1 + rule.margin) * rent_usd and control.present < rule.max_replicas:
            control.launch(now_s)
        elif serving == control.present > 0 and earned_usd < (1 - rule.margin) * rent_usd * serving:
            control.drain(1, now_s)
        self._calendar.schedule(ControlEvent(now_s + rule.interval_s, self._owner, "look"))

    def state(self) -> dict[str, Any]:
        """Return tokens served and money spent up to the last check."""
        return {"tok": self._last_tok, "usd": self._last_overflow_usd}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        self._last_tok, self._last_overflow_usd = state["tok"], state["usd"]

    def _earned_usd(self, now_s: float) -> float:
        """Return what the fleet's answers since the last check would cost at the endpoint [USD]."""
        served = self._plane.state.fleets[self._rule.fleet]
        tok = [
            float(served[name])
            for name in ("served_prompt_tok", "served_cached_tok", "served_output_tok")
        ]
        prompt, cached, output = (np.array(tok) - self._last_tok).tolist()
        self._last_tok = tok
        prices = self._plane.list_prices(self._rule.endpoint, now_s)
        caches = self._plane.plan.endpoints[self._rule.endpoint].cache.caches
        read_usd = prices.cache_read_usd if caches else prices.input_usd
        uncached_usd = (prompt - cached) * prices.input_usd
        return float(uncached_usd + cached * read_usd + output * prices.output_usd)

    def _overflow_usd(self) -> float:
        """Return what the endpoint's answers since the last check cost [USD]."""
        spent_usd = float(self._plane.state.endpoints[self._rule.endpoint].spent_usd)
        usd, self._last_overflow_usd = spent_usd - self._last_overflow_usd, spent_usd
        return usd
