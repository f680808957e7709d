"""Control plane: coarse decisions as SimPy processes over the data plane."""

import math
from collections.abc import Generator

import numpy as np
import simpy

from simulator.engine import layout
from simulator.engine.plan import Autoscaler, Fleet
from simulator.engine.plane import DataPlane


def autoscale(
    env: simpy.Environment, plane: DataPlane, place: int, fleet: Fleet, scaler: Autoscaler
) -> Generator[simpy.Event, None, None]:
    """Follow the load: start replicas at once, drain them when fewer would do for a while.

    ``wanted = ceil(requests in flight / target)`` between the always-on replicas and the maximum,
    the rule of concurrency-target autoscalers; what is starting counts as there.
    """
    low_since_s = math.inf
    while True:
        yield env.timeout(scaler.interval_s)
        plane.advance(env.now)
        wanted = math.ceil(plane.in_flight(place) / scaler.target_in_flight)
        wanted = min(max(wanted, fleet.replicas), scaler.max_replicas)
        slots = plane.replicas(place)
        states = slots.state
        present = int(np.isin(states, (layout.STARTING, layout.READY)).sum())
        if wanted > present:
            for _ in range(wanted - present):
                env.process(start(env, plane, place, fleet.cold_start_s))
        if wanted >= present:
            low_since_s = math.inf
            continue
        low_since_s = min(low_since_s, env.now)
        if env.now - low_since_s >= scaler.scale_down_delay_s:
            ready = np.flatnonzero(states == layout.READY)
            emptiest = ready[np.argsort(slots.in_flight[ready], kind="stable")]
            first = int(plane.state.engine[place].first_slot)
            for slot in emptiest[: present - wanted]:
                plane.drain(first + int(slot), env.now)
            low_since_s = math.inf


def outages(
    env: simpy.Environment, plane: DataPlane, endpoint: int, spans_s: list[tuple[float, float]]
) -> Generator[simpy.Event, None, None]:
    """Take an endpoint down over spans [begin, end), which neither overlap nor lie in the past."""
    for span_s in spans_s:
        for moment_s, down in zip(span_s, (True, False), strict=True):
            yield env.timeout(moment_s - env.now)
            # What arrives at the moment itself meets the new state.
            plane.advance(math.nextafter(env.now, -math.inf))
            plane.set_down(endpoint, down)


def start(
    env: simpy.Environment, plane: DataPlane, place: int, cold_start_s: float
) -> Generator[simpy.Event, None, None]:
    """Launch one replica now; it serves after its cold start and is paid for from now."""
    slot = plane.launch(place, env.now)
    yield env.timeout(cold_start_s)
    plane.advance(env.now)
    plane.activate(slot)
