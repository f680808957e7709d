"""``breakeven traffic``: inspect, convert and generate request logs, and measure cache reuse."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import Output, OutputOption, SetOption, print_json, show_result
from simulator.cli.progress import progress

if TYPE_CHECKING:
    from simulator.traffic.formats.records.reading import Format, Skips
    from simulator.traffic.logs.log import Log

app = typer.Typer(
    help="Inspect, convert and generate request logs; measure cache reuse.",
    no_args_is_help=True,
)

TraceArgument = Annotated[
    str, typer.Argument(metavar="TRACE", help="Log file, or the URL of a LiteLLM database.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", "-f", help="Format of the log; default: detected from its content."),
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad", help="Skip invalid rows and report their number.")
]


class Policy(StrEnum):
    """Eviction policies of a full cache."""

    LRU = "lru"
    LFU = "lfu"
    FIFO = "fifo"


@app.command()
def stats(
    trace: TraceArgument,
    fmt: FormatOption = None,
    skip_bad: SkipOption = False,
    output: OutputOption = Output.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Also write traffic.svg and stats.json to this folder."
        ),
    ] = None,
) -> None:
    """Show rate, dispersion, lengths, sessions and reuse of a log."""
    from simulator.files.text import label
    from simulator.traffic.formats.catalog import source_of
    from simulator.traffic.logs.stats import statistics

    with progress("reading"):
        log, read_as = _read(trace, fmt, skip_bad)
        found = statistics(log)
    document = {
        "trace": Path(label(source_of(trace))).name,
        "format": read_as.name,
        **found.to_dict(),
    }
    from simulator.report.terminal.traffic import print_statistics

    show_result(output, document, [document], partial(print_statistics, document))
    if out is not None:
        from simulator.files.jsontext import json_text
        from simulator.files.writing import write_files
        from simulator.report.terminal.traffic import traffic_svg

        write_files(
            out, {"traffic.svg": traffic_svg(log, found), "stats.json": json_text(document) + "\n"}
        )


@app.command()
def convert(
    trace: TraceArgument,
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="File to write: .csv, .jsonl or .parquet.")
    ],
    fmt: FormatOption = None,
    skip_bad: SkipOption = False,
) -> None:
    """Convert a log to the canonical format.

    It contains times, lengths and anonymous numbers of prefixes, but no text.
    """
    from simulator.traffic.formats.catalog import format_of, source_of
    from simulator.traffic.formats.records.reading import Names, Skips, read
    from simulator.traffic.formats.writing import write_log

    names, skips = Names(), Skips(skip_bad)
    source = source_of(trace)
    read_as = format_of(source, fmt)
    with progress("converting"):
        rows = write_log(read(source, read_as, names, skips), names.workloads, target)
    _report_skips(skips)
    sys.stderr.write(f"{rows} rows, {read_as.name} -> {target}\n")


@app.command()
def generate(
    what: Annotated[
        str,
        typer.Argument(
            metavar="PRESET|SCENARIO", help="Traffic preset, or scenario whose traffic to generate."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="File to write: .csv, .jsonl or .parquet.")
    ],
    hours: Annotated[
        int, typer.Option("--hours", min=1, help="Length of the log, from Monday 00:00 UTC.")
    ] = 168,
    requests_per_month: Annotated[
        str | None,
        typer.Option(metavar="VOLUME", help="Volume of a preset, such as 300000, 10M or 3.2/s."),
    ] = None,
    settings: SetOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random streams.")] = 1,
) -> None:
    """Generate a log of sessions.

    Its requests are answered after 0.5 s at 50 tokens/s.
    """
    from simulator.scenario.resolve.quantities import in_unit
    from simulator.scenario.starter.generator import workloads_of
    from simulator.traffic.formats.writing import write_log
    from simulator.traffic.generate import chunks
    from simulator.traffic.logs.replay import recorded_stream
    from simulator.units import HOUR_S

    volume = None
    if requests_per_month is not None:
        volume = float(in_unit(("requests_per_month",), requests_per_month))
        if volume < 1:
            raise typer.BadParameter("must be 1 or more", param_hint="--requests-per-month")
    workloads = workloads_of(what, volume, settings)
    tables = chunks(workloads, seed, volume=1.0, end_s=hours * HOUR_S)
    names = {w.name: index for index, w in enumerate(workloads)}
    with progress("generating"):
        rows = write_log(recorded_stream(tables, 0.5, 0.02), names, target)
    sys.stderr.write(f"{rows} rows -> {target}\n")


@app.command()
def cache(
    trace: TraceArgument,
    fmt: FormatOption = None,
    skip_bad: SkipOption = False,
    capacity_blocks: Annotated[
        int | None,
        typer.Option("--capacity-blocks", min=1, help="Simulate a cache of this many blocks."),
    ] = None,
    policy: Annotated[
        Policy, typer.Option("--policy", help="Eviction policy of a full cache.")
    ] = Policy.LRU,
    block_tokens: Annotated[
        int | None,
        typer.Option(
            "--block-tokens", min=1, help="Tokens of a block; default: as in the log's format."
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule",
            help="Simulate a provider's rule: openai-5m, openai-10m, openai-1h, openai-24h "
            "(models before GPT-5.6), openai-30m, openai-12h, anthropic-5m, anthropic-1h, "
            "deepseek or infinite.",
        ),
    ] = None,
) -> None:
    """Measure how much of a log's prompts a cache would serve, as JSON."""
    if (rule is None) == (capacity_blocks is None):
        raise typer.BadParameter("give either --rule or --capacity-blocks")
    if rule is not None:
        _cache_by_rule(trace, fmt, skip_bad, rule)
        return
    from simulator.traffic.reuse.block_cache import block_hits

    with progress("reading"):
        log, read_as = _read(trace, fmt, skip_bad)
        found = block_hits(
            log.tree,
            log.prefix_node,
            log.rows.input_tokens,
            block_tok=block_tokens or read_as.block_tok,
            capacity_blocks=capacity_blocks or 1,
            policy=policy.value,
        )
    names = ("blocks", "distinct", "hits", "hit_prefix", "hit_full", "hit_token")
    print_json({name: getattr(found, name) for name in names})


def _cache_by_rule(trace: str, fmt: str | None, skip_bad: bool, rule: str) -> None:
    from dataclasses import asdict

    from simulator.analysis.commands.cacheability import cacheability
    from simulator.errors import InputError, nearest
    from simulator.pricing.caching import CACHE_OFFERS

    if rule not in CACHE_OFFERS:
        raise InputError(f"unknown rule {rule!r}{nearest(rule, sorted(CACHE_OFFERS))}")
    with progress("reading"):
        log, _ = _read(trace, fmt, skip_bad)
        found = cacheability(log, CACHE_OFFERS[rule])
    print_json(asdict(found))


def _read(trace: str, fmt: str | None, skip_bad: bool) -> "tuple[Log, Format]":
    from simulator.traffic.formats.catalog import format_of, read_log, source_of
    from simulator.traffic.formats.records.reading import Skips

    skips = Skips(skip_bad)
    source = source_of(trace)
    read_as = format_of(source, fmt)
    log = read_log(source, read_as, skips)
    _report_skips(skips)
    return log, read_as


def _report_skips(skips: "Skips") -> None:
    if skips.count:
        sys.stderr.write(f"breakeven: {skips.count} rows skipped, the first {skips.first}\n")
