"""Workloads from aggregated usage: volume, means, shares, weekly profile, noise and growth.

A bucket holds sums alone. Means and shares follow from the totals exactly; the weekly profile and
the noise of the rate follow from the counts of the buckets as far as their length allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulator.errors import InputError
from simulator.traffic.usage.buckets import LengthHistogram, UsageTable
from simulator.traffic.usage.complete import complete_rows
from simulator.traffic.usage.profile import Profile, profile_of
from simulator.units import DAY_S, MONTH_S

BATCH_TIERS = ("batch",)
"""Service tiers whose calls have a deadline instead of a latency target."""

_LOW_SHARE, _HIGH_SHARE = 0.1587, 0.8413
"""Shares of a normal distribution below one standard deviation under and above its mean."""


@dataclass(frozen=True, slots=True)
class UsageWorkload:
    """What an export tells about the calls of one model, project and tier."""

    model: str
    provider: str
    project: str
    tier: str
    requests: float
    """Calls in the whole export."""
    requests_per_month: float
    input_tok: float
    """Mean prompt tokens of a call, cached ones included."""
    completion_tok: float
    """Mean output tokens of a call, reasoning included."""
    reasoning_tok: float
    """Mean reasoning tokens of a call, NaN if the export does not tell them."""
    cached_share: float
    """Share of prompt tokens read from the provider's cache, NaN if the export does not tell it."""
    written_share: float
    """Share of prompt tokens written to the provider's cache, NaN if the export does not tell
    it."""
    long_lived_share: float
    """Share of the written tokens that were written for an hour, NaN without any."""
    other_modality_share: float
    """Share of audio and image tokens in all tokens, 0 if the export tells none."""
    spend_usd: float
    """Cost that the export states, NaN if it states none."""
    profile: Profile
    input_sigma: float
    """Standard deviation of the logarithm of prompt lengths, NaN if the export does not tell it."""
    output_sigma: float
    """The same of completions."""


@dataclass(frozen=True, slots=True)
class UsageFit:
    """What an export tells about all calls."""

    begin_s: float
    """Begin of the first bucket [s since 1970, UTC]."""
    span_s: float
    """Time from the begin of the first bucket to the end of the last one [s]."""
    bucket_s: float
    """Longest bucket [s]."""
    workloads: tuple[UsageWorkload, ...]
    """Workloads, the one with the most tokens first."""
    remarks: tuple[str, ...]
    """Whole sentences about what the export cannot tell."""


def fit_usage(usage: UsageTable, *, mean_input_tok: float | None = None) -> UsageFit:
    """Return the workloads of an export, one for each model, project and service tier.

    Parameters
    ----------
    usage : UsageTable
        The export's buckets.
    mean_input_tok : float, optional
        Mean prompt of a call, for exports that do not count calls.

    Raises
    ------
    InputError
        If the export counts no tokens, or no calls and there is no mean prompt.
    """
    if not np.isfinite(usage.prompt_tok).any():
        raise InputError("the export has no prompt tokens: a bill without usage is no traffic")
    begin_s = usage.covered_s[0]
    span_s = usage.covered_s[1] - begin_s
    remarks: list[str] = []
    parts: dict[tuple[str, str, str, str], list[int]] = {}
    for index, group in enumerate(usage.groups):
        key = (group.model, group.provider, group.project, group.tier)
        parts.setdefault(key, []).append(index)
    workloads = []
    for key, groups in parts.items():
        rows = usage.take(np.isin(usage.group, groups))
        workload = _workload(key, rows, begin_s, span_s, mean_input_tok, remarks)
        if workload is not None:
            lengths = [usage.lengths[g] for i in groups if (g := usage.groups[i]) in usage.lengths]
            prompt = _log_spread([each.prompt for each in lengths if each.prompt])
            completion = _log_spread([each.completion for each in lengths if each.completion])
            workloads.append(replace(workload, input_sigma=prompt, output_sigma=completion))
    if not workloads:
        raise InputError("the export has no calls")
    workloads.sort(key=lambda w: -w.requests * (w.input_tok + w.completion_tok))
    bucket_s = float(usage.length_s.max())
    remarks += _span_remarks(span_s, bucket_s)
    return UsageFit(begin_s, span_s, bucket_s, tuple(workloads), tuple(dict.fromkeys(remarks)))


