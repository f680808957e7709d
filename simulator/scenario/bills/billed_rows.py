"""Rows of a bill: the calls of a log, or the sums of a usage export, by who called which model."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.pricing.rows import CONTEXTS, STANDARD
from simulator.pricing.sums import NO_LIMIT_TOK, UNKNOWN
from simulator.scenario.tables.usage_columns import prompt_range
from simulator.traffic.formats.records.reading import Names
from simulator.traffic.logs.billing import Billing
from simulator.traffic.logs.log import Batch, concatenate
from simulator.traffic.usage.buckets import Group, UsageTable


class Line(NamedTuple):
    """Who called which model; a text is empty if the source does not tell it."""

    provider: str
    model: str
    team: str
    key: str
    tier: str = ""
    """Service tier that is not the standard one."""
    window: str = ""
    """Context window of the calls."""
    left_out: str = ""
    """Reason why the rows are no requests of a model, such as ``failed calls``."""


@dataclass(frozen=True, slots=True)
class BilledRows:
    """Calls, or sums of calls, as columns. (n_rows,) each"""

    lines: tuple[Line, ...]
    line: NDArray[np.int64]
    """Index into ``lines``."""
    at_s: NDArray[np.float64]
    """Time of a call, or begin of a sum's period [s since 1970]."""
    until_s: NDArray[np.float64]
    """End of a sum's period; equal to ``at_s`` for a call."""
    requests: NDArray[np.int64]
    """Number of calls, or ``pricing.sums.UNKNOWN``."""
    context: NDArray[np.int8]
    """Index into ``CONTEXTS``."""
    counts: dict[str, NDArray[np.int64]]
    """Tokens by the names of usage columns."""
    least_prompt_tok: NDArray[np.int64]
    most_prompt_tok: NDArray[np.int64]
    recorded_usd: NDArray[np.float64]
    """Cost that the source states, NaN if it states none."""
    has_tokens: NDArray[np.bool_]
    """Whether the source tells tokens; cost exports do not."""
    has_cache: NDArray[np.bool_]
    """Whether the source tells cached tokens."""

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.at_s)

    def with_counts(self, **counts: NDArray[np.int64]) -> "BilledRows":
        """Return the rows with other counts of some tokens."""
        return replace(self, counts={**self.counts, **counts})


def rows_of_log(batches: Iterable[Batch], names: Names) -> BilledRows:
    """Return the calls of a log, with those that are no requests of a model."""
    rows = concatenate(list(batches))
    billing = rows.billing or Billing.unknown(rows.size)
    labels, workloads, kinds = (list(n) for n in (names.labels, names.workloads, names.kinds))
    model = billing.model
    model_names = labels
    if (model == UNKNOWN).all():
        model, model_names = rows.workload, workloads
    columns = (
        _texts(billing.provider, labels),
        _texts(model, model_names),
        _texts(billing.team, labels),
        _texts(billing.key, labels),
        _texts(billing.left_out, kinds),
    )
    keys = [
        Line(provider, name, team, key, left_out=left_out)
        for provider, name, team, key, left_out in zip(*columns, strict=True)
    ]
    lines, line = _numbered(keys)
    written = np.maximum(rows.written_tokens, 0)
    long = np.minimum(np.maximum(billing.written_1h_tokens, 0), written)
    size = rows.size
    return BilledRows(
        lines,
        line,
        rows.at_s,
        rows.at_s,
        np.ones(size, np.int64),
        np.full(size, STANDARD, np.int8),
        {
            "input_total": rows.input_tokens,
            "cache_read": np.maximum(rows.cached_tokens, 0),
            "cache_write_5m": written - long,
            "cache_write_1h": long,
            "output_total": rows.output_tokens + rows.reasoning_tokens,
            "reasoning": rows.reasoning_tokens,
        },
        np.zeros(size, np.int64),
        np.full(size, NO_LIMIT_TOK),
        billing.spend_usd,
        np.ones(size, np.bool_),
        rows.cached_tokens != UNKNOWN,
    )


def rows_of_usage(usage: UsageTable) -> BilledRows:
    """Return the sums of a usage export.

    Raises
    ------
    InputError
        If a group has a context window that is not understood.
    """
    group_lines = [_line_of(group) for group in usage.groups]
    lines, number = _numbered(group_lines)
    windows = [prompt_range(g.context) for g in usage.groups]
    contexts = [CONTEXTS.index(g.tier) if g.tier in CONTEXTS else STANDARD for g in usage.groups]
    group = usage.group

    def whole(column: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(np.nan_to_num(column)).astype(np.int64)

    requests = np.where(np.isfinite(usage.requests), whole(usage.requests), UNKNOWN)
    return BilledRows(
        lines,
        number[group],
        usage.begin_s,
        usage.begin_s + usage.length_s,
        requests,
        np.array(contexts, np.int8)[group],
        {
            "input_total": whole(usage.prompt_tok),
            "cache_read": whole(usage.cached_tok),
            "cache_write_5m": whole(usage.written_5m_tok),
            "cache_write_1h": whole(usage.written_1h_tok),
            "output_total": whole(usage.completion_tok),
            "reasoning": whole(usage.reasoning_tok),
            "input_audio": whole(usage.audio_input_tok),
            "output_audio": whole(usage.audio_output_tok),
            "input_image": whole(usage.image_input_tok),
        },
        np.array([low for low, _ in windows], np.int64)[group],
        np.array([high for _, high in windows], np.int64)[group],
        usage.spend_usd,
        np.isfinite(usage.prompt_tok) & np.isfinite(usage.completion_tok),
        np.isfinite(usage.cached_tok),
    )


def _line_of(group: Group) -> Line:
    return Line(group.provider, group.model, group.project, group.key, group.tier, group.context)


def _texts(numbers: NDArray[np.integer], names: list[str]) -> list[str]:
    return ["" if number == UNKNOWN else names[number] for number in numbers.tolist()]


def _numbered(keys: list[Line]) -> tuple[tuple[Line, ...], NDArray[np.int64]]:
    """Return the different lines in the order of their names, and the number of each key's."""
    lines = tuple(sorted(set(keys)))
    number = {line: index for index, line in enumerate(lines)}
    return lines, np.array([number[key] for key in keys], np.int64)
