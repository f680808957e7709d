"""Life cycle of the replicas of one fleet: launches, losses, replacements, drains, rollouts."""

from enum import StrEnum
from typing import Any

import numpy as np

from simulator.engine.control.clock import Calendar, ControlEvent
from simulator.engine.records import layout
from simulator.engine.spec.plan import Fleet
from simulator.engine.state.data_plane import DataPlane
from simulator.rng import stream

_RETRY_S = 5.0
"""Time until it is checked again whether a drained replica has stopped."""


class Action(StrEnum):
    """Actions that a fleet's controller schedules; checkpoints hold them as text."""

    RETURN = "return"
    """Launch a replica again that was away."""
    READY = "ready"
    """Let a replica serve whose cold start is over."""
    INTERRUPTED = "interrupted"
    """Give a replica notice, or lose it at once."""
    LOST = "lost"
    """Lose a replica whose notice is over."""
    ROLL_OUT = "roll out"
    """Begin to replace all replicas."""
    DRAINED = "drained"
    """Check whether the replica that makes room has stopped."""
    REPLACED = "replaced"
    """Drain the replicas whose replacements serve now."""


class FleetControl:
    """Launches replicas, loses them at random, replaces them.

    A lost replica that will be replaced counts as present, as a pending pod does, so that no other
    controller launches one in its place.
    """

    def __init__(self, plane: DataPlane, calendar: Calendar, index: int, seed: int) -> None:
        self.plane = plane
        self.fleet: Fleet = plane.plan.fleets[index]
        self.index = index
        self.keeps_size = self.fleet.autoscaler is None
        """Whether no other controller decides the number of replicas."""
        self.away = 0
        """Replicas that are lost or drained and will be replaced."""
        self._calendar = calendar
        self._owner = calendar.join(self)
        self._seed = seed
        self._first = int(plane.state.fleets[index].first_slot)
        self._old: list[list[int]] = []
        """Slot and launch number of the replicas that the current rollout still has to replace."""
        self._launches = [0] * int(plane.state.fleets[index].slots)
        """Launches so far by slot."""

    def begin(self) -> None:
        """Make the always-on replicas ready, and schedule the rollouts."""
        for _ in range(self.fleet.replicas):
            slot = self._launch(0.0)
            assert slot is not None
            self.plane.activate(slot, 0.0)
        rollout = self.fleet.rollout
        for at_s in rollout.at_s if rollout else ():
            if at_s >= self.plane.zero_s:
                self._schedule(at_s - self.plane.zero_s, Action.ROLL_OUT)

    def slots_in(self, *states: int) -> np.ndarray:
        """Return the slots whose replicas are in one of some states, the least busy first."""
        indices = np.flatnonzero(self._is_in(states))
        order = np.argsort(self.plane.column(self.index, "in_flight")[indices], kind="stable")
        return self._first + indices[order]

    def count_in(self, *states: int) -> int:
        """Return the number of replicas in one of some states."""
        return int(np.count_nonzero(self._is_in(states)))

    def _is_in(self, states: tuple[int, ...]) -> np.ndarray:
        """Return which slots have a replica in one of some states. (slots,)"""
        state = self.plane.column(self.index, "state")
        mask = state == states[0]
        for other in states[1:]:
            mask |= state == other
        return mask

    @property
    def present(self) -> int:
        """Number of replicas that serve, start, or will be replaced."""
        return self.count_in(layout.STARTING, layout.READY) + self.away

    def launch(self, now_s: float) -> int | None:
        """Launch a replica, paid for from now and serving after its cold start; return its slot.

        While drained replicas hold all slots, the launch waits for one of them; None then.
        """
        slot = self._launch(now_s)
        if slot is None:
            self.away += 1
            self._schedule(now_s + _RETRY_S, Action.RETURN)
        else:
            self._schedule(now_s + self.fleet.cold_start_s, Action.READY, slot)
        return slot

    def drain(self, count: int, now_s: float) -> None:
        """Send the least busy replicas no more requests; each stops after its last one."""
        for slot in self.slots_in(layout.READY)[: max(0, count)]:
            self.plane.drain(int(slot), now_s)

    def act(self, now_s: float, what: str, about: tuple[int, ...]) -> None:
        """Carry out an event; one of a replica that is gone by then has no effect."""
        if what == Action.RETURN:
            self.away -= 1
            self.launch(now_s)
        elif what == Action.ROLL_OUT:
            self._begin_rollout(now_s)
        elif what == Action.DRAINED:
            self._replace_drained(now_s)
        elif what == Action.REPLACED:
            self._drain_replaced(now_s)
        elif self._exists(*about[:2]):
            self._change_replica(now_s, Action(what), *about)

    def state(self) -> dict[str, Any]:
        """Return replicas away, launches by slot, and what a rollout still has to replace."""
        return {"away": self.away, "launches": self._launches, "old": self._old}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned."""
        self.away, self._launches, self._old = state["away"], state["launches"], state["old"]

    def _change_replica(self, now_s: float, what: Action, slot: int, _: int, kind: int = 0) -> None:
        """Interrupt, lose or activate a replica that still exists."""
        if what == Action.INTERRUPTED:
            self._interrupt(now_s, slot, kind)
        elif what == Action.LOST:
            self.plane.lose(slot, now_s)
        elif self.plane.state.replicas[slot].state == layout.STARTING:
            self.plane.activate(slot, now_s)

    def _interrupt(self, now_s: float, slot: int, kind: int) -> None:
        """Drain a replica or lose it at once, and schedule its replacement."""
        rule = self.fleet.interruptions[kind]
        replica = self.plane.state.replicas[slot]
        if replica.state in (layout.STARTING, layout.READY):
            self.away += 1
            wait_s = self._generator("away", kind, slot).exponential(rule.away_s)
            self._schedule(now_s + wait_s, Action.RETURN)
        if rule.notice_s == 0 or replica.state == layout.STARTING:
            self.plane.lose(slot, now_s)
        else:
            self.plane.drain(slot, now_s)
            self._schedule(now_s + rule.notice_s, Action.LOST, slot)

    def _begin_rollout(self, now_s: float) -> None:
        """Begin to replace all present replicas, unless a rollout is under way."""
        if self._old:
            return  # the current rollout replaces every replica already
        old = self.slots_in(layout.STARTING, layout.READY)
        self._old = [[int(slot), self._launches[slot - self._first]] for slot in old]
        self._replace_next(now_s)

    def _replace_next(self, now_s: float) -> None:
        """Launch the next replacements or, without surge, drain a replica to make room for one."""
        self._old = [replica for replica in self._old if self._keeps_serving(*replica)]
        rollout = self.fleet.rollout
        assert rollout is not None
        if not self._old:
            return
        if rollout.surge:
            for _ in self._old[: rollout.surge]:
                self.launch(now_s)
            self._schedule(now_s + self.fleet.cold_start_s, Action.REPLACED)
        else:
            self.away += 1
            self.plane.drain(self._old[0][0], now_s)
            self._replace_drained(now_s)

    def _replace_drained(self, now_s: float) -> None:
        """Launch a replacement if the drained replica has stopped; otherwise check again later."""
        if self._exists(*self._old[0]):
            self._schedule(now_s + _RETRY_S, Action.DRAINED)
            return
        self.away -= 1
        self.launch(now_s)
        self._schedule(now_s + self.fleet.cold_start_s, Action.REPLACED)

    def _drain_replaced(self, now_s: float) -> None:
        """Drain replicas whose replacements serve now, and continue with the next."""
        rollout = self.fleet.rollout
        assert rollout is not None
        for slot, launch in self._old[: rollout.surge]:
            if self._keeps_serving(slot, launch):
                self.plane.drain(slot, now_s)
            elif self.keeps_size:
                # It was lost meanwhile and is replaced for that reason, too: one replica too many.
                self.drain(1, now_s)
        self._old = self._old[rollout.surge :]
        self._replace_next(now_s)

    def _launch(self, now_s: float) -> int | None:
        """Launch a replica and schedule its interruptions; return its slot, or None."""
        slot = self.plane.launch(self.index, now_s)
        if slot is None:
            return None
        self._launches[slot - self._first] += 1
        for kind, rule in enumerate(self.fleet.interruptions):
            life_s = self._generator("life", kind, slot).exponential(rule.mean_s)
            self._schedule(now_s + life_s, Action.INTERRUPTED, slot, kind)
        return slot

    def _exists(self, slot: int, launch: int) -> bool:
        """Return whether the replica of a given launch in a slot has not stopped."""
        off = self.plane.state.replicas[slot].state == layout.OFF
        return self._launches[slot - self._first] == launch and not off

    def _keeps_serving(self, slot: int, launch: int) -> bool:
        """Return whether the replica of a given launch exists, is not drained and has no notice."""
        draining = self.plane.state.replicas[slot].state == layout.DRAINING
        return self._exists(slot, launch) and not draining

    def _generator(self, what: str, kind: int, slot: int) -> np.random.Generator:
        """Return the random stream of a slot's latest replica, independent of all other slots."""
        rule = self.fleet.interruptions[kind]
        name = f"fleet {self.index}/{rule.name} {what}/{slot - self._first}"
        return stream(self._seed, name, self._launches[slot - self._first])

    def _schedule(self, at_s: float, what: Action, slot: int | None = None, *about: int) -> None:
        if slot is None:
            self._calendar.schedule(ControlEvent(at_s, self._owner, what))
        else:
            launch = self._launches[slot - self._first]
            self._calendar.schedule(ControlEvent(at_s, self._owner, what, (slot, launch, *about)))
