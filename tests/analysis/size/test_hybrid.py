"""Hybrids: the cheapest split, against both sides and against every split there is."""

from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.analysis.decide.verdict import OptionResult
from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.size import splitting
from simulator.analysis.size.judging import Sized, meets
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.study.options import HybridOption, Size
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.report.documents.document import option_document
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

MOST_SEQUENCES = 16
VOLUMES = (0.2, 1.0, 2.5)


def scenario(
    seed: int = 3, rent_usd: float = 1.0, api_factor: float = 3.0, **slo: float
) -> dict[str, Any]:
    """Few places in a replica, so that every threshold can be tried; nobody is paid beside it."""
    made = deepcopy(SMALL)
    made["seed"] = seed
    made["traffic"]["chat"] |= {
        "requests_per_month": 400_000,
        "turns": 1,
        "output_tokens": {"median": 600, "sigma": 0.6, "most": 1500},
        "max_output_tokens": 1500,
    }
    made["slo"] = {"ttft_s": 4.0, "tpot_s": 0.12, "attainment": 0.95} | slo
    own = made["options"]["own"] | {
        "max_sequences": MOST_SEQUENCES,
        "step_time": {"fixed_s": 0.03, "prefill_token_s": 1e-4, "sequence_s": 0.005},
        "rent_usd_per_gpu_hour": rent_usd,
    }
    made["options"] = {
        "hosted": made["options"]["hosted"] | {"price_multiplier": api_factor},
        "own": own,
        "hybrid": made["options"]["hybrid"],
    }
    made["people"] = {
        "engineers_fte": 0.0,
        "engineer_usd_per_year": 0.0,
        "tooling_usd_per_month": 0.0,
    }
    made["analysis"]["sample_requests"] = 2000
    made["analysis"]["max_replicas"] = 8
    return made


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def ask(seed: int, rent_usd: float, api_factor: float, **slo: float) -> Study:
        path = tmp_path_factory.mktemp("hybrid") / "s.yaml"
        return load_study(write_scenario(path, scenario(seed, rent_usd, api_factor, **slo)))

    return ask


def sized(evaluator: Evaluator, name: str = "hybrid", start: int = 1) -> Sized:
    option = next(o for o in evaluator.study.options if o.name == name)
    return kind_of(option).size(evaluator, option, start=start)


def usd_of(evaluator: Evaluator, name: str = "hybrid") -> float:
    found = sized(evaluator, name)
    assert found.feasible
    return found.evaluation.total_usd(evaluator.study)


def hybrid_of(study: Study) -> HybridOption:
    (found,) = [o for o in study.options if isinstance(o, HybridOption)]
    return found


def every_split(
    evaluator: Evaluator, thresholds: range = range(1, MOST_SEQUENCES + 1)
) -> dict[tuple[int, int], Evaluation]:
    """All numbers of replicas that may pay, with all thresholds that leave none to a queue."""
    option = hybrid_of(evaluator.study)
    largest = sized(evaluator, "own").evaluation.size.replicas
    return {
        (replicas, spill): evaluator.evaluate(option, Size(replicas, spill))
        for replicas in range(1, largest + 1)
        for spill in thresholds
    }


COSTS = [(0.35, 3.0), (1.0, 3.0), (1.0, 12.0), (3.0, 6.0)]


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize(("rent_usd", "api_factor"), COSTS)
def test_a_hybrid_is_never_dearer_than_its_sides(
    seed: int, rent_usd: float, api_factor: float, asked: Any
) -> None:
    for volume in VOLUMES:
        evaluator = Evaluator(asked(seed, rent_usd, api_factor), volume)
        usd = usd_of(evaluator)
        for side in ("own", "hosted"):
            assert usd <= usd_of(evaluator, side) * (1 + 1e-9), f"{side} at {volume}"


def test_each_kind_of_split_occurs(asked: Any) -> None:
    """All at home, all bought, and some of both; else nothing here would be tried."""
    shares = set()
    for rent_usd, api_factor in COSTS:
        for volume in VOLUMES:
            found = sized(Evaluator(asked(3, rent_usd, api_factor), volume)).evaluation
            share = found.outcome.self_hosted_share
            shares.add("all" if share == 1 else "none" if share == 0 else "some")
    assert shares == {"all", "none", "some"}


@pytest.mark.parametrize(("rent_usd", "api_factor"), COSTS)
@pytest.mark.parametrize("volume", [2.0])
def test_no_split_is_cheaper(rent_usd: float, api_factor: float, volume: float, asked: Any) -> None:
    study = asked(3, rent_usd, api_factor)
    evaluator = Evaluator(study, volume)
    splits = every_split(evaluator)
    usd = {at: e.total_usd(study) for at, e in splits.items() if meets(e, study.slo)}
    sides = [usd_of(evaluator, side) for side in ("own", "hosted")]
    least = min(usd, key=lambda at: usd[at])
    found = usd_of(evaluator)
    assert found <= 1.01 * min(usd[least], *sides), f"cheaper: {least}"


