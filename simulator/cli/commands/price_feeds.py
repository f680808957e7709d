"""``breakeven prices import``, ``diff`` and ``check``: price files of other projects."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.commands.prices import AtOption, BookOption
from simulator.cli.common import Output, OutputOption, print_notes, show_result

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Prices of genai-prices, LiteLLM, model-prices or models.dev: JSON file or "
        "https:// URL.",
    ),
]
HttpOption = Annotated[
    bool, typer.Option("--allow-http", help="Also accept unencrypted URLs (http://).")
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Date of the prices; default: today."),
]
ToleranceOption = Annotated[
    float,
    typer.Option(
        "--tolerance", min=0, max=1, help="Relative difference up to which rates count as equal."
    ),
]


def import_prices(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(metavar="TARGET.json", help="Price file to write.")],
    as_of: AsOfOption = None,
    allow_http: HttpOption = False,
) -> None:
    """Import newer prices from a file or URL.

    Use the written file with --book, or as the price_file of a scenario.
    """
    from simulator.library import price_feeds

    print_notes(price_feeds.import_prices(source, target, as_of=as_of, allow_http=allow_http))


def diff(
    source: SourceArgument,
    contains: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Only offers with this text in their name.")
    ] = "",
    book: BookOption = None,
    as_of: AsOfOption = None,
    at: AtOption = None,
    tolerance: ToleranceOption = 0.0,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a newer price file would change, now or at another time."""
    from simulator.library.price_feeds import diff_prices

    result = diff_prices(
        source,
        contains,
        book=book,
        as_of=as_of,
        at=at,
        tolerance=tolerance,
        allow_http=allow_http,
    )
    show_result(output, result)


def check(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Files or URLs; default: the installed genai-prices, LiteLLM, model-prices.",
        ),
    ] = None,
    contains: Annotated[
        str,
        typer.Option("--only", metavar="TEXT", help="Only offers with this text in their name."),
    ] = "",
    at: AtOption = None,
    tolerance: ToleranceOption = 0.005,
    propose: Annotated[
        Path | None,
        typer.Option(
            "--propose", metavar="FILE", help="Write the rates that the book lacks to this file."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Also list explained differences and rates that the book lacks."
        ),
    ] = False,
    allow_http: HttpOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare the price book with other sources of prices."""
    from simulator.library.price_feeds import check_prices

    result = check_prices(
        sources or (),
        contains=contains,
        at=at,
        tolerance=tolerance,
        proposals=propose,
        everything=everything,
        allow_http=allow_http,
    )
    show_result(output, result)
