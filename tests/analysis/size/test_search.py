"""Choices: bounds are bounds, the cheapest candidate is found, and every other has its reason."""

import itertools
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis.sampling.sample import Sample, as_chunks
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import Sized
from simulator.analysis.size.kinds.choice import Choice
from simulator.analysis.size.kinds.contract import kind_of
from simulator.analysis.size.options import size_option
from simulator.analysis.study.options import HybridOption, SelfHostOption
from simulator.analysis.study.study import Study
from simulator.engine.run import serve_table
from simulator.engine.spec.plan import Fleet, Plan
from simulator.errors import InputError
from simulator.scenario.building.study import load_study
from simulator.serving.capacity import KvCapacity
from simulator.serving.steptime import StepTime
from simulator.traffic.table import RequestTable
from tests.support.engine.plans import FLEET, OWN
from tests.support.scenarios import SMALL, write_scenario
from tests.support.traffic.traffic_samples import open_loop, random_table

HORIZON_S = 1e5
"""By then everything is answered."""


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("quickstart", ["analysis.worlds=8", "analysis.sample_requests=4000"])


@pytest.fixture(scope="module")
def physical(study: Study) -> Fleet:
    own = next(o for o in study.options if isinstance(o, SelfHostOption))
    return own.fleet


def looking(study: Study, table: RequestTable, attainment: float, horizon_s: float) -> Evaluator:
    """The evaluator of a study whose whole horizon is a table."""
    asked = replace(study, slo=replace(study.slo, attainment=attainment))
    one = np.ones(1)
    spans_s = np.array([[0.0, horizon_s]])
    whole = Sample(
        as_chunks(table, horizon_s), horizon_s, spans_s, one, one, one, float(table.size)
    )
    return Evaluator(asked, 1.0, whole)


def busy_s(fleet: Fleet, table: RequestTable, horizon_s: float = HORIZON_S) -> float:
    ledger = serve_table(Plan(OWN, (fleet,)), table, horizon_s)
    assert ledger.completed.all(), "the bound is one for work that is done"
    return ledger.fleets[0].busy_s


def bound_s(study: Study, fleet: Fleet, table: RequestTable, attainment: float = 1.0) -> float:
    """The bound in replica-seconds."""
    own = next(o for o in study.options if isinstance(o, SelfHostOption))
    deployed = replace(own, fleet=fleet)
    return looking(study, table, attainment, HORIZON_S).busy_replicas(deployed) * HORIZON_S


def linear(batch_tok: int) -> st.SearchStrategy[StepTime]:
    few = st.sampled_from([0.0, 1e-6, 1e-4, 2e-3])
    return st.builds(
        lambda fixed, prefill, sequence, context: StepTime.linear(
            batch_tok,
            fixed_s=fixed,
            prefill_token_s=prefill,
            sequence_s=sequence,
            context_token_s=context,
        ),
        st.sampled_from([1e-4, 2e-2]),
        few,
        few,
        few.map(lambda s: s / 10),
    )


def curved(batch_tok: int) -> st.SearchStrategy[StepTime]:
    """Step times of any shape that grow, as touched experts and captured graphs make them."""

    def build(seed: int) -> StepTime:
        rng = np.random.default_rng(seed)
        token_s = np.cumsum(
            rng.exponential(1e-4, batch_tok + 1) * rng.integers(0, 2, batch_tok + 1)
        )
        token_s += rng.choice([1e-3, 2e-2])
        decoding_s = np.cumsum(rng.exponential(1e-5, batch_tok + 1))
        mixed_s = np.maximum(token_s, rng.choice([0.0, 0.03]))
        decoding_s[0] = 0.0
        return StepTime(token_s, mixed_s, decoding_s, 1e-5, 1e-7, 1e-9)

    return st.builds(build, st.integers(0, 1000))


def fleets() -> st.SearchStrategy[Fleet]:
    return st.builds(
        lambda time, replicas, sequences, blocks, cached, affinity: replace(
            FLEET,
            step_time=time,
            replicas=replicas,
            max_sequences=sequences,
            kv=KvCapacity(blocks, 16, 0.5),
            prefix_cache=cached,
            affinity=affinity,
        ),
        st.one_of(linear(256), curved(256)),
        st.integers(1, 3),
        st.sampled_from([1, 4, 64]),
        st.sampled_from([130, 2000]),
        st.booleans(),
        st.sampled_from(["none", "session", "prefix"]),
    )