@pytest.mark.parametrize("tpot_s", [0.07, 0.1])
def test_tight_targets_have_a_split_of_their_own(tpot_s: float, asked: Any) -> None:
    """Where full replicas are too slow, the threshold keeps them from being full."""
    study = asked(3, 1.0, 6.0, tpot_s=tpot_s)
    evaluator = Evaluator(study, 3.0)
    splits = every_split(evaluator)
    usd = {at: e.total_usd(study) for at, e in splits.items() if meets(e, study.slo)}
    assert (1, MOST_SEQUENCES) not in usd
    found = sized(evaluator)
    assert found.feasible
    least = min(usd, key=lambda at: usd[at])
    assert found.evaluation.total_usd(study) <= 1.01 * usd[least], f"cheaper: {least}"


def test_longer_queues_are_worth_trying_where_targets_let_them(asked: Any) -> None:
    """With half a minute to wait, requests may queue behind a full replica."""
    study = asked(3, 1.0, 12.0, ttft_s=30.0)
    evaluator = Evaluator(study, 3.0)
    splits = every_split(evaluator, range(16, 41, 3))
    usd = {at: e.total_usd(study) for at, e in splits.items() if meets(e, study.slo)}
    assert usd_of(evaluator) <= 1.01 * min(usd.values())


@pytest.mark.parametrize(("rent_usd", "api_factor"), COSTS)
def test_the_first_guess_does_not_decide(
    rent_usd: float, api_factor: float, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = asked(3, rent_usd, api_factor)
    usual = usd_of(Evaluator(study, 3.0))
    largest = sized(Evaluator(study, 3.0), "own").evaluation.size.replicas
    assert largest > 2
    for guess in range(1, largest + 1):
        monkeypatch.setattr(splitting, "_first_guess", lambda *_, guess=guess: guess)
        assert usd_of(Evaluator(study, 3.0)) == pytest.approx(usual, rel=0.01), f"from {guess}"


@pytest.mark.parametrize("start", [2, 7, 24])
def test_where_the_search_for_the_base_starts_does_not_decide(start: int, asked: Any) -> None:
    study = asked(3, 1.0, 3.0)
    found = [sized(Evaluator(study, 3.0), start=s).evaluation for s in (1, start)]
    assert found[0].size == found[1].size
    assert found[0].total_usd(study) == found[1].total_usd(study)


def test_what_is_given_is_kept(tmp_path: Path) -> None:
    for given in ({"replicas": 2}, {"spill_in_flight": 5}, {"replicas": 1, "spill_in_flight": 3}):
        made = scenario()
        made["options"]["hybrid"] |= given
        study = load_study(write_scenario(tmp_path / "s.yaml", made))
        evaluator = Evaluator(study, 3.0)
        found = sized(evaluator).evaluation
        for name, value in given.items():
            assert found.parts or getattr(found.size, name) == value
        if "replicas" in given:
            assert found.size.replicas == given["replicas"]


@pytest.mark.parametrize("side", ["own", "hosted"])
def test_a_split_that_does_not_pay_is_its_cheaper_side(side: str, asked: Any) -> None:
    prices = {"own": (0.01, 100.0), "hosted": (100.0, 0.1)}
    evaluator = Evaluator(asked(3, *prices[side], ttft_s=30.0), 4.0)
    found = sized(evaluator).evaluation
    alone = sized(evaluator, side).evaluation
    assert found.total_usd(evaluator.study) == pytest.approx(alone.total_usd(evaluator.study))
    assert found.outcome.self_hosted_share == (1.0 if side == "own" else 0.0)
    assert found.option.name == "hybrid"


def test_a_right_answer_costs_the_same_in_a_hybrid_that_buys_all(tmp_path: Path) -> None:
    """Answers are counted, not the calls that they take."""
    made = scenario(rent_usd=100.0)
    made["quality"] = {"attempts": 3}
    for name in ("own", "hosted"):
        made["options"][name]["success_rate"] = 0.6
    study = load_study(write_scenario(tmp_path / "s.yaml", made))
    documents = []
    for name in ("hosted", "hybrid"):
        found = sized(Evaluator(study, 1.0), name).evaluation
        costs = found.cost_usd(study)
        world_usd = np.array([found.total_usd(study)])
        result = OptionResult(found.option, found, None, (), costs, world_usd)
        documents.append(option_document(result, study))
    bought, split = documents
    assert split["self_hosted_share"] == 0
    assert bought["calls_per_request"] > 1.2
    for figure in ("cost_usd_per_month", "success_rate", "calls_per_request", "usd_per_correct"):
        assert split[figure] == pytest.approx(bought[figure]), figure


def test_parts_that_are_right_more_or_less_often_cannot_be_asked_again(tmp_path: Path) -> None:
    """Whether an answer is wrong would depend on where it came from."""
    made = scenario()
    made["quality"] = {"attempts": 3}
    made["options"]["hosted"]["success_rate"] = 0.6
    made["options"]["own"]["success_rate"] = 0.7
    with pytest.raises(InputError, match="must be that of the base"):
        load_study(write_scenario(tmp_path / "s.yaml", made))
