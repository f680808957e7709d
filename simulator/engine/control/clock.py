"""What the control plane is going to do and when: SimPy waits, plain items can be written down."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from simulator.engine.state.data_plane import DataPlane


class Owner(Protocol):
    """A controller: it acts when a moment that it asked for has come."""

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Read the data plane, act on it, and ask for further moments."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what it remembers, as JSON knows it."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """One moment in the future."""

    at_s: float
    owner: int
    what: str
    about: tuple[int, ...] = ()


class Calendar:
    """Lets controllers act at their moments, the data plane being current.

    At one instant the control plane comes first, in the order in which moments were asked for;
    whatever arrives then meets its decisions.
    """

    def __init__(self, plane: DataPlane) -> None:
        self.owners: list[Owner] = []
        self._plane = plane
        self._env = simpy.Environment()
        self._items: dict[int, Item] = {}
        self._asked = 0

    def join(self, owner: Owner) -> int:
        """Take a controller in; returns its number, which its moments carry."""
        self.owners.append(owner)
        return len(self.owners) - 1

    def ask(self, item: Item) -> None:
        """Remember a moment, which must not lie in the past."""
        self._asked += 1
        self._items[self._asked] = item
        self._env.process(self._wait(self._asked, item))

    def advance(self, until_s: float) -> None:
        """Let everything happen before a time."""
        if until_s > self._env.now:
            self._env.run(until=until_s)
        self._plane.advance(math.nextafter(until_s, -math.inf))

    def close(self) -> None:
        """Let go of everything, so that the arrays of a run are free as soon as it is over.

        Controllers know their calendar, and moments that are still to come know it too: such
        circles would keep megabytes for each run until the collector looks for them.
        """
        self.owners.clear()
        self._items.clear()
        self._env = simpy.Environment()

    def state(self) -> dict[str, Any]:
        """Return moments and memories, as JSON knows them."""
        items = [[i.at_s, i.owner, i.what, list(i.about)] for i in self._items.values()]
        return {
            "now_s": self._env.now,
            "items": items,
            "owners": [owner.state() for owner in self.owners],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned, in place of what was asked for since the beginning."""
        self._env = simpy.Environment(state["now_s"])
        self._items = {}
        for owner, memory in zip(self.owners, state["owners"], strict=True):
            owner.restore(memory)
        for at_s, place, what, about in state["items"]:
            self.ask(Item(at_s, place, what, tuple(about)))

    def _wait(self, number: int, item: Item) -> Generator[simpy.Event, None, None]:
        # Rounding may put SimPy's clock an ulp beside the moment itself.
        yield self._env.timeout(max(0.0, item.at_s - self._env.now))
        del self._items[number]
        self._plane.advance_before(item.at_s)
        self.owners[item.owner].act(item.at_s, item.what, item.about)
