"""Costs and paybacks over the months of the horizon: their section of the document, and text."""

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.horizon import FAN, HorizonResult, Payback
from simulator.report.documents.contract import (
    MeanSpread,
    MissingOverTime,
    OverTimeSection,
    PaybackSection,
)
from simulator.report.documents.values import finite_or_none
from simulator.report.formatting import quantity


def over_time_document(over_time: HorizonResult, today: float) -> OverTimeSection:
    """Return the section of the document; ``today`` is today's volume in requests per month."""
    return {
        "months": over_time.future.months,
        "discount_rate": over_time.future.discount_rate,
        "options": [
            {
                "name": option.name,
                "npv_cost_usd": _spread(option.npv_usd),
                "probability_best": option.probability_best,
            }
            for option in over_time.options
        ],
        "missing_targets": [
            {
                "name": option.name,
                "npv_cost_usd": _spread(option.npv_usd),
                "stops_month": option.stops_month,
            }
            for option in over_time.missing
        ],
        "paybacks": [_payback(payback) for payback in over_time.paybacks],
        "volume_fan": {f"p{p}": (row * today).tolist() for p, row in _fan(over_time.volume_fan)},
    }


def _payback(payback: Payback) -> PaybackSection:
    never = float(np.mean(np.isnan(payback.months)))
    low, middle, high = np.quantile(
        np.nan_to_num(payback.months, nan=np.inf), [0.05, 0.5, 0.95], method="inverted_cdf"
    )
    ends = payback.fan_usd[:, -1]
    return {
        "option": payback.option,
        "against": payback.against,
        "month": finite_or_none(middle),
        "month_interval": [finite_or_none(low), finite_or_none(high)],
        "probability_never": never,
        "saving_usd": {"p5": float(ends[0]), "p50": float(ends[2]), "p95": float(ends[-1])},
        "fan_usd": {f"p{p}": row.tolist() for p, row in _fan(payback.fan_usd)},
    }


def _fan(rows: NDArray[np.float64]) -> list[tuple[int, NDArray[np.float64]]]:
    return list(zip(FAN, rows, strict=True))


def _spread(usd: NDArray[np.float64]) -> MeanSpread:
    low, high = np.quantile(usd, [0.05, 0.95])
    return {"mean": float(usd.mean()), "low": float(low), "high": float(high)}


def over_time_text(over_time: OverTimeSection) -> str:
    """Return which option costs least over the months, and when owning has paid back."""
    head = f"{over_time['months']} months, discounted at {over_time['discount_rate']:.0%}"
    if not over_time["options"]:
        ending = [_stops_text(o) for o in over_time["missing_targets"] if o["stops_month"]]
        text = f"{head}: no option meets the targets at the volumes of all months"
        return "; ".join([text, *ending])
    best = min(over_time["options"], key=lambda option: option["npv_cost_usd"]["mean"])
    cost = best["npv_cost_usd"]
    text = (
        f"{head}: {best['name']} costs least, {quantity(cost['mean'])} $ in today's money "
        f"[{quantity(cost['low'])} to {quantity(cost['high'])}], P(best) = "
        f"{best['probability_best']:.2f}"
    )
    cheaper = [
        f"{o['name']} misses the targets in some months at {quantity(o['npv_cost_usd']['mean'])} $"
        for o in over_time["missing_targets"]
        if o["npv_cost_usd"]["mean"] < cost["mean"] and not o["stops_month"]
    ]
    cheaper += [_stops_text(o) for o in over_time["missing_targets"] if o["stops_month"]]
    return "; ".join([text, *cheaper, *map(payback_text, over_time["paybacks"])])


def _stops_text(option: MissingOverTime) -> str:
    cost = quantity(option["npv_cost_usd"]["mean"])
    return (
        f"{option['name']} is not compared because its offer ends in month "
        f"{option['stops_month']}; at its last price it would cost {cost} $"
    )


def payback_text(payback: PaybackSection) -> str:
    """Return when an option has paid back, or how close it comes if it never does."""
    name, against = payback["option"], payback["against"]
    if payback["month_interval"][0] is None:
        saving = payback["saving_usd"]["p95"]
        return (
            f"{name} never pays back against {against}: its saving is {quantity(saving)} $ at best"
        )
    low, high = (_month_text(month) for month in payback["month_interval"])
    never = payback["probability_never"]
    if payback["month"] is None:
        return (
            f"{name} pays back against {against} in {low} at the earliest, in most draws never "
            f"(P = {never:.2f})"
        )
    text = (
        f"{name} pays back against {against} in {_month_text(payback['month'])} [{low} to {high}]"
    )
    return f"{text}, P(never) = {never:.2f}" if never else text


def _month_text(month: float | None) -> str:
    return "never" if month is None else f"month {month:.0f}"
