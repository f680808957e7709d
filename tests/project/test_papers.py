"""Published examples and papers, worked out again: inputs and answers stand in published.py."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.analysis.size.assignment_program import assign_pools
from simulator.economics.cashflow import npv_path, payback_month
from simulator.economics.screening import best_replicas
from simulator.units import HOUR_S, MTOK
from tests.support import published
from tests.support.published import PanProfile
from tests.support.textbook import (
    optimal_capacities,
    required_utilisation,
    simple_payback_months,
)

PRINTED = np.array(published.PAN_MONTHS, dtype=np.float64)


def test_pypsa_builds_500_coal_490_gas_and_sheds_10() -> None:
    coal, gas, shedding = technologies = tuple(published.PYPSA_TECHNOLOGIES.values())
    assert required_utilisation(coal, gas) == pytest.approx(0.5)
    assert required_utilisation(gas, shedding) == pytest.approx(0.01)
    built = optimal_capacities(published.PYPSA_LOAD, technologies)
    assert built.per_s.tolist() == list(published.PYPSA_CAPACITIES.values())


def test_two_replicas_below_an_api_are_27_percent_under_the_best_pure_option() -> None:
    plan = best_replicas(
        published.DIURNAL_LOAD,
        published.DIURNAL_REPLICA_PER_S,
        published.DIURNAL_REPLICA,
        published.DIURNAL_API,
    )
    costs = plan.usd_per_hour_by_replicas
    assert [round(costs[n], 2) for n in (0, 4, 2)] == list(published.DIURNAL_USD_PER_HOUR.values())
    assert (plan.replicas, len(costs)) == (2, 5)
    assert 1 - plan.usd_per_hour / 12.00 == pytest.approx(0.27, abs=0.005)
    # A sine's positive half has the mean 1/pi.
    assert plan.self_served_share == pytest.approx(1 - 0.6 / np.pi, abs=1e-6)


def test_melange_rents_three_a10g_and_one_a100() -> None:
    """Whole buckets, as in its example."""
    rates = published.MELANGE_SHARES * published.MELANGE_RATE
    load, rent = rates[:, None] / published.MELANGE_MOST_PER_S, published.MELANGE_USD_PER_HOUR
    replicas, usd_per_hour = published.MELANGE_ANSWER
    plan = assign_pools(np.zeros((4, 2)), load, rent)
    assert tuple(plan.replicas) == replicas
    assert plan.usd_per_hour == pytest.approx(usd_per_hour)
    alone = [assign_pools(np.zeros((4, 1)), load[:, [j]], rent[[j]]) for j in (0, 1)]
    assert [round(each.usd_per_hour, 2) for each in alone] == [12.12, 7.34]


def pan_months(profile: PanProfile) -> np.ndarray:
    return simple_payback_months(*published.pan_money(profile))


def test_pan_2025_does_not_follow_from_its_own_text() -> None:
    months = pan_months(published.PAN_STATED)
    assert published.pan_as_printed(months).sum() == 2
    assert np.abs(months / PRINTED - 1).mean() == pytest.approx(0.128, abs=5e-4)


def test_pan_2025_follows_from_other_hours_powers_and_one_price() -> None:
    fitted = published.PAN_FITTED
    months = pan_months(fitted)
    assert published.pan_as_printed(months).sum() == 42
    assert np.abs(months - PRINTED).max() < 0.053
    counts = [
        published.pan_as_printed(pan_months(replace(fitted, gpu_kw=fitted.gpu_kw | {name: kw})))
        for name, kw in (("RTX 5090", 0.41), ("RTX 5090", 0.50), ("RTX 5090", 0.51), ("A100", 0.31))
    ]
    assert [count.sum() for count in counts] == [42, 42, 41, 38]


def test_pan_2025_ran_176_hours() -> None:
    """What it gives as tokens per month is 176 hours of its tokens per second, to every digit."""
    tok_s = np.array([speed for _, _, speed in published.PAN_MODELS.values()])
    for hours, right in ((160, 0), (176, 9)):
        mtok = tok_s * hours * HOUR_S / MTOK
        assert (np.abs(mtok - published.PAN_CAPACITY_MTOK) <= 0.05).sum() == right


def test_pan_2025_month_by_month() -> None:
    """Without interest the month that has paid back is the next whole one, for every cell."""
    capital, saved = published.pan_money(published.PAN_FITTED)
    flows = np.repeat(saved[..., None], 121, axis=-1)
    flows[..., 0] = -capital
    months = payback_month(npv_path(flows, 0.0))
    np.testing.assert_array_equal(months, np.ceil(pan_months(published.PAN_FITTED)))
    assert (payback_month(npv_path(flows, 0.08)) >= months).all()
