"""Counts that an export lacks: outputs of models that have none, and gaps of some buckets.

What an export does not tell is unknown, and never zero. A bucket with some of its counts would make
means wrong, since its tokens would be divided by the calls of the others.
"""

from dataclasses import replace

import numpy as np

from simulator.errors import InputError
from simulator.traffic.usage.buckets import UsageTable

_WITHOUT_OUTPUT = ("embed", "rerank", "moderation")
"""Parts of the names of models that generate nothing."""
_MOST_LEFT_OUT = 0.01
"""Largest share of calls or tokens in buckets with gaps: what a fitted month may be off by."""


def with_known_outputs(usage: UsageTable) -> UsageTable:
    """Return an export in which models that generate nothing have an output of 0."""
    generates = [
        not any(part in group.model.lower() for part in _WITHOUT_OUTPUT) for group in usage.groups
    ]
    unknown = np.isnan(usage.completion_tok) & ~np.array(generates, np.bool_)[usage.group]
    return replace(usage, completion_tok=np.where(unknown, 0.0, usage.completion_tok))


def complete_rows(rows: UsageTable, name: str, remarks: list[str]) -> UsageTable:
    """Return the buckets of a workload that have all counts which any of them has.

    Raises
    ------
    InputError
        If the output tokens are unknown, or if more than a few calls or tokens are in buckets with
        gaps.
    """
    columns = {
        "calls": rows.requests,
        "prompt tokens": rows.prompt_tok,
        "output tokens": rows.completion_tok,
    }
    used = np.zeros(rows.size, np.bool_)
    for column in columns.values():
        used |= np.nan_to_num(column) > 0
    if used.any() and not np.isfinite(rows.completion_tok).any():
        raise InputError(
            f"{name}: the export has no output tokens; where calls have none, such as those of "
            "embeddings, it must state 0"
        )
    gaps = {
        what: used & np.isnan(column) for what, column in columns.items() if not _is_empty(column)
    }
    incomplete = np.logical_or.reduce(list(gaps.values()))
    if not incomplete.any():
        return rows
    share = max(
        float(np.nansum(column[incomplete]) / np.nansum(column))
        for column in columns.values()
        if np.nansum(column) > 0
    )
    lacking = " and ".join(what for what, gap in gaps.items() if gap.any())
    buckets = f"{incomplete.sum():,} of {used.sum():,} buckets"
    if share > _MOST_LEFT_OUT:
        raise InputError(
            f"{name}: {lacking} are unknown in {buckets}; state 0 where there were none, or export "
            "all counts for the same time"
        )
    remarks.append(f"{name}: {buckets} are left out, since their {lacking} are unknown.")
    return rows.take(~incomplete)


def _is_empty(column: np.ndarray) -> bool:
    return not np.isfinite(column).any()
