"""``breakeven traffic``: inspect, convert and generate request logs, and measure cache reuse."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from simulator.cli.common import (
    Output,
    OutputOption,
    SetOption,
    completion,
    print_notes,
    show_result,
)
from simulator.cli.progress import progress

app = typer.Typer(
    help="Inspect, convert and generate request logs; measure cache reuse.",
    no_args_is_help=True,
)

TraceArgument = Annotated[
    str, typer.Argument(metavar="TRACE", help="Log file, or the URL of a LiteLLM database.")
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME",
        help="Format of the log; default: detected from its content.",
        autocompletion=completion("log_format_names"),
    ),
]
SourceFormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="NAME",
        help="Format of the log or the usage export; default: detected from its content.",
        autocompletion=completion("source_format_names"),
    ),
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad", help="Skip invalid rows and report their number.")
]


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
    from simulator.library.logs import log_statistics

    with progress("reading"):
        result = log_statistics(trace, log_format=fmt, skip_bad=skip_bad)
    show_result(output, result, out)


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
    from simulator.library.logs import convert_log

    with progress("converting"):
        result = convert_log(trace, target, log_format=fmt, skip_bad=skip_bad)
    print_notes(result)


@app.command()
def fit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Log or usage export, URL of a LiteLLM database, or address of a Prometheus "
            "server.",
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="TARGET.yaml", help="File to write: the traffic of a scenario."),
    ] = None,
    fmt: SourceFormatOption = None,
    skip_bad: SkipOption = False,
    mean_input_tokens: Annotated[
        str | None,
        typer.Option(
            "--mean-input-tokens",
            metavar="TOKENS",
            help="Mean prompt, for exports that count no calls.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fit workloads of a few numbers to a log or a usage export.

    They can be scaled, reshaped and shared without the log.
    """
    from simulator.library.logs import fit_traffic

    with progress("fitting"):
        result = fit_traffic(
            source,
            target,
            log_format=fmt,
            skip_bad=skip_bad,
            mean_input_tokens=mean_input_tokens,
        )
    show_result(output, result)


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

    It has the requests of the given hours, answered after 0.5 s at 50 tokens/s.
    """
    from simulator.library.amounts import amount
    from simulator.library.logs import generate_log

    volume = amount("requests_per_month", requests_per_month)
    if volume is not None and volume < 1:
        raise typer.BadParameter("must be 1 or more", param_hint="--requests-per-month")
    with progress("generating"):
        result = generate_log(
            what,
            target,
            hours=hours,
            requests_per_month=volume,
            settings=settings,
            seed=seed,
        )
    print_notes(result)


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
        Literal["lru", "lfu", "fifo"],
        typer.Option("--policy", help="Eviction policy of a full cache."),
    ] = "lru",
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
            autocompletion=completion("cache_rule_names"),
        ),
    ] = None,
    output: OutputOption = Output.JSON,
) -> None:
    """Measure how much of a log's prompts a cache would serve."""
    from simulator.library.logs import measure_reuse

    if (rule is None) == (capacity_blocks is None):
        raise typer.BadParameter("give either --rule or --capacity-blocks")
    with progress("reading"):
        result = measure_reuse(
            trace,
            rule=rule,
            capacity_blocks=capacity_blocks,
            policy=policy,
            block_tokens=block_tokens,
            log_format=fmt,
            skip_bad=skip_bad,
        )
    show_result(output, result)
