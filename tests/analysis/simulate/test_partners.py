"""Several deployments in one option: mixed fleets, pools for prompts and decoding, rebalancing."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from simulator.analysis.simulate.evaluate import Evaluation, Evaluator
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

SMALLER = {
    "kind": "selfhost",
    "model": "llama-3.1-8b",
    "accelerator": "l40s",
    "gpus_per_replica": 1,
    "weight_precision": "fp8",
    "replicas": 1,
}


def study_of(tmp_path: Path, **own: object) -> Study:
    """Chat on a large model and classification; ``own`` is said of the large deployment."""
    scenario = deepcopy(SMALL)
    chat = scenario["traffic"]["chat"]
    scenario["traffic"] = {
        "chat": chat | {"requests_per_month": 500_000},
        "classify": chat
        | {"requests_per_month": 2_000_000, "turns": 1, "output_tokens": 4, "max_output_tokens": 8},
    }
    scenario["options"]["own"] |= {"replicas": 1} | own
    scenario["options"]["small"] = SMALLER
    twin = SMALL["options"]["own"] | {"replicas": 1, "accelerator": "h200-sxm"}
    scenario["options"]["twin"] = twin
    return load_study(write_scenario(tmp_path / "s.yaml", scenario))


def evaluated(study: Study, size: Size | None = None) -> Evaluation:
    option = next(o for o in study.options if o.name == "own")
    return Evaluator(study, 1.0).evaluate(option, size or Size(1))


def test_a_small_model_takes_what_it_may_serve(tmp_path: Path) -> None:
    partner = {"option": "small", "replicas": 2, "serves": ["classify"]}
    study = study_of(tmp_path, serves=["chat"], partners=[partner])
    option = next(o for o in study.options if o.name == "own")
    workloads = np.array(study.traffic.workload_names)
    fleets = []
    for ledger in Evaluator(study, 1.0).simulate(option, Size(1)):
        fleets.append(np.stack([ledger.table.workload, ledger.fleet]))
    workload, fleet = np.concatenate(fleets, axis=1)
    # What never arrived, or waits at the end, has none.
    assert set(fleet[workloads[workload] == "chat"]) - {-1} == {0}
    assert set(fleet[workloads[workload] == "classify"]) <= {-1, 1}
    assert 1 in fleet


def test_partners_are_paid_for(tmp_path: Path) -> None:
    plain = evaluated(study_of(tmp_path))
    partner = {"option": "small", "replicas": 2, "serves": ["classify"]}
    study = study_of(tmp_path, partners=[partner])
    both = evaluated(study)
    small = next(o for o in study.options if o.name == "small")
    gap_usd = both.cost_usd(study)["gpus"] - plain.cost_usd(study)["gpus"]
    assert gap_usd == pytest.approx(2 * 730 * small.gpu_usd_per_hour.mid)
    assert [replicas for _, replicas in both.owned] == [1, 2]


def test_prompts_are_decoded_in_another_pool(tmp_path: Path) -> None:
    together = evaluated(study_of(tmp_path), Size(2))
    pool = {"option": "twin", "replicas": 1, "link_gb_per_s": 50, "latency_s": 0.01}
    study = study_of(tmp_path, decode_pool=pool)
    option = next(o for o in study.options if o.name == "own")
    # Llama 3.3 70B keeps 80 layers x 8 heads x 128 x 2 values of one byte per token.
    assert option.fleet.transfer_token_s == pytest.approx(80 * 8 * 128 * 2 / 50e9)
    pools = evaluated(study)
    assert pools.outcome.requests["completed"] > 0.98 * pools.outcome.requests["offered"]
    # Decoding steps hold no prompts: the slowest of them are faster.
    assert pools.outcome.tpot_s.quantile(0.99) < together.outcome.tpot_s.quantile(0.99)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"decode_pool": {"option": "small", "replicas": 1}}, "has another KV cache"),
        ({"decode_pool": {"option": "own", "replicas": 1}}, "'own' is not another selfhost option"),
        ({"partners": [{"option": "twim", "replicas": 1}]}, "(did you mean 'twin'?)"),
        ({"serves": ["chatt"]}, "'chatt' is not a workload (did you mean 'chat'?)"),
    ],
)
def test_what_cannot_serve_together_is_refused(tmp_path: Path, said: dict, message: str) -> None:
    with pytest.raises(InputError, match=r"s\.yaml:\d+:\d+: ") as caught:
        study_of(tmp_path, **said)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_rebalanced_hybrid_follows_prices(tmp_path: Path) -> None:
    scenario = deepcopy(SMALL)
    scenario["options"]["hybrid"] |= {
        "replicas": 1,
        "spill_in_flight": 16,
        "rebalance": {"interval_s": 600, "max_replicas": 4},
    }
    means = []
    for usd in (0.2, 30.0):
        scenario["options"]["own"]["rent_usd_per_gpu_hour"] = usd
        study = load_study(write_scenario(tmp_path / "s.yaml", scenario))
        option = next(o for o in study.options if o.name == "hybrid")
        outcome = Evaluator(study, 1.0).evaluate(option, Size(1, 16)).outcome
        means.append(outcome.owned_replicas[0])
    assert means[0] > 1.0
    assert means[1] < 0.3
