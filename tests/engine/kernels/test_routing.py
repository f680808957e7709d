"""Routing: the least loaded replica, ties, room, what binds a request, and overflow."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.kernels.own import kv_cache
from simulator.engine.kernels.routing import choose_replica, choose_server, first_fleet
from simulator.engine.records.layout import (
    DRAINING,
    MANY,
    NONE,
    NOWHERE,
    OWN,
    READY,
    STARTING,
    EngineState,
)
from simulator.engine.spec.plan import Fleet, Overflow, Plan
from simulator.traffic.table import PrefixTree, RequestTable
from tests.support.engine.kernel_states import engine_state, own_state
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import EXACT, among, calls

FREE = replace(FLEET, affinity="none", replicas=3)


def loaded(
    *in_flight: int, fleets: tuple[Fleet, ...] = (FREE,), table: RequestTable | None = None
) -> EngineState:
    """Ready replicas with some requests in flight; None stands for one that is starting."""
    state = own_state(*fleets, table=table)
    put_load(state, *in_flight)
    return state


def put_load(state: EngineState, *in_flight: int) -> None:
    for r, count in enumerate(in_flight):
        state.replicas[r].in_flight = count
        state.loads[r] = count * state.fleets[state.replicas[r].fleet].load


def not_ready(state: EngineState, r: int, replica_state: int = DRAINING) -> None:
    state.replicas[r].state, state.loads[r] = replica_state, math.inf


# The least loaded.


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(0, 5), st.integers(0, 5))
def test_the_least_loaded_is_the_first_in_turn(
    in_flight: list[int], rotation: int, most: int
) -> None:
    """The search starts after the replica chosen last, and ends with that one."""
    n = len(in_flight)
    state = loaded(*in_flight, fleets=(replace(FREE, replicas=n),))
    state.clock[0].rotation = rotation % n
    turns = [(rotation % n + k) % n for k in range(n)]
    allowed = [r for r in turns if in_flight[r] < most]
    expected = min(allowed, key=lambda r: in_flight[r], default=NONE)
    assert choose_replica(state, 0, most) == expected
    after = rotation % n if expected == NONE else (expected + 1) % n
    assert state.clock[0].rotation == after


def test_equally_loaded_replicas_are_chosen_in_turn() -> None:
    state = loaded(2, 2, 2)
    assert [choose_replica(state, 0, MANY) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_load_is_relative_to_the_weight_of_a_fleet() -> None:
    heavy = replace(FREE, replicas=1, weight=4.0)
    state = loaded(1, 3, fleets=(replace(FREE, replicas=1), heavy))
    assert choose_replica(state, 0, MANY) == 1
    put_load(state, 1, 5)
    assert choose_replica(state, 0, MANY) == 0


def test_replicas_that_are_not_ready_get_nothing() -> None:
    state = loaded(5, 0, 0)
    not_ready(state, 1, STARTING)
    not_ready(state, 2, DRAINING)
    assert choose_replica(state, 0, MANY) == 0
    not_ready(state, 0)
    assert choose_replica(state, 0, MANY) == NONE


@pytest.mark.parametrize(("in_flight", "chosen"), [(10, 0), (11, NONE)])
def test_a_replica_has_room_for_its_sequences_and_its_queue(in_flight: int, chosen: int) -> None:
    state = loaded(in_flight, fleets=(replace(FREE, replicas=1, max_waiting=3),))
    assert choose_replica(state, 0, MANY) == chosen


@pytest.mark.parametrize(("most", "chosen"), [(5, 0), (4, NONE)])
def test_a_replica_with_the_most_that_it_may_have_gets_nothing(most: int, chosen: int) -> None:
    assert choose_replica(loaded(4, fleets=(replace(FREE, replicas=1),)), 0, most) == chosen


def test_a_replica_always_has_room_for_a_prompt_that_it_must_decode() -> None:
    one = replace(FREE, replicas=1, max_waiting=0)
    state = loaded(0, 8, fleets=(one, one))
    state.ledger[0].pool = 1
    assert choose_replica(state, 0, 0) == 1


def test_only_fleets_that_can_hold_the_prompt_are_considered() -> None:
    short = replace(FREE, replicas=1, max_model_tok=1000)
    long = replace(FREE, replicas=1)
    state = loaded(0, 7, fleets=(short, long), table=calls([0.0, 0.0, 0.0], [999, 1000, 2000]))
    assert [choose_replica(state, row, MANY) for row in range(3)] == [0, 1, NONE]
    assert [first_fleet(state, row) for row in range(3)] == [0, 1, NONE]


# Affinity.


def second_turn(*in_flight: int, bound: int, **rules: object) -> EngineState:
    """Row 1 follows row 0, which was first sent to the replica ``bound``."""
    table = calls(np.zeros(2), 100, gap_s=np.array([math.nan, 0.0]))
    fleet = replace(FREE, affinity="session", affinity_slack=3, **rules)
    state = loaded(*in_flight, fleets=(fleet,), table=table)
    state.ledger[0].first_replica = bound
    return state


@pytest.mark.parametrize(("in_flight", "chosen"), [(4, 2), (5, 0)])
def test_a_session_stays_with_its_replica_up_to_the_slack(in_flight: int, chosen: int) -> None:
    """The least loaded has one request, and three more are allowed."""
    assert choose_replica(second_turn(1, 2, in_flight, bound=2), 1, MANY) == chosen


def test_a_first_turn_is_bound_to_nothing() -> None:
    state = second_turn(1, 2, 3, bound=2)
    assert choose_replica(state, 0, MANY) == 0
    state.requests[1].gap_s = math.nan
    assert choose_replica(state, 1, MANY) == 0


def test_a_session_leaves_a_replica_that_is_lost_or_has_no_room() -> None:
    state = second_turn(1, 2, 2, bound=2)
    not_ready(state, 2)
    assert choose_replica(state, 1, MANY) == 0
    assert choose_replica(second_turn(1, 2, 2, bound=NONE), 1, MANY) == 0
    full = second_turn(7, 8, 8, bound=2, max_waiting=0)
    assert choose_replica(full, 1, MANY) == 0
    assert choose_replica(second_turn(1, 3, 3, bound=2), 1, 3) == 0


def prefixes(*in_flight: int, hits: tuple[int, ...], fleets: tuple[Fleet, ...] = ()) -> EngineState:
    """A prompt of ten shared blocks, of which each replica has some in its cache."""
    tree = PrefixTree.numbered(np.array([-1], np.int32), np.array([160], np.int32))
    fleet = replace(FREE, affinity="prefix", affinity_slack=3)
    table = calls([0.0], 200, node=0, tree=tree)
    state = loaded(*in_flight, fleets=fleets or (fleet,), table=table)
    for r, blocks in enumerate(hits):
        if blocks:
            kv_cache.kv_keep(state, r, 0, blocks)
    return state


@pytest.mark.parametrize(
    ("in_flight", "hits", "chosen"),
    [
        ((1, 2, 3), (0, 0, 0), 0),
        ((1, 2, 3), (4, 5, 6), 2),
        ((1, 2, 4), (4, 5, 6), 2),
        ((1, 2, 5), (4, 5, 6), 1),
        ((2, 2, 1), (5, 5, 0), 0),
        ((2, 1, 2), (5, 5, 5), 1),
        ((1, 2, 2), (0, 1, 1), 1),
    ],
    ids=["no hit", "longest", "at the slack", "above", "after the least", "least", "first after"],
)
def test_the_longest_prefix_binds_up_to_the_slack(
    in_flight: tuple[int, ...], hits: tuple[int, ...], chosen: int
) -> None:
    """Among equal hits, the least loaded comes first, then those after it in turn."""
    assert choose_replica(prefixes(*in_flight, hits=hits), 0, MANY) == chosen


def test_prefixes_bind_to_ready_replicas_of_the_same_fleet() -> None:
    fleet = replace(FREE, affinity="prefix", replicas=2)
    state = prefixes(2, 1, 1, 1, hits=(5, 0, 9, 0), fleets=(fleet, fleet))
    assert choose_replica(state, 0, MANY) == 0
    not_ready(state, 0)
    state.clock[0].rotation = 0
    assert choose_replica(state, 0, MANY) == 1


# Servers.


def hybrid(in_flight: int, limit: int | None = 4, **rules: object) -> EngineState:
    """One replica; workload 0 overflows to a gateway, and workload 1 always goes there."""
    fleet = replace(FREE, replicas=1, max_waiting=2, **rules)
    overflow = None if limit is None else Overflow((0, NONE), limit)
    plan = Plan((OWN, 0), (fleet,), (EXACT,), (among(1),), overflow)
    table = calls(
        np.zeros(3),
        np.array([100, 100, 5000]),
        workload=np.array([0, 1, 0]),
        workloads=("a", "b"),
    )
    state = engine_state(plan, table)
    put_load(state, in_flight)
    return state


def test_a_workload_of_a_gateway_never_looks_at_replicas() -> None:
    assert choose_server(hybrid(0), 1) == (0, NONE)


@pytest.mark.parametrize(("in_flight", "server"), [(3, (OWN, 0)), (4, (0, NONE))])
def test_requests_overflow_when_every_replica_has_the_limit(
    in_flight: int, server: tuple[int, int]
) -> None:
    assert choose_server(hybrid(in_flight), 0) == server


def test_a_prompt_that_no_fleet_can_hold_overflows_or_is_served_nowhere() -> None:
    assert choose_server(hybrid(0), 2) == (0, NONE)
    assert choose_server(hybrid(0, limit=None), 2) == (NOWHERE, NONE)


@pytest.mark.parametrize(("in_flight", "server"), [(9, (OWN, 0)), (10, (NOWHERE, NONE))])
def test_without_overflow_requests_beyond_the_room_are_refused(
    in_flight: int, server: tuple[int, int]
) -> None:
    assert choose_server(hybrid(in_flight, limit=None), 0) == server


@pytest.mark.parametrize(("waiting", "server"), [(1, (OWN, NONE)), (2, (NOWHERE, NONE))])
def test_while_no_replica_is_ready_a_few_requests_wait(
    waiting: int, server: tuple[int, int]
) -> None:
    state = hybrid(0, limit=None)
    not_ready(state, 0)
    state.fleets[0].waiting = waiting
    assert choose_server(state, 0) == server
    with_overflow = hybrid(0)
    not_ready(with_overflow, 0)
    assert choose_server(with_overflow, 0) == (0, NONE)


def test_a_prompt_that_must_be_decoded_waits_for_its_fleet_and_never_overflows() -> None:
    state = hybrid(0)
    not_ready(state, 0)
    state.ledger[0].pool = 0
    assert choose_server(state, 0) == (OWN, NONE)
    state.replicas[0].state, state.loads[0] = READY, 9.0
    state.replicas[0].in_flight = 9
    assert choose_server(state, 0) == (OWN, 0)
