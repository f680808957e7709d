"""Calendar of the control plane: what controllers do next and when.

SimPy does the waiting; the events themselves are plain values, so that they can be saved.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from simulator.engine.state.data_plane import DataPlane


class Owner(Protocol):
    """A controller: it acts when an event that it has scheduled is due."""

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Read the data plane, act on it, and schedule further events."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what it must remember, as JSON values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        ...


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """An action of a controller at a time in the future."""

    at_s: float
    owner: int
    what: str
    about: tuple[int, ...] = ()
    """Numbers that the action needs, such as a slot."""


class Calendar:
    """Scheduled events of all controllers; the data plane is brought up to each of them.

    At one instant controllers act first, in the order in which their events were scheduled;
    requests that arrive at that instant already meet their decisions.
    """

    def __init__(self, plane: DataPlane) -> None:
        self.owners: list[Owner] = []
        self._plane = plane
        self._env = simpy.Environment()
        self._events: dict[int, ControlEvent] = {}
        self._scheduled = 0

    def join(self, owner: Owner) -> int:
        """Add a controller; return its number, which its events carry as ``owner``."""
        self.owners.append(owner)
        return len(self.owners) - 1

    def schedule(self, event: ControlEvent) -> None:
        """Schedule an event, which must not lie in the past."""
        self._scheduled += 1
        self._events[self._scheduled] = event
        self._env.process(self._wait(self._scheduled, event))

    def advance(self, until_s: float) -> None:
        """Process everything before a time [s]."""
        if until_s > self._env.now:
            self._env.run(until=until_s)
        self._plane.advance(math.nextafter(until_s, -math.inf))

    def close(self) -> None:
        """Drop all references, so that the arrays of a run are freed as soon as it is over.

        Controllers and pending events refer to the calendar that refers to them: such cycles would
        keep megabytes for each run until the garbage collector finds them.
        """
        self.owners.clear()
        self._events.clear()
        self._env = simpy.Environment()

    def state(self) -> dict[str, Any]:
        """Return scheduled events and the state of controllers, as JSON values."""
        items = [[i.at_s, i.owner, i.what, list(i.about)] for i in self._events.values()]
        return {
            "now_s": self._env.now,
            "items": items,
            "owners": [owner.state() for owner in self.owners],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned, in place of what has been scheduled so far."""
        self._env = simpy.Environment(state["now_s"])
        self._events = {}
        for owner, owner_state in zip(self.owners, state["owners"], strict=True):
            owner.restore(owner_state)
        for at_s, owner_number, what, about in state["items"]:
            self.schedule(ControlEvent(at_s, owner_number, what, tuple(about)))

    def _wait(self, number: int, event: ControlEvent) -> Generator[simpy.Event, None, None]:
        # Rounding may put SimPy's clock an ulp off the time of the event.
        yield self._env.timeout(max(0.0, event.at_s - self._env.now))
        del self._events[number]
        self._plane.advance_before(event.at_s)
        self.owners[event.owner].act(event.at_s, event.what, event.about)
