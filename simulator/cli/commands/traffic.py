"""``breakeven traffic``: look at logs, convert and make them, and see how cacheable they are."""

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.common import Output, OutputOption, SetOption, print_json, show
from simulator.cli.progress import progress

if TYPE_CHECKING:
    from simulator.traffic.formats.records.reading import Format, Skips
    from simulator.traffic.logs.log import Log

app = typer.Typer(
    help="Look at request logs, convert and make them, see how cacheable they are.",
    no_args_is_help=True,
)

TraceArgument = Annotated[
    str, typer.Argument(metavar="TRACE", help="A log: a file, or a LiteLLM database by its URL.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", "-f", help="Name of the format; default: as the file begins."),
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out unusable rows and say how many.")
]


class Policy(StrEnum):
    """Which block leaves a full cache."""

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
        typer.Option("--out", metavar="DIR", help="Also draw traffic.svg and write stats.json."),
    ] = None,
) -> None:
    """Rate, dispersion, lengths, sessions and prefix reuse of a log."""
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

    show(output, document, [document], partial(print_statistics, document))
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
        Path, typer.Argument(metavar="TARGET", help="A .csv, .jsonl or .parquet file.")
    ],
    fmt: FormatOption = None,
    skip_bad: SkipOption = False,
) -> None:
    """Write a log in the canonical form: times, lengths and anonymous prefix numbers, no text."""
    from simulator.traffic.formats.catalog import format_of, source_of
    from simulator.traffic.formats.records.reading import Names, Skips, read
    from simulator.traffic.formats.writing import write_log

    names, skips = Names(), Skips(skip_bad)
    source = source_of(trace)
    found = format_of(source, fmt)
    with progress("converting"):
        rows = write_log(read(source, found, names, skips), names.workloads, target)
    _tell_skips(skips)
    sys.stderr.write(f"{rows} rows, {found.name} -> {target}\n")


@app.command()
def generate(
    what: Annotated[
        str, typer.Argument(metavar="PRESET|SCENARIO", help="Whose sessions to generate.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A .csv, .jsonl or .parquet file.")
    ],
    hours: Annotated[int, typer.Option("--hours", min=1, help="From Monday 00:00 UTC on.")] = 168,
    requests_per_month: Annotated[
        str | None, typer.Option(metavar="VOLUME", help="Of a preset: 300000, 10M, or 3.2/s.")
    ] = None,
    settings: SetOption = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random streams.")] = 1,
) -> None:
    """Write generated sessions as a log of a service that answers in 0.5 s at 50 tokens/s."""
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
    names = {w.name: place for place, w in enumerate(workloads)}
    with progress("generating"):
        rows = write_log(recorded_stream(tables, 0.5, 0.02), names, target)
    sys.stderr.write(f"{rows} rows -> {target}\n")


@app.command()
def cache(
    trace: TraceArgument,
    fmt: FormatOption = None,
    skip_bad: SkipOption = False,
    capacity_blocks: Annotated[
        int | None, typer.Option("--capacity-blocks", min=1, help="Simulate one pool of blocks.")
    ] = None,
    policy: Annotated[
        Policy, typer.Option("--policy", help="Which block leaves when the pool is full.")
    ] = Policy.LRU,
    block_tokens: Annotated[
        int | None,
        typer.Option("--block-tokens", min=1, help="Default: the format's own blocks."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(
            "--rule",
            help="A provider's rule: openai-5m, openai-10m, openai-1h, openai-24h (those before "
            "GPT-5.6), openai-30m, openai-12h, anthropic-5m, anthropic-1h, deepseek or infinite.",
        ),
    ] = None,
) -> None:
    """How much of a log's prompts a cache finds, as JSON: by a provider's rule or by capacity."""
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
    found = format_of(source, fmt)
    log = read_log(source, found, skips)
    _tell_skips(skips)
    return log, found


def _tell_skips(skips: "Skips") -> None:
    if skips.count:
        sys.stderr.write(f"breakeven: {skips.count} rows skipped, the first {skips.first}\n")
