"""``breakeven new`` and ``breakeven report``: the first file of a study, and the last."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_TARGETS = {"ttft": "2s", "tpot": "60ms"}


def _offers(incomplete: str) -> list[str]:
    from simulator.scenario.catalog.price_book import known_offers

    return [name for name in known_offers() if name.startswith(incomplete)]


def _presets(incomplete: str) -> list[str]:
    from simulator.scenario.resolve.presets import preset_names

    return [name for name in preset_names() if name.startswith(incomplete)]


def _models(incomplete: str) -> list[str]:
    from simulator.scenario.catalog.profiles import profile_names

    return [name for name in profile_names("models") if name.startswith(incomplete)]


def _accelerators(incomplete: str) -> list[str]:
    from simulator.scenario.catalog.profiles import profile_names

    return [name for name in profile_names("accelerators") if name.startswith(incomplete)]


def new(
    target: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="Scenario to write.")],
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offer",
            metavar="PROVIDER/MODEL",
            help="An API to compare; repeatable.",
            autocompletion=_offers,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model to serve.", autocompletion=_models)
    ] = None,
    gpu: Annotated[
        str | None, typer.Option(help="Accelerator to serve it on.", autocompletion=_accelerators)
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Kind of traffic to generate.", autocompletion=_presets)
    ] = None,
    requests_per_month: Annotated[
        str | None, typer.Option(metavar="VOLUME", help="Of the preset: 10M, or 3.2/s.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Replay this log instead of a preset.")
    ] = None,
    ttft: Annotated[str | None, typer.Option(help="Limit of the first token: 2s.")] = None,
    tpot: Annotated[str | None, typer.Option(help="Limit of each further token: 60ms.")] = None,
    engineers: Annotated[
        str | None, typer.Option(metavar="FTE", help="Engineers that self-hosting takes: 0.5.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented scenario from a few answers; what no flag says is asked for."""
    from simulator.files.writing import write_files
    from simulator.scenario.resolve.quantities import in_unit
    from simulator.scenario.starter.starter import Answers, starter

    if os.path.lexists(target) and not force:
        raise typer.BadParameter(f"{target} is there already: --force replaces it")
    ask = _Questions(sys.stdin.isatty())
    if trace is None:
        preset = ask("preset", preset, "Kind of traffic (chat, rag, agentic_coding, ...)", "chat")
        volume = ask("requests-per-month", requests_per_month, "Requests a month (10M, 3.2/s)")
    offer_names = offers or [ask("offer", None, "API to compare (breakeven prices list)")]
    model = ask("model", model, "Model to serve yourself", "llama-3.3-70b")
    gpu = ask("gpu", gpu, "Accelerator to serve it on", "h100-sxm")
    if ttft is None and tpot is None:
        ttft = ask("ttft", None, "First token within", DEFAULT_TARGETS["ttft"])
        tpot = ask("tpot", None, "Each further token within", DEFAULT_TARGETS["tpot"])
    engineers = ask("engineers", engineers, "Engineers that self-hosting takes (FTE)", "0.5")
    ask.check()
    per_month = None if trace else float(in_unit(("requests_per_month",), volume))
    answers = Answers(
        offer_names, model, gpu, preset, per_month, trace, ttft, tpot, engineers
    )  # fmt: skip
    write_files(target.parent, {target.name: starter(answers, target)})
    sys.stderr.write(f"{target}: breakeven run {target} --out out\n")


class _Questions:
    """Asks a person for what no flag says; where nobody can answer, lists what is missing."""

    def __init__(self, someone_is_there: bool) -> None:
        self._someone_is_there = someone_is_there
        self._missing: list[str] = []

    def __call__(
        self, flag: str, said: str | None, question: str, default: str | None = None
    ) -> Any:
        if said is not None:
            return said
        if self._someone_is_there:
            return typer.prompt(question, default=default, err=True)
        self._missing.append(f"--{flag}")
        return ""

    def check(self) -> None:
        if self._missing:
            raise typer.BadParameter(f"missing {', '.join(self._missing)}")


def report(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Folder of a run, or its result.json.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to write; default: beside the result."),
    ] = None,
) -> None:
    """Draw a finished run again: report.html, tables and plots."""
    from simulator.files.writing import write_files
    from simulator.library.results import drawn_files
    from simulator.report.documents.stored import read_result

    path = result / "result.json" if result.is_dir() else result
    folder = out or path.parent
    write_files(folder, read_result(path, drawn_files))
    sys.stderr.write(f"{folder / 'report.html'}\n")
