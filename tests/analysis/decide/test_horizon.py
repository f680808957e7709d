"""Break-even over time: closed forms of what months cost, and directions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulator.analysis.decide.horizon import HorizonResult, follow_horizon
from simulator.analysis.sampling.sampler import Sampler
from simulator.analysis.simulate.evaluate import Evaluator
from simulator.analysis.size.kinds.contract import KnownSizes
from simulator.analysis.study.options import Size
from simulator.analysis.study.study import Study
from simulator.economics.cashflow import discount
from simulator.scenario.building.study import load_study
from tests.support.scenarios import SMALL, write_scenario

pytestmark = pytest.mark.slow

MONTHS = 24
CERTAIN = [
    "people.engineers_fte=0.5",
    "options.own.rent_usd_per_gpu_hour=2.5",
    "options.own.replicas=2",
    "analysis.worlds=8",
    "analysis.sample_requests=2000",
    "slo.ttft_s=30",
    "slo.tpot_s=1",
    "slo.attainment=0.5",
]


def study_with(path: Path, future: str, *more: str) -> Study:
    file = write_scenario(path / "small.yaml", SMALL)
    return load_study(file, [*CERTAIN, f"future={{months: {MONTHS}, {future}}}", *more])


def followed(study: Study) -> HorizonResult:
    assert study.future is not None
    options = tuple(o for o in study.options if o.kind != "hybrid")
    return follow_horizon(
        replace(study, options=options), study.future, Sampler(study), KnownSizes()
    )


def npv(found: HorizonResult, name: str) -> float:
    """Cost of an option, which is the same in all worlds."""
    usd = next(o.npv_usd for o in found.options if o.name == name)
    assert np.ptp(usd) == pytest.approx(0, abs=1e-6)
    return float(usd[0])


def annuity(monthly_usd: float, rate: float, growth_per_year: float = 1.0) -> float:
    """Sum of the months, each at the volume of its middle and paid at its end."""
    months = np.arange(1, MONTHS + 1)
    return float(
        (monthly_usd * growth_per_year ** ((months - 0.5) / 12) * discount(rate, months)).sum()
    )


@pytest.mark.slow
def test_still_prices_make_annuities(tmp_path: Path) -> None:
    found = followed(study_with(tmp_path, "discount_rate: 0.08, up_front_usd: 5000"))
    own_usd = 2 * 2 * 2.5 * 730 + 0.5 * 200000 / 12 + 500
    assert npv(found, "own") == pytest.approx(5000 + annuity(own_usd, 0.08), rel=1e-9)
    assert npv(found, "hosted") < npv(found, "frontier") * 2


@pytest.mark.slow
def test_prices_and_volume_grow_a_bill_as_they_should(tmp_path: Path) -> None:
    still = npv(followed(study_with(tmp_path, "discount_rate: 0")), "frontier")
    falling = npv(
        followed(study_with(tmp_path, "discount_rate: 0, api_price_per_year: 0.5")), "frontier"
    )
    assert falling == pytest.approx(annuity(still / MONTHS, 0, 0.5), rel=1e-9)
    growing = npv(
        followed(study_with(tmp_path, "discount_rate: 0, volume_per_year: 1.5")), "frontier"
    )
    # Hits of a shared cache grow with the volume, so that the bill grows a little less.
    assert growing == pytest.approx(annuity(still / MONTHS, 0, 1.5), rel=0.05)


def test_rent_follows_its_path(tmp_path: Path) -> None:
    valley = "{kind: v-shape, low: 0.5, low_month: 6, end: 2, end_month: 18}"
    future = f"discount_rate: 0, rent_path: {valley}"
    still = npv(followed(study_with(tmp_path, "discount_rate: 0")), "own")
    moved = npv(followed(study_with(tmp_path, future)), "own")
    months = np.arange(MONTHS) + 0.5
    path = np.exp(np.interp(months, [0, 6, 18], np.log([1, 0.5, 2])))
    rent_usd = 2 * 2 * 2.5 * 730
    assert moved - still == pytest.approx(float((rent_usd * (path - 1)).sum()), rel=1e-9)


def test_bought_hardware_is_paid_first_and_sold_last(tmp_path: Path) -> None:
    purchase = (
        "options.own.purchase={gpu_usd: 30000, node_share: 0.5, node_kw: 1.0, pue: 1.0, "
        "residual_share: 0.25, life_years: 2, discount_rate: 0.08, electricity_usd_per_kwh: 0.1, "
        "colocation_usd_per_kw_month: 100, maintenance_share: 0}"
    )
    found = followed(study_with(tmp_path, "discount_rate: 0.08", purchase))
    gpus = 4
    capital = gpus * 30000 * 1.5
    running = gpus * (0.1 * 730 + 100) + 0.5 * 200000 / 12 + 500
    sold = 0.25 * capital / 1.08**2  # after two years, which are its life
    assert npv(found, "own") == pytest.approx(capital + annuity(running, 0.08) - sold, rel=1e-9)


def test_payback_comes_when_it_is_due_or_never(tmp_path: Path) -> None:
    cheap = "options.own.rent_usd_per_gpu_hour=0.5"
    found = followed(
        study_with(
            tmp_path, "discount_rate: 0, up_front_usd: 30000", "people.engineers_fte=0", cheap
        )
    )
    (payback,) = found.paybacks
    own_usd = 2 * 2 * 0.5 * 730 + 500
    calls_usd = npv(found, payback.against) / MONTHS
    assert payback.months[0] == np.ceil(30000 / (calls_usd - own_usd))
    never = followed(study_with(tmp_path, "discount_rate: 0", "people.engineers_fte=9"))
    assert np.isnan(never.paybacks[0].months).all()


@pytest.mark.slow
def test_falling_api_prices_never_hasten_the_payback(tmp_path: Path) -> None:
    base = ("people.engineers_fte=0", "options.own.rent_usd_per_gpu_hour=1")
    months = []
    for factor in (1.0, 0.6, 0.3):
        future = f"up_front_usd: 20000, api_price_per_year: {factor}"
        found = followed(study_with(tmp_path, future, *base))
        months.append(np.nan_to_num(found.paybacks[0].months[0], nan=np.inf))
    assert months == sorted(months)


@pytest.mark.slow
def test_an_option_that_cannot_grow_is_left_out(tmp_path: Path) -> None:
    found = followed(
        study_with(
            tmp_path,
            "volume_per_year: 4",
            "slo.tpot_s=0.06",
            "slo.attainment=0.95",
            "traffic.chat.requests_per_month=2e6",
            "options.own.replicas=1",
        )
    )
    (missing,) = found.missing
    assert missing.name == "own"
    assert (missing.npv_usd > 0).all()
    assert not found.paybacks


@pytest.mark.slow
def test_dated_prices_and_ends_are_followed_month_by_month(tmp_path: Path) -> None:
    """Argon doubles on 2026-12-01, eight days behind the first; gpt-4o is sold until January."""
    still = "discount_rate: 0"
    argon = "options.frontier={kind: api, offer: google/gemini-4-argon}"
    study = study_with(tmp_path, still, argon)
    assert any("price" in note for note in study.notes) is False
    (option,) = [o for o in study.options if o.name == "frontier"]
    now = Evaluator(study, 1.0, Sampler(study)).evaluate(option, Size())
    monthly = sum(now.calls_usd.values())
    # Of 730 hours from 2026-11-23 on, eight days pass at the first price.
    first = (8 * 24 + 2 * (730 - 8 * 24)) / 730
    expected = monthly * (first + 2 * (MONTHS - 1))
    assert npv(followed(study), "frontier") == pytest.approx(expected, rel=2e-3)

    ending = study_with(tmp_path, still, "options.frontier={kind: api, offer: openai/gpt-4o}")
    found = followed(ending)
    assert "frontier" not in {o.name for o in found.options}
    (gone,) = [o for o in found.missing if o.name == "frontier"]
    assert gone.stops_month == 2  # 2027-01-14
    assert any("openai/gpt-4o ends on 2027-01-14" in note for note in ending.notes)


def test_a_month_that_is_billed_at_the_prices_of_a_week_says_so(tmp_path: Path) -> None:
    argon = "options.frontier={kind: api, offer: google/gemini-4-argon}"
    week = load_study(write_scenario(tmp_path / "s.yaml", SMALL), [argon])
    assert [note for note in week.notes if "changes on 2026-12-01" in note]
    gone = "options.frontier={kind: api, offer: groq/llama-3.3-70b-versatile}"
    late = load_study(write_scenario(tmp_path / "s.yaml", SMALL), [gone])
    assert [note for note in late.notes if "was retired on 2026-08-16" in note]
