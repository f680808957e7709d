"""Records as kernels find them: fields are references, and nothing is linked before the start."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulator.engine.kernels.own.kv_cache import kv_find
from simulator.engine.records import api_layout, layout
from simulator.engine.records.layout import BLOCK_TOK_MAX, NONE, TIE_BITS, EngineState
from simulator.engine.spec.plan import Plan
from simulator.traffic.table import PrefixTree
from simulator.units import DAY_S
from tests.support.engine.kernel_states import engine_state
from tests.support.engine.plans import FLEET
from tests.support.pricing.api_samples import EXACT, among, calls

TYPES = {
    name: value
    for module in (layout, api_layout)
    for name, value in vars(module).items()
    if isinstance(value, np.dtype)
}


def state_of_everything() -> EngineState:
    """Two fleets of three and two replicas, an endpoint of a gateway, and a prefix tree."""
    tree = PrefixTree.numbered(np.array([-1, 0], np.int32), np.array([64, 128], np.int32))
    fleets = (replace(FLEET, replicas=3, max_sequences=4), FLEET)
    plan = Plan((layout.OWN,), fleets, (EXACT,), (among(1),))
    return engine_state(plan, calls(np.zeros(3), node=1, tree=tree))


@pytest.mark.parametrize("name", TYPES)
def test_records_are_aligned_for_compiled_code(name: str) -> None:
    assert TYPES[name].isalignedstruct
    assert TYPES[name].itemsize % TYPES[name].alignment == 0


def test_a_record_is_a_reference_to_its_array() -> None:
    state = state_of_everything()
    rep, prefix, reuse = state.replicas[1], state.prefixes[0, 1], state.reuse[0, 0, 1]
    rep.free_blocks -= 7
    rep.crossing[3] += 1
    prefix.used_s = 5.0
    reuse.read_tok += 2.0
    assert state.replicas.free_blocks.tolist() == [200, 193, 200, 200, 200]
    assert state.replicas.crossing[1, 3] == 1
    assert state.prefixes["used_s"].tolist() == [[-math.inf, 5.0]]
    assert state.reuse["read_tok"].tolist() == [[[0.0, 2.0]]]


def test_keys_of_ends_have_room_for_decades_of_short_steps() -> None:
    steps = np.iinfo(layout.FINISH["key"]).max >> TIE_BITS
    assert steps * 0.002 > 20 * 365 * DAY_S


def test_blocks_of_every_length_have_their_counters() -> None:
    assert layout.REPLICA["crossing"].shape == (BLOCK_TOK_MAX,)


def test_each_replica_has_its_own_unused_sequences() -> None:
    state = state_of_everything()
    found = []
    for rep in state.replicas:
        s = int(rep.free_sequence)
        assert s == rep.first_sequence
        for _ in range(state.fleets[rep.fleet].max_sequences):
            found.append(s)
            s = int(state.sequences[s].next)
    assert found == list(range(len(state.sequences))) == list(range(3 * 4 + 2 * 8))


def test_all_queues_lists_and_caches_are_empty() -> None:
    state = state_of_everything()
    for queues in (state.replicas, state.fleets, state.endpoints, state.deferred):
        assert (queues.waiting_head == NONE).all()
    for name in ("running_tail", "prefill_head", "lru_head", "lru_tail"):
        assert (state.replicas[name] == NONE).all()
    for r in range(len(state.replicas)):
        assert [kv_find(state, r, node) for node in (0, 1)] == [NONE, NONE]
    assert (state.prefixes.expiry_s == -math.inf).all()
    assert state.clock[0].pending == 0


def test_the_index_of_cached_nodes_is_never_more_than_half_full() -> None:
    state = state_of_everything()
    size = len(state.kv_index)
    assert size & (size - 1) == 0, "a power of two"
    assert size >= 2 * len(state.kv_entries)


def test_no_replica_has_an_event_and_every_row_awaits_its_arrival() -> None:
    state = state_of_everything()
    assert (state.wakes.key == math.inf).all()
    assert state.wakes.member.tolist() == state.wakes.position.tolist() == list(range(5))
    assert (state.ledger.awaits == layout.ARRIVAL).all()
    assert (state.ledger.outcome == layout.ABSENT).all()
    for name in ("server", "gateway", "replica", "first_replica", "sequence", "pool"):
        assert (state.ledger[name] == NONE).all()