LOADS = st.builds(
    lambda seed, rate: random_table(seed, sessions=60, rate_per_s=rate),
    st.integers(0, 10_000),
    st.sampled_from([0.3, 5.0, 1e4]),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(fleets(), LOADS, st.sampled_from([0.9, 1.0]))
def test_no_replica_is_busy_for_less_than_the_bound(
    study: Study, fleet: Fleet, table: RequestTable, attainment: float
) -> None:
    table = table.take(np.arange(table.size))
    assert table.input_tokens.max() + table.completion_tokens.max() < fleet.max_model_tok
    least_s = bound_s(study, fleet, table, attainment)
    assert 0 <= least_s <= busy_s(fleet, table) * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("rate_per_s", [0.2, 4.0, 1000.0])
def test_no_real_replica_is_busy_for_less_than_the_bound(
    study: Study, physical: Fleet, cached: bool, rate_per_s: float
) -> None:
    fleet = replace(physical, prefix_cache=cached)
    table = random_table(3, sessions=400, rate_per_s=rate_per_s, prompt_tok=3000, output_tok=300)
    # Whatever replicas there are, the work is the same.
    for replicas in (1, 3):
        measured = busy_s(replace(fleet, replicas=replicas), table)
        assert bound_s(study, fleet, table) <= measured


def test_a_full_batch_is_as_fast_as_the_bound(study: Study) -> None:
    """Where steps are always full, nothing is lost between the bound and what happens."""
    time = StepTime.linear(256, fixed_s=0.02, sequence_s=1e-4, context_token_s=1e-7)
    kv = KvCapacity(10_000, 16, 0.5)
    fleet = replace(FLEET, step_time=time, replicas=1, max_sequences=8, kv=kv, prefix_cache=False)
    table = open_loop(np.zeros(800), np.full(800, 20), np.full(800, 400))
    measured, least_s = busy_s(fleet, table), bound_s(study, fleet, table)
    assert 0.98 * measured < least_s <= measured
    # Prompts too, where they are all there is to do.
    time = StepTime.linear(256, fixed_s=1e-6, prefill_token_s=1e-3)
    reading = replace(fleet, step_time=time)
    table = open_loop(np.zeros(300), np.full(300, 512), np.full(300, 1))
    assert bound_s(study, reading, table) == pytest.approx(busy_s(reading, table), rel=0.01)


def test_the_bound_sees_answers_cut_off_at_the_model_s_length(study: Study) -> None:
    """Declared and drawn outputs may be longer than what fits behind a prompt."""
    time = StepTime.linear(256, fixed_s=0.02)
    fleet = replace(FLEET, step_time=time, replicas=1, prefix_cache=False)
    prompt = np.full(64, fleet.max_model_tok - 20)
    table = open_loop(np.zeros(64), prompt, np.full(64, 400))
    assert bound_s(study, fleet, table) <= busy_s(fleet, table)


def test_what_the_slo_lets_go_is_not_in_the_bound(study: Study) -> None:
    fleet = replace(FLEET, prefix_cache=False)
    output = np.append(np.full(95, 10), np.full(5, 800))
    table = open_loop(np.arange(100.0), np.full(100, 20), output)
    few = open_loop(np.arange(100.0), np.full(100, 20), np.full(100, 10))
    with_all, without = (bound_s(study, fleet, table, share) for share in (1.0, 0.95))
    assert without < 0.3 * with_all
    assert without == pytest.approx(0.95 * bound_s(study, fleet, few), rel=0.05)


LONG: dict[str, Any] = {
    "traffic": {
        "chat": SMALL["traffic"]["chat"]
        | {
            "requests_per_month": 15_000_000,
            "week": "flat",
            "turns": 20,
            "gap_s": 600,
            "system_prompt_tokens": 100,
            "message_tokens": 20,
        }
    },
    "slo": {"ttft_s": 20.0, "attainment": 0.95},
    "options": {
        "own": SMALL["options"]["own"] | {"step_time": {"fixed_s": 0.05}, "max_sequences": 8}
    },
}


def test_turns_behind_the_end_of_a_window_are_no_work_within_it(tmp_path: Path) -> None:
    """Sessions of three hours in spans of minutes: most of their turns are not reached."""
    asked = load_study(write_scenario(tmp_path / "s.yaml", SMALL | LONG))
    evaluator = Evaluator(asked, 1.0)
    (own,) = asked.options
    assert isinstance(own, SelfHostOption)
    assert not evaluator.sample(own).is_whole
    found = kind_of(own).size(evaluator, own, start=8)
    assert found.feasible
    assert evaluator.busy_replicas(own) <= found.evaluation.size.replicas


@pytest.mark.slow
def test_an_option_that_asks_for_less_has_less_to_do(tmp_path: Path) -> None:
    """A bound is one for the calls that an option makes, not for the traffic as it says."""
    chat = LONG["traffic"]["chat"] | {"turns": 1, "requests_per_month": 4_000_000}
    own = LONG["options"]["own"] | {"rent_usd_per_gpu_hour": 2}
    options = {"own": own | {"choose": {"output_factor": [1.0, 1e-05]}}}
    study = asked(tmp_path, SMALL | LONG | {"traffic": {"chat": chat}, "options": options})
    by_force, _ = all_sized(study, choice(study))
    replicas = [sized.evaluation.size.replicas for sized in by_force.values()]
    assert replicas[0] > replicas[1] == 1
    found = size_option(Evaluator(study, 1.0), choice(study))
    assert found.evaluation.size.replicas == 1


CHOOSE: dict[str, list[Any]] = {
    "accelerator": ["l40s", "h100-sxm", "h200-sxm"],
    "gpus_per_replica": [1, 2],
    "commitment": ["on-demand", "1-year"],
    "autoscale": [None, {"target": 24, "max_replicas": 12}],
}


def choosing(choose: dict[str, list[Any]] = CHOOSE, **more: Any) -> dict[str, Any]:
    """A small scenario with a choice, the hybrid of it, and the API that it spills to."""
    scenario = deepcopy(SMALL)
    scenario["traffic"]["chat"] |= {
        "requests_per_month": 500_000,
        "turns": 2,
        "output_tokens": {"median": 600, "sigma": 0.7, "most": 2000},
        "max_output_tokens": 2000,
    }
    own = scenario["options"]["own"]
    scenario["options"] = {
        "hosted": scenario["options"]["hosted"],
        "own": own | {"choose": choose} | more,
        "hybrid": {"kind": "hybrid", "base": "own", "overflow": "hosted"},
    }
    scenario["analysis"] |= {"sample_requests": 3000, "max_replicas": 16}
    return scenario


def asked(tmp_path: Path, scenario: dict[str, Any]) -> Study:
    return load_study(write_scenario(tmp_path / "s.yaml", scenario))


def choice(study: Study, name: str = "own") -> Choice:
    found = next(o for o in study.options if o.name == name)
    assert isinstance(found, Choice)
    return found


class Counted(Evaluator):
    """Knows how often it simulated something."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.simulated: Counter[str] = Counter()

    def simulate(self, option: Any, size: Any) -> Any:
        self.simulated[option.name] += 1
        return super().simulate(option, size)


Forced = tuple[Study, dict[str, Sized], int]


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, float], Forced]:
    """The choice's study, and its candidates by brute force, once for all tests."""

    @cache
    def force(name: str, volume: float) -> Forced:
        study = asked(tmp_path_factory.mktemp("forced"), choosing())
        return study, *all_sized(study, choice(study, name), volume)

    return force


def all_sized(study: Study, chosen: Choice, volume: float = 1.0) -> tuple[dict[str, Sized], int]:
    """Every candidate at its best size, and how many simulations that took."""
    evaluator = Counted(study, volume)
    found = {c.name: size_option(evaluator, c) for c in chosen.candidates}
    return found, evaluator.simulated.total()


def cheapest(study: Study, sized: dict[str, Sized]) -> tuple[float, str]:
    usd = [(s.evaluation.total_usd(study), name) for name, s in sized.items() if s.feasible]
    return min(usd)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "volume"), [("own", 0.2), ("own", 3.0), ("hybrid", 1.0)])
