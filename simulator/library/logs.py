"""Request logs: their statistics, conversion, generation and reuse by caches."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from simulator.errors import InputError, nearest
from simulator.library.amounts import amount
from simulator.library.results import Result

if TYPE_CHECKING:
    from simulator.traffic.formats.records.reading import Format, Skips
    from simulator.traffic.logs.calls import Call
    from simulator.traffic.logs.log import Log
    from simulator.traffic.logs.stats import Statistics
    from simulator.traffic.logs.summary import Summary

ANSWER_DELAY_S, TOKEN_TIME_S = 0.5, 0.02
"""Answering times of generated logs: a time to the first token, and 50 tokens per second."""


@dataclass(frozen=True, slots=True)
class LogResult(Result):
    """Statistics of a request log."""

    log: "Log" = field(repr=False)
    statistics: "Statistics" = field(repr=False)

    def files(self) -> dict[str, str]:
        """Return the plot and the statistics as texts by file name."""
        from simulator.files.jsontext import json_text
        from simulator.report.terminal.traffic import traffic_svg

        return {
            "traffic.svg": traffic_svg(self.log, self.statistics),
            "stats.json": json_text(self.document) + "\n",
        }


def log_statistics(
    trace: str, *, log_format: str | None = None, skip_bad: bool = False
) -> LogResult:
    """Return rate, dispersion, lengths, sessions and reuse of a log.

    Parameters
    ----------
    trace : str
        Log file, or the URL of a LiteLLM database.
    log_format : str, optional
        Name of the log's format; default: detected from its content.
    skip_bad : bool
        Skip invalid rows, and note their number.

    Raises
    ------
    InputError
        With file, line and column of the first row that cannot be read.
    """
    from simulator.files.text import label
    from simulator.report.terminal.traffic import print_statistics
    from simulator.traffic.formats.catalog import source_of
    from simulator.traffic.logs.stats import statistics, thin_tail

    log, read_as, notes = _read(trace, log_format, skip_bad)
    figures = statistics(log)
    tail = thin_tail(log)
    notes = notes if tail is None else (*notes, tail)
    document = {
        "trace": Path(label(source_of(trace))).name,
        "format": read_as.name,
        **figures.to_dict(),
        "summary": {**log.summary.to_dict(), "text": log.summary.text()},
    }
    printer = partial(print_statistics, document)
    return LogResult(document, [document], log, figures, printer=printer, notes=notes)


def convert_log(
    trace: str, target: str | Path, *, log_format: str | None = None, skip_bad: bool = False
) -> Result:
    """Write a log in the canonical format: times, lengths and anonymous prefixes, but no text.

    Parameters
    ----------
    trace, log_format, skip_bad
        See ``log_statistics``.
    target : path
        File to write: .csv, .jsonl or .parquet.
    """
    from simulator.traffic.formats.catalog import format_of, source_of
    from simulator.traffic.formats.records.reading import Names, Skips, read
    from simulator.traffic.formats.writing import write_log

    names, skips = Names(), Skips(skip_bad)
    source = source_of(trace)
    read_as = format_of(source, log_format)
    batches = read(source, read_as, names, skips)
    rows = write_log(batches, names.workloads, Path(target), names.labels)
    summary = skips.tally.summary(rows)
    notes = (*_notes(skips, summary), f"{rows} rows, {read_as.name} -> {target}")
    written = {"file": str(target), "rows": rows, "format": read_as.name, "skipped": skips.count}
    return Result({**written, "summary": summary.to_dict()}, [written], notes=notes)


@dataclass(frozen=True, slots=True)
class LoggedCalls:
    """All calls of a log, for bills."""

    calls: "list[Call]" = field(repr=False)
    """In the order of time, with those that are no requests of a model."""
    summary: "Summary"
    """What was read, what is no request of a model, and what could not be read."""


def read_calls(trace: str, *, log_format: str | None = None, skip_bad: bool = False) -> LoggedCalls:
    """Return the calls of a log with model, provider, team, key, tokens and recorded cost.

    Parameters
    ----------
    trace, log_format, skip_bad
        See ``log_statistics``.
    """
    from simulator.traffic.formats.catalog import format_of, source_of
    from simulator.traffic.formats.records.reading import Names, Skips, read
    from simulator.traffic.logs.calls import calls_of

    names, skips = Names(), Skips(skip_bad)
    source = source_of(trace)
    calls: list[Call] = []
    for batch in read(source, format_of(source, log_format), names, skips, whole=True):
        found = (list(names.workloads), list(names.labels), list(names.kinds))
        calls.extend(calls_of(batch, *found))
    requests = sum(call.left_out is None for call in calls)
    return LoggedCalls(calls, skips.tally.summary(requests))


def generate_log(
    source: str,
    target: str | Path,
    *,
    hours: int = 168,
    requests_per_month: float | str | None = None,
    settings: Sequence[str] | None = None,
    seed: int = 1,
) -> Result:
    """Write a generated log of sessions, answered after 0.5 s at 50 tokens per second.

    It contains the requests of the given hours, also those of sessions that began before.

    Parameters
    ----------
    source : str
        Traffic preset, or scenario whose traffic is generated.
    target : path
        File to write: .csv, .jsonl or .parquet.
    hours : int
        Length of the log, from Monday 00:00 UTC.
    requests_per_month : number or str, optional
        Volume of a preset, such as ``10M`` or ``3.2/s``.
    settings : sequence of str, optional
        Changes of a scenario, as for ``--set``.
    seed : int
        Seed of the random streams.

    Raises
    ------
    InputError
        If the name is unknown, or the volume is below one request per month.
    """
    from simulator.scenario.starter.generator import workloads_of
    from simulator.traffic.formats.writing import write_log
    from simulator.traffic.logs.generated import generated_log

    volume = amount("requests_per_month", requests_per_month)
    if volume is not None and volume < 1:
        raise InputError("requests_per_month must be 1 or more")
    workloads = workloads_of(source, volume, settings, hours)
    names = {w.name: index for index, w in enumerate(workloads)}
    batches = generated_log(workloads, seed, hours, ANSWER_DELAY_S, TOKEN_TIME_S)
    rows = write_log(batches, names, Path(target))
    written = {"file": str(target), "rows": rows}
    return Result(written, [written], notes=(f"{rows} rows -> {target}",))


def measure_reuse(
    trace: str,
    *,
    rule: str | None = None,
    capacity_blocks: int | None = None,
    policy: Literal["lru", "lfu", "fifo"] = "lru",
    block_tokens: int | None = None,
    log_format: str | None = None,
    skip_bad: bool = False,
) -> Result:
    """Measure how much of a log's prompts a cache would serve.

    Parameters
    ----------
    trace, log_format, skip_bad
        See ``log_statistics``.
    rule : str, optional
        Rule of a provider's cache, such as ``anthropic-5m``; or ``infinite``.
    capacity_blocks : int, optional
        Size of a block cache, if no rule is given.
    policy : str
        Eviction policy of the block cache.
    block_tokens : int, optional
        Tokens of a block; default: as in the log's format.

    Raises
    ------
    InputError
        Unless exactly one of ``rule`` and ``capacity_blocks`` is given, or the rule is unknown.
    """
    from simulator.report.terminal.facts import print_reuse

    if (rule is None) == (capacity_blocks is None):
        raise InputError("give either rule or capacity_blocks")
    if rule is not None:
        _check_rule(rule)
    log, read_as, notes = _read(trace, log_format, skip_bad)
    if rule is not None:
        document = _reuse_by_rule(log, rule)
    else:
        from simulator.traffic.reuse.block_cache import block_hits

        hits = block_hits(
            log.tree,
            log.prefix_node,
            log.rows.input_tokens,
            block_tok=block_tokens or read_as.block_tok,
            capacity_blocks=capacity_blocks or 1,
            policy=policy,
        )
        names = ("blocks", "distinct", "hits", "hit_prefix", "hit_full", "hit_token")
        document = {name: getattr(hits, name) for name in names}
    return Result(document, [document], printer=partial(print_reuse, document), notes=notes)


def fit_traffic(
    source: str,
    target: str | Path | None = None,
    *,
    log_format: str | None = None,
    skip_bad: bool = False,
    mean_input_tokens: float | str | None = None,
) -> Result:
    """Fit workloads of a few numbers to a log, a usage export or the metrics of a server.

    Parameters
    ----------
    source : str
        Log or usage export, the URL of a LiteLLM database, or the address of a Prometheus server.
    target : path, optional
        YAML file to write, with the ``traffic`` section of a scenario.
    log_format : str, optional
        Name of the format; default: detected from the content.
    skip_bad : bool
        Skip invalid rows of a log, and note their number.
    mean_input_tokens : number or str, optional
        Mean prompt of a call, such as ``2200`` or ``4k``, for exports that do not count calls.

    Raises
    ------
    InputError
        If the source is not recognised, has a row that cannot be read, or counts no calls.
    """
    from simulator.files.writing import write_files
    from simulator.report.formatting import counted
    from simulator.report.terminal.fitted import print_fitted
    from simulator.scenario.starter.sources import read_source
    from simulator.scenario.starter.traffic_text import traffic_text

    found = read_source(
        source,
        log_format=log_format,
        skip_bad=skip_bad,
        mean_input_tok=amount("input_tokens", mean_input_tokens),
    )
    notes = found.notes
    if target is not None:
        path = Path(target)
        if path.suffix not in (".yaml", ".yml"):
            raise InputError(f"{path}: traffic is written as YAML, to a file that ends in .yaml")
        write_files(path.parent, {path.name: traffic_text(found.workloads)})
        notes = (*notes, f"{counted(len(found.workloads), 'workload')} -> {path}")
    document = found.to_dict()
    printer = partial(print_fitted, document)
    return Result(document, document["workloads"], printer=printer, notes=notes)


def _check_rule(rule: str) -> None:
    from simulator.pricing.caching import CACHE_OFFERS

    if rule not in CACHE_OFFERS:
        raise InputError(f"unknown rule {rule!r}{nearest(rule, sorted(CACHE_OFFERS))}")


def _reuse_by_rule(log: "Log", rule: str) -> dict[str, float]:
    from simulator.analysis.commands.cacheability import cacheability
    from simulator.pricing.caching import CACHE_OFFERS

    return asdict(cacheability(log, CACHE_OFFERS[rule]))


def _read(
    trace: str, log_format: str | None, skip_bad: bool
) -> "tuple[Log, Format, tuple[str, ...]]":
    """Return a log, its format, and notes about skipped rows."""
    from simulator.traffic.formats.catalog import format_of, read_log, source_of
    from simulator.traffic.formats.records.reading import Skips

    skips = Skips(skip_bad)
    source = source_of(trace)
    read_as = format_of(source, log_format)
    log = read_log(source, read_as, skips)
    return log, read_as, _notes(skips, log.summary)


def _notes(skips: "Skips", summary: "Summary") -> tuple[str, ...]:
    """Return what is to be said of rows that were skipped or left out, nothing if all were read."""
    skipped = f"breakeven: {skips.count} rows skipped, the first {skips.first}"
    return (*([skipped] if skips.count else []), *([] if summary.is_plain else [summary.text()]))
