"""All formats of usage exports by name, and the reading of a file."""

from pathlib import Path

from simulator.errors import InputError, nearest
from simulator.traffic.usage.buckets import Notices, UsageTable
from simulator.traffic.usage.complete import with_known_outputs
from simulator.traffic.usage.export_format import Content, ExportFormat, parsed
from simulator.traffic.usage.formats.anthropic import ANTHROPIC_USAGE
from simulator.traffic.usage.formats.anthropic_console import (
    ANTHROPIC_CONSOLE,
    ANTHROPIC_CONSOLE_COSTS,
)
from simulator.traffic.usage.formats.anthropic_costs import ANTHROPIC_COSTS
from simulator.traffic.usage.formats.langfuse import LANGFUSE_DAILY, LANGFUSE_METRICS
from simulator.traffic.usage.formats.litellm import LITELLM_DAILY
from simulator.traffic.usage.formats.litellm_activity import LITELLM_ACTIVITY
from simulator.traffic.usage.formats.openai import OPENAI_USAGE
from simulator.traffic.usage.formats.openai_costs import OPENAI_COSTS
from simulator.traffic.usage.formats.openrouter import OPENROUTER
from simulator.traffic.usage.formats.plain import PLAIN
from simulator.traffic.usage.metrics.azure import AZURE_METRICS
from simulator.traffic.usage.metrics.cloudwatch import CLOUDWATCH
from simulator.traffic.usage.metrics.google import GOOGLE_MONITORING
from simulator.traffic.usage.metrics.prometheus import PROMETHEUS

EXPORT_FORMATS = {
    export.name: export
    for export in (
        OPENAI_USAGE,
        OPENAI_COSTS,
        ANTHROPIC_USAGE,
        ANTHROPIC_CONSOLE,
        ANTHROPIC_COSTS,
        ANTHROPIC_CONSOLE_COSTS,
        OPENROUTER,
        LITELLM_DAILY,
        LITELLM_ACTIVITY,
        LANGFUSE_DAILY,
        LANGFUSE_METRICS,
        CLOUDWATCH,
        AZURE_METRICS,
        GOOGLE_MONITORING,
        PROMETHEUS,
        PLAIN,
    )
}
_CALL_COLUMNS = ("generation_id", "request_id", "trace_id", "arrival_s")
"""Columns of logs, which have a row for each call."""


def export_of(content: Content, name: str | None = None) -> ExportFormat | None:
    """Return the format of this name, or the one that a file matches; None if none matches.

    Raises
    ------
    InputError
        If there is no format of this name, or several match.
    """
    if name is not None:
        if name not in EXPORT_FORMATS:
            raise InputError(f"unknown format {name!r}{nearest(name, sorted(EXPORT_FORMATS))}")
        return EXPORT_FORMATS[name]
    matching = [export for export in EXPORT_FORMATS.values() if export.matches(content)]
    if len(matching) > 1:
        matching = [export for export in matching if not export.is_general]
    if matching and all(export.is_general for export in matching):
        _refuse_calls(content)
    if len(matching) > 1:
        names = ", ".join(sorted(export.name for export in matching))
        raise InputError(f"{content.path}: may be any of {names}; give --format")
    return matching[0] if matching else None


def _refuse_calls(content: Content) -> None:
    calls = [name for name in _CALL_COLUMNS if name in (content.header or ())]
    if calls:
        raise InputError(
            f"{content.path}: with a column {calls[0]!r} its rows are single calls, not sums: a "
            "log, not a usage export"
        )


def read_usage(path: Path, name: str | None = None) -> tuple[UsageTable, ExportFormat, Notices]:
    """Read a usage export.

    Raises
    ------
    InputError
        If the file has no known structure, or has a record that cannot be used.
    """
    content = parsed(path)
    export = export_of(content, name)
    if export is None:
        _refuse_calls(content)
        raise InputError(f"{path}: this is no known usage export (docs/logs.md lists them)")
    notices = Notices()
    buckets = list(export.read(content, notices))
    if not buckets:
        raise InputError(f"{path}: no usage in this export")
    lengths = export.lengths(content) if export.lengths else None
    usage = UsageTable.of(buckets, lengths, notices.covered_s)
    return with_known_outputs(usage), export, notices
