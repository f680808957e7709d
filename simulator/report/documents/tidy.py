"""Tables of result documents: one row for each option, plain values in named columns."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.files.cells import cell, harmless
from simulator.report.documents.contract import (
    OptionDocument,
    OptionsDocument,
    PointDocument,
    ResultDocument,
)

Row = Mapping[str, Any]

_PLAIN = (
    "kind", "feasible", "excuse", "chosen", "usd_per_mtok", "usd_per_correct", "success_rate",
    "calls_per_request", "probability_best", "expected_regret_usd_per_month",
    "requests_per_month", "slo_attainment", "utilisation", "self_hosted_share",
    "spill_in_flight", "attempts", "preemptions", "restarts", "simulated_hours",
)  # fmt: skip


_LATENCIES = tuple(
    f"{name}_{key}_s" for name in ("ttft", "tpot", "e2e") for key in ("mean", "p50", "p95", "p99")
)
_REQUESTS = ("offered", "completed", "rejected", "timed_out", "in_flight")
OPTION_COLUMNS = (
    "option", "usd_per_month", "usd_per_month_mean", "usd_per_month_low", "usd_per_month_high",
    *_PLAIN, *_REQUESTS, "uncached_input_tok", "cache_read_tok", "cache_write_tok", "output_tok",
    "reasoning_tok", "cached_share", *_LATENCIES, "replicas_mean", "replicas_max",
)  # fmt: skip
"""Columns of a row, followed by the costs by component."""


def total_usd(option: OptionDocument) -> float:
    """Return the cost of an option [USD/month], summed in an order that JSON does not change."""
    return float(sum(usd for _, usd in sorted(option["cost_breakdown_usd_per_month"].items())))


def cheapest(options: Iterable[OptionDocument]) -> OptionDocument | None:
    """Return the cheapest feasible option, None if there is none."""
    return min((o for o in options if o["feasible"]), key=total_usd, default=None)


def option_rows(document: OptionsDocument | ResultDocument | PointDocument) -> list[dict[str, Any]]:
    """Return the options of a document as rows; costs by component are ``usd_...`` columns."""
    return [_option_row(option) for option in document["options"]]


def _option_row(option: OptionDocument) -> dict[str, Any]:
    cost, tokens = option["cost_usd_per_month"], option["tokens"]
    prompt = tokens["uncached_input"] + tokens["cache_read"] + tokens["cache_write"]
    latencies = [
        option[name][key]
        for name in ("ttft_s", "tpot_s", "e2e_s")
        for key in ("mean", "p50", "p95", "p99")
    ]
    values: Mapping[str, object] = option
    parts = dict(sorted(option["cost_breakdown_usd_per_month"].items()))
    row = {
        "option": option["name"],
        "usd_per_month": total_usd(option),
        "usd_per_month_mean": cost["mean"],
        "usd_per_month_low": cost["low"],
        "usd_per_month_high": cost["high"],
        **{name: values[name] for name in _PLAIN},
        **{name: option["requests"][name] for name in _REQUESTS},
        **{f"{name}_tok": count for name, count in tokens.items()},
        "cached_share": tokens["cache_read"] / prompt if prompt else None,
        **dict(zip(_LATENCIES, latencies, strict=True)),
        "replicas_mean": option["replicas"]["mean"],
        "replicas_max": option["replicas"]["max"],
    }
    costs = {f"usd_{name}": usd for name, usd in parts.items()}
    return {**{name: row[name] for name in OPTION_COLUMNS}, **costs}


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Flatten nested mappings: keys joined by dots, lists as text, nested lists as JSON."""
    flattened: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flattened |= flat(value, f"{before}{key}.")
        elif isinstance(value, list | tuple):
            nested = any(isinstance(part, Mapping | list) for part in value)
            text = json.dumps(value, sort_keys=True) if nested else "; ".join(map(str, value))
            flattened[before + key] = text
        else:
            flattened[before + key] = value
    return flattened


def columns(rows: Iterable[Row]) -> list[str]:
    """Return the names of all columns, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header; missing values are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = columns(rows)
    writer.writerow(map(harmless, names))
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a Parquet file; missing values are null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = columns(rows)
    # Integers and floats may share a column, as in the coordinates of a sweep.
    pq.write_table(
        pa.table({name: _column([row.get(name) for row in rows]) for name in names}), path
    )


def _column(values: list[Any]) -> list[Any]:
    kinds = {type(value) for value in values if value is not None}
    # Numbers read from YAML have subclasses of int and float.
    if all(issubclass(kind, int | float) and kind is not bool for kind in kinds):
        whole = all(issubclass(kind, int) for kind in kinds)
        return [None if value is None else (int if whole else float)(value) for value in values]
    return values if len(kinds) <= 1 else [None if v is None else str(v) for v in values]
