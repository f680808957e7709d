"""All formats by name, and the recognition of a file's format."""

from dataclasses import replace
from pathlib import Path

from simulator.errors import InputError, nearest
from simulator.files.text import Source
from simulator.traffic.formats.benchmarks.aiperf import AIPERF
from simulator.traffic.formats.benchmarks.genai_perf import GENAI_PERF
from simulator.traffic.formats.benchmarks.guidellm import GUIDELLM
from simulator.traffic.formats.benchmarks.inference_perf import INFERENCE_PERF
from simulator.traffic.formats.benchmarks.serving_benchmarks import SGLANG, VLLM
from simulator.traffic.formats.canonical import CANONICAL
from simulator.traffic.formats.gateways.helicone import HELICONE
from simulator.traffic.formats.gateways.langfuse import LANGFUSE
from simulator.traffic.formats.gateways.litellm import LITELLM
from simulator.traffic.formats.gateways.litellm_database import LITELLM_DATABASE
from simulator.traffic.formats.gateways.openrouter import OPENROUTER
from simulator.traffic.formats.gateways.otel import OTEL
from simulator.traffic.formats.gateways.otlp import is_protobuf
from simulator.traffic.formats.records.heads import Head, read_heads
from simulator.traffic.formats.records.reading import Format, Names, Skips, read
from simulator.traffic.formats.traces.agents import AGENT
from simulator.traffic.formats.traces.azure import AZURE
from simulator.traffic.formats.traces.bailian import BAILIAN
from simulator.traffic.formats.traces.burstgpt import BURSTGPT
from simulator.traffic.formats.traces.mooncake import MOONCAKE
from simulator.traffic.formats.unread import not_recognised
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.log import Log
from simulator.traffic.usage.catalog import EXPORT_FORMATS, export_of
from simulator.traffic.usage.export_format import Content, ExportFormat, parsed

FORMATS = {
    fmt.name: fmt
    for fmt in (
        CANONICAL,
        BAILIAN,
        MOONCAKE,
        AZURE,
        BURSTGPT,
        AGENT,
        SGLANG,
        VLLM,
        AIPERF,
        GUIDELLM,
        GENAI_PERF,
        INFERENCE_PERF,
        OTEL,
        LITELLM,
        LANGFUSE,
        HELICONE,
        OPENROUTER,
    )
}
"""By name. A format that another one extends follows it, so that the first match is right."""
ALL_FORMATS: dict[str, Format | ExportFormat] = {**FORMATS, **EXPORT_FORMATS}
"""Of logs and usage exports, by name."""


def source_of(text: str) -> Source:
    """Return the source that a command's argument names: a file or the address of a database."""
    return text if "://" in text else Path(text)


def format_of(path: Source, name: str | None = None) -> Format:
    """Return the format of logs of this name, or the one whose structure a file begins with.

    Raises
    ------
    InputError
        If there is no log format of this name, no such file, or no format that matches.
    """
    found = any_format(path, name)
    if isinstance(found, ExportFormat):
        about = f"{path}: a usage export ({found.name})" if name is None else repr(found.name)
        kind = "which has" if name is None else "is a format of usage exports, which have"
        raise InputError(
            f"{about}{',' if name is None else ''} {kind} sums and no single calls; `traffic fit`, "
            "`bill` and `new --usage` read them"
        )
    return found


def any_format(path: Source, name: str | None = None) -> Format | ExportFormat:
    """Return the format of this name, or the one of a log or a usage export.

    Raises
    ------
    InputError
        If there is no format of this name, no such file, or no format that matches.
    """
    if isinstance(path, str):
        return _format_of_address(path, name)
    if name is not None:
        return _named(name)
    if path.suffix == ".parquet":
        return CANONICAL
    if is_protobuf(path):
        return OTEL
    for head in read_heads(path):
        found = next((fmt for fmt in FORMATS.values() if fmt.matches(head)), None)
        if found is not None:
            return found
    return _export_of(path, head)


def _named(name: str) -> Format | ExportFormat:
    if name not in ALL_FORMATS:
        raise InputError(f"unknown format {name!r}{nearest(name, sorted(ALL_FORMATS))}")
    return ALL_FORMATS[name]


def _format_of_address(address: str, name: str | None) -> Format:
    scheme = address.split("://")[0]
    if scheme not in ("postgresql", "postgres"):
        raise InputError(f"no logs are read from {scheme}:// addresses, only from postgresql://")
    if name not in (None, LITELLM.name):
        raise InputError(f"a database has logs of the format {LITELLM.name!r}, not {name!r}")
    return LITELLM_DATABASE


def _export_of(path: Path, head: Head) -> ExportFormat:
    """Return the format of an export, or raise the error for a file of no known format."""
    content = None
    try:
        content = parsed(path)
    except InputError:
        # A table is recognised by its header; else nothing is known about what is wrong with it.
        if head.columns and export_of(Content(path, head.columns, [])) is not None:
            raise
    found = None if content is None else export_of(content)
    if found is None:
        raise not_recognised(path, head, {name: fmt.fields for name, fmt in ALL_FORMATS.items()})
    return found


def read_log(path: Source, fmt: Format, skips: Skips | None = None) -> Log:
    """Read a whole log.

    Raises
    ------
    InputError
        With file, line and column of the first unusable row.
    """
    names = Names()
    skips = skips or Skips()
    batches = list(read(path, fmt, names, skips))
    log = collect(batches, list(names.workloads))
    return replace(log, summary=skips.tally.summary(log.rows.size))
