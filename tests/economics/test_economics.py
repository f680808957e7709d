"""Owning: capital recovery, what an hour costs, and how prices may move."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from simulator.analysis.study.options import SelfHostOption
from simulator.analysis.study.study import Study
from simulator.economics.interval import Interval
from simulator.economics.paths import (
    Decline,
    Flat,
    MeanReverting,
    PriceTable,
    Valley,
    mean_factor,
)
from simulator.economics.purchase import Purchase, capital_recovery
from simulator.errors import InputError
from simulator.normal import Z_50, Z_90, Z_95
from simulator.scenario.building.study import load_study
from tests.support.scenarios import write_scenario

MONTHS = np.arange(0.5, 60)
STILL = np.zeros(60)


def test_capital_recovery_is_the_annuity() -> None:
    assert capital_recovery(0.08, 5) == pytest.approx(0.250456, abs=1e-6)
    assert capital_recovery(0.0, 4) == 0.25
    paid = sum(capital_recovery(0.06, 7) / 1.06**year for year in range(1, 8))
    assert paid == pytest.approx(1.0)


def certain(**changes: float) -> Purchase:
    numbers = {
        "gpu_usd": 30000.0, "node_share": 0.5, "residual_share": 0.2, "node_kw": 1.5, "pue": 1.2,
        "electricity_usd_per_kwh": 0.1, "colocation_usd_per_kw_month": 146.0,
        "maintenance_share": 0.05,
    } | changes  # fmt: skip
    terms = {name: numbers.pop(name, 0.0) for name in ("discount_rate",)}
    years = numbers.pop("life_years", 4.0)
    intervals = {name: Interval.certain(value) for name, value in numbers.items()}
    return Purchase(**intervals, life_years=years, **terms)


def test_an_hour_of_bought_hardware_is_its_parts() -> None:
    """Without interest: 45,000 less a fifth over four years of 8,760 hours."""
    parts = certain().usd_per_gpu_hour()
    assert parts["capital"].mid == pytest.approx(45000 * 0.8 / (4 * 8760))
    assert parts["power"].mid == pytest.approx(1.5 * 1.2 * 0.1)
    assert parts["colocation"].mid == pytest.approx(1.5 * 146 / 730)
    assert parts["maintenance"].mid == pytest.approx(45000 * 0.05 / 8760)
    total = certain().total_usd_per_gpu_hour()
    assert total.low == total.mid == total.high
    assert total.mid == pytest.approx(sum(part.mid for part in parts.values()))


def test_interest_makes_capital_dearer_and_the_residual_worth_less() -> None:
    dear = certain(discount_rate=0.1).usd_per_gpu_hour()["capital"].mid
    kept = 1 - 0.2 / 1.1**4
    assert dear == pytest.approx(45000 * kept * capital_recovery(0.1, 4) / 8760)
    assert dear > certain().usd_per_gpu_hour()["capital"].mid
    with pytest.raises(InputError, match="life_years"):
        certain(life_years=0.0)


def test_uncertain_parts_make_a_total_surer_than_its_parts() -> None:
    """Independent errors partly cancel: the total's relative width is below the widest part's."""
    base = certain()
    wide = Purchase(
        Interval(20000, 30000, 45000), base.node_share, base.residual_share, 4.0, 0.08,
        Interval(1.2, 1.5, 2.0), base.pue, Interval(0.05, 0.1, 0.2),
        Interval(100, 146, 250), base.maintenance_share,
    )  # fmt: skip
    total = wide.total_usd_per_gpu_hour()
    parts = wide.usd_per_gpu_hour().values()
    assert total.low < total.mid < total.high
    assert total.mid == pytest.approx(sum(part.mid for part in parts))
    assert total.high / total.mid < max(part.high / part.mid for part in parts)
    assert total.high - total.mid < sum(part.high - part.mid for part in parts)


def test_steady_paths_are_what_they_say() -> None:
    assert (Flat().factors(MONTHS, STILL) == 1).all()
    falling = Decline(-0.25).factors(np.array([0.0, 12.0, 24.0]), STILL[:3])
    assert falling == pytest.approx([1.0, 0.75, 0.5625])
    valley = Valley(0.5, 6, 0.8, 12).factors(np.array([0.0, 6.0, 12.0, 40.0]), STILL[:4])
    assert valley == pytest.approx([1.0, 0.5, 0.8, 0.8])
    listed = PriceTable((0.0, 10.0), (4.0, 2.0)).factors(np.array([0.0, 5.0, 99.0]), STILL[:3])
    assert listed == pytest.approx([1.0, 0.75, 0.5])
    assert mean_factor(Decline(-0.25), 12, STILL) == pytest.approx(
        float(Decline(-0.25).factors(MONTHS[:12], STILL[:12]).mean())
    )


def test_mean_reversion_halves_in_its_half_life_and_keeps_its_variance() -> None:
    quiet = MeanReverting(0.6, 6.0, 0.0).factors(np.array([6.0, 12.0, 600.0]), STILL[:3])
    distance = np.log(quiet / 0.6) / np.log(1 / 0.6)
    assert distance == pytest.approx([0.5, 0.25, 0.0], abs=1e-9)
    rng = np.random.default_rng(3)
    path = MeanReverting(1.0, 3.0, 0.5)
    months = np.arange(1.0, 20001.0)
    logs = np.log(path.factors(months, rng.standard_normal(20000)))
    pull = 12 * np.log(2) / 3.0
    assert logs.std() == pytest.approx(0.5 / np.sqrt(2 * pull), rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Valley(0.5, 12, 0.8, 6),
        lambda: MeanReverting(1.0, 0.0, 0.1),
        lambda: PriceTable((0.0,), (1.0,)),
        lambda: PriceTable((0.0, 0.0), (1.0, 1.0)),
        lambda: PriceTable((0.0, 1.0), (1.0, -1.0)),
    ],
)
def test_paths_that_make_no_sense_are_refused(make: object) -> None:
    with pytest.raises(InputError):
        make()  # type: ignore[operator]


def own(path: Path, *settings: str) -> tuple[SelfHostOption, Study]:
    study = load_study(path, list(settings))
    found = next(o for o in study.options if o.name == "own")
    assert isinstance(found, SelfHostOption)
    return found, study


def test_scenarios_rent_by_commitment_move_rents_and_buy(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "small.yaml")
    h100 = "options.own.accelerator=h100-sxm"
    listed, _ = own(path, h100)
    yearly, _ = own(path, h100, "options.own.commitment=1-year")
    assert yearly.gpu_usd_per_hour.mid < listed.gpu_usd_per_hour.mid
    falling, _ = own(path, h100, "options.own.rent_path={path: {kind: decline, per_year: -0.5}}")
    assert 0.5 < falling.gpu_usd_per_hour.mid / listed.gpu_usd_per_hour.mid < 1
    bought, _ = own(path, h100, "options.own.purchase={life_years: 3}")
    cheaper, _ = own(path, h100, "options.own.purchase={life_years: 6, gpu_usd: 20000}")
    assert cheaper.gpu_usd_per_hour.mid < bought.gpu_usd_per_hour.mid
    assert bought.purchase is not None
    assert listed.purchase is None
    with pytest.raises(InputError, match="no 3-year rent of l4 is known"):
        own(path, "options.own.accelerator=l4", "options.own.model=llama-3.1-8b",
            "options.own.gpus_per_replica=1", "options.own.weight_precision=fp8",
            "options.own.commitment=3-year")  # fmt: skip
    with pytest.raises(InputError, match="no gpu_usd of mi325x is known"):
        own(path, "options.own.accelerator=mi325x", "options.own.purchase={}")


def test_rents_come_from_a_file(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "small.yaml")
    rents = tmp_path / "rents.csv"
    rents.write_text("month,usd_per_gpu_hour\n0,4\n12,2\n")
    listed, _ = own(path)
    moved, _ = own(path, "options.own.rent_path={path: {kind: csv, file: rents.csv}, months: 12}")
    assert moved.gpu_usd_per_hour.mid == pytest.approx(0.75 * listed.gpu_usd_per_hour.mid)
    rents.write_text("month,usd\n0,4\n")
    with pytest.raises(InputError, match="missing column"):
        own(path, "options.own.rent_path={path: {kind: csv, file: rents.csv}}")


def test_further_monthly_costs_are_counted_by_name(tmp_path: Path) -> None:
    path = write_scenario(tmp_path / "small.yaml")
    _, study = own(path, "people.monthly_usd={on_call: {low: 500, mid: 1500, high: 4000}}")
    assert study.people.monthly_usd["on_call"].mid == 1500
    assert set(study.people.monthly_usd) == {"tooling", "on_call"}


@pytest.mark.parametrize(("z", "share"), [(Z_50, 0.5), (Z_90, 0.9), (Z_95, 0.95)])
def test_normal_scores_bound_their_share_of_cases(z: float, share: float) -> None:
    assert ndtr(z) - ndtr(-z) == pytest.approx(share, rel=1e-15)