def test_the_cheapest_candidate_is_found_with_less_work(
    name: str, volume: float, forced: Callable[[str, float], Forced]
) -> None:
    study, by_force, simulations = forced(name, volume)
    chosen = choice(study, name)
    assert len(chosen.candidates) > 12
    usd, best = cheapest(study, by_force)
    evaluator = Counted(study, volume)
    found = size_option(evaluator, chosen)
    assert found.feasible
    assert found.evaluation.total_usd(study) == pytest.approx(usd, rel=1e-9)
    assert by_force[found.evaluation.option.name].evaluation.total_usd(study) == pytest.approx(usd)
    assert best in by_force
    assert len(evaluator.simulated) < 0.7 * len(by_force)
    assert evaluator.simulated.total() < 0.7 * simulations
    everyone = {c.name for c in chosen.candidates} | {n for n, _ in chosen.impossible}
    others = [excuse.option for excuse in found.rejected]
    assert sorted([*others, found.evaluation.option.name]) == sorted(everyone)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_cheapest_of_random_candidates_is_found(seed: int, tmp_path: Path) -> None:
    """Rents and speeds that leave candidates close to one another, where a wrong bound shows."""
    rng = np.random.default_rng(seed)
    choose: dict[str, list[Any]] = {
        "step_time": [{"fixed_s": float(s)} for s in rng.uniform(0.01, 0.05, 2)],
        "rent_usd_per_gpu_hour": [float(u) for u in rng.uniform(1.0, 3.0, 2)],
        "max_sequences": [4, 16],
        "spare_replicas": [0, 1],
    }
    scenario = choosing(choose)
    scenario["slo"] = {"ttft_s": 20.0, "tpot_s": 0.045, "attainment": 0.95}
    study = asked(tmp_path, scenario)
    by_force, _ = all_sized(study, choice(study))
    usd, best = cheapest(study, by_force)
    found = size_option(Evaluator(study, 1.0), choice(study))
    assert found.evaluation.option.name == best
    assert found.evaluation.total_usd(study) == pytest.approx(usd)


