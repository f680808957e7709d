"""Fitted workloads from any source: a log, a usage export, or the metrics of a server."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.files.text import label
from simulator.normal import Z_90
from simulator.scenario.starter.fitted import (
    log_workloads,
    noise_of,
    usage_workloads,
)
from simulator.scenario.starter.traffic_text import TrafficSection
from simulator.traffic.formats.catalog import format_of, read_log, source_of
from simulator.traffic.formats.records.reading import Skips
from simulator.traffic.usage.buckets import Notices, UsageTable
from simulator.traffic.usage.catalog import EXPORT_FORMATS, export_of, read_usage
from simulator.traffic.usage.export_format import parsed
from simulator.traffic.usage.fit import UsageFit, UsageWorkload, fit_usage
from simulator.traffic.usage.log_fit import LogWorkload, fit_log
from simulator.traffic.usage.metrics.server import read_server
from simulator.units import MONTH_S

_HTTP = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class FittedSource:
    """The workloads of a source, and what it tells."""

    source: str
    format: str
    span_s: float
    workloads: tuple[TrafficSection, ...]
    figures: tuple[dict[str, Any], ...]
    """What the source tells about each workload, None where it does not."""
    remarks: tuple[str, ...]
    """Whole sentences about what the source cannot tell."""
    notes: tuple[str, ...]
    """What was left out of the source."""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "source": self.source,
            "format": self.format,
            "span_s": self.span_s,
            "workloads": list(self.figures),
            "remarks": list(self.remarks),
        }


def read_source(
    source: str,
    *,
    log_format: str | None = None,
    skip_bad: bool = False,
    mean_input_tok: float | None = None,
) -> FittedSource:
    """Read a log, a usage export or a server's metrics, and fit its workloads.

    Raises
    ------
    InputError
        If the source is not recognised, cannot be read, or counts no calls.
    """
    if is_export(source, log_format):
        return _of_usage(source, *export_usage(source, log_format), mean_input_tok)
    path = source_of(source)
    read_as = format_of(path, log_format)
    skips = Skips(skip_bad)
    log = read_log(path, read_as, skips)
    found = fit_log(log)
    notes = () if log.summary.is_plain and not skips.count else (log.summary.text(),)
    return FittedSource(
        Path(label(path)).name,
        read_as.name,
        log.span_s,
        workloads := log_workloads(found),
        tuple(map(_log_figures, found, workloads)),
        (),
        notes,
    )


def is_export(source: str, name: str | None = None) -> bool:
    """Return whether a source has sums instead of the single calls of a log.

    Raises
    ------
    InputError
        If it is neither a log nor a usage export.
    """
    if source.startswith(_HTTP) or name in EXPORT_FORMATS:
        return True
    path = source_of(source)
    if name is not None or isinstance(path, str):
        return False
    try:
        format_of(path)
    except InputError as not_a_log:
        export = export_of(parsed(path))
        if export is None:
            exports = ", ".join(sorted(EXPORT_FORMATS))
            raise InputError(f"{not_a_log}; usage exports: {exports}") from None
        return True
    return False


def export_usage(source: str, name: str | None = None) -> tuple[UsageTable, str, Notices]:
    """Return the sums of an export or of a server, the name of its format, and notices.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if source.startswith(_HTTP):
        usage, notices = read_server(source)
        return usage, "prometheus", notices
    usage, export, notices = read_usage(Path(source), name)
    return usage, export.name, notices


def _of_usage(
    source: str, usage: UsageTable, name: str, notices: Notices, mean_input_tok: float | None
) -> FittedSource:
    fit: UsageFit = fit_usage(usage, mean_input_tok=mean_input_tok)
    workloads = usage_workloads(fit)
    figures = tuple(map(_usage_figures, fit.workloads, workloads))
    return FittedSource(
        label(source_of(source)) if "://" in source else Path(source).name,
        name,
        fit.span_s,
        workloads,
        figures,
        (*fit.remarks, *notices.remarks),
        notices.texts(),
    )


def _usage_figures(usage: UsageWorkload, fitted: TrafficSection) -> dict[str, Any]:
    return {
        "name": fitted.name,
        "model": usage.model,
        "provider": usage.provider,
        "project": usage.project,
        "tier": usage.tier,
        "requests": usage.requests,
        "requests_per_month": usage.requests_per_month,
        "input_tokens": usage.input_tok,
        "output_tokens": usage.completion_tok,
        "reasoning_tokens": _known(usage.reasoning_tok),
        "cached_share": _known(usage.cached_share),
        "written_share": _known(usage.written_share),
        "spend_usd": _known(usage.spend_usd),
        "peak_hour_over_mean": float(usage.profile.week.max()),
        "rate_cv": noise_of(usage.profile),
        "growth_per_month": _known(usage.profile.growth_per_month),
        "growth_error": _known(Z_90 * usage.profile.growth_error),
    }


def _log_figures(log: LogWorkload, fitted: TrafficSection) -> dict[str, Any]:
    return {
        "name": fitted.name,
        "model": log.name,
        "requests": log.requests,
        "requests_per_month": log.requests * MONTH_S / log.span_s,
        "input_tokens": log.input_tok,
        "output_tokens": log.completion_tok,
        "reasoning_tokens": log.reasoning_share * log.completion_tok,
        "cached_share": log.reused_share,
        "written_share": None,
        "turns": log.turns.mean if log.turns else 1.0,
        "peak_hour_over_mean": float(log.profile.week.max()),
        "rate_cv": noise_of(log.profile),
        "growth_per_month": _known(log.profile.growth_per_month),
        "growth_error": _known(Z_90 * log.profile.growth_error),
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
