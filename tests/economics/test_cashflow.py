"""Money over months: closed forms of annuities, and paths that pay back once, twice or never."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.economics.cashflow import (
    discount,
    npv_path,
    payback_month,
)
from simulator.economics.purchase import capital_recovery
from simulator.errors import InputError
from tests.support.textbook import simple_payback_months


def test_a_year_divides_by_one_and_the_rate() -> None:
    months = np.array([0.0, 6.0, 12.0, 24.0])
    expected = [1.0, 1.08**-0.5, 1 / 1.08, 1 / 1.08**2]
    np.testing.assert_allclose(discount(0.08, months), expected)
    assert discount(0.0, months).tolist() == [1.0] * 4
    with pytest.raises(InputError, match="above -1"):
        discount(-1.0, months)


@pytest.mark.slow
@given(st.floats(0.001, 0.5), st.integers(1, 10))
def test_capital_recovered_yearly_or_monthly_is_worth_the_capital(rate: float, years: int) -> None:
    capital = 45_000.0
    yearly = np.zeros(12 * years + 1)
    yearly[12::12] = capital * capital_recovery(rate, years)
    assert npv_path(yearly, rate)[-1] == pytest.approx(capital)
    per_month = (1 + rate) ** (1 / 12) - 1
    monthly = np.full(12 * years + 1, capital * capital_recovery(per_month, 12 * years))
    monthly[0] = 0.0
    assert npv_path(monthly, rate)[-1] == pytest.approx(capital)


def test_what_an_hour_is_charged_for_capital_earns_the_price_less_the_residual() -> None:
    """(K - R/(1+r)^n) CRF a year, as ``Purchase`` charges it, and a sale for R make K."""
    kept = 45_000.0 - 9_000.0 / 1.1**4
    flows = np.zeros(49)
    flows[0] = -45_000.0
    flows[12::12] = kept * capital_recovery(0.1, 4)
    assert npv_path(flows, 0.1, residual_usd=9_000.0)[-1] == pytest.approx(0.0, abs=1e-6)


def test_a_sale_counts_in_its_own_month_only() -> None:
    flows = np.array([-100.0, 10.0, 10.0])
    resale = np.array([100.0, 80.0, 70.0])
    assert npv_path(flows, 0.0, resale).tolist() == [0.0, -10.0, -10.0]


def test_payback_is_the_first_month_that_has_earned_the_capital() -> None:
    flows = np.array([-100.0, *[25.0] * 6])
    assert payback_month(npv_path(flows, 0.0)) == 4
    assert payback_month(npv_path(flows, 0.12)) == 5
    assert np.isnan(payback_month(npv_path(flows[:4], 0.0)))
    assert payback_month(npv_path(np.array([0.0, 1.0]), 0.0)) == 0


def test_paid_back_is_what_stays_paid_back() -> None:
    """API prices fall and rise again: in the black, in the red while they are low, in the black."""
    saved = np.array([-30.0, 20.0, 15.0, -10.0, -10.0, 5.0, 20.0, 20.0])
    path = npv_path(saved, 0.0)
    assert path.tolist() == [-30.0, -10.0, 5.0, -5.0, -15.0, -10.0, 10.0, 30.0]
    assert payback_month(path) == 6
    assert np.isnan(payback_month(path[:6]))


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(-9, 9), min_size=5, max_size=5), min_size=2, max_size=4))
def test_many_worlds_at_once_are_each_by_itself(worlds: list[list[int]]) -> None:
    flows = np.array([worlds, worlds[::-1]], dtype=np.float64)
    paths = npv_path(flows, 0.1)
    months = payback_month(paths)
    assert months.shape == flows.shape[:-1]
    for place in np.ndindex(months.shape):
        np.testing.assert_array_equal(paths[place], npv_path(flows[place], 0.1))
        stays = [m for m in range(5) if (paths[place][m:] >= 0).all()]
        np.testing.assert_equal(months[place], min(stays, default=np.nan))


def test_an_even_saving_pays_back_by_division_or_never() -> None:
    months = simple_payback_months(np.array([[1000.0]]), np.array([400.0, 0.0, -5.0]))
    np.testing.assert_array_equal(months, [[2.5, np.nan, np.nan]])
