"""Memory: what a run held is free when it is over, without waiting for the collector."""

import gc
import weakref
from pathlib import Path

import pytest

from simulator.analysis.sampling.sample import whole_horizon_sample
from simulator.analysis.simulate.planning import plan_of
from simulator.analysis.study.options import Size
from simulator.engine.run import Simulation
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow


def test_a_run_that_is_over_leaves_nothing_behind(tmp_path: Path) -> None:
    study = load_study(write_scenario(tmp_path / "small.yaml", SMALL))
    (own,) = (option for option in study.options if option.name == "own")
    (table, end_s), *_ = whole_horizon_sample(study, 0.1).chunks(0)
    gc.collect()
    gc.disable()
    try:
        simulation = Simulation(plan_of(study, own, Size(1)), table, end_s, 0.0)
        arrays = weakref.ref(simulation.plane)
        ledger = simulation.finish()
        del simulation
        assert arrays() is None
        assert ledger.completed.any()
    finally:
        gc.enable()
