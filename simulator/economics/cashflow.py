"""Cash flows by month: discounting, net present value, payback.

Month 0 is the purchase; the flow of month ``m`` is paid at its end. Gains are positive.
"""

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError

Floats = NDArray[np.float64]


def discount(rate_per_year: float, months: Floats) -> Floats:
    """Return the present value of a dollar paid after some months, ``(1 + r)^(-m/12)``.

    (n,) -> (n,)

    Raises
    ------
    InputError
        If the rate is not above -1.
    """
    if not rate_per_year > -1:
        raise InputError("a discount rate must be above -1")
    return (1 + rate_per_year) ** (-months / 12)


def npv_path(flows_usd: Floats, rate_per_year: float, residual_usd: Floats | float = 0.0) -> Floats:
    """Return the net present value of a purchase that is used up to each month and then sold.

    ``NPV(m) = F_0 + sum_{j=1..m} F_j / (1+r)^(j/12) + R_m / (1+r)^(m/12)``

    Parameters
    ----------
    flows_usd
        ``-K`` for a purchase, then ``A_j - O_j``, the avoided bill of the API less the running
        costs [USD]. (..., months + 1)
    rate_per_year
        Discount rate.
    residual_usd
        Price at which the hardware could be sold in each month [USD]. (..., months + 1) or a
        number

    Returns
    -------
    Floats
        Net present value by month [USD of month 0]. (..., months + 1)

    Raises
    ------
    InputError
        If the rate is not above -1.
    """
    factors = discount(rate_per_year, np.arange(flows_usd.shape[-1], dtype=np.float64))
    return np.cumsum(flows_usd * factors, axis=-1) + residual_usd * factors


def payback_month(npv_path_usd: Floats) -> Floats:
    """Return the first month from which the net present value stays at zero or above.

    A path that falls below zero again has not paid back yet; NaN means never.
    (..., months + 1) -> (...)
    """
    stays = np.logical_and.accumulate(npv_path_usd[..., ::-1] >= 0, axis=-1)[..., ::-1]
    return np.where(stays[..., -1], stays.argmax(axis=-1), np.nan)
