"""``breakeven new`` and ``breakeven report``: start a scenario, and redraw a finished run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import completion, print_notes
from simulator.cli.dialog import Dialog, Question

DEFAULT_FILE = Path("scenario.yaml")
PRESETS = (
    "agent_small, agentic_coding, batch, chat, chat_long_context, classification, "
    "code_completion, embedding, long_document, rag, reasoning"
)
"""Names of the presets for the help, which must not take the time of reading them."""


def new(
    target: Annotated[
        Path, typer.Argument(metavar="[FILE.yaml]", help="Scenario file to write.")
    ] = DEFAULT_FILE,
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offer",
            metavar="PROVIDER/MODEL",
            help="API offer to compare; repeatable.",
            autocompletion=completion("offer_names"),
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Model to self-host, see `breakeven models list`; repeatable.",
            autocompletion=completion("model_names"),
        ),
    ] = None,
    gpus: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu",
            metavar="NAME",
            help="Accelerator to host it on, see `breakeven hardware list`; repeatable. Every "
            "model is compared on every accelerator on which it fits.",
            autocompletion=completion("accelerator_names"),
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Traffic preset to generate: {PRESETS}.",
            autocompletion=completion("preset_names"),
        ),
    ] = None,
    requests_per_month: Annotated[
        str | None,
        typer.Option(metavar="VOLUME", help="Volume of the preset, such as 10M or 3.2/s."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Replay this request log instead of a preset."),
    ] = None,
    ttft: Annotated[
        str | None, typer.Option(metavar="TIME", help="Target for the first token, such as 2s.")
    ] = None,
    tpot: Annotated[
        str | None, typer.Option(metavar="TIME", help="Target per further token, such as 60ms.")
    ] = None,
    engineers: Annotated[
        str | None,
        typer.Option(metavar="FTE", help="Engineers that self-hosting needs, such as 0.5."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented scenario, and ask for missing values; `?` lists the possible answers."""
    from simulator.library.scenarios import new_scenario

    if os.path.lexists(target) and not force:
        raise typer.BadParameter(f"{target} exists already; --force overwrites it")
    dialog = Dialog(
        "breakeven new",
        {
            "offer": offers,
            "model": models,
            "gpu": gpus,
            "preset": preset if trace is None else None,
            "requests-per-month": requests_per_month if trace is None else None,
            "ttft": ttft,
            "tpot": tpot,
            "engineers": engineers,
        },
    )
    written = [str(target)] if target != DEFAULT_FILE else []
    written += ["--trace", str(trace)] if trace is not None else []
    written += ["--force"] if force else []
    with dialog.kept(written):
        answers = dialog.ask_all(
            _questions(has_log=trace is not None, has_target=bool(ttft or tpot))
        )
        result = new_scenario(
            target,
            offers=answers["offer"],
            model=answers["model"],
            gpu=answers["gpu"],
            preset=answers.get("preset", [None])[0],
            requests_per_month=answers.get("requests-per-month", [None])[0],
            trace=trace,
            ttft=answers.get("ttft", [None])[0],
            tpot=answers.get("tpot", [None])[0],
            engineers=answers["engineers"][0],
            overwrite=force,
        )
    print_notes(result)


def _questions(*, has_log: bool, has_target: bool) -> list[Question]:
    """Return the questions for all values, in the order in which they are asked."""
    traffic = [
        Question("preset", f"Kind of traffic ({PRESETS})", "chat"),
        Question("requests-per-month", "Requests per month (10M, 3.2/s)"),
    ]
    targets = [
        Question("ttft", "Target for the first token", "2s"),
        Question("tpot", "Target per further token", "60ms"),
    ]
    return [
        *([] if has_log else traffic),
        Question("offer", "API to compare (several with commas)", many=True),
        Question("model", "Model to self-host (several with commas)", "llama-3.3-70b", many=True),
        Question("gpu", "Accelerator to host it on (several with commas)", "h100-sxm", many=True),
        *([] if has_target else targets),
        Question("engineers", "Engineers that self-hosting needs (FTE)", "0.5"),
    ]


def report(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Output folder of a run, or its result.json.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Folder to write to; default: that of the result."
        ),
    ] = None,
) -> None:
    """Redraw report.html, tables and plots of a finished run."""
    from simulator.library.decisions import redraw_report

    print_notes(redraw_report(result, out))
