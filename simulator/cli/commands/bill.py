"""``breakeven bill``: reproduce the bill of a log or a usage export."""

from typing import Annotated

import typer

from simulator.cli.commands.prices import BookOption
from simulator.cli.commands.traffic import SkipOption, SourceFormatOption
from simulator.cli.common import Output, OutputOption, show_result
from simulator.cli.progress import progress


def bill(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Log or usage export, URL of a LiteLLM database, or address of a Prometheus "
            "server.",
        ),
    ],
    book: BookOption = None,
    fmt: SourceFormatOption = None,
    skip_bad: SkipOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Price calls at list prices, by model, provider, team and key.

    Recorded costs are compared with list prices, and differences explained.
    """
    from simulator.library.bills import reproduce_bill

    with progress("reading"):
        result = reproduce_bill(source, book=book, log_format=fmt, skip_bad=skip_bad)
    show_result(output, result)
