"""Statistics of a log: rates, dispersion, lengths, sessions and reuse."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.logs.log import UNKNOWN, Batch, Log
from simulator.traffic.logs.replay import turns_of
from simulator.traffic.reuse.reuse import Reuse, reuse
from simulator.units import DAY_S, HOUR_S

WINDOWS_S = (1, 10, 60, 600, 3600)
AGES_S = (60, 300, 600, 3600, 86400)
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_FEWEST_WINDOWS = 10
_TAIL = 0.05
_FEWEST_IN_TAIL = 10
_LONG_TAIL = 1 / 3
"""Share of the span from which the last ``_TAIL`` of requests are a thin tail. A quiet weekend at
the end of a week takes less."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Statistics of one log, None where it is too short or lacks the data."""

    requests: int
    span_s: float
    requests_per_s: float
    tail_share: float
    """Share of the span that the last 5 % of requests take."""
    dispersion: dict[int, float | None]
    """Variance over mean of the request counts in windows, by their length [s]; 1 for Poisson
    arrivals."""
    hourly: NDArray[np.int64]
    """Requests in each hour. (n_hours,)"""
    lengths: dict[str, dict[str, float] | None]
    """Mean and quantiles of input, output and reasoning tokens."""
    input_output_rank_correlation: float | None
    workload_shares: dict[str, float]
    sessions: int | None
    turns: dict[str, float] | None
    gap_s: dict[str, float] | None
    """Pauses from an answer to its session's next request [s]."""
    recorded: dict[str, float] | None
    """Shares of prompt tokens that the provider reported as uncached, read and written."""
    reuse: Reuse | None

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as plain values."""
        peak = float(self.hourly.max() / self.hourly.mean()) if len(self.hourly) >= 24 else None
        return {
            "requests": self.requests,
            "span_s": self.span_s,
            "requests_per_s": self.requests_per_s,
            "requests_per_day": self.requests_per_s * DAY_S,
            "tail_share": self.tail_share,
            "peak_hour_over_mean": peak,
            "dispersion": {f"{window}s": value for window, value in self.dispersion.items()},
            **self.lengths,
            "input_output_rank_correlation": self.input_output_rank_correlation,
            "workload_shares": self.workload_shares,
            "sessions": self.sessions,
            "turns": self.turns,
            "gap_s": self.gap_s,
            "recorded_cache": self.recorded,
            "reuse": None
            if self.reuse is None
            else {
                "share": self.reuse.share,
                "age_p50_s": self.reuse.age_s(0.5),
                "age_p90_s": self.reuse.age_s(0.9),
                "younger": {f"{age}s": self.reuse.younger(age) for age in AGES_S},
            },
        }


def statistics(log: Log) -> Statistics:
    """Measure a log."""
    rows = log.rows
    hours = max(1, int(np.ceil(log.span_s / HOUR_S)))
    counts = {
        "input_tokens": rows.input_tokens,
        "output_tokens": rows.output_tokens,
        "reasoning_tokens": rows.reasoning_tokens,
    }
    is_shared = bool((log.prefix_node >= 0).any())
    shares = np.bincount(rows.workload, minlength=len(log.workloads)) / rows.size
    turns, gap_s = turns_of(rows)
    return Statistics(
        requests=rows.size,
        span_s=log.span_s,
        requests_per_s=rows.size / log.span_s,
        tail_share=tail_share(log),
        dispersion={w: dispersion(rows.at_s, w, log.span_s) for w in WINDOWS_S},
        hourly=np.histogram(rows.at_s, hours, (0, hours * HOUR_S))[0],
        lengths={name: summary(c) if c.any() else None for name, c in counts.items()},
        input_output_rank_correlation=_rank_correlation(rows),
        workload_shares=dict(zip(log.workloads, shares.tolist(), strict=True)),
        sessions=len(turns) or None,
        turns=summary(turns),
        gap_s=summary(gap_s),
        recorded=_recorded_cache(rows),
        reuse=(
            reuse(log.tree, log.prefix_node, rows.input_tokens, rows.at_s) if is_shared else None
        ),
    )


def tail_share(log: Log) -> float:
    """Return the share of a log's span that its last 5 % of requests take."""
    first = log.rows.at_s[int(log.rows.size * (1 - _TAIL))]
    return float(1 - first / log.span_s)


def thin_tail(log: Log) -> str | None:
    """Return the warning about a log whose rate is low only because of its last few requests."""
    share = tail_share(log)
    if log.rows.size * _TAIL < _FEWEST_IN_TAIL or share <= _LONG_TAIL:
        return None
    return (
        f"the last {_TAIL:.0%} of requests take {share:.0%} of the log's span: this thin tail "
        "lowers the mean rate, and a replay has it too; cut the log where the traffic ends"
    )


def dispersion(at_s: NDArray[np.float64], window_s: float, span_s: float) -> float | None:
    """Return variance over mean of the counts in windows, None for fewer than ten windows."""
    windows = int(span_s // window_s)
    if windows < _FEWEST_WINDOWS:
        return None
    indices = np.floor(at_s / window_s)
    # Most windows of a long log are empty; they are not stored, but ``squares`` includes them.
    counts = np.unique(indices[indices < windows], return_counts=True)[1].astype(np.float64)
    if not len(counts):
        return None
    mean = counts.sum() / windows
    squares = float(((counts - mean) ** 2).sum()) + (windows - len(counts)) * mean**2
    return float(squares / (windows - 1) / mean)


def summary(values: NDArray) -> dict[str, float] | None:
    """Return mean and quantiles, None if there are no values."""
    if not len(values):
        return None
    points = np.quantile(values, QUANTILES)
    quantiles = {f"p{q * 100:.0f}": float(v) for q, v in zip(QUANTILES, points, strict=True)}
    return {"mean": float(values.mean()), **quantiles}


def _rank_correlation(rows: Batch) -> float | None:
    """Return Spearman's rank correlation of prompt and visible output."""
    from scipy.stats import spearmanr

    if rows.size < 3 or not np.ptp(rows.input_tokens) or not np.ptp(rows.output_tokens):
        return None
    return float(spearmanr(rows.input_tokens, rows.output_tokens).statistic)


def _recorded_cache(rows: Batch) -> dict[str, float] | None:
    reported = (rows.cached_tokens != UNKNOWN) | (rows.written_tokens != UNKNOWN)
    if not reported.any():
        return None
    total = int(rows.input_tokens[reported].sum())
    read = int(np.maximum(rows.cached_tokens[reported], 0).sum())
    written = int(np.maximum(rows.written_tokens[reported], 0).sum())
    return {
        "requests_told": float(reported.mean()),
        "uncached": (total - read - written) / total,
        "read": read / total,
        "written": written / total,
    }