@pytest.mark.slow
def test_no_candidate_costs_less_than_it_is_said_to(
    forced: Callable[[str, float], Forced],
) -> None:
    study, by_force, _ = forced("own", 3.0)
    found = size_option(Evaluator(study, 3.0), choice(study))
    bounds = {
        excuse.option: float(excuse.reason.split()[3].replace(",", ""))
        for excuse in found.rejected
        if excuse.reason.startswith("costs at least")
    }
    assert len(bounds) > 3
    for name, least_usd in bounds.items():
        sized = by_force[name]
        assert not sized.feasible or least_usd <= sized.evaluation.total_usd(study) + 1


def test_candidates_that_cannot_be_are_listed_with_reasons(tmp_path: Path) -> None:
    choose: dict[str, list[Any]] = {"accelerator": ["l40s", "h200-sxm"], "gpus_per_replica": [1, 2]}
    study = asked(tmp_path, choosing(choose))
    chosen = choice(study)
    assert [c.name for c in chosen.candidates] == [
        "own: l40s 2x",
        "own: h200-sxm 1x",
        "own: h200-sxm 2x",
    ]
    ((name, reason),) = chosen.impossible
    assert name == "own: l40s 1x"
    assert "GB" in reason
    assert "s.yaml" not in reason
    found = size_option(Evaluator(study, 1.0), chosen)
    assert (name, reason) in [(e.option, e.reason) for e in found.rejected]


def test_a_choice_among_what_is_too_slow_says_why(tmp_path: Path) -> None:
    scenario = choosing({"gpus_per_replica": [2, 4]})
    scenario["slo"]["tpot_s"] = 1e-4
    study = asked(tmp_path, scenario)
    found = size_option(Evaluator(study, 1.0), choice(study))
    assert found.excuse is not None
    reasons = [found.excuse.reason, *(e.reason for e in found.rejected)]
    assert len(reasons) == 2
    assert all("TPOT <= 0.0001 s" in reason for reason in reasons)


def test_who_is_feasible_is_taken_before_who_is_cheap(tmp_path: Path) -> None:
    scenario = choosing({"step_time": [{"fixed_s": 0.1}, {"fixed_s": 0.01}]})
    scenario["options"]["own"]["choose"]["rent_usd_per_gpu_hour"] = [0.1, 9.0]
    study = asked(tmp_path, scenario)
    found = size_option(Evaluator(study, 1.0), choice(study))
    assert found.feasible
    chosen = found.evaluation.option
    assert isinstance(chosen, SelfHostOption)
    assert (chosen.fleet.step_time.token_s[1], chosen.gpu_usd_per_hour.mid) == (0.01, 0.1)


