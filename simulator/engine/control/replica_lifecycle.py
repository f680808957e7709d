"""Replicas of one fleet come and go: launches, losses, replacements, drains and rollouts."""

from typing import Any

import numpy as np

from simulator.engine.control.clock import Calendar, Item
from simulator.engine.records import layout
from simulator.engine.spec.plan import Fleet
from simulator.engine.state.data_plane import DataPlane
from simulator.rng import stream

_RETRY_S = 5.0
"""Until it is looked again whether a drained replica has stopped."""


class FleetControl:
    """Launches replicas, loses them by chance, replaces them.

    What is away and will be replaced counts as present, as a pending pod does: nobody else launches
    in its place.
    """

    def __init__(self, plane: DataPlane, calendar: Calendar, index: int, seed: int) -> None:
        self.plane = plane
        self.fleet: Fleet = plane.plan.fleets[index]
        self.index = index
        self.keeps_size = self.fleet.autoscaler is None
        """Whether nobody else decides how many replicas there are."""
        self.away = 0
        self._calendar = calendar
        self._owner = calendar.join(self)
        self._seed = seed
        self._first = int(plane.state.fleets[index].first_slot)
        self._old: list[list[int]] = []
        self._launches = [0] * int(plane.state.fleets[index].slots)

    def begin(self) -> None:
        """Have the always-on replicas ready, and ask for the rollouts."""
        for _ in range(self.fleet.replicas):
            slot = self._launch(0.0)
            assert slot is not None
            self.plane.activate(slot, 0.0)
        rollout = self.fleet.rollout
        for at_s in rollout.at_s if rollout else ():
            if at_s >= self.plane.zero_s:
                self._ask(at_s - self.plane.zero_s, "roll out")

    def slots_in(self, *states: int) -> np.ndarray:
        """Slots whose replicas are in one of some states, the emptiest first."""
        found = np.flatnonzero(self._among(states))
        order = np.argsort(self.plane.column(self.index, "in_flight")[found], kind="stable")
        return self._first + found[order]

    def count_in(self, *states: int) -> int:
        """Number of replicas in one of some states."""
        return int(np.count_nonzero(self._among(states)))

    def _among(self, states: tuple[int, ...]) -> np.ndarray:
        state = self.plane.column(self.index, "state")
        found = state == states[0]
        for other in states[1:]:
            found |= state == other
        return found

    @property
    def present(self) -> int:
        """Replicas that serve, start, or will be replaced."""
        return self.count_in(layout.STARTING, layout.READY) + self.away

    def launch(self, now_s: float) -> int | None:
        """Start a replica: paid for from now, serving after its cold start.

        While drained replicas hold all machines, it waits for one of them; None then.
        """
        slot = self._launch(now_s)
        if slot is None:
            self.away += 1
            self._ask(now_s + _RETRY_S, "return")
        else:
            self._ask(now_s + self.fleet.cold_start_s, "ready", slot)
        return slot

    def drain(self, count: int, now_s: float) -> None:
        """Send the emptiest replicas no more requests; each stops when its last one is done."""
        for slot in self.slots_in(layout.READY)[: max(0, count)]:
            self.plane.drain(int(slot), now_s)

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Follow the fleet's course; moments of a replica that is gone by then mean nothing."""
        if what == "return":
            self.away -= 1
            self.launch(now_s)
        elif what == "roll out":
            self._begin_rollout(now_s)
        elif what == "drained":
            self._replace_drained(now_s)
        elif what == "replaced":
            self._drain_replaced(now_s)
        elif self._is_there(*about[:2]):
            self._happen(now_s, what, *about)

    def state(self) -> dict[str, Any]:
        """Return what it remembers."""
        return {"away": self.away, "launches": self._launches, "old": self._old}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` returned."""
        self.away, self._launches, self._old = state["away"], state["launches"], state["old"]

    def _happen(self, now_s: float, what: str, slot: int, _: int, kind: int = 0) -> None:
        """Let something happen to a replica that is there."""
        if what == "interrupted":
            self._interrupt(now_s, slot, kind)
        elif what == "lost":
            self.plane.lose(slot, now_s)
        elif self.plane.state.replicas[slot].state == layout.STARTING:
            self.plane.activate(slot, now_s)

    def _interrupt(self, now_s: float, slot: int, kind: int) -> None:
        rule = self.fleet.interruptions[kind]
        replica = self.plane.state.replicas[slot]
        if replica.state in (layout.STARTING, layout.READY):
            self.away += 1
            wait_s = self._chance("away", kind, slot).exponential(rule.away_s)
            self._ask(now_s + wait_s, "return")
        if rule.notice_s == 0 or replica.state == layout.STARTING:
            self.plane.lose(slot, now_s)
        else:
            self.plane.drain(slot, now_s)
            self._ask(now_s + rule.notice_s, "lost", slot)

    def _begin_rollout(self, now_s: float) -> None:
        if self._old:
            return  # the one that goes on replaces everything
        old = self.slots_in(layout.STARTING, layout.READY)
        self._old = [[int(slot), self._launches[slot - self._first]] for slot in old]
        self._replace_next(now_s)

    def _replace_next(self, now_s: float) -> None:
        """Launch the next replacements, or first drain a replica to make room for one."""
        self._old = [named for named in self._old if self._serves(*named)]
        rollout = self.fleet.rollout
        assert rollout is not None
        if not self._old:
            return
        if rollout.surge:
            for _ in self._old[: rollout.surge]:
                self.launch(now_s)
            self._ask(now_s + self.fleet.cold_start_s, "replaced")
        else:
            self.away += 1
            self.plane.drain(self._old[0][0], now_s)
            self._replace_drained(now_s)

    def _replace_drained(self, now_s: float) -> None:
        """Launch in place of the replica that is drained once it has stopped."""
        if self._is_there(*self._old[0]):
            self._ask(now_s + _RETRY_S, "drained")
            return
        self.away -= 1
        self.launch(now_s)
        self._ask(now_s + self.fleet.cold_start_s, "replaced")

    def _drain_replaced(self, now_s: float) -> None:
        """Let go of those whose replacements serve now, and go on with the next."""
        rollout = self.fleet.rollout
        assert rollout is not None
        for slot, launch in self._old[: rollout.surge]:
            if self._serves(slot, launch):
                self.plane.drain(slot, now_s)
            elif self.keeps_size:
                # It was lost meanwhile and has a replacement of its own.
                self.drain(1, now_s)
        self._old = self._old[rollout.surge :]
        self._replace_next(now_s)

    def _launch(self, now_s: float) -> int | None:
        slot = self.plane.launch(self.index, now_s)
        if slot is None:
            return None
        self._launches[slot - self._first] += 1
        for kind, rule in enumerate(self.fleet.interruptions):
            life_s = self._chance("life", kind, slot).exponential(rule.mean_s)
            self._ask(now_s + life_s, "interrupted", slot, kind)
        return slot

    def _is_there(self, slot: int, launch: int) -> bool:
        """Whether the replica that was launched then in that slot has not gone yet."""
        off = self.plane.state.replicas[slot].state == layout.OFF
        return self._launches[slot - self._first] == launch and not off

    def _serves(self, slot: int, launch: int) -> bool:
        """Whether it is there for longer: not drained, nor given notice."""
        draining = self.plane.state.replicas[slot].state == layout.DRAINING
        return self._is_there(slot, launch) and not draining

    def _chance(self, what: str, kind: int, slot: int) -> np.random.Generator:
        """Luck of a slot's latest replica; that of other slots does not depend on it."""
        rule = self.fleet.interruptions[kind]
        name = f"fleet {self.index}/{rule.name} {what}/{slot - self._first}"
        return stream(self._seed, name, self._launches[slot - self._first])

    def _ask(self, at_s: float, what: str, slot: int | None = None, *about: int) -> None:
        if slot is None:
            self._calendar.ask(Item(at_s, self._owner, what))
        else:
            launch = self._launches[slot - self._first]
            self._calendar.ask(Item(at_s, self._owner, what, (slot, launch, *about)))
