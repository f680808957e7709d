"""What it takes for options that miss the targets to meet them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulator.analysis.decide.remedies import find_remedies
from simulator.analysis.decide.verdict import decide
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.judging import meets
from simulator.analysis.study.effort import with_effort_level
from simulator.analysis.study.options import ApiOption, SelfHostOption, Size
from simulator.analysis.study.study import Study
from simulator.errors import InfeasibleError
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

BUSY: dict[str, Any] = {
    "traffic": {"chat": SMALL["traffic"]["chat"] | {"requests_per_month": 40_000_000}},
    "slo": {"ttft_s": 2.0, "tpot_s": 0.06, "attainment": 0.95},
}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("busy") / "s.yaml"
    return load_study(write_scenario(path, SMALL | BUSY), ["options.own.replicas=1"])


def test_too_few_replicas_take_more_or_an_api_beside_them(busy: Study) -> None:
    evaluator = Evaluator(busy, 1.0, Sampler(busy))
    own = next(o for o in busy.options if isinstance(o, SelfHostOption))
    apis = [o for o in busy.options if isinstance(o, ApiOption)]
    missed = evaluator.evaluate(own, Size(1))
    assert not meets(missed, busy.slo)
    found = {remedy.kind: remedy for remedy in find_remedies(evaluator, missed, apis)}
    assert {"replicas", "spill"} <= found.keys()
    for kind in ("replicas", "spill"):
        assert meets(found[kind].evaluation, busy.slo)
        assert found[kind].usd == found[kind].evaluation.total_usd(busy)
        assert f"{found[kind].usd:,.0f} USD/month" in found[kind].text
    # One replica less would not do, and what is given is kept beside an API.
    more = found["replicas"].evaluation.size.replicas
    assert not meets(evaluator.evaluate(own, Size(more - 1)), busy.slo)
    assert found["spill"].evaluation.size.replicas == 1
    assert 0 < found["spill"].evaluation.outcome.self_hosted_share < 1


def test_a_limit_that_no_size_meets_is_met_by_a_looser_one(busy: Study) -> None:
    strict = replace(busy, slo=replace(busy.slo, tpot_s=0.004))
    evaluator = Evaluator(strict, 1.0, Sampler(strict))
    api = next(o for o in strict.options if isinstance(o, ApiOption))
    missed = evaluator.evaluate(api, Size())
    (looser,) = find_remedies(evaluator, missed, [])
    assert looser.kind == "limit"
    assert looser.text.startswith("TPOT <= ")
    limit_s = float(looser.text.split()[2])
    met = replace(strict, slo=replace(strict.slo, tpot_s=1.01 * limit_s))
    again = Evaluator(met, 1.0, Sampler(met)).evaluate(api, Size())
    assert meets(again, met.slo)


def test_a_verdict_by_disqualification_names_what_was_cheaper(busy: Study) -> None:
    verdict = decide(with_effort_level(busy, 1))
    own = next(r for r in verdict.results if r.name == "own")
    assert own.excuse is not None
    assert own.remedies
    with pytest.raises(InfeasibleError) as error:
        decide(with_effort_level(replace(busy, slo=replace(busy.slo, tpot_s=1e-4)), 1))
    assert "in place of 0.0001 s would be met" in error.value.excuses["frontier"]


def test_what_meets_its_targets_needs_nothing(busy: Study, tmp_path: Path) -> None:
    easy = load_study(write_scenario(tmp_path / "s.yaml", SMALL), ["slo.attainment=0.5"])
    assert all(
        not r.remedies for r in decide(with_effort_level(easy, 1)).results if r.excuse is None
    )