@pytest.mark.parametrize(
    ("choose", "place", "message"),
    [
        ({"accelerator": ["h100-smx"]}, "accelerator", "(did you mean 'h100-sxm'?)"),
        ({"model": ["lama-3.3-70b"]}, "model", "lama-3.3-70b"),
        ({"engine": ["vlm"]}, "engine", "vlm"),
        ({"accelerators": ["h100-sxm"]}, "accelerators", "(did you mean 'accelerator'?)"),
        ({"commitment": ["2-year"]}, "commitment", "on-demand"),
        ({"gpus_per_replica": [0]}, "gpus_per_replica", "greater than"),
        ({"partners": [[]]}, "partners", "unknown key 'partners'"),
        ({"choose": [{}]}, "choose", "unknown key 'choose'"),
        ({"accelerator": []}, "accelerator", "at least 1"),
        ({"max_sequences": list(range(1, 502))}, "choose", "501 combinations, at most 500"),
        (
            {"gpus_per_replica": [1], "accelerator": ["l40s"]},
            "choose",
            "no combination can be built",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused_where_it_stands(
    choose: dict[str, list[Any]], place: str, message: str, tmp_path: Path
) -> None:
    path = write_scenario(tmp_path / "s.yaml", choosing(choose))
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert caught.value.exit_code == 3
    text = str(caught.value)
    assert message in text
    assert "\n" not in text
    file, line, column, _ = text.split(":", 3)
    assert file == str(path)
    at = path.read_text().splitlines()[int(line) - 1][int(column) - 1 :]
    assert at.startswith((place, "choose")), "the place is that of the key, or of what holds it"


def test_a_choice_says_all_of_its_option_or_is_refused(tmp_path: Path) -> None:
    """Partners, decode pools and workloads cannot be chosen; they must not be passed over."""
    scenario = choosing({"gpus_per_replica": [2, 4]})
    scenario["options"]["small"] = SMALL["options"]["own"] | {"replicas": 1}
    scenario["options"]["own"]["partners"] = [{"option": "small", "replicas": 3}]
    try:
        study = asked(tmp_path, scenario)
    except InputError:
        return
    for candidate in choice(study).candidates:
        own = candidate.own
        assert own is not None
        assert [p.fleet.replicas for p in own.partners] == [3]


def test_workloads_of_a_choice_are_known_or_refused(tmp_path: Path) -> None:
    scenario = choosing({"gpus_per_replica": [2, 4]})
    scenario["options"]["own"]["serves"] = ["no such workload"]
    with pytest.raises(InputError, match="no such workload"):
        asked(tmp_path, scenario)


def test_simulate_searches_no_choice(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "s.yaml", choosing({"gpus_per_replica": [2, 4]}))
    from simulator.analysis.decide.verdict import simulate_as_written

    with pytest.raises(InputError, match=r"options\.own\.choose: simulate does not search"):
        simulate_as_written(load_study(path))


@pytest.mark.slow
def test_a_choice_of_one_is_that_one(tmp_path: Path) -> None:
    plain = asked(tmp_path, SMALL)
    own = next(o for o in plain.options if o.name == "own")
    alone = size_option(Evaluator(plain, 1.0), own)
    scenario = deepcopy(SMALL)
    scenario["options"]["own"] |= {"gpus_per_replica": 8, "choose": {"gpus_per_replica": [2]}}
    study = asked(tmp_path, scenario)
    for name in ("own", "hybrid"):
        found = size_option(Evaluator(study, 1.0), choice(study, name))
        other = size_option(Evaluator(plain, 1.0), next(o for o in plain.options if o.name == name))
        assert found.evaluation.size == other.evaluation.size
        assert found.evaluation.total_usd(study) == other.evaluation.total_usd(plain)
    assert alone.feasible


@pytest.mark.slow
def test_order_of_values_does_not_matter(tmp_path: Path) -> None:
    study = asked(tmp_path, choosing())
    turned = asked(tmp_path, choosing({k: v[::-1] for k, v in reversed(CHOOSE.items())}))
    usd = [
        size_option(Evaluator(s, 0.2), choice(s)).evaluation.total_usd(s) for s in (study, turned)
    ]
    assert usd[0] == pytest.approx(usd[1])
    assert len(choice(study).candidates) == len(choice(turned).candidates)
    combinations = list(itertools.product(*CHOOSE.values()))
    chosen = choice(study)
    assert len(chosen.candidates) + len(chosen.impossible) == len(combinations)
    assert len({c.name for c in chosen.candidates}) == len(chosen.candidates)
    assert all(isinstance(c, HybridOption) for c in choice(study, "hybrid").candidates)
