"""``breakeven new`` and ``breakeven report``: start a scenario, and redraw a finished run."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.cli.common import completion, print_notes

DEFAULT_TARGETS = {"ttft": "2s", "tpot": "60ms"}


def new(
    target: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Scenario file to write.")],
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offer",
            metavar="PROVIDER/MODEL",
            help="API offer to compare; repeatable.",
            autocompletion=completion("offer_names"),
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Model to self-host.", autocompletion=completion("model_names")),
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            help="Accelerator to host it on.", autocompletion=completion("accelerator_names")
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Traffic preset to generate.", autocompletion=completion("preset_names")),
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
        str | None, typer.Option(help="Target for the first token, such as 2s.")
    ] = None,
    tpot: Annotated[
        str | None, typer.Option(help="Target per further token, such as 60ms.")
    ] = None,
    engineers: Annotated[
        str | None,
        typer.Option(metavar="FTE", help="Engineers that self-hosting needs, such as 0.5."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented scenario, and ask for missing values."""
    from simulator.library.scenarios import new_scenario

    volume = None
    if os.path.lexists(target) and not force:
        raise typer.BadParameter(f"{target} exists already; --force overwrites it")
    ask = _Questions(sys.stdin.isatty())
    if trace is None:
        preset = ask("preset", preset, "Kind of traffic (chat, rag, agentic_coding, ...)", "chat")
        volume = ask("requests-per-month", requests_per_month, "Requests per month (10M, 3.2/s)")
    offer_names = offers or [ask("offer", None, "API to compare (breakeven prices list)")]
    model = ask("model", model, "Model to self-host", "llama-3.3-70b")
    gpu = ask("gpu", gpu, "Accelerator to host it on", "h100-sxm")
    if ttft is None and tpot is None:
        ttft = ask("ttft", None, "Target for the first token", DEFAULT_TARGETS["ttft"])
        tpot = ask("tpot", None, "Target per further token", DEFAULT_TARGETS["tpot"])
    engineers = ask("engineers", engineers, "Engineers that self-hosting needs (FTE)", "0.5")
    ask.check()
    result = new_scenario(
        target,
        offers=offer_names,
        model=model,
        gpu=gpu,
        preset=preset,
        requests_per_month=volume,
        trace=trace,
        ttft=ttft,
        tpot=tpot,
        engineers=engineers,
        overwrite=force,
    )
    print_notes(result)


class _Questions:
    """Prompts for missing options; collects them as errors without a terminal."""

    def __init__(self, interactive: bool) -> None:
        self._interactive = interactive
        self._missing: list[str] = []

    def __call__(
        self, flag: str, value: str | None, question: str, default: str | None = None
    ) -> Any:
        if value is not None:
            return value
        if self._interactive:
            return typer.prompt(question, default=default, err=True)
        self._missing.append(f"--{flag}")
        return ""

    def check(self) -> None:
        if self._missing:
            raise typer.BadParameter(f"missing {', '.join(self._missing)}")


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
