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
from simulator.traffic.formats.canonical import CANONICAL, REQUIRED
from simulator.traffic.formats.gateways.helicone import HELICONE
from simulator.traffic.formats.gateways.langfuse import LANGFUSE
from simulator.traffic.formats.gateways.litellm import LITELLM
from simulator.traffic.formats.gateways.litellm_database import LITELLM_DATABASE
from simulator.traffic.formats.gateways.openrouter import OPENROUTER
from simulator.traffic.formats.gateways.otel import OTEL
from simulator.traffic.formats.gateways.otlp import is_protobuf
from simulator.traffic.formats.records.heads import read_heads
from simulator.traffic.formats.records.reading import Format, Names, Skips, read
from simulator.traffic.formats.traces.agents import AGENT
from simulator.traffic.formats.traces.azure import AZURE
from simulator.traffic.formats.traces.bailian import BAILIAN
from simulator.traffic.formats.traces.burstgpt import BURSTGPT
from simulator.traffic.formats.traces.mooncake import MOONCAKE
from simulator.traffic.logs.collect import collect
from simulator.traffic.logs.log import Log

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


def source_of(text: str) -> Source:
    """Return the source that a command's argument names: a file or the address of a database."""
    return text if "://" in text else Path(text)


def format_of(path: Source, name: str | None = None) -> Format:
    """Return the format of this name, or the one whose structure the beginning of the file has.

    Raises
    ------
    InputError
        If there is no format of this name, no such file, or no format that matches.
    """
    if name is not None:
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}{nearest(name, sorted(FORMATS))}")
        return FORMATS[name]
    if isinstance(path, str):
        scheme = path.split("://")[0]
        if scheme in ("postgresql", "postgres"):
            return LITELLM_DATABASE
        raise InputError(f"no logs are read from {scheme}:// addresses, only from postgresql://")
    if path.suffix == ".parquet":
        return CANONICAL
    if is_protobuf(path):
        return OTEL
    seen = ""
    for head in read_heads(path):
        found = next((fmt for fmt in FORMATS.values() if fmt.matches(head)), None)
        if found is not None:
            return found
        seen = head.seen()
    known = ", ".join(sorted(FORMATS))
    raise InputError(
        f"{path}: none of the formats is recognised: this is {seen}; known are {known}; give "
        f"--format, or write a CSV file with the columns {', '.join(REQUIRED)} (docs/logs.md)"
    )


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
