"""Runs in chunks do what runs in one piece do, row by row, whatever is going on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulator.engine.checkpoint import Saved, save
from simulator.engine.ledger import Ledger
from simulator.engine.records import layout
from simulator.engine.run import Chunk, Simulation, serve_chunks, serve_table
from simulator.engine.spec.plan import Overflow, Plan
from simulator.engine.spec.policies import Autoscaler, Interruption, Rollout
from simulator.errors import InputError
from simulator.traffic.joining import pruned
from simulator.traffic.table import RequestTable
from tests.support.engine.plans import DIRECT, ENDPOINT, FLEET, OWN
from tests.support.engine.random_plans import random_mixture, random_plan
from tests.support.traffic.traffic_samples import random_table

COLUMNS = (
    "outcome", "server", "arrival_s", "start_s", "first_token_s", "finished_s", "cached_tok",
    "written_tok", "completion_tok", "reasoning_tok", "preemptions", "restarts", "attempts",
    "stored_tok_h", "usd", "fleet",
)  # fmt: skip


def cut(table: RequestTable, chunk_s: float, horizon_s: float) -> list[Chunk]:
    """Whole sessions by the time at which they begin, trees cut to what they need."""
    start_s = table.arrival_s[table.sessions()]
    parts = []
    for begin_s in np.arange(0.0, max(start_s[-1], 1e-9) + chunk_s, chunk_s):
        inside = np.flatnonzero((start_s >= begin_s) & (start_s < begin_s + chunk_s))
        part = table.arrange(inside, start_s[inside])
        parts.append((pruned(part), begin_s + chunk_s))
    return parts


def assert_same_rows(pieces: list[Ledger], whole: Ledger) -> None:
    """All rows of the whole run come once, the same to the last bit."""
    random_bits = np.concatenate([piece.table.random_bits for piece in pieces])
    order = np.argsort(random_bits)
    expected = np.argsort(whole.table.random_bits)
    np.testing.assert_array_equal(random_bits[order], whole.table.random_bits[expected])
    for name in COLUMNS:
        got = np.concatenate([getattr(piece, name) for piece in pieces])[order]
        np.testing.assert_array_equal(got, getattr(whole, name)[expected], err_msg=name)
    for got_account, account in zip(pieces[-1].fleets, whole.fleets, strict=True):
        np.testing.assert_array_equal(got_account.periods_s, account.periods_s)
        assert got_account.busy_s == account.busy_s
        assert got_account.steps == account.steps


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_chunks_change_nothing_under_every_rule_of_scheduling(seed: int) -> None:
    plan, table = random_plan(seed), random_mixture(seed)
    chunk_s = [0.5, 2.0, 5.0, 20.0][seed % 4]
    pieces = list(serve_chunks(plan, cut(table, chunk_s, 1e4), 1e4))
    assert len(pieces) > 1 or chunk_s == 20.0
    assert_same_rows(pieces, serve_table(plan, table, 1e4))


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["prefix", "breakpoint", "unit"])
@pytest.mark.parametrize("horizon_s", [12.0, 2000.0])
def test_chunks_change_nothing_with_apis_control_and_deferred_work(
    rule: str, horizon_s: float
) -> None:
    table = random_table(31, sessions=120, rate_per_s=4.0)
    deadline_s = np.where(np.arange(table.size) % 5 == 0, 60.0, np.inf)
    table = replace(table, deadline_s=deadline_s)
    fleet = replace(
        FLEET,
        autoscaler=Autoscaler(3.0, 6, 1.0, 4.0),
        interruptions=(
            Interruption("failure", 9.0, 0.0, 3.0),
            Interruption("spot", 20.0, 1.0, 1.0),
        ),
        rollout=Rollout((9.0,), 1),
        deferred_in_flight=3,
        deferred_lead_s=20.0,
    )
    endpoint = replace(
        ENDPOINT, cache=replace(ENDPOINT.cache, rule=rule), outages_s=((5.0, 9.0), (15.0, 16.0))
    )
    plan = Plan(OWN, (fleet,), (endpoint,), DIRECT, Overflow((0,), 6), seed=3)
    whole = serve_table(plan, table, horizon_s)
    assert whole.restarts.sum() > 0
    assert (whole.server == 0).any()
    for chunk_s in (1.0, 7.0):
        assert_same_rows(list(serve_chunks(plan, cut(table, chunk_s, horizon_s), horizon_s)), whole)


def test_pieces_leave_as_soon_as_their_sessions_are_over() -> None:
    table = random_table(32, sessions=400, rate_per_s=2.0)
    pieces = list(serve_chunks(Plan(OWN, (FLEET,)), cut(table, 10.0, 1e4), 1e4))
    assert len(pieces) == 21
    assert max(piece.table.size for piece in pieces) < table.size / 5
    assert all((piece.outcome != layout.IN_FLIGHT).all() for piece in pieces)
    assert max(piece.table.tree.size for piece in pieces) < table.tree.size / 2


def test_answered_calls_leave_as_well() -> None:
    table = random_table(34, sessions=300, rate_per_s=2.0)
    plan = Plan((0,), (), (ENDPOINT,), DIRECT)
    pieces = list(serve_chunks(plan, cut(table, 10.0, 1e4), 1e4))
    assert max(piece.table.size for piece in pieces) < table.size / 4
    assert_same_rows(pieces, serve_table(plan, table, 1e4))


def test_what_arrives_with_the_horizon_is_not_lost() -> None:
    table = random_table(35, sessions=20)
    horizon_s = float(table.arrival_s[-1])
    plan = Plan(OWN, (FLEET,))
    pieces = list(serve_chunks(plan, [(table, horizon_s)], horizon_s, between=lambda _: None))
    assert_same_rows(pieces, serve_table(plan, table, horizon_s))


@pytest.mark.slow
def test_a_run_from_a_checkpoint_ends_as_one_that_was_never_interrupted(tmp_path: Path) -> None:
    table = random_table(33, sessions=120, rate_per_s=4.0)
    fleet = replace(
        FLEET,
        autoscaler=Autoscaler(3.0, 6, 1.0, 4.0),
        interruptions=(Interruption("spot", 25.0, 2.0, 3.0),),
        rollout=Rollout((9.0,), 0),
    )
    plan = Plan(OWN, (fleet,), (ENDPOINT,), DIRECT, Overflow((0,), 6), seed=3)
    parts, horizon_s = cut(table, 3.0, 1e3), 1e3
    done = 0

    def note(simulation: Simulation) -> None:
        nonlocal done
        done += 1
        save(tmp_path / f"{done}.npz", simulation, {"done": done}, {"a": np.arange(done)})

    whole = list(serve_chunks(plan, parts, horizon_s, between=note))
    assert_same_rows(whole, serve_table(plan, table, horizon_s))
    for at in (1, 4, len(parts)):
        saved = Saved(tmp_path / f"{at}.npz")
        assert saved.notes == {"done": at}
        assert len(saved.array("a")) == at
        simulation = saved.simulation(plan, table.workloads, horizon_s, 0.0)
        rest = list(serve_chunks(plan, parts[at:], horizon_s, simulation=simulation, between=note))
        before = whole[: 2 * at - 1]
        assert_same_rows([*before, *rest], serve_table(plan, table, horizon_s))


@pytest.mark.parametrize("at", [0, 1, 100, 5000, -1])
def test_a_broken_checkpoint_is_refused(at: int, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    simulation = Simulation(Plan(OWN, (FLEET,)), random_table(1, sessions=5), 10.0, 0.0)
    save(path, simulation, {}, {})
    path.write_bytes(path.read_bytes()[:at])
    with pytest.raises(InputError, match=r"c\.npz: cannot be read as a checkpoint"):
        Saved(path)
