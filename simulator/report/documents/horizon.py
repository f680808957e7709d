"""The answer over time as a part of the result document, and in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.analysis.decide.horizon import FAN, HorizonResult, Payback
from simulator.report.formatting import quantity


def over_time_document(found: HorizonResult, today: float) -> dict[str, Any]:
    """Return the section of the document; volumes in requests a month, ``today`` those of now."""
    return {
        "months": found.future.months,
        "discount_rate": found.future.discount_rate,
        "options": [
            {
                "name": option.name,
                "npv_cost_usd": _spread(option.npv_usd),
                "probability_best": option.probability_best,
            }
            for option in found.options
        ],
        "missing_targets": [
            {
                "name": option.name,
                "npv_cost_usd": _spread(option.npv_usd),
                "stops_month": option.stops_month,
            }
            for option in found.missing
        ],
        "paybacks": [_payback(each) for each in found.paybacks],
        "volume_fan": {f"p{p}": (row * today).tolist() for p, row in _fan(found.volume_fan)},
    }


def _payback(found: Payback) -> dict[str, Any]:
    never = float(np.mean(np.isnan(found.months)))
    low, middle, high = np.quantile(
        np.nan_to_num(found.months, nan=np.inf), [0.05, 0.5, 0.95], method="inverted_cdf"
    )
    ends = found.fan_usd[:, -1]
    return {
        "option": found.option,
        "against": found.against,
        "month": _month(middle),
        "month_interval": [_month(low), _month(high)],
        "probability_never": never,
        "saving_usd": {"p5": float(ends[0]), "p50": float(ends[2]), "p95": float(ends[-1])},
        "fan_usd": {f"p{p}": row.tolist() for p, row in _fan(found.fan_usd)},
    }


def _fan(rows: NDArray[np.float64]) -> list[tuple[int, NDArray[np.float64]]]:
    return list(zip(FAN, rows, strict=True))


def _month(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spread(usd: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(usd, [0.05, 0.95])
    return {"mean": float(usd.mean()), "low": float(low), "high": float(high)}


def over_time_text(found: dict[str, Any]) -> str:
    """Say which option costs least over the months, and when owning has paid back."""
    head = f"{found['months']} months at {found['discount_rate']:.0%}"
    if not found["options"]:
        gone = [_stops_text(o) for o in found["missing_targets"] if o["stops_month"]]
        text = f"{head}: no option meets the targets at every volume on the way"
        return "; ".join([text, *gone])
    best = min(found["options"], key=lambda option: option["npv_cost_usd"]["mean"])
    cost = best["npv_cost_usd"]
    text = (
        f"{head}: {best['name']} costs least, {quantity(cost['mean'])} $ in today's money "
        f"[{quantity(cost['low'])} to {quantity(cost['high'])}], P(best) = "
        f"{best['probability_best']:.2f}"
    )
    cheaper = [
        f"{o['name']}, which misses the targets on the way, {quantity(o['npv_cost_usd']['mean'])} $"
        for o in found["missing_targets"]
        if o["npv_cost_usd"]["mean"] < cost["mean"] and not o["stops_month"]
    ]
    cheaper += [_stops_text(o) for o in found["missing_targets"] if o["stops_month"]]
    return "; ".join([text, *cheaper, *map(payback_text, found["paybacks"])])


def _stops_text(option: dict[str, Any]) -> str:
    cost = quantity(option["npv_cost_usd"]["mean"])
    return (
        f"{option['name']} is not compared, since its offer ends in month {option['stops_month']}; "
        f"at its price to the end {cost} $"
    )


def payback_text(found: dict[str, Any]) -> str:
    """Say when an option has paid back, or that it never does and how near it comes."""
    name, against = found["option"], found["against"]
    if found["month_interval"][0] is None:
        saving = found["saving_usd"]["p95"]
        return f"{name} never pays back against {against}, at best {quantity(saving)} $"
    low, high = (_when(month) for month in found["month_interval"])
    never = found["probability_never"]
    if found["month"] is None:
        return (
            f"{name} pays back against {against} from {low} at the earliest, in most worlds never "
            f"(P = {never:.2f})"
        )
    text = f"{name} pays back against {against} in {_when(found['month'])} [{low} to {high}]"
    return f"{text}, P(never) = {never:.2f}" if never else text


def _when(month: float | None) -> str:
    return "never" if month is None else f"month {month:.0f}"