def _workload(
    key: tuple[str, str, str, str],
    rows: UsageTable,
    begin_s: float,
    span_s: float,
    mean_input_tok: float | None,
    remarks: list[str],
) -> UsageWorkload | None:
    """Return one workload, or None if its buckets have no calls."""
    model, provider, project, tier = key
    name = model or "calls without a model"
    rows = complete_rows(rows, name, remarks)
    prompt = float(np.nansum(rows.prompt_tok))
    completion = float(np.nansum(rows.completion_tok))
    counts = rows.requests
    if not np.isfinite(counts).any():
        if mean_input_tok is None:
            raise InputError(
                f"{name}: the export does not count calls; give the mean prompt of a call by "
                "--mean-input-tokens"
            )
        if not mean_input_tok >= 1:
            raise InputError(f"the mean prompt must be 1 token or more, not {mean_input_tok:g}")
        counts = rows.prompt_tok / mean_input_tok
        remarks.append(
            f"The calls are counted by a mean prompt of {mean_input_tok:g} tokens, as given."
        )
    requests = float(np.nansum(counts))
    if requests <= 0:
        if prompt + completion > 0:
            raise InputError(f"{name}: {prompt + completion:,.0f} tokens and no calls")
        return None
    if prompt <= 0:
        raise InputError(f"{name}: {requests:,.0f} calls and no prompt tokens")
    written = _total(rows.written_5m_tok, rows.written_1h_tok)
    other = _total(rows.audio_input_tok, rows.image_input_tok, rows.audio_output_tok)
    return UsageWorkload(
        model=model,
        provider=provider,
        project=project,
        tier=tier,
        requests=requests,
        requests_per_month=requests * MONTH_S / span_s,
        input_tok=prompt / requests,
        completion_tok=completion / requests,
        reasoning_tok=_ratio(rows.reasoning_tok, counts),
        cached_share=_ratio(rows.cached_tok, rows.prompt_tok),
        written_share=written / prompt,
        long_lived_share=_total(rows.written_1h_tok) / written if written > 0 else np.nan,
        other_modality_share=float(np.nan_to_num(other)) / (prompt + completion),
        spend_usd=_total(rows.spend_usd),
        profile=profile_of(rows.begin_s, rows.length_s, np.nan_to_num(counts), begin_s, span_s),
        input_sigma=float("nan"),
        output_sigma=float("nan"),
    )


def _log_spread(histograms: Sequence[LengthHistogram]) -> float:
    """Return half the distance of the logarithms of two quantiles, 16 % and 84 %; NaN if unknown.

    Between the edges of a class, the logarithm is interpolated linearly.
    """
    if not histograms:
        return float("nan")
    edges = np.unique(np.concatenate([h.edges_tok for h in histograms]))
    below = np.zeros(len(edges))
    for h in histograms:
        below += np.interp(edges, h.edges_tok, np.cumsum(h.counts), left=0.0)
    finite = np.isfinite(edges) & (edges > 0)
    shares = below[finite] / max(below[-1], 1e-300)
    if len(shares) < 2 or shares[-1] < _HIGH_SHARE or not below[-1] > 0:
        return float("nan")
    first = max(0, int(np.searchsorted(shares, _LOW_SHARE)) - 1)
    low, high = np.interp([_LOW_SHARE, _HIGH_SHARE], shares[first:], np.log(edges[finite])[first:])
    return float(high - low) / 2


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> float:
    """Return the sum of a column over that of another, of the rows that tell both."""
    known = np.isfinite(part) & np.isfinite(whole)
    total = float(whole[known].sum())
    return float(part[known].sum()) / total if total > 0 else float("nan")


def _total(*columns: NDArray[np.float64]) -> float:
    """Return the sum of columns, NaN if none of them has a value."""
    values = np.concatenate(columns)
    known = values[np.isfinite(values)]
    return float(known.sum()) if len(known) else float("nan")


def _span_remarks(span_s: float, bucket_s: float) -> Sequence[str]:
    remarks = []
    if span_s < 7 * DAY_S:
        remarks.append(
            f"The export covers {span_s / DAY_S:.1f} days: a whole week of it would tell the shape "
            "of the week."
        )
    return remarks
