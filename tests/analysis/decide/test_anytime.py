"""Levels of effort, and the best answer that a time allows."""

import time
from itertools import pairwise
from pathlib import Path

import pytest

import simulator
from simulator.analysis.decide.anytime import TIMES_LONGER, best_within
from simulator.analysis.study.effort import LEVELS, with_effort_level
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario


class Clock:
    """Time that passes only while something is answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
        self.now_s, self.factor, self.levels = 0.0, factor, list[int]()
        monkeypatch.setattr(time, "monotonic", lambda: self.now_s)

    def answered(self, level: int) -> int:
        self.levels.append(level)
        self.now_s += self.factor ** (level - 1)
        return level


@pytest.mark.parametrize("factor", [1.2, 2.0, TIMES_LONGER])
@pytest.mark.parametrize("within_s", [0.1, 3.0, 8.0, 1000.0])
def test_no_level_begins_that_may_not_end_in_time(
    monkeypatch: pytest.MonkeyPatch, factor: float, within_s: float
) -> None:
    clock = Clock(monkeypatch, factor)
    found = best_within(clock.answered, 1, within_s)
    assert clock.levels == list(range(1, found + 1))
    # The first is answered whatever it takes; none that follows overruns.
    assert found == 1 or clock.now_s <= within_s
    # Where one more is left, it might have overrun.
    last_s = factor ** (found - 1)
    assert found == LEVELS or clock.now_s + TIMES_LONGER * last_s > within_s


def test_without_a_time_one_level_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 2.0)
    assert best_within(clock.answered, 4) == 4
    assert clock.levels == [4]


def test_more_effort_is_more_work(tmp_path: Path) -> None:
    study = load_study(write_scenario(tmp_path / "s.yaml", SMALL), ["analysis.worlds=64"])
    efforts = [with_effort_level(study, level).effort for level in range(1, LEVELS + 1)]
    assert [effort.level for effort in efforts] == list(range(1, LEVELS + 1))
    assert efforts[-1] == study.effort
    for less, more in pairwise(efforts):
        assert less.sample_requests <= more.sample_requests
        assert less.spans <= more.spans
        assert set(less.volumes) <= set(more.volumes)
        assert {1.0, max(study.effort.volumes)} <= set(less.volumes)


@pytest.mark.slow
def test_the_effort_that_is_told_repeats_the_answer(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "s.yaml", SMALL)
    found = simulator.find_break_even(path, within_s=0.01, views=False)
    level = found.document["effort"]["level"]
    assert level == 1
    again = simulator.find_break_even(path, effort=level, views=False)
    assert again.document == found.document


def test_effort_is_said_once_and_within_bounds(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "s.yaml", SMALL)
    with pytest.raises(InputError, match="give one"):
        simulator.find_break_even(path, fast=True, effort=2)
    with pytest.raises(InputError, match="from 1 to 5"):
        simulator.find_break_even(path, effort=6)
